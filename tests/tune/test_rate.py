"""Rates as they are written, the hours in which they hold, and the meter that keeps them."""

from __future__ import annotations

from datetime import time
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstream.errors import UsageError
from bulkstream.rate import BURST_BYTES, RateSchedule, TokenBucket, parse_rate


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("50MB/s", 50e6),
        (" 1.5 GB/s ", 1.5e9),
        ("50MiB/s", 50 * 2**20),
        ("400kbit/s", 50e3),
        ("100Mbit/s", 12.5e6),
        ("8Kibit/s", 1024),
        ("900B/s", 900),
        ("unlimited", inf),
    ],
)
def test_rates_are_read_in_bytes_and_bits(text: str, rate: float) -> None:
    """Prefixes of 1000 and 1024, bits and bytes, all end as bytes/s."""
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "50", "50MB", "MB/s", "-1MB/s", "0MB/s", "1TB/s", "50MB/h", "fast", "inf"])
def test_what_is_no_rate_is_refused_with_an_example(text: str) -> None:
    """The message shows how to write it."""
    with pytest.raises(UsageError, match="for example 50MB/s"):
        parse_rate(text)


def test_one_rate_holds_all_day() -> None:
    """A schedule may be a single rate."""
    schedule = RateSchedule.parse("10MB/s")

    assert {schedule.at(time(hour)) for hour in range(24)} == {10e6}


@pytest.mark.parametrize(
    ("clock", "rate"),
    [
        (time(7, 59), inf),
        (time(8, 0), 10e6),
        (time(17, 59, 59), 10e6),
        (time(18, 0), inf),
        (time(22, 0), 40e6),
        (time(23, 59), 40e6),
        (time(0, 0), 40e6),
        (time(5, 59), 40e6),
        (time(6, 0), inf),
    ],
)
def test_hours_include_their_beginning_and_may_cross_midnight(clock: time, rate: float) -> None:
    """An interval ends just before its second time, and goes on after midnight."""
    schedule = RateSchedule.parse("08:00-18:00=10MB/s, 22:00-06:00=40MB/s, else=unlimited")

    assert schedule.at(clock) == rate


def test_the_first_of_overlapping_hours_holds() -> None:
    """Exceptions are written before what they are exceptions to."""
    schedule = RateSchedule.parse("12:00-13:00=50MB/s, 08:00-18:00=10MB/s, else=unlimited")

    assert schedule.at(time(12, 30)) == 50e6
    assert schedule.at(time(14)) == 10e6


@pytest.mark.parametrize(
    "text",
    ["08:00-18:00=10MB/s", "8-18=1MB/s, else=1MB/s", "24:00-06:00=1MB/s, else=1MB/s", "08:00-08:00=1MB/s, else=2MB/s",
     "08:00-18:00=10, else=1MB/s", "08:00-18:00=1MB/s, else=", "else=1MB/s, 08:00-18:00=1MB/s", ",else=1MB/s"],
)  # fmt: skip
def test_malformed_schedules_are_refused(text: str) -> None:
    """Hours without a rate, impossible times and a missing `else` are usage errors."""
    with pytest.raises(UsageError):
        RateSchedule.parse(text)


def test_a_full_bucket_gives_a_tenth_of_a_second_at_once() -> None:
    """A burst is a tenth of a second of a low rate, and what exceeds it waits."""
    bucket = TokenBucket()

    assert bucket.take(0.0, 10_000, 100_000) == 0.0
    assert bucket.take(0.0, 10_000, 100_000) == pytest.approx(0.1)


def test_a_burst_is_bounded_in_bytes_after_any_pause() -> None:
    """A high rate and a long pause still give 256 KiB at once, no more."""
    bucket = TokenBucket()
    bucket.take(0.0, 1, 1e9)

    assert bucket.take(3600.0, BURST_BYTES, 1e9) == 0.0
    assert bucket.take(3600.0, 10**9, 1e9) == pytest.approx(1.0)


def test_a_new_rate_applies_to_what_is_owed() -> None:
    """Raising the rate shortens the waits that follow; no bound forgets them."""
    bucket = TokenBucket()
    bucket.take(0.0, 110_000, 100_000)

    assert bucket.take(0.0, 0, 1_000_000) == pytest.approx(0.1)
    assert bucket.take(0.0, 10**9, inf) == 0.0
    assert bucket.take(0.0, 0, 100_000) == 0.0


@given(
    st.lists(st.tuples(st.floats(0, 2), st.integers(0, 1 << 20)), min_size=1, max_size=40),
    st.floats(1e4, 1e9),
)
def test_no_more_is_sent_than_rate_and_burst_allow(asks: list[tuple[float, int]], rate: float) -> None:
    """Whoever waits as told has sent, at any time, at most a burst above the rate."""
    bucket, now, sent = TokenBucket(), 0.0, 0

    for pause, size in asks:
        now += pause
        now += bucket.take(now, size, rate)
        sent += size

        assert sent <= min(rate / 10, BURST_BYTES) + rate * now * (1 + 1e-9) + 1


def test_senders_in_turn_keep_the_rate() -> None:
    """A minute of small asks, each waited for, moves a minute of bytes."""
    bucket, now, sent = TokenBucket(), 0.0, 0
    while now < 60:
        now += bucket.take(now, 65536, 5e6)
        sent += 65536

    assert sent == pytest.approx(300e6, rel=0.01)
