"""The model: from the rates of stages to a whole load, what limits it, and what would help."""

from __future__ import annotations

import pytest

from bulkstream.bench import Cell, Choice, Rate, predict, recommend, verdict
from bulkstream.bench.model import best_cell, best_level, sent_rate
from bulkstream.model import Limit
from tests.support.made_findings import rate, stages

FAST, SLOW = ((1, 800.0), (4, 2000.0)), ((1, 10.0), (2, 20.0), (4, 40.0))


def cell(concurrency: int, part_bytes: int, speed: float) -> Cell:
    return Cell(concurrency, part_bytes, rate(speed))


def test_rate_is_median_and_spread() -> None:
    """One bad measurement moves the spread, not the rate."""
    assert Rate.of([300.04, 100.0, 301.0]) == Rate(300.0, 100.0, 301.0)


@pytest.mark.parametrize(
    ("measured", "limit", "whole"),
    [
        (stages(*FAST), Limit.COMPRESS, 460 * 3.25),
        (stages(*SLOW), Limit.UPLOAD, 40 * 2.8),
        (stages(*FAST, cut=900.0), Limit.SOURCE, 900.0),
    ],
)
def test_whole_is_as_fast_as_its_slowest_stage(measured: object, limit: Limit, whole: float) -> None:
    """The least of the three rates is the load's, in raw MB/s, and its stage is the limit."""
    found = predict(measured, level=1, concurrency=4)  # type: ignore[arg-type]

    assert found.limit is limit
    assert found.whole == pytest.approx(whole)


@pytest.mark.parametrize(
    ("concurrency", "speed"),
    [(1, 10.0), (3, 30.0), (4, 40.0), (6, 60.0)],
)
def test_sending_is_interpolated_and_carried_on(concurrency: int, speed: float) -> None:
    """Between two measurements lies a line, which goes on beyond the last."""
    assert sent_rate(stages(*SLOW).sending, concurrency) == pytest.approx(speed)


@pytest.mark.parametrize(
    ("sending", "concurrency", "speed"),
    [
        (((4, 40.0),), 2, 20.0),
        (((4, 40.0),), 5, 50.0),
        (((2, 50.0), (4, 40.0)), 8, 40.0),
    ],
)
def test_sending_beyond_what_was_measured(
    sending: tuple[tuple[int, float], ...], concurrency: int, speed: float
) -> None:
    """A single measurement is taken in proportion, and a rate that fell with connections is not made to fall on."""
    assert sent_rate(stages(*sending).sending, concurrency) == pytest.approx(speed)


def test_one_more_core_helps_where_compression_limits() -> None:
    """The gain is what each of the last cores has added, and a connection more gains nothing."""
    found = verdict(stages(*FAST), Choice(1, 4, 4, 1 << 20), reached_mb_s=460 * 3.25 / 2)

    assert found.one_more_core_pct == pytest.approx(100 * 0.75 / 3.25, abs=0.1)
    assert found.one_more_connection_pct == 0
    assert found.reached_pct == 50
    assert found.sentence.startswith("Compression limits: 1,495 MB/s compressed by 4 threads at level 1, against ")


def test_one_more_connection_helps_where_sending_limits() -> None:
    """With 4 connections of 10 MB/s each, a fifth gives a quarter more, and a core nothing."""
    found = verdict(stages(*SLOW), Choice(1, 4, 4, 1 << 20), reached_mb_s=100)

    assert found.limited_by is Limit.UPLOAD
    assert found.one_more_connection_pct == pytest.approx(25)
    assert found.one_more_core_pct == 0
    assert found.sentence.startswith("Sending limits: 112 MB/s sent over 4 connections")


def test_gain_ends_where_the_next_stage_limits() -> None:
    """A core more can't raise the load beyond what can be cut."""
    found = verdict(stages(*FAST, cut=1510.0), Choice(1, 4, 4, 1 << 20), reached_mb_s=1000)

    assert found.limited_by is Limit.COMPRESS
    assert found.one_more_core_pct == pytest.approx(1.0)


@pytest.mark.parametrize(("workers", "gain"), [(1, 100.0), (2, 42.9)])
def test_gain_of_a_core_on_few_cores(workers: int, gain: float) -> None:
    """A single core's gain is taken for its own again."""
    found = verdict(stages(*FAST, workers=workers), Choice(1, 4, workers, 1 << 20), reached_mb_s=100)

    assert found.one_more_core_pct == pytest.approx(gain)


def test_level_follows_the_link() -> None:
    """A slow link gets the smallest output, a fast one the fastest level that is not wasteful."""
    assert best_level(stages(*SLOW), 4) == 3
    assert best_level(stages((1, 9000.0)), 1) == 1  # level 0 is 4 % faster, which is no difference, and sends more


def test_equal_cells_give_fewest_requests_and_connections() -> None:
    """Within 5 % of the best, larger parts and then fewer connections are preferred."""
    grid = [cell(1, 1, 98), cell(2, 4, 96), cell(4, 4, 100), cell(1, 16, 80)]

    assert best_cell(grid) == grid[1]
    assert best_cell(grid, least=4) == grid[2]
    assert best_cell(grid, least=8) == grid[1]


def test_recommendation_joins_grid_and_model() -> None:
    """Concurrency and part size come from whole loads, the level from the model at that concurrency."""
    assert recommend(stages(*SLOW), cell(2, 4096, 50)) == Choice(3, 2, 4, 4096)
