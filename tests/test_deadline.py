"""Deadlines: how they are written, and when a load is given up."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from bulkstream.deadline import DeadlineWatch, checked_deadline, parse_deadline
from bulkstream.errors import DeadlineMissed, UsageError
from bulkstream.reporter import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"
"""Berlin's clocks as POSIX writes them: put forward on 2026-03-29 at 2:00, back on 2026-10-25 at 3:00."""

START = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
MB = 1_000_000
TICK_S = 0.2


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let local time be Berlin's."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", BERLIN)
        time.tzset()
        yield
    time.tzset()


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "now", "moment"),
    [
        ("06:00", "2026-11-25T03:00", "2026-11-25T05:00"),
        ("6:00", "2026-11-25T03:00", "2026-11-25T05:00"),
        ("06:00:30", "2026-11-25T03:00", "2026-11-25T05:00:30"),
        ("06:00", "2026-11-25T05:00", "2026-11-26T05:00"),  # is now, so tomorrow's is meant
        ("00:30", "2026-11-25T22:00", "2026-11-25T23:30"),  # tomorrow here, today in UTC
        ("06:00", "2026-03-28T12:00", "2026-03-29T04:00"),  # a night of 23 hours
        ("06:00", "2026-10-24T12:00", "2026-10-25T05:00"),  # and one of 25
        ("02:30", "2026-03-28T12:00", "2026-03-29T01:30"),  # clocks skip it
        ("02:30", "2026-10-25T00:00", "2026-10-25T00:30"),  # clocks show it twice: the first time
        ("02:30", "2026-10-25T00:45", "2026-10-25T01:30"),  # and the second
        ("2026-11-26T06:00", "2026-11-25T03:00", "2026-11-26T05:00"),
        ("2026-11-26 06:00", "2026-11-25T03:00", "2026-11-26T05:00"),
        ("2026-11-26T06:00Z", "2026-11-25T03:00", "2026-11-26T06:00"),
        ("2026-11-26T06:00-05:00", "2026-11-25T03:00", "2026-11-26T11:00"),
        ("2h", "2026-11-25T03:00", "2026-11-25T05:00"),
        ("90m", "2026-11-25T03:00", "2026-11-25T04:30"),
        ("1h30m", "2026-11-25T03:00", "2026-11-25T04:30"),
        ("1.5h", "2026-11-25T03:00", "2026-11-25T04:30"),
        (" 30s ", "2026-11-25T03:00", "2026-11-25T03:00:30"),
        ("3h", "2026-10-25T00:00", "2026-10-25T03:00"),
    ],
)
def test_moment_that_is_meant(berlin: None, text: str, now: str, moment: str) -> None:
    """Every form means the moment that a reader of a clock would take it for, also where clocks are changed."""
    assert parse_deadline(text, utc(now)) == utc(moment)


@pytest.mark.parametrize(
    "text", ["", "soon", "24:00", "06:60", "6", "-2h", "2d", "h", "2026-11-25", "2026-13-01T06:00", "20261125"]
)
def test_what_is_no_deadline_is_refused_with_examples(text: str) -> None:
    """The message shows how it is written."""
    with pytest.raises(UsageError, match=r"no deadline.*06:00"):
        checked_deadline(text)


@pytest.mark.parametrize("text", ["0s", "2026-11-25T02:59:59Z", "1999-01-01T00:00"])
def test_deadline_in_the_past_is_refused(text: str) -> None:
    """Nothing is begun that is late already."""
    with pytest.raises(UsageError, match="has passed"):
        parse_deadline(text, START)


def steady(rate: float) -> Callable[[float], float]:
    return lambda seconds: rate * seconds


