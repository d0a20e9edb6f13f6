"""What the tuners tell: each change with its reason, and what the link was seen to carry."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Decision:
    """One change of one choice.

    Attributes:
        at: When, in seconds of the caller's clock.
        what: The choice: concurrency or level.
        before: Its value until then.
        after: Its value from then on.
        reason: The measurement that led to it, in plain words.
    """

    at: float
    what: str
    before: int
    after: int
    reason: str

    def __str__(self) -> str:
        """One line, for people."""
        return f"{self.what} {self.before} -> {self.after}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Capacity:
    """What all uploads together can move, as last seen.

    Attributes:
        at: When it was measured.
        bytes_s: Compressed bytes per second.
    """

    at: float
    bytes_s: float
