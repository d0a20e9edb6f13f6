"""How fast is a load of a .csv.gz, next to unpacking and packing alone, in memory, on the same two cores?

Each round measures isal alone (`benchmarks.recode`) and one load per part size, all as fresh processes, to nginx on
the same cores. One stream of gzip can only be unpacked by one thread at a time, so the limit is what two threads make
of both, measured as such; the one that is calculated, with all work split evenly, is reported beside it. So is the
share of the limit by the load's own clock, which leaves out the start of Python.

    python -m benchmarks.unpack --quick
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from benchmarks.end_to_end import speeds
from benchmarks.figures import ratios, spread
from benchmarks.inputs import gzipped
from benchmarks.loads import upload
from benchmarks.plan import MB, Plan, alone, told
from benchmarks.server import best_server
from benchmarks.timing import python, timed

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.loads import Load
    from benchmarks.server import Server

NAME = "unpack"
RAW_BYTES = 1000 * MB
PART_SIZES = ("8MiB", "24MiB")
"""A small one, and the usual one of a source that has to be unpacked."""
BOUND = 0.8
"""A load should make at least this share of the limit."""


@dataclass(frozen=True, slots=True)
class Alone:
    """What isal alone takes for a file.

    Attributes:
        raw_bytes: Of the unpacked file.
        unpack_s: Seconds of unpacking on one thread.
        pack_s: Seconds of packing on one thread.
        both_s: Seconds of both on two threads.
    """

    raw_bytes: int
    unpack_s: float
    pack_s: float
    both_s: float

    @property
    def limit(self) -> float:
        """Raw MB/s that two threads make of both, as measured."""
        return self.raw_bytes / MB / self.both_s

    @property
    def calculated(self) -> float:
        """Raw MB/s of two threads that never wait for each other, and of which one at a time unpacks."""
        return self.raw_bytes / MB / max(self.unpack_s, (self.unpack_s + self.pack_s) / 2)


def measure(plan: Plan) -> dict[str, Any]:
    """Run the rounds against a server without TLS."""
    packed = gzipped(plan.file(RAW_BYTES))
    with best_server() as server:
        return against(server, plan, packed)


def against(server: Server, plan: Plan, packed: Path) -> dict[str, Any]:
    """Run the rounds against a server that runs."""
    limits: list[Alone] = []
    loads: dict[str, list[Load]] = {size: [] for size in PART_SIZES}
    for number in range(plan.rounds):
        told(f"  round {number + 1} of {plan.rounds}")
        limits.append(recoded(packed))
        for size in PART_SIZES:
            load = upload([packed], server, "--part-size", size)
            loads[size].append(replace(load, raw_bytes=limits[-1].raw_bytes))
    return {
        "server": server.kind,
        "raw_bytes": limits[0].raw_bytes,
        "packed_bytes": packed.stat().st_size,
        "bound": BOUND,
        "alone": {
            "unpack": spread([each.raw_bytes / MB / each.unpack_s for each in limits]),
            "pack": spread([each.raw_bytes / MB / each.pack_s for each in limits]),
            "limit": spread([each.limit for each in limits]),
            "calculated": spread([each.calculated for each in limits]),
        },
        "loads": {size: {**speeds(each), **compared(each, limits)} for size, each in loads.items()},
    }


def recoded(packed: Path) -> Alone:
    """Measure isal alone, in a process of its own."""
    return Alone(**json.loads(timed(python("-m", "benchmarks.recode", str(packed))).printed))


def compared(loads: list[Load], limits: list[Alone]) -> dict[str, Any]:
    """Divide the speed by the limits, round by round."""
    rates = [load.mb_s for load in loads]
    started = [load.raw_bytes / MB / load.report["seconds"] for load in loads]
    return {
        "ratio": ratios(rates, [each.limit for each in limits]),
        "to_calculated": ratios(rates, [each.calculated for each in limits]),
        "once_started": ratios(started, [each.limit for each in limits]),
    }


if __name__ == "__main__":
    alone(NAME, measure, __doc__)
