"""Numbers, progress lines and reports, as people read them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstream.cli.text import amount, duration, hanging, outcome_style, progress_line, report_lines, size, speed
from bulkstream.decision import Decision
from bulkstream.ledger import Ledger
from bulkstream.model import Outcome
from bulkstream.reporter import Progress

NOW = Progress(
    read_bytes=500_000_000,
    total_bytes=766_000_000,
    acked_bytes=383_000_000,
    acked_rows=3_000_600,
    acked_parts=120,
    acked_sent_bytes=134_000_000,
    sent_bytes=150_000_000,
    seconds=1.5,
)

ALL_BUT_BAR = " 50% · 383 MB of 766 MB · 3.0M rows · 120 parts · 412 MB/s · 144 MB/s sent · ratio 2.86 · ETA 0:01"


def line(now: Progress, width: int, raw_rate: float = 412e6) -> str:
    return progress_line(now, raw_rate=raw_rate, sent_rate=144e6, width=width)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (99_940, "99.9 kB"),
        (99_960, "100 kB"),
        (999_400, "999 kB"),
        (999_600, "1.0 MB"),
        (67_108_864, "67.1 MB"),
        (765_864_690, "766 MB"),
        (12_340_000_000, "12.3 GB"),
        (1_500_000_000_000, "1.50 TB"),
    ],
)
def test_size_has_three_digits(count: float, text: str) -> None:
    """Bytes are shown in decimal units, and no unit shows four digits before the next one takes over."""
    assert size(count) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (999_999, "999,999"),
        (1_000_000, "1.0M"),
        (6_001_215, "6.0M"),
        (999_949_999, "999.9M"),
        (999_950_000, "1.00G"),
        (1_230_000_000, "1.23G"),
    ],
)
def test_amount_is_exact_below_a_million(count: int, text: str) -> None:
    """Small counts are exact, large ones short."""
    assert amount(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00"),
        (0.5, "0:01"),
        (59.4, "0:59"),
        (59.6, "1:00"),
        (3599.4, "59:59"),
        (3600, "1:00:00"),
        (90061, "25:01:01"),
    ],
)
def test_duration_reads_as_a_clock(seconds: float, text: str) -> None:
    """Minutes and seconds have two digits behind an hour or a minute."""
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("width", "text"),
    [
        (120, f"█████░░░░░ · {ALL_BUT_BAR}"),
        (110, ALL_BUT_BAR),
        (80, " 50% · 383 MB of 766 MB · 3.0M rows · 412 MB/s · ratio 2.86 · ETA 0:01"),
        (60, " 50% · 383 MB of 766 MB · 412 MB/s · ETA 0:01"),
        (40, " 50% · 412 MB/s · ETA 0:01"),
        (20, " 50% · ETA 0:01"),
    ],
)
def test_progress_line_drops_the_least_important_first(width: int, text: str) -> None:
    """A narrower terminal shows fewer facts, and never half of one."""
    assert line(NOW, width) == text


@given(
    width=st.integers(18, 200),
    acked=st.integers(1, 10**12),
    more=st.integers(1, 10**12),
    rate=st.floats(1e6, 1e10),
)
def test_progress_line_never_wraps_and_keeps_share_and_end(width: int, acked: int, more: int, rate: float) -> None:
    """Whatever the numbers, the line fits the terminal, and how far it is and when it ends go last."""
    now = replace(NOW, acked_bytes=acked, total_bytes=acked + more, acked_rows=acked // 100)

    text = line(now, width, rate)

    assert len(text) <= width
    assert "% · " in text
    assert "ETA " in text


@pytest.mark.parametrize("width", [40, 80, 100, 120])
def test_facts_do_not_come_and_go_during_a_load(width: int) -> None:
    """On one terminal the same facts are shown from the first part to the last."""
    shown = set()
    for acked, rate in ((1, 9e6), (99_900_000, 99e6), (500_000_000, 999e6), (765_000_000, 1200e6)):
        now = replace(NOW, acked_bytes=acked, acked_rows=acked // 128, acked_parts=max(1, acked // 8_000_000))
        shown.add(line(now, width, rate).count(" · "))

    assert len(shown) == 1


@pytest.mark.parametrize(
    ("width", "text"),
    [
        (140, f"█████░░░░░ · {ALL_BUT_BAR}".replace(" of 766 MB · 3.0M", " · 3.0M of 6.0M").replace("ETA ", "ETA ~")),
        (80, " 50% · 383 MB · 3.0M of 6.0M rows · 412 MB/s · ETA ~0:01"),
        (60, " 50% · 3.0M of 6.0M rows · 412 MB/s · ETA ~0:01"),
        (20, " 50% · ETA ~0:01"),
    ],
)
def test_share_is_that_of_the_rows_where_only_these_are_known(width: int, text: str) -> None:
    """Nobody knows how long rows of Parquet will be as CSV; the time to go is an estimate, and shown as one."""
    assert line(replace(NOW, total_bytes=None, total_rows=6_001_200), width) == text


def test_all_rows_are_there_before_the_commit() -> None:
    """With the last row nothing is left but the commit; without any known total, the time passed is shown."""
    now = replace(NOW, total_bytes=None, total_rows=3_000_600)

    assert line(now, 140).endswith(" · committing")
    assert line(now, 140).startswith("██████████ · 100% · ")
    assert line(replace(now, total_rows=None), 120).endswith(" · 0:02")
    assert "%" not in line(replace(now, total_rows=None), 120)


@given(width=st.integers(0, 17))
def test_progress_line_fits_the_narrowest_terminal(width: int) -> None:
    """Even where nothing fits, the line does not wrap."""
    assert len(line(NOW, width)) <= width


def test_line_says_what_is_being_waited_for() -> None:
    """Without a rate there is no time to go, and when all is acknowledged the commit is what takes time."""
    assert line(NOW, 200, raw_rate=0.0).endswith("ETA -:--")
    assert line(replace(NOW, acked_bytes=766_000_000), 200).endswith("committing")


def test_hundred_percent_means_all_of_it() -> None:
    """The share is not rounded up to what is not yet so."""
    assert line(replace(NOW, acked_bytes=765_999_999), 20).startswith(" 99% ")
    assert line(replace(NOW, acked_bytes=766_000_000), 20).startswith("100% ")


def test_source_of_unknown_size_shows_the_time_passed() -> None:
    """Without a total there is no share and no bar, and the line ends with the time."""
    assert line(replace(NOW, total_bytes=None), 200) == (
        "383 MB · 3.0M rows · 120 parts · 412 MB/s · 144 MB/s sent · ratio 2.86 · 0:02"
    )


def test_first_line_has_no_ratio_of_nothing() -> None:
    """Before anything was acknowledged, nothing is divided by zero."""
    first = Progress(0, 766_000_000, 0, 0, 0, 0, 0, 0.0)

    assert line(first, 120, raw_rate=0.0) == (
        "░░░░░░░░░░ ·   0% · 0 B of 766 MB · 0 rows · 0 parts · 0 MB/s · 144 MB/s sent · ETA -:--"
    )


def test_report_names_what_happened() -> None:
    """A report of a load has its ids, counts and rates, with one part in the singular."""
    report = Ledger(run_id="r", outcome=Outcome.COMMITTED, stream_id=7, execution_id=1001).report()
    report = replace(
        report, rows=1_000, parts=1, raw_bytes=5_000_000, sent_bytes=2_000_000, seconds=0.5, raw_mb_s=10.0, ratio=2.5
    )

    lines = dict(report_lines(report))

    assert lines["stream"] == "7, execution 1001"
    assert lines["rows"] == "1,000 in 1 part"
    assert lines["raw"] == "5.0 MB in 0.5 s: 10 MB/s"
    assert lines["sent"] == "2.0 MB, 2.50 times smaller"
    assert lines["run"] == "r"
    assert "verified" not in lines


@pytest.mark.parametrize(
    ("mb_s", "shown"),
    [(0.0, "0 MB/s"), (0.43, "0.4 MB/s"), (9.94, "9.9 MB/s"), (9.96, "10 MB/s"), (1234.5, "1,234 MB/s")],
)
def test_slow_speeds_have_a_fraction(mb_s: float, shown: str) -> None:
    """A load of little, or over a slow link, is not shown as none."""
    assert speed(mb_s) == shown


def test_report_of_a_load_that_never_began_shows_no_numbers_that_are_none() -> None:
    """Where there is no stream, execution, ratio or limit, the report has a dash and not `None`."""
    lines = dict(report_lines(Ledger().report()))

    assert lines["stream"] == "-, execution -"
    assert not any("None" in value for value in lines.values())


@pytest.mark.parametrize(("verified", "text"), [(True, "yes"), (False, "NO")])
def test_report_says_what_a_comparison_found(verified: bool, text: str) -> None:
    """A comparison that was made is told right behind the ids, a difference in capitals."""
    label, value = report_lines(Ledger(verified=verified).report())[1]

    assert label == "verified"
    assert value.startswith(text)


def test_each_outcome_has_a_colour_of_its_own() -> None:
    """A glance tells the outcomes apart."""
    assert len({outcome_style(outcome) for outcome in Outcome}) == len(Outcome)


def test_report_shows_what_was_tuned_and_shortens_a_long_story() -> None:
    """Each change has its time and reason; of many, the first and the last are shown."""
    ledger = Ledger(started=0.0)
    for n in range(20):
        ledger.decided(Decision(float(n), "level", n, n + 1, f"reason {n}"))
    lines = report_lines(ledger.report())[-13:]

    assert lines[0] == ("tuned", "  0:00  level 0 -> 1: reason 0")
    assert lines[6] == ("", "     …  8 more")
    assert lines[-1] == ("", "  0:19  level 19 -> 20: reason 19")


def test_long_values_stay_behind_their_labels() -> None:
    """They are broken between words; what is one word is copied from the terminal, and stays whole."""
    text = "to its end for this dry run; a-name/that-is-long.csv can't be read again"

    assert hanging(text, indent=4, width=30).split("\n    ") == [
        "to its end for this dry",
        "run;",
        "a-name/that-is-long.csv",
        "can't be read again",
    ]
    assert hanging(text, indent=4, width=200) == text
    assert hanging("x" * 50, indent=40, width=45) == "x" * 50
