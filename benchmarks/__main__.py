"""Run the comparisons one after another and write their results: `python -m benchmarks`."""

from __future__ import annotations

import importlib
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any, cast

from benchmarks.plan import Plan, arguments, kept, planned, told

if TYPE_CHECKING:
    from collections.abc import Callable

COMPARISONS = ("end_to_end", "tls", "unpack", "columnar", "peers", "links", "scaling", "loop_stall", "price", "startup")


def measured(name: str, plan: Plan) -> bool:
    """Run one comparison and write its result; return whether that worked."""
    told(f"{name} …")
    measure = cast("Callable[[Plan], dict[str, Any]]", importlib.import_module(f"benchmarks.{name}").measure)
    began = time.perf_counter()
    try:
        path = kept(plan, name, measure(plan))
    except Exception:  # noqa: BLE001 - one comparison that fails doesn't take the others with it
        traceback.print_exc()
        return False
    told(f"  {path} after {time.perf_counter() - began:.0f} s")
    return True


def main() -> None:
    """Parse the command line and measure."""
    parser = arguments(__doc__)
    parser.add_argument("--only", nargs="+", choices=COMPARISONS, default=COMPARISONS, metavar="NAME")
    args = parser.parse_args()
    plan = planned(args)
    worked = [measured(name, plan) for name in args.only]
    sys.exit(0 if all(worked) else 1)


if __name__ == "__main__":
    main()
