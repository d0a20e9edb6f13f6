"""What `--json` prints where a command failed before it had a document of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Document = Callable[[str, str], dict[str, Any]]
"""Makes a document of an error's text and its hint."""


def failure(text: str, hint: str) -> dict[str, Any]:
    """Tell of a command that failed."""
    return {"error": text, "hint": hint or None}


def failed_load(text: str, hint: str) -> dict[str, Any]:  # noqa: ARG001 - a report has no hint
    """Tell of a load that failed before it had begun, with the keys of every load's report."""
    from bulkstream.ledger import Ledger

    return Ledger(error=text).report().as_dict()
