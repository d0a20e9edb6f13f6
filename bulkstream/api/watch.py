"""What a caller may want to know of a body on its way, and how it may slow it down."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def ignore(_: int) -> None:
    """Take no note."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Hooks around the sending of one body.

    Attributes:
        sent: Is told how many bytes were handed to the network, repeated ones included.
        attempt: Is entered around each attempt, without the waits between them.
        pace: Says how many seconds to wait before so many bytes are handed over; None for full speed.
    """

    sent: Callable[[int], None] = ignore
    attempt: Callable[[], AbstractContextManager[None]] = nullcontext
    pace: Callable[[int], float] | None = None


UNWATCHED = Watch()
