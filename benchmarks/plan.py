"""What one run of the suite is to do, and how one comparison runs alone."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.inputs import beginning, lineitem
from benchmarks.machine import commit, machine

if TYPE_CHECKING:
    from collections.abc import Callable

RESULTS = Path(__file__).with_name("results")
QUICK_RESULTS = Path("build") / "bench-quick"
MB = 10**6


@dataclass(frozen=True, slots=True)
class Plan:
    """The choices that all comparisons share.

    Attributes:
        quick: Small inputs and few rounds, to see that everything works; no figures to quote.
        rounds: How often each contender runs.
        scale: TPC-H scale factor of lineitem.
        out: The folder that takes the results.
    """

    quick: bool
    rounds: int
    scale: float
    out: Path

    def file(self, full_bytes: int | None = None, quick_bytes: int = 100 * MB) -> Path:
        """Return lineitem, or as much of its beginning as a comparison wants."""
        size = quick_bytes if self.quick else full_bytes
        path = lineitem(self.scale)
        return path if size is None else beginning(path, size)


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Return a parser of the options that all commands share."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small inputs, two rounds: does everything work?")
    parser.add_argument("--rounds", type=int, help="how often each contender runs (default: 5, quick: 2)")
    parser.add_argument("--scale", type=float, help="TPC-H scale of lineitem (default: 5, 3.9 GB; quick: 1)")
    parser.add_argument("--out", type=Path, help=f"takes the results (default: {RESULTS.name}, quick: {QUICK_RESULTS})")
    return parser


def planned(args: argparse.Namespace) -> Plan:
    """Fill in what was not chosen."""
    return Plan(
        quick=args.quick,
        rounds=args.rounds or (2 if args.quick else 5),
        scale=args.scale or (1.0 if args.quick else 5.0),
        out=args.out or (QUICK_RESULTS if args.quick else RESULTS),
    )


def kept(plan: Plan, name: str, result: dict[str, Any]) -> Path:
    """Write a comparison's result with all that is needed to judge it."""
    document = {
        "name": name,
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "command": shlex.join(["python", "-m", *_command()]),
        "quick": plan.quick,
        "rounds": plan.rounds,
        "machine": machine(),
        "result": result,
    }
    plan.out.mkdir(parents=True, exist_ok=True)
    path = plan.out / f"{name}.json"
    path.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    return path


def alone(name: str, measure: Callable[[Plan], dict[str, Any]], description: str | None) -> None:
    """Run one comparison from the command line: measure, write, print."""
    plan = planned(arguments(description).parse_args())
    result = measure(plan)
    kept(plan, name, result)
    print(json.dumps(result, indent=2))


def told(text: str) -> None:
    """Say on standard error what is going on."""
    print(text, file=sys.stderr, flush=True)


def _command() -> list[str]:
    path = Path(sys.argv[0])
    module = "benchmarks" if path.stem == "__main__" else f"benchmarks.{path.stem}"
    return [module, *sys.argv[1:]]
