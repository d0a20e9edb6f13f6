"""Does a load at full speed disturb the event loop that it runs on?

Each round measures, in fresh processes, how late a coroutine wakes: on an idle machine, beside the codec in another
process (what the system's scheduling alone does when all cores are busy), and beside loads on the same loop: of a file,
and of a million rows: in a table of Arrow's, in a frame of pandas with Python objects, and from generators.

    python -m benchmarks.loop_stall --quick
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from benchmarks.figures import rounded, spread
from benchmarks.plan import MB, alone, told
from benchmarks.server import best_server
from benchmarks.ticking import BOUNDS_MS, GIVEN
from benchmarks.timing import python, timed

if TYPE_CHECKING:
    from benchmarks.plan import Plan

NAME = "loop_stall"
FULL_BYTES = 2000 * MB
PART_SIZE = "8MiB"
LOADS = ("upload", *GIVEN)
BESIDE = ("nothing", "codec", *LOADS)
BOUND_MS = 20.0
"""The longest delay of a tick beside a load."""


def measure(plan: Plan) -> dict[str, Any]:
    """Run the rounds."""
    file, runs = plan.file(FULL_BYTES), {name: list[dict[str, Any]]() for name in BESIDE}
    with best_server() as server:
        for number in range(plan.rounds):
            told(f"  round {number + 1} of {plan.rounds}")
            for name in BESIDE:
                command = python("-m", "benchmarks.ticking", str(file), "--beside", name, "--part-size", PART_SIZE)
                runs[name].append(json.loads(timed(command, server.environ).printed))
    return {
        "raw_bytes": file.stat().st_size,
        "part_size": PART_SIZE,
        "bound_ms": BOUND_MS,
        "histogram_bounds_ms": BOUNDS_MS,
        "peak_rss_mb": rounded(max(run["report"]["peak_rss_mb"] for run in runs["upload"])),
        "beside": {name: summary(each) for name, each in runs.items()},
    }


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Reduce the rounds of one setting: spreads of the percentiles, and one histogram of all ticks."""
    return {
        "ticks": sum(run["ticks"] for run in runs),
        **{key: spread([run[key] for run in runs]) for key in ("p50_ms", "p99_ms", "max_ms")},
        "histogram": [sum(counts) for counts in zip(*(run["histogram"] for run in runs), strict=True)],
    }


if __name__ == "__main__":
    alone(NAME, measure, __doc__)
