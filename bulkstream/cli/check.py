"""One thing that `bulkstream doctor` looked at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bulkstream.cli.exits import Exit


class State(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """A finding.

    Attributes:
        hint: What to do about it, empty where nothing is to be done.
        code: Exit code that it leads to; 0 unless it failed.
    """

    name: str
    state: State
    text: str
    hint: str = ""
    code: Exit = Exit.COMMITTED
