"""Pages that hold what a program has found, between two equal marks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def read(page: Path, mark: str) -> str:
    """What stands between the marks."""
    _, found, _ = page.read_text("utf-8").split(mark)
    return found.strip()


def write(page: Path, mark: str, text: str) -> None:
    """Replace what stands between the marks."""
    before, _, behind = page.read_text("utf-8").split(mark)
    page.write_text(f"{before}{mark}\n\n{text}\n\n{mark}{behind}", "utf-8")
