"""What a load tells the outside while it goes on: a snapshot now and then, and notices as they happen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from bulkstream.model import Plan, Report


@dataclass(frozen=True, slots=True)
class Progress:
    """A load at one moment; all counts are since its start.

    Attributes:
        read_bytes: Raw bytes that were cut into chunks.
        total_bytes: Raw bytes of the whole source, None when unknown.
        acked_bytes: Raw bytes of acknowledged parts, and of the bad rows that were left out of them.
        acked_rows: Rows of acknowledged parts.
        acked_parts: Number of acknowledged parts.
        acked_sent_bytes: Their size as sent, compressed.
        sent_bytes: Compressed bytes handed to the network, repeated ones and those under way included.
        seconds: Time since the start.
        restored_bytes: Of the acknowledged bytes, those that an earlier process has sent.
        total_rows: Rows of the whole source, None when unknown.
    """

    read_bytes: int
    total_bytes: int | None
    acked_bytes: int
    acked_rows: int
    acked_parts: int
    acked_sent_bytes: int
    sent_bytes: int
    seconds: float
    restored_bytes: int = 0
    total_rows: int | None = None

    @property
    def share(self) -> float | None:
        """How much of the source was acknowledged, from 0 to 1; by its rows where only those are known."""
        done, whole = (self.acked_bytes, self.total_bytes) if self.total_bytes else (self.acked_rows, self.total_rows)
        return min(1.0, done / whole) if whole else None


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that the user should know while the load goes on (a retry, a wait, a decision taken)."""

    text: str


class Reporter(Protocol):
    """Receives what happens; its methods are called on the event loop and must not block."""

    def planned(self, plan: Plan) -> None:
        """The plan is known; nothing was sent yet."""

    def progress(self, progress: Progress) -> None:
        """Time has passed."""

    def notice(self, notice: Notice) -> None:
        """Something happened that the user should know."""

    def finished(self, report: Report) -> None:
        """The load has ended, in whatever outcome."""


class Silent:
    """A reporter that tells nobody."""

    def planned(self, plan: Plan) -> None:
        """Ignore the plan."""

    def progress(self, progress: Progress) -> None:
        """Ignore the snapshot."""

    def notice(self, notice: Notice) -> None:
        """Ignore the notice."""

    def finished(self, report: Report) -> None:
        """Ignore the report."""
