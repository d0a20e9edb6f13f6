"""What do the journal and the gate cost? Whole loads with both, beside loads with neither, in the same rounds.

The journal is on the disk that the system's temporary folder is on, not in memory. Which of the two runs first changes
from round to round.

    python -m benchmarks.price --quick
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchmarks.end_to_end import speeds
from benchmarks.figures import ratios
from benchmarks.loads import upload
from benchmarks.plan import Plan, alone, told
from benchmarks.server import best_server

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.loads import Load
    from benchmarks.server import Server

NAME = "price"
PART_SIZES = ("1MiB", "8MiB", "64MiB")
BOUND = 0.97
"""A load with journal and gate should make at least this share of the speed of one without."""
BARE = "benchmarks.bare"


def measure(plan: Plan) -> dict[str, Any]:
    """Run the rounds against a server without TLS."""
    with best_server() as server, tempfile.TemporaryDirectory(prefix="bulkstream-bench-") as state:
        on_disk = replace(server, environ={**server.environ, "BULKSTREAM_STATE_DIR": state})
        return against(on_disk, plan, plan.file())


def against(server: Server, plan: Plan, file: Path) -> dict[str, Any]:
    """Run the rounds against a server that runs."""
    safe: dict[str, list[Load]] = {size: [] for size in PART_SIZES}
    bare: dict[str, list[Load]] = {size: [] for size in PART_SIZES}
    for number in range(plan.rounds):
        told(f"  round {number + 1} of {plan.rounds}")
        for size in PART_SIZES:
            contenders = [(safe, "bulkstream"), (bare, BARE)]
            for loads, module in contenders if number % 2 else reversed(contenders):
                loads[size].append(upload([file], server, "--part-size", size, module=module))
    return {
        "server": server.kind,
        "raw_bytes": file.stat().st_size,
        "bound": BOUND,
        "loads": {
            size: {
                "safe": speeds(safe[size]),
                "bare": speeds(bare[size]),
                "ratio": ratios([load.mb_s for load in safe[size]], [load.mb_s for load in bare[size]]),
            }
            for size in PART_SIZES
        },
    }


if __name__ == "__main__":
    alone(NAME, measure, __doc__)
