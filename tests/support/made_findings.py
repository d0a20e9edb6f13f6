"""Findings of a bench as they could be on a machine of four cores, for what is derived from them."""

from __future__ import annotations

from bulkstream.bench import Cell, Choice, Findings, Rate, Rung, Sending, Stages, verdict
from bulkstream.bench.findings import Data, Load, Machine

LADDER = ((0, "isal", 2.5, 480.0), (1, "isal", 2.8, 460.0), (2, "isal", 2.9, 430.0), (3, "libdeflate", 3.5, 70.0))


def rate(median: float) -> Rate:
    return Rate(median, 0.9 * median, 1.1 * median)


def stages(*sending: tuple[int, float], cut: float = 5000.0, workers: int = 4) -> Stages:
    """Make stages whose compression grows by 3/4 of a thread with each further one."""
    rungs = (
        Rung(level, library, level, ratio, rate(one), rate(one * (1 + 0.75 * (workers - 1))))
        for level, library, ratio, one in LADDER
    )
    return Stages(
        workers, rate(9000), rate(cut), tuple(rungs), tuple(Sending(count, rate(speed)) for count, speed in sending)
    )


def findings(*sending: tuple[int, float]) -> Findings:
    measured = stages(*sending)
    choice = Choice(level=1, concurrency=4, workers=4, part_bytes=4 << 20)
    grid = [Cell(c, p << 20, rate(100.0 * c + p)) for c in (1, 2, 4) for p in (1, 4)]
    return Findings(
        target="null",
        url="http://127.0.0.1:1",
        data=Data((), 64_000_000, 500_000),
        machine=Machine(4, "3.12.1", "Linux"),
        repeats=3,
        seconds=12.0,
        stages=measured,
        grid=tuple(grid),
        as_set=Load(choice, rate(400), auto_level=True),
        recommended=Load(choice, rate(420)),
        verdict=verdict(measured, choice, 420),
    )
