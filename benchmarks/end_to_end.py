"""How fast is a whole `bulkstream upload`, next to the gzip codec alone in memory on as many threads?

Each round runs the codec and one load per part size, all as fresh processes, to nginx on the same cores. A load's time
includes the start of Python, reading, cutting, counting rows, sending, and commit; the codec's is compressing alone.

    python -m benchmarks.end_to_end --quick
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.figures import ratios, rounded, spread
from benchmarks.loads import codec, upload
from benchmarks.plan import Plan, alone, told
from benchmarks.server import best_server
from bulkstream.cores import usable_cores

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.loads import Load
    from benchmarks.server import Server

NAME = "end_to_end"
PART_SIZES = ("8MiB", "64MiB")
BOUND = 0.9
"""The codec is most of the work; a load should make at least this share of its speed."""


def measure(plan: Plan) -> dict[str, Any]:
    """Run the rounds against a server without TLS."""
    with best_server() as server:
        return against(server, plan, plan.file())


def against(server: Server, plan: Plan, file: Path) -> dict[str, Any]:
    """Run the rounds against a server that runs."""
    alone_: list[Load] = []
    loads: dict[str, list[Load]] = {size: [] for size in PART_SIZES}
    for number in range(plan.rounds):
        told(f"  round {number + 1} of {plan.rounds}")
        alone_.append(codec(file, threads=usable_cores()))
        for size in PART_SIZES:
            loads[size].append(upload([file], server, "--part-size", size))
    return {
        "server": server.kind,
        "raw_bytes": file.stat().st_size,
        "threads": usable_cores(),
        "bound": BOUND,
        "codec": speeds(alone_),
        "loads": {size: {**speeds(each), **compared(each, alone_)} for size, each in loads.items()},
    }


def speeds(loads: list[Load]) -> dict[str, Any]:
    """Return what the rounds of one contender took."""
    return {
        "mb_s": spread([load.mb_s for load in loads]),
        "cpu_s_per_gb": spread([load.cpu_s_per_gb for load in loads]),
        "peak_rss_mb": rounded(max((load.report.get("peak_rss_mb") or 0 for load in loads), default=0)),
    }


def compared(ours: list[Load], theirs: list[Load]) -> dict[str, Any]:
    """Divide speed and processor time by the other's, round by round."""
    return {
        "ratio": ratios([load.mb_s for load in ours], [load.mb_s for load in theirs]),
        "cpu_quotient": ratios([load.cpu_s_per_gb for load in ours], [load.cpu_s_per_gb for load in theirs]),
    }


if __name__ == "__main__":
    alone(NAME, measure, __doc__)
