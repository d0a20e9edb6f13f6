"""Whether others may read a settings file that holds a secret."""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_SECRET = re.compile(r"""^[^#\n]*\b(token|client_secret)["']?\s*=""", re.MULTILINE)
"""A secret in TOML, in whatever table; the file may be too broken to be parsed."""


def exposed(path: Path) -> bool:
    """Whether a file holds a secret and its mode lets its group or everybody read or change it.

    Raises:
        OSError: The system refused to look.
    """
    if os.name == "nt":  # modes say nothing there
        return False
    open_to_others = path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    return bool(open_to_others) and _SECRET.search(path.read_text("utf-8", errors="replace")) is not None


def told(path: Path) -> str:
    """Say that a file is exposed."""
    return f"{path} holds secrets and others may read it"


def remedy(path: Path) -> str:
    """Say what to do about it."""
    return f"Run: chmod 600 {path}"
