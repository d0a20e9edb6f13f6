"""Showing a load while it goes on, on a terminal and in a log."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from bulkstream.cli.progress import WINDOW_S, LiveLine, PlainLines, Rates, reporter_for
from bulkstream.ledger import Ledger
from bulkstream.model import Plan
from bulkstream.reporter import Notice, Progress, Silent

PLAN = Plan(None, None, 1000, (), 0)
START = Progress(0, 100_000_000, 0, 0, 0, 0, 0, 0.0)
CLEAR = "\r\x1b[K"


def at(seconds: float, acked: int = 0, sent: int = 0) -> Progress:
    return replace(START, seconds=seconds, acked_bytes=acked, sent_bytes=sent)


def screen(written: str) -> list[str]:
    """What a terminal shows: a carriage return and its erasing take the current line away."""
    return [line.rpartition(CLEAR)[2] for line in written.split("\n")]


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> tuple[LiveLine, io.StringIO]:
    monkeypatch.setenv("COLUMNS", "80")
    stream = io.StringIO()
    return LiveLine(stream), stream


def test_live_line_is_written_over_and_over(live: tuple[LiveLine, io.StringIO]) -> None:
    """Any number of snapshots take one line of the terminal, one column short of wrapping."""
    reporter, stream = live
    reporter.planned(PLAN)
    for second in range(1, 50):
        reporter.progress(at(second, acked=second * 1_000_000))

    shown = screen(stream.getvalue())

    assert len(shown) == 1
    assert " 49% " in shown[0]
    assert len(shown[0]) <= 79


def test_notices_stand_above_the_live_line(live: tuple[LiveLine, io.StringIO]) -> None:
    """A notice takes the line's place, and the line goes on below it."""
    reporter, stream = live
    reporter.notice(Notice("1 file(s): header found"))
    reporter.progress(at(1, acked=50_000_000))
    reporter.notice(Notice("part 3: trying again"))
    reporter.notice(Notice("part 4: trying again"))

    first, second, third, line = screen(stream.getvalue())

    assert (first, second, third) == ("1 file(s): header found", "part 3: trying again", "part 4: trying again")
    assert " 50% " in line


def test_live_line_leaves_nothing_behind(live: tuple[LiveLine, io.StringIO]) -> None:
    """At the end the line is gone, and what follows begins in the first column."""
    reporter, stream = live
    reporter.progress(at(1))
    reporter.notice(Notice("a notice"))
    reporter.finished(Ledger().report())

    assert screen(stream.getvalue()) == ["a notice", ""]


def test_what_is_said_behind_the_end_stays_alone(live: tuple[LiveLine, io.StringIO]) -> None:
    """A notice behind the end does not bring the line back."""
    reporter, stream = live
    reporter.progress(at(1))
    reporter.finished(Ledger().report())
    reporter.notice(Notice("late"))

    assert screen(stream.getvalue()) == ["late", ""]


def test_live_line_follows_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal made narrower gets a shorter line with the next snapshot."""
    stream = io.StringIO()
    reporter = LiveLine(stream)
    for width in (200, 80, 40):
        monkeypatch.setenv("COLUMNS", str(width))
        reporter.progress(at(1, acked=50_000_000))

        assert len(screen(stream.getvalue())[0]) < width


def test_plain_lines_come_every_interval_only() -> None:
    """A log gets a line each interval, however many snapshots there are, and no control characters."""
    stream = io.StringIO()
    reporter = PlainLines(stream, 5.0)
    reporter.planned(PLAN)
    for tick in range(101):
        reporter.progress(at(tick / 5, acked=tick * 1_000_000))
    reporter.finished(Ledger().report())

    lines = stream.getvalue().splitlines()

    assert [line[line.index("%") - 3 : line.index("%")] for line in lines] == [" 25", " 50", " 75", "100"]
    assert stream.getvalue().replace("\n", "").isprintable()


def test_plain_line_after_a_stall_does_not_catch_up() -> None:
    """Intervals in which nothing came are not made up for."""
    stream = io.StringIO()
    reporter = PlainLines(stream, 5.0)
    for seconds in (0.0, 21.0, 21.2, 25.8, 26.0):
        reporter.progress(at(seconds))

    assert len(stream.getvalue().splitlines()) == 2


def test_short_load_has_no_plain_line_but_its_notices() -> None:
    """A load that ends within the interval leaves only what it had to say."""
    stream = io.StringIO()
    reporter = PlainLines(stream, 5.0)
    reporter.progress(at(0.2))
    reporter.notice(Notice("created stream 1"))
    reporter.progress(at(4.9))
    reporter.finished(Ledger().report())

    assert stream.getvalue() == "created stream 1\n"


def test_rates_are_those_of_the_last_seconds() -> None:
    """A load that slows down shows it within the window, not its average."""
    rates = Rates()
    steady = [rates.add(at(tick / 5, acked=tick * 20_000_000, sent=tick * 10_000_000)) for tick in range(51)]
    ticks = range(51, 51 + int(WINDOW_S * 5) + 2)
    stalled = [rates.add(at(tick / 5, acked=1_000_000_000, sent=500_000_000)) for tick in ticks]

    assert steady[-1] == pytest.approx((100e6, 50e6))
    assert stalled[-1] == (0.0, 0.0)


def test_first_rate_counts_from_the_start() -> None:
    """A single snapshot has a rate too, and one at time zero divides by nothing."""
    assert Rates().add(at(2.0, acked=100, sent=50)) == (50.0, 25.0)
    assert Rates().add(at(0.0)) == (0.0, 0.0)


def test_first_rate_of_a_resumed_load_counts_what_is_new() -> None:
    """What an earlier process has sent does not look like a burst of this one."""
    now = replace(at(2.0, acked=1100, sent=50), restored_bytes=1000)

    assert Rates().add(now) == (50.0, 25.0)


def test_snapshots_far_apart_still_make_a_rate() -> None:
    """A pause longer than the window leaves two snapshots to compare."""
    rates = Rates()
    rates.add(at(0.0))

    assert rates.add(at(100.0, acked=1000)) == (10.0, 0.0)


def test_reporter_suits_where_it_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal gets the live line, a file plain lines, and quiet nobody anything."""
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(reporter_for(quiet=False, interval_s=5.0, stream=Terminal()), LiveLine)
    assert isinstance(reporter_for(quiet=False, interval_s=5.0, stream=io.StringIO()), PlainLines)
    assert isinstance(reporter_for(quiet=True, interval_s=5.0, stream=Terminal()), Silent)


def test_terminal_that_rewrites_nothing_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dumb terminal, such as an editor's shell, would show the control characters."""
    monkeypatch.setenv("TERM", "dumb")

    assert isinstance(reporter_for(quiet=False, interval_s=5.0, stream=Terminal()), PlainLines)