class Made:
    """A load that moves bytes by a function of its seconds, in parts of 8 MB, at a third of their size."""

    def __init__(
        self, moved: Callable[[float], float], *, total: float | None, deadline_s: float, begun: Progress | None = None
    ) -> None:
        self.seconds = 0.0
        self.missed: DeadlineMissed | None = None
        self._moved, self._total = moved, total
        self._begun = begun or Progress(0, None, 0, 0, 0, 0, 0, 0.0)
        now = lambda: START + timedelta(seconds=self.seconds)  # noqa: E731 - a clock
        self._watch = DeadlineWatch(START + timedelta(seconds=deadline_s), now=now)

    def at(self, seconds: float) -> Progress:
        moved = min(self._moved(seconds), (self._total or 1e18) - self._begun.acked_bytes)
        parts = int(moved // (8 * MB))
        acked = moved if moved + self._begun.acked_bytes == self._total else parts * 8 * MB
        return replace(
            self._begun,
            total_bytes=None if self._total is None else int(self._total),
            acked_bytes=self._begun.acked_bytes + int(acked),
            acked_parts=self._begun.acked_parts + parts,
            acked_sent_bytes=self._begun.acked_sent_bytes + int(acked / 3),
            sent_bytes=self._begun.sent_bytes + int(moved / 3),
            seconds=seconds,
        )

    def run(self) -> float | None:
        """Return the second at which it is given up; None if it comes to its end."""
        while self.seconds < 1000:
            progress = self.at(self.seconds)
            if progress.acked_bytes == self._total:
                return None
            try:
                self._watch.look(progress)
            except DeadlineMissed as missed:
                self.missed = missed
                return self.seconds
            self.seconds += TICK_S
        raise AssertionError("neither ended nor given up")


def test_load_that_is_fast_enough_is_let_alone() -> None:
    """A load that ends a little before its deadline is never given up."""
    assert Made(steady(10 * MB), total=1000 * MB, deadline_s=101).run() is None


def test_load_that_is_far_too_slow_is_given_up_early() -> None:
    """Half the rate that is needed is seen in half a minute, and not before there is evidence."""
    made = Made(steady(10 * MB), total=4000 * MB, deadline_s=200)

    given_up = made.run()

    assert given_up is not None
    assert 25 <= given_up <= 35
    assert made.missed is not None
    assert made.missed.rate == pytest.approx(10 * MB, rel=0.15)
    assert made.missed.eta is not None
    assert (made.missed.eta - START).total_seconds() == pytest.approx(400, rel=0.15)


def test_nothing_is_foretold_without_several_parts() -> None:
    """A load whose parts take long is judged when a few have arrived, or the deadline has passed."""
    given_up = Made(steady(0.4 * MB), total=400 * MB, deadline_s=90).run()

    assert given_up is not None
    assert given_up >= 80


def test_bursts_are_no_slowness() -> None:
    """A load that moves all its bytes in the first half of every 4 seconds is judged by what that comes to."""
    bursty = lambda seconds: 40 * MB * (seconds // 4) + min(seconds % 4, 2) * 20 * MB  # noqa: E731 - a curve

    assert Made(bursty, total=2000 * MB, deadline_s=205).run() is None
    assert Made(bursty, total=2000 * MB, deadline_s=100).run() is not None


def test_slow_start_is_not_held_against_a_load() -> None:
    """Ten seconds in which hardly anything moves don't count once the load has found its rate."""
    late = lambda seconds: 2 * MB * min(seconds, 10) + 20 * MB * max(0, seconds - 10)  # noqa: E731 - a curve

    assert Made(late, total=1000 * MB, deadline_s=70).run() is None


def test_short_stall_is_not_held_against_a_load() -> None:
    """A load that stands still for a while and still makes it, is let alone."""
    stalled = lambda seconds: 20 * MB * (min(seconds, 20) + max(0, seconds - 32))  # noqa: E731 - a curve

    assert Made(stalled, total=1000 * MB, deadline_s=70).run() is None


def test_load_that_gets_faster_is_waited_for() -> None:
    """A load whose rate grows all the time is not judged by the rate of its beginning."""
    assert Made(lambda seconds: 0.2 * MB * seconds**2, total=1250 * MB, deadline_s=85).run() is None


def test_standstill_is_given_up_at_the_deadline() -> None:
    """A load that moves nothing is given up when its time has come; there is no rate to foretell by."""
    made = Made(steady(0), total=100 * MB, deadline_s=60)

    assert made.run() == pytest.approx(60, abs=2 * TICK_S)
    assert "has passed" in str(made.missed)


def test_unknown_size_is_given_up_at_the_deadline() -> None:
    """Where nobody knows how much there is, only the time that has passed counts."""
    assert Made(steady(10 * MB), total=None, deadline_s=60).run() == pytest.approx(60, abs=2 * TICK_S)


@pytest.mark.parametrize(("rate", "ends"), [(10 * MB, True), (3 * MB, False)])
def test_resumed_load_is_judged_by_its_own_rate(rate: float, ends: bool) -> None:
    """What an earlier run has brought is no sign of speed, and no work that is left."""
    begun = Progress(0, None, 9000 * MB, 0, 1000, 3000 * MB, 0, 0.0)
    made = Made(steady(rate), total=10_000 * MB, deadline_s=105, begun=begun)

    assert (made.run() is None) is ends


def test_load_that_has_only_its_commit_left_is_let_go_on() -> None:
    """Once all is acknowledged nothing is given up, not even when the time has passed."""
    watch = DeadlineWatch(START, now=lambda: START + timedelta(hours=1))

    watch.look(Progress(100, 100, 100, 1, 1, 50, 50, 5.0))
    with pytest.raises(DeadlineMissed):
        watch.look(Progress(100, 100, 99, 1, 1, 50, 50, 5.0))


@pytest.mark.parametrize(
    ("late", "text"),
    [
        (timedelta(hours=1, minutes=12), "06:00 can't be met: at 34 MB/s it would end at 07:12, 1 h 12 min late"),
        (timedelta(minutes=3), "06:00 can't be met: at 34 MB/s it would end at 06:03, 3 min late"),
        (timedelta(seconds=40), "06:00 can't be met: at 34 MB/s it would end at 06:00, 40 s late"),
        (timedelta(hours=20), "at 34 MB/s it would end at 2026-11-26 02:00, 20 h 0 min late"),
    ],
)
def test_message_tells_rate_end_and_lateness(berlin: None, late: timedelta, text: str) -> None:
    """Times are local, and a date is shown only where it is another day's."""
    deadline = utc("2026-11-25T05:00")

    assert text in str(DeadlineMissed(deadline, eta=deadline + late, rate=34e6))
