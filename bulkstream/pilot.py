"""Steering one load: what is observed goes to the tuners, what they decide goes into the ledger.

The tuners (`AdaptiveConcurrency`, `AdaptiveLevel`) are pure; this is where they meet the clock. A choice that the
user has made stays as it is, and is still measured, because the other one depends on it.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import datetime
from time import perf_counter
from typing import TYPE_CHECKING

from bulkstream.concurrency import AdaptiveConcurrency
from bulkstream.effort import AdaptiveLevel
from bulkstream.errors import ApiTimeout, NotReady, Throttled
from bulkstream.rate import RateSchedule, TokenBucket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import time

    from bulkstream.decision import Decision
    from bulkstream.ledger import Ledger
    from bulkstream.model import Packed
    from bulkstream.tune import Tuning

BACKPRESSURE = (Throttled, NotReady, ApiTimeout)
"""What a server with too much to do answers, 429 and 503, or doesn't."""


def local_time() -> time:
    """Return the local time of the day."""
    return datetime.now().time()  # noqa: DTZ005 - a schedule is written in the user's hours


class Pilot:
    """The knobs of one load, and the hands on them. Lives on the event loop, but for `level`, which workers read."""

    def __init__(
        self,
        tuning: Tuning,
        ledger: Ledger,
        *,
        clock: Callable[[], float] = perf_counter,
        time_of_day: Callable[[], time] = local_time,
    ) -> None:
        self._time_of_day = time_of_day
        self._ledger = ledger
        self._clock = clock
        self._fixed_level = None if tuning.adapts_level else tuning.level
        self._schedule = RateSchedule.parse(tuning.limit_rate)
        self._bucket = TokenBucket()
        self._effort = AdaptiveLevel(workers=tuning.workers, start=tuning.level)
        lowest = 1 if tuning.adapts_concurrency else tuning.concurrency
        self._uploads = AdaptiveConcurrency(start=tuning.concurrency, lowest=lowest, highest=tuning.most_uploads)

    def __repr__(self) -> str:
        return f"Pilot(level {self.level}, {self._uploads!r})"

    @property
    def level(self) -> int:
        """The gzip level of the next part."""
        return self._effort.level if self._fixed_level is None else self._fixed_level

    @property
    def concurrency(self) -> int:
        """How many uploads may be in flight."""
        return self._uploads.limit

    def packed(self, packed: Packed) -> None:
        """A part was made; its processor time counts, because there are more threads than cores."""
        part = packed.part
        self._effort.compressed(
            self._clock(),
            level=packed.level,
            raw_bytes=part.raw_bytes,
            sent_bytes=len(part.body),
            seconds=packed.cpu_s,
        )
        self._spent(busy=packed.busy_s, starved=packed.cut_s)

    def blocked(self, seconds: float) -> None:
        """A worker has waited for so long until an upload took its part."""
        self._spent(blocked=seconds)

    @contextmanager
    def attempt(self, size: int) -> Iterator[None]:
        """Watch one attempt to upload a body of `size` bytes; waits between attempts stay outside."""
        began = self._clock()
        self._uploads.started(began)
        sent, pressed = 0, False
        try:
            yield
            sent = size
        except BACKPRESSURE:
            pressed = True
            raise
        finally:
            now = self._clock()
            if sent:
                self._effort.sent(now, sent_bytes=sent, seconds=now - began)
            self._keep(self._uploads.finished(now, seconds=now - began, sent_bytes=sent, backpressure=pressed))

    @property
    def limited(self) -> bool:
        """Whether the rate is limited at any hour."""
        return self._schedule != RateSchedule()

    def pace(self, count: int) -> float:
        """Return the seconds to wait before so many bytes are sent, all uploads of the load together."""
        return self._bucket.take(self._clock(), count, self._schedule.at(self._time_of_day()))

    def _spent(self, *, busy: float = 0.0, starved: float = 0.0, blocked: float = 0.0) -> None:
        if self._fixed_level is None:
            link = self._uploads.capacity
            now = self._clock()
            self._keep(self._effort.window(now, blocked=blocked, busy=busy, starved=starved, link=link))

    def _keep(self, decision: Decision | None) -> None:
        if decision is not None:
            self._ledger.decided(decision)
