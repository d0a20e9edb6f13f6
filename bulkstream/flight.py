"""Measuring the rate of all uploads together from the time that each of them took.

Acknowledgements of large parts come in bunches, so bytes per second counted at the acknowledgement are off by up to
a bunch. Little's law is not: while `n` uploads share a link, an upload of `b` bytes in `s` seconds says that all of
them together move `n * b / s` bytes/s, whoever finishes when. It also makes round-trip times of parts of different
size, and under different concurrency, comparable.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from math import inf, sqrt

CERTAIN = 0.02
"""Relative standard error of a rate at which a window is closed."""
PATIENCE = 4
"""Turns after which it is closed anyway."""
MOSTLY = 0.8
SHORTEST_S = 0.25
"""Seconds; tiny parts make turns that say nothing of the next second."""


@dataclass(frozen=True, slots=True)
class Landing:
    """One finished upload.

    Attributes:
        began: When it began.
        seconds: How long it took.
        sent_bytes: Size of the body.
        beside: Uploads in flight meanwhile, itself included, on average.
    """

    began: float
    seconds: float
    sent_bytes: int
    beside: float

    @property
    def rate(self) -> float:
        """Bytes/s of all uploads together, as this one tells."""
        return self.beside * self.sent_bytes / self.seconds


@dataclass(slots=True)
class Flight:
    """The uploads in flight, integrated over time.

    Attributes:
        count: Uploads in flight now.
    """

    count: int = 0
    _at: float = 0.0
    _area: float = 0.0
    _starts: list[tuple[float, float]] = field(default_factory=list)

    def begin(self, now: float) -> None:
        """An upload begins."""
        self._advance(now)
        self.count += 1
        self._starts.append((now, self._area))

    def end(self, now: float, *, seconds: float, sent_bytes: int) -> Landing:
        """An upload ends that took so long; it is taken for the one that began nearest to `now - seconds`."""
        self._advance(now)
        self.count = max(self.count - 1, 0)
        seconds = max(seconds, 1e-9)
        began, area = self._pop(now - seconds, (now - seconds, self._area - seconds))
        beside = (self._area - area) / (now - began) if now > began else 1.0
        return Landing(began, seconds, sent_bytes, max(beside, 1.0))

    def _pop(self, began: float, default: tuple[float, float]) -> tuple[float, float]:
        if not self._starts:
            return default
        right = min(bisect_left(self._starts, (began, -inf)), len(self._starts) - 1)
        left = max(right - 1, 0)
        return self._starts.pop(left if began - self._starts[left][0] <= self._starts[right][0] - began else right)

    def _advance(self, now: float) -> None:
        self._area += self.count * max(now - self._at, 0.0)
        self._at = max(now, self._at)


@dataclass(slots=True)
class Window:
    """The uploads that ended in one window of measurement.

    Attributes:
        since: When it was opened.
        count: Uploads that ended in it.
        seconds: Their times, summed.
    """

    since: float
    count: int = 0
    seconds: float = 0.0
    _full: int = 0
    _moved: float = 0.0
    _rates: float = 0.0
    _squares: float = 0.0

    @property
    def full(self) -> bool:
        """Whether most of the uploads had as many others beside them as they may."""
        return self._full >= MOSTLY * self.count

    def closes(self, now: float, turn: int) -> bool:
        """Whether a turn of uploads has ended and the rate is certain enough, or no more patience is due."""
        return (
            now >= self.since + SHORTEST_S
            and self.count >= turn
            and (self.doubt <= CERTAIN or self.count >= PATIENCE * turn)
        )

    def add(self, landing: Landing, *, full: bool) -> None:
        """Count a finished upload; `full` when as many were in flight beside it as may be."""
        self.count += 1
        self._full += full
        self.seconds += landing.seconds
        self._moved += landing.beside * landing.sent_bytes
        self._rates += landing.rate
        self._squares += landing.rate**2

    @property
    def rate(self) -> float:
        """Bytes/s of all uploads together."""
        return self._moved / self.seconds

    @property
    def doubt(self) -> float:
        """Relative standard error of `rate`; infinite for a single upload."""
        mean = self._rates / self.count
        variance = max(self._squares / self.count - mean**2, 0.0)
        return sqrt(variance / self.count) / mean if mean and self.count > 1 else inf
