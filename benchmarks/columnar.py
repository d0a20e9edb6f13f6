"""How fast is a load of Parquet, next to decoding, `write_csv` and packing alone, in memory, on the same two cores?

Each round measures pyarrow and isal alone (`benchmarks.rerender`) and one load per part size, all as fresh processes,
to nginx on the same cores. The input is TPC-H lineitem as tpchgen-cli writes it: views of text, decimals, at scale 2
105 row groups. Speeds are of its rows as CSV.

    python -m benchmarks.columnar --quick
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from benchmarks.end_to_end import speeds
from benchmarks.figures import ratios, spread
from benchmarks.inputs import lineitem_parquet
from benchmarks.loads import upload
from benchmarks.plan import MB, Plan, alone, told
from benchmarks.server import best_server
from benchmarks.timing import python, timed

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.loads import Load
    from benchmarks.server import Server

NAME = "columnar"
SCALE, QUICK_SCALE = 2.0, 0.2
PART_SIZES = ("8MiB", "24MiB")
"""A small one, and the usual one of a source that has to be decoded."""
BOUND = 0.8
"""A load should make at least this share of the limit."""
MOST_MB = 400
"""Megabytes that it should take at most."""


@dataclass(frozen=True, slots=True)
class Alone:
    """What pyarrow and isal alone take for a file, on two threads.

    Attributes:
        render_s: Seconds of decoding and rendering.
        pack_s: Seconds of packing.
        both_s: Seconds of all of it.
        csv_bytes: What was rendered.
        row_groups: Of the file.
        packed_bytes: What came of it.
    """

    render_s: float
    pack_s: float
    both_s: float
    csv_bytes: int
    row_groups: int
    packed_bytes: int


def measure(plan: Plan) -> dict[str, Any]:
    """Run the rounds against a server without TLS."""
    file = lineitem_parquet(QUICK_SCALE if plan.quick else SCALE)
    with best_server() as server:
        return against(server, plan, file)


def against(server: Server, plan: Plan, file: Path) -> dict[str, Any]:
    """Run the rounds against a server that runs."""
    limits: list[Alone] = []
    loads: dict[str, list[Load]] = {size: [] for size in PART_SIZES}
    for number in range(plan.rounds):
        told(f"  round {number + 1} of {plan.rounds}")
        limits.append(rerendered(file))
        for size in PART_SIZES:
            load = upload([file], server, "--part-size", size)
            loads[size].append(replace(load, raw_bytes=limits[-1].csv_bytes))
    return {
        "server": server.kind,
        "file_bytes": file.stat().st_size,
        "raw_bytes": limits[0].csv_bytes,
        "row_groups": limits[0].row_groups,
        "bound": BOUND,
        "most_mb": MOST_MB,
        "alone": {
            "render": spread([each.csv_bytes / MB / each.render_s for each in limits]),
            "pack": spread([each.csv_bytes / MB / each.pack_s for each in limits]),
            "limit": spread([each.csv_bytes / MB / each.both_s for each in limits]),
        },
        "loads": {size: {**speeds(each), **compared(each, limits)} for size, each in loads.items()},
    }


def rerendered(file: Path) -> Alone:
    """Measure pyarrow and isal alone, in a process of its own."""
    return Alone(**json.loads(timed(python("-m", "benchmarks.rerender", str(file))).printed))


def compared(loads: list[Load], limits: list[Alone]) -> dict[str, Any]:
    """Divide the speed by the limit, round by round."""
    limit = [each.csv_bytes / MB / each.both_s for each in limits]
    started = [load.raw_bytes / MB / load.report["seconds"] for load in loads]
    return {"ratio": ratios([load.mb_s for load in loads], limit), "once_started": ratios(started, limit)}


if __name__ == "__main__":
    alone(NAME, measure, __doc__)
