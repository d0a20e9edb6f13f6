"""Which rung of the gzip ladder to use: the one that makes the slower of cores and link as fast as it can be.

A load moves `min(workers * speed(level), link * ratio(level))` raw bytes/s: a higher rung costs speed and saves
bytes. Speeds and ratios begin as a table measured once (`PRIOR`) and are replaced by what this load measures; a rung
that was not tried yet is assumed to differ from the table as its nearest tried neighbour does.

1. The link's rate is the one that the uploads showed while they were the limit, that is, while workers waited for
   them more than a twentieth of their time. Before it is known, the cores count as the limit, and level 1 stays.
2. While nobody waits for the uploads, the link may have more to give than was seen: it is worth at least what a single
   upload got, and after a few judgements without waiting 5 % more with each. So the level comes down when the cores
   become the limit, step by step, until the link is the limit again.
3. A level is judged when a few parts were made with it, and left for another that promises 3 % more. Of
   equally good levels the lowest is taken, which costs least.
4. A load that waits for its source decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from bulkstream.decision import Decision

if TYPE_CHECKING:
    from bulkstream.decision import Capacity

GAIN = 1.03
"""Another level must promise this multiple of the present one's speed."""
WAITING = 0.05
"""Share of the workers' time from which a wait tells what the limit is."""
SURE_FOR = 4
"""Judgements for which a measured link rate is held for the truth."""
SHORTEST_S = 0.5
"""Seconds between two judgements."""
ALPHA = 0.4


@dataclass(frozen=True, slots=True)
class Rung:
    """What a level does.

    Attributes:
        mb_s: Raw MB/s of one worker while the others work as well.
        ratio: Raw bytes per compressed byte.
    """

    mb_s: float
    ratio: float


PRIOR: tuple[Rung, ...] = (
    Rung(430, 2.50),
    Rung(455, 2.83),
    Rung(407, 2.87),
    Rung(349, 2.95),
    Rung(253, 3.00),
    Rung(168, 3.10),
    Rung(157, 3.18),
    Rung(106, 3.37),
    Rung(75, 3.42),
    Rung(50, 3.46),
    Rung(26, 3.49),
    Rung(10, 3.65),
    Rung(4.6, 3.67),
)
"""TPC-H lineitem in 8 MiB chunks, two threads on two cores, per thread."""


class AdaptiveLevel:
    """The gzip level for the next part, moved by what parts and waits tell.

    Attributes:
        level: Rung of the ladder for the next part.
    """

    def __init__(
        self, *, workers: int, start: int = 1, prior: tuple[Rung, ...] = PRIOR, parts_between: int | None = None
    ) -> None:
        self.level = start
        self._workers = workers
        self._prior = prior
        self._measured: dict[int, Rung] = {}
        self._between = parts_between or max(2 * workers, 4)
        self._link, self._single = inf, 0.0
        self._age = 0
        self._changed = self._judged = 0.0
        self._parts = 0
        self._blocked = self._busy = self._starved = 0.0

    def __repr__(self) -> str:
        return f"AdaptiveLevel({self.level}, link={self._link / 1e6:.1f} MB/s, {self._parts} parts)"

    def compressed(
        self,
        now: float,  # noqa: ARG002 - every note to a tuner carries its time
        *,
        level: int,
        raw_bytes: int,
        sent_bytes: int,
        seconds: float,
    ) -> None:
        """A worker made a part in so many seconds of work."""
        if not raw_bytes or not sent_bytes or seconds <= 0:
            return
        told = Rung(raw_bytes / seconds / 1e6, raw_bytes / sent_bytes)
        past = self._measured.get(level, told)
        self._measured[level] = Rung(_blend(past.mb_s, told.mb_s), _blend(past.ratio, told.ratio))
        self._parts += level == self.level

    def sent(self, now: float, *, sent_bytes: int, seconds: float) -> None:  # noqa: ARG002 - as above
        """The server has a part; its one upload took so many seconds."""
        if seconds > 0:
            rate = sent_bytes / seconds
            self._single = rate if not self._single else _blend(self._single, rate)

    def window(
        self, now: float, *, blocked: float, busy: float, starved: float, link: Capacity | None
    ) -> Decision | None:
        """Take note of how the workers spent their time since the last call, and judge when enough is known.

        Args:
            now: Seconds.
            blocked: Worker seconds waiting for uploads.
            busy: Worker seconds at work.
            starved: Worker seconds waiting for the source.
            link: What the uploads moved when they were the limit (`AdaptiveConcurrency.capacity`); None while that
                is not known.
        """
        self._blocked += blocked
        self._busy += busy
        self._starved += starved
        if self._parts < self._between or now < self._judged + SHORTEST_S:
            return None
        limit, self._judged = self._limit(), now
        self._parts, self._blocked, self._busy, self._starved = 0, 0.0, 0.0, 0.0
        if limit == "source" or (limit == "uploads" and (link is None or link.at < self._changed)):
            return None
        self._learn(limit, link)
        return self._choose(now, limit)

    def _limit(self) -> str:
        """Name what held the load up."""
        total = self._blocked + self._busy + self._starved
        if self._blocked > WAITING * total:
            return "uploads"
        return "source" if self._starved > self._busy else "cores"

    def _learn(self, limit: str, link: Capacity | None) -> None:
        """Take the link's rate as measured, or believe in a little more of it."""
        if limit == "uploads" and link is not None:
            self._link, self._age = link.bytes_s, 0
            return
        self._age += 1
        if self._link < inf:
            told = link.bytes_s if link is not None else 0.0
            self._link = max(self._link * (1.05 if self._age > SURE_FOR else 1.0), self._single, told)

    def _choose(self, now: float, limit: str) -> Decision | None:
        """Take the level that promises most, if it promises enough."""
        best = max(range(len(self._prior)), key=lambda level: (self.promise(level), -level))
        here, there = self.promise(self.level), self.promise(best)
        if there <= GAIN * here:
            return None
        reason = f"the {limit} are the limit; {there / 1e6:.0f} MB/s expected instead of {here / 1e6:.0f}"
        decision = Decision(now, "level", self.level, best, reason)
        self.level, self._changed = best, now
        return decision

    def promise(self, level: int) -> float:
        """Raw bytes/s that the load would make at a level."""
        rung = self.rung(level)
        return min(self._workers * rung.mb_s * 1e6, self._link * rung.ratio)

    def rung(self, level: int) -> Rung:
        """Return what is known of a level: measured, or the table's word scaled as its nearest neighbour was."""
        if level in self._measured or not self._measured:
            return self._measured.get(level, self._prior[level])
        near = min(self._measured, key=lambda other: abs(other - level))
        truth, table, guess = self._measured[near], self._prior[near], self._prior[level]
        return Rung(guess.mb_s * truth.mb_s / table.mb_s, guess.ratio * truth.ratio / table.ratio)


def _blend(past: float, told: float) -> float:
    return past + ALPHA * (told - past)
