"""A load in virtual time: workers that compress, a link that is shared, a server that may push back.

Events stand in a heap. Bodies on the link are fluid: the bandwidth is shared evenly, but for those whose connection
can't take its share. Nothing is random but what the seed says, and nothing sleeps.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field
from functools import cache
from math import inf
from random import Random
from typing import TYPE_CHECKING, Protocol

from bulkstream.concurrency import AdaptiveConcurrency
from bulkstream.effort import PRIOR, AdaptiveLevel, Rung

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkstream.decision import Decision


@dataclass(frozen=True, slots=True)
class Link:
    """Network and server, for as long as they stay as they are.

    Attributes:
        mb_s: Bandwidth of all connections together.
        rtt_s: Seconds before the body moves and again until the answer arrives, both halves together.
        connection_mb_s: Bandwidth of one connection.
        unrest: Sigma of the log-normal factor on each body's own bandwidth, as loss makes it.
        jitter: Sigma of the log-normal factor on the latency.
        throttles_above: Requests in progress beyond this are answered with 429.
    """

    mb_s: float
    rtt_s: float = 0.02
    connection_mb_s: float = inf
    unrest: float = 0.0
    jitter: float = 0.0
    throttles_above: int | None = None


@dataclass(frozen=True, slots=True)
class Scenario:
    """One load.

    Attributes:
        links: The link from each second on; the first begins at 0.
        parts: Number of parts.
        part_mb: Raw megabytes of each.
        source_mb_s: Speed of the source.
        pause: Seconds (from, to) in which the source gives nothing.
        ladder: What each level really does on this machine, with this data.
    """

    links: tuple[tuple[float, Link], ...]
    parts: int = 400
    part_mb: float = 67.1
    workers: int = 2
    source_mb_s: float = 3000.0
    pause: tuple[float, float] = (inf, inf)
    ladder: tuple[Rung, ...] = PRIOR


class Tuner(Protocol):
    """What a simulated load asks and tells."""

    @property
    def limit(self) -> int: ...
    @property
    def level(self) -> int: ...
    def started(self, now: float) -> None: ...
    def finished(self, now: float, seconds: float, sent_bytes: int, *, backpressure: bool) -> None: ...
    def compressed(self, now: float, level: int, raw_bytes: int, sent_bytes: int, seconds: float) -> None: ...
    def spent(self, now: float, blocked: float, busy: float, starved: float) -> None: ...


@dataclass(slots=True)
class Fixed:
    """Nothing is tuned."""

    level: int
    limit: int

    def started(self, now: float) -> None:
        pass

    def finished(self, now: float, seconds: float, sent_bytes: int, *, backpressure: bool) -> None:
        pass

    def compressed(self, now: float, level: int, raw_bytes: int, sent_bytes: int, seconds: float) -> None:
        pass

    def spent(self, now: float, blocked: float, busy: float, starved: float) -> None:
        pass


class Adaptive:
    """The real tuners, joined as a load joins them."""

    def __init__(self, workers: int) -> None:
        self.concurrency = AdaptiveConcurrency()
        self.effort = AdaptiveLevel(workers=workers)
        self.decisions: list[Decision] = []

    @property
    def limit(self) -> int:
        return self.concurrency.limit

    @property
    def level(self) -> int:
        return self.effort.level

    def started(self, now: float) -> None:
        self.concurrency.started(now)

    def finished(self, now: float, seconds: float, sent_bytes: int, *, backpressure: bool) -> None:
        decision = self.concurrency.finished(now, seconds=seconds, sent_bytes=sent_bytes, backpressure=backpressure)
        if not backpressure:
            self.effort.sent(now, sent_bytes=sent_bytes, seconds=seconds)
        self._keep(decision)

    def compressed(self, now: float, level: int, raw_bytes: int, sent_bytes: int, seconds: float) -> None:
        self.effort.compressed(now, level=level, raw_bytes=raw_bytes, sent_bytes=sent_bytes, seconds=seconds)

    def spent(self, now: float, blocked: float, busy: float, starved: float) -> None:
        link = self.concurrency.capacity
        self._keep(self.effort.window(now, blocked=blocked, busy=busy, starved=starved, link=link))

    def _keep(self, decision: Decision | None) -> None:
        if decision is not None:
            self.decisions.append(decision)


@dataclass(slots=True, eq=False)
class _Upload:
    size: float
    left: float
    cap: float = inf
    began: float = 0.0
    rate: float = 0.0


@dataclass(frozen=True, slots=True)
class Moment:
    """The choices at one time, in seconds."""

    at: float
    level: int
    limit: int


@dataclass(slots=True)
class Load:
    """One run of a scenario.

    Attributes:
        now: Seconds since the beginning.
        refused: Requests that were answered with 429.
        trace: What was chosen at each receipt.
    """

    scenario: Scenario
    tuner: Tuner
    seed: int = 1
    now: float = 0.0
    refused: int = 0
    done: int = 0
    trace: list[Moment] = field(default_factory=list)
    _events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _serial: int = 0
    _cut: int = 0
    _source_free: float = 0.0
    _slots: int = 0
    _open: int = 0
    _waiting: deque[tuple[float, Callable[[], None]]] = field(default_factory=deque)
    _moving: list[_Upload] = field(default_factory=list)
    _random: Random = field(default_factory=Random)

    def run(self) -> Load:
        """Let everything happen."""
        self._random.seed(self.seed)
        for start, _ in self.scenario.links[1:]:
            self._later(start, self._share)
        for _ in range(self.scenario.workers):
            self._take()
        while self.done < self.scenario.parts:
            self._step()
        return self

    def _step(self) -> None:
        """Go to the next event: a timer, or the end of a body."""
        ends = min((u.left / u.rate for u in self._moving), default=inf)
        at = min(self._events[0][0] if self._events else inf, self.now + ends)
        for upload in self._moving:
            upload.left -= upload.rate * (at - self.now)
        self.now = at
        over = [u for u in self._moving if u.left <= 1e-9]
        for upload in over:
            self._moving.remove(upload)
            self._later(at + self._latency() / 2, lambda u=upload: self._answered(u))  # type: ignore[misc]
        if over:
            self._share()
        while self._events and self._events[0][0] <= self.now:
            heapq.heappop(self._events)[2]()

    def _later(self, at: float, what: Callable[[], None]) -> None:
        self._serial += 1
        heapq.heappush(self._events, (at, self._serial, what))

    @property
    def _link(self) -> Link:
        return next(link for start, link in reversed(self.scenario.links) if start <= self.now)

    def _latency(self) -> float:
        return self._link.rtt_s * self._random.lognormvariate(0, self._link.jitter)

    # workers

    def _take(self) -> None:
        """A worker asks for a chunk."""
        if self._cut >= self.scenario.parts:
            return
        self._cut += 1
        ready = max(self.now, self._source_free)
        if self.scenario.pause[0] <= ready < self.scenario.pause[1]:
            ready = self.scenario.pause[1]
        self._source_free = ready + self.scenario.part_mb / self.scenario.source_mb_s
        asked = self.now
        self._later(ready, lambda: self._compress(asked))

    def _compress(self, asked: float) -> None:
        level, began = self.tuner.level, self.now
        rung = self.scenario.ladder[level]
        raw = self.scenario.part_mb * self._random.uniform(0.97, 1.03)
        sent = raw / (rung.ratio * self._random.uniform(0.99, 1.01))

        def made() -> None:
            self.tuner.compressed(self.now, level, int(raw * 1e6), int(sent * 1e6), self.now - began)
            offered = self.now

            def handed() -> None:
                self.tuner.spent(self.now, self.now - offered, offered - began, began - asked)
                self._take()

            self._waiting.append((sent, handed))
            self._fill()

        self._later(self.now + raw / (rung.mb_s * self._random.uniform(0.95, 1.05)), made)

    # uploads

    def _fill(self) -> None:
        """Give free slots their parts; the first part goes alone."""
        while self._waiting and self._slots < (self.tuner.limit if self.done else 1):
            size, handed = self._waiting.popleft()
            self._slots += 1
            self._attempt(_Upload(size, size))
            handed()

    def _attempt(self, upload: _Upload) -> None:
        upload.began, link = self.now, self._link
        self.tuner.started(self.now)
        if link.throttles_above is not None and self._open >= link.throttles_above:
            self._later(self.now + self._latency(), lambda: self._pushed_back(upload))
            return
        self._open += 1
        self._later(self.now + self._latency() / 2, lambda: self._move(upload))

    def _pushed_back(self, upload: _Upload) -> None:
        self.refused += 1
        self.tuner.finished(self.now, self.now - upload.began, 0, backpressure=True)
        self._later(self.now + self._random.uniform(0.1, 1.0), lambda: self._attempt(upload))

    def _move(self, upload: _Upload) -> None:
        link = self._link
        if link.connection_mb_s < inf:
            upload.cap = link.connection_mb_s * self._random.lognormvariate(0, link.unrest)
        self._moving.append(upload)
        self._share()

    def _share(self) -> None:
        """Share the bandwidth evenly; what one connection can't take, the others do."""
        left, count = self._link.mb_s, len(self._moving)
        for upload in sorted(self._moving, key=lambda u: u.cap):
            upload.rate = min(upload.cap, left / count)
            left, count = left - upload.rate, count - 1

    def _answered(self, upload: _Upload) -> None:
        self._open -= 1
        self._slots -= 1
        self.done += 1
        self.trace.append(Moment(self.now, self.tuner.level, self.tuner.limit))
        self.tuner.finished(self.now, self.now - upload.began, int(upload.size * 1e6), backpressure=False)
        self._fill()


LIMITS = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True, slots=True)
class Best:
    """The fixed choice that makes the shortest load, and how long that takes."""

    seconds: float
    level: int
    limit: int


@cache
def best_fixed(scenario: Scenario, near: tuple[int, int]) -> Best:
    """Find the fixed level and concurrency that load fastest.

    Climbs from a point that is known to be good, so that only its neighbours are run when it is the best.
    """
    tried: dict[tuple[int, int], float] = {}

    def seconds(point: tuple[int, int]) -> float:
        if point not in tried:
            tried[point] = Load(scenario, Fixed(*point)).run().now
        return tried[point]

    best = near
    while True:
        level, limit = best
        row = LIMITS.index(limit)
        points = [best, *((k, limit) for k in (level - 1, level + 1) if 0 <= k < len(scenario.ladder))]
        points += [(level, LIMITS[k]) for k in (row - 1, row + 1) if 0 <= k < len(LIMITS)]
        found = min(points, key=seconds)
        if seconds(found) >= seconds(best):
            return Best(seconds(best), *best)
        best = found
