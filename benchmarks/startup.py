"""What does starting cost? `bulkstream --help`, the import, and a load of 1 KB, beside Python that does nothing.

python -m benchmarks.startup --quick
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.figures import spread
from benchmarks.inputs import beginning
from benchmarks.loads import upload
from benchmarks.plan import alone
from benchmarks.server import best_server
from benchmarks.timing import Timed, python, timed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.loads import Load
    from benchmarks.plan import Plan
    from benchmarks.server import Server

NAME = "startup"
RUNS, QUICK_RUNS = 20, 3
TINY_BYTES = 1024


def measure(plan: Plan) -> dict[str, Any]:
    """Run every command once per round."""
    runs = QUICK_RUNS if plan.quick else RUNS
    with best_server() as server:
        commands = contenders(server, beginning(plan.file(), TINY_BYTES))
        taken: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(runs):
            for name, run in commands.items():
                taken[name].append(run().seconds * 1e3)
    return {"runs": runs, "ms": {name: spread(values) for name, values in taken.items()}}


def contenders(server: Server, tiny: Path) -> dict[str, Callable[[], Timed | Load]]:
    """Return what is run, by the name that it has in the results."""
    return {
        "python -c pass": lambda: timed(python("-c", "pass")),
        'python -c "import bulkstream"': lambda: timed(python("-c", "import bulkstream")),
        "bulkstream --help": lambda: timed(python("-m", "bulkstream", "--help")),
        "bulkstream upload, 1 KB": lambda: upload([tiny], server),
    }


if __name__ == "__main__":
    alone(NAME, measure, __doc__)
