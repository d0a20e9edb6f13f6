"""The real tuners over simulated links, held against the best fixed choice in the same simulation."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

import pytest

from bulkstream.effort import PRIOR, Rung
from tests.support.simulated_load import Adaptive, Link, Load, Scenario, best_fixed

WEAK_CORES = tuple(Rung(rung.mb_s / 3, rung.ratio * 1.3) for rung in PRIOR)


@dataclass(frozen=True, slots=True)
class Promise:
    """What must come out of a scenario.

    Attributes:
        best: The best fixed level and concurrency, where the search for it begins.
        levels: Lowest and highest level over the last quarter of the load, on average.
        limits: Likewise for the concurrency.
        fraction: Least speed, as a part of the best fixed choice's.
    """

    scenario: Scenario
    best: tuple[int, int]
    levels: tuple[float, float]
    limits: tuple[float, float]
    fraction: float


def steady(link: Link, **other: object) -> Scenario:
    return Scenario(((0.0, link),), **other)  # type: ignore[arg-type]


def changing(first: Link, at: float, second: Link, **other: object) -> Scenario:
    return Scenario(((0.0, first), (at, second)), **other)  # type: ignore[arg-type]


LONG_FAT = Link(1000, 0.1, 20)
SMALL = {"part_mb": 8.0, "parts": 5000}
FREE, HELD = Link(200, 0.03, 10), Link(200, 0.03, 10, throttles_above=2)

PROMISES = {
    "fast loopback": Promise(steady(Link(2500, 0.0005)), (1, 4), (1, 1), (4, 4), 0.99),
    "gigabit": Promise(steady(Link(118)), (4, 4), (3, 5), (2, 6), 0.98),
    "500 Mbit/s": Promise(steady(Link(60)), (7, 16), (6, 7), (2, 6), 0.98),
    "100 Mbit/s": Promise(steady(Link(12), parts=200), (10, 4), (8, 10), (2, 4), 0.96),
    "10 Mbit/s": Promise(steady(Link(1.2), parts=64), (11, 4), (10, 12), (2, 4), 0.93),
    "long and fat": Promise(steady(LONG_FAT, parts=2000), (1, 32), (1, 1), (16, 36), 0.96),
    "long and fat, small parts": Promise(steady(Link(1000, 0.2), **SMALL), (1, 32), (1, 1), (24, 54), 0.96),
    # Opening 64 connections step by step takes a fifth of this load; afterwards it runs at full speed.
    "capped connections": Promise(steady(Link(300, 0.03, 4), parts=2000), (2, 64), (1, 2), (60, 64), 0.86),
    "lossy": Promise(steady(Link(80, 0.05, 8, unrest=0.4), parts=1000), (6, 16), (5, 7), (9, 24), 0.87),
    "jitter": Promise(steady(Link(80, 0.1, jitter=0.8)), (6, 16), (5, 7), (2, 8), 0.93),
    "throttled": Promise(steady(Link(200, 0.03, 10, throttles_above=6)), (7, 8), (6, 8), (5, 7), 0.92),
    "throttle that ends": Promise(changing(HELD, 60, FREE, parts=1000), (3, 64), (1, 4), (18, 48), 0.88),
    # No fixed choice suits both halves, so the best of them is beaten.
    "sudden drop": Promise(changing(Link(118), 30, Link(12)), (5, 4), (8, 10), (2, 4), 1.08),
    "sudden rise": Promise(changing(Link(6), 300, Link(118), parts=600), (4, 4), (3, 5), (2, 6), 0.96),
    "idle spell": Promise(steady(Link(60), pause=(20, 200)), (7, 16), (6, 7), (2, 6), 0.97),
    "slow source": Promise(steady(Link(118), source_mb_s=80), (1, 4), (1, 1), (4, 4), 0.99),
    "eight workers": Promise(steady(Link(250), workers=8, parts=800), (7, 8), (6, 7), (2, 6), 0.95),
    "weak cores": Promise(steady(Link(60), ladder=WEAK_CORES), (3, 4), (2, 3), (2, 6), 0.96),
    "tiny parts": Promise(steady(Link(118, 0.03), part_mb=1, parts=3000), (4, 32), (3, 5), (9, 32), 0.9),
}


@pytest.mark.parametrize("name", PROMISES)
def test_tuners_come_close_to_the_best_fixed_choice(name: str) -> None:
    """Over the whole load, the search included; and the choice that it ends in is the one that the link wants."""
    promise = PROMISES[name]
    best = best_fixed(promise.scenario, promise.best)

    load = Load(promise.scenario, Adaptive(promise.scenario.workers)).run()
    end = load.trace[-len(load.trace) // 4 :]

    assert best.seconds / load.now >= promise.fraction
    assert promise.levels[0] <= fmean(moment.level for moment in end) <= promise.levels[1]
    assert promise.limits[0] <= fmean(moment.limit for moment in end) <= promise.limits[1]


@pytest.mark.parametrize("name", PROMISES)
def test_the_best_fixed_choice_is_written_down(name: str) -> None:
    """The search for the best begins at the best, as its neighbours show; so it is short, and the table true."""
    promise = PROMISES[name]

    best = best_fixed(promise.scenario, promise.best)

    assert (best.level, best.limit) == promise.best


def test_loads_are_repeatable() -> None:
    """The same seed gives the same load, to the last decision."""
    one, other = Adaptive(2), Adaptive(2)
    scenario = PROMISES["lossy"].scenario

    assert Load(scenario, one).run().now == Load(scenario, other).run().now
    assert one.decisions == other.decisions != []


def test_a_throttling_server_is_seldom_annoyed() -> None:
    """Of 400 parts, few are refused: the ceiling is remembered."""
    load = Load(PROMISES["throttled"].scenario, Adaptive(2)).run()

    assert load.refused <= 12
