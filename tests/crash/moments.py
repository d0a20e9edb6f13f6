"""When a process is killed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

    from bulkstream.journal import RunRecord


class Call(StrEnum):
    """A request that matters here."""

    CREATE = "create"
    PART = "part"
    COMMIT = "commit"
    OTHER = "other"


PAUSES_S = {Call.CREATE: 0.08, Call.PART: 0.01, Call.COMMIT: 0.08, Call.OTHER: 0.004}
"""How long the server takes: half of it before a request takes effect, half of it behind."""

ANYWHERE, AT_START, LOST = 0.5, 0.3, 0.5
"""How often a moment is anywhere in the upload; of the others, at a start; of the rest, with a call that is lost."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A time to kill.

    Attributes:
        after_s: Seconds since the process began, or since the call arrived.
        call: What is waited for.
        count: The how many of its kind.
        lost: The call dies with its process, and takes no effect.
    """

    after_s: float
    call: Call | None = None
    count: int = 1
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Pace:
    """What is known of a load that nobody kills.

    Attributes:
        start_s: Seconds until its process sends the first request.
        parts: How many it has.
    """

    start_s: float
    parts: int


def drawn(draw: random.Random, pace: Pace, record: RunRecord | None) -> Moment:
    """Draw a moment: half of them anywhere in the upload, by its parts, half of them where it matters.

    Args:
        draw: The source of chance.
        pace: Of an undisturbed load.
        record: What the run has done so far; None before its first process.
    """
    left = pace.parts - (len(record.receipts) if record else 0)
    if left and draw.random() < ANYWHERE:
        return Moment(draw.uniform(0, 1.3 * PAUSES_S[Call.PART]), Call.PART, draw.randint(1, left))
    if draw.random() < AT_START:
        return Moment(draw.uniform(0, 1.3 * pace.start_s))
    calls = [Call.COMMIT] + ([Call.PART] if left else []) + ([] if record and record.execution else [Call.CREATE] * 2)
    call = draw.choice(calls)
    if draw.random() < LOST:
        return Moment(0.0, call, lost=True)
    return Moment(draw.uniform(0, 1.3 * PAUSES_S[call]), call)
