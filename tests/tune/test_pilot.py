"""The pilot: tuners meet the clock, and what the user chose stays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time

import pytest

from bulkstream.effort import PRIOR
from bulkstream.errors import Exchange, RequestRejected, Throttled
from bulkstream.ledger import Ledger
from bulkstream.model import Packed, Part
from bulkstream.pilot import Pilot
from bulkstream.tune import Tuning

ADAPTIVE = Tuning(1 << 20, workers=2, concurrency=4, level=1, adapts_concurrency=True, adapts_level=True)
FIXED = Tuning(1 << 20, workers=2, concurrency=5, level=3)


@dataclass
class Clock:
    now: float = 100.0
    hour: int = 12

    def read(self) -> float:
        return self.now

    def time_of_day(self) -> time:
        return time(self.hour)


def pilot_of(tuning: Tuning, clock: Clock) -> tuple[Pilot, Ledger]:
    ledger = Ledger(started=clock.now)
    return Pilot(tuning, ledger, clock=clock.read, time_of_day=clock.time_of_day), ledger


def load_over(pilot: Pilot, clock: Clock, *, link: float, parts: int) -> None:
    """Pack parts as the ladder's table has it, and send four at a time over a link of so many bytes/s."""
    raw = 1 << 20
    for turn in range(parts // 4):
        sizes = []
        for number in range(turn * 4 + 1, turn * 4 + 5):
            rung = PRIOR[pilot.level]
            body, busy = bytes(int(raw / rung.ratio)), raw / 1e6 / rung.mb_s
            pilot.packed(Packed(Part(number, body, raw, 1000), pilot.level, cut_s=0.0, busy_s=busy, cpu_s=busy))
            sizes.append(len(body))
        attempts = [pilot.attempt(size) for size in sizes]
        for attempt in attempts:
            attempt.__enter__()
        clock.now += sum(sizes) / link
        for attempt in attempts:
            attempt.__exit__(None, None, None)
        pilot.blocked(sum(sizes) / link)


def test_slow_link_raises_the_level_and_the_ledger_tells_when() -> None:
    """While workers wait for the uploads, the level climbs; each change is told in seconds from the start."""
    clock = Clock()
    pilot, ledger = pilot_of(ADAPTIVE, clock)

    load_over(pilot, clock, link=2e6, parts=80)

    assert pilot.level > 4
    climbs = [each for each in ledger.decisions if each.what == "level"]
    assert climbs[0].before == 1
    assert climbs[-1].after == pilot.level
    assert all(0 < each.at <= clock.now - 100.0 for each in ledger.decisions)


def test_what_the_user_chose_stays() -> None:
    """With a level and a concurrency given, nothing is decided, whatever the link does."""
    clock = Clock()
    pilot, ledger = pilot_of(FIXED, clock)

    load_over(pilot, clock, link=2e6, parts=80)

    assert (pilot.level, pilot.concurrency, ledger.decisions) == (3, 5, [])


def test_pushed_back_uploads_lower_the_concurrency() -> None:
    """A 429 takes uploads off; an error that is no back-pressure does not."""
    clock = Clock()
    pilot, _ = pilot_of(ADAPTIVE, clock)
    exchange = Exchange("PUT", "http://sandbox/part/1", 429, "slow down")

    with pytest.raises(RequestRejected), pilot.attempt(10):
        raise RequestRejected(exchange)
    assert pilot.concurrency == 4

    clock.now += 1
    with pytest.raises(Throttled), pilot.attempt(10):
        raise Throttled(exchange)
    assert pilot.concurrency < 4


def test_rate_is_shared_by_all_uploads_and_follows_the_hour() -> None:
    """What is beyond the rate waits, whoever sends it; in unlimited hours nothing does."""
    clock = Clock(hour=9)
    tuning = Tuning(1 << 20, 2, 4, 1, limit_rate="08:00-18:00=1MB/s, else=unlimited")
    pilot, _ = pilot_of(tuning, clock)

    waits = [pilot.pace(500_000) for _ in range(3)]
    clock.hour = 20

    assert pilot.limited
    assert waits == pytest.approx([0.4, 0.9, 1.4])
    assert pilot.pace(10_000_000) == 0.0


def test_no_limit_costs_nothing() -> None:
    """Without a rate, bodies are not even asked to wait."""
    assert not pilot_of(FIXED, Clock())[0].limited
