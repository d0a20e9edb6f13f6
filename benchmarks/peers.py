"""How fast is bulkstream next to what one would use without it? Rates, in raw MB/s, and the ratios to bulkstream's.

The fast ones take the whole file: `pigz` and `igzip` alone, on as many threads, with nothing sent; and two scripts
with `split`, `pigz` and `curl`, one that packs all parts before it sends them at once, one that sends each as it is
packed. The slow ones take a slice: pydomo in both its ways, and one thread with the standard library's gzip.

    python -m benchmarks.peers --quick
"""

from __future__ import annotations

import json
import shlex
import tempfile
from typing import TYPE_CHECKING, Any

from benchmarks.figures import ratios, spread
from benchmarks.loads import upload
from benchmarks.machine import find_program, library
from benchmarks.plan import alone, told
from benchmarks.server import SHARED_MEMORY, best_server, drain
from benchmarks.timing import python, timed
from bulkstream.cores import usable_cores

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.plan import Plan
    from benchmarks.server import Server

NAME = "peers"
SLICE_BYTES = 256 << 20
QUICK_SLICE_BYTES = 16 << 20
PARTS = "/v1/streams/1/executions/1/part/"
HEADERS = "-H 'Content-Type: text/csv' -H 'Content-Encoding: gzip'"
BOUNDS = {"bulkstream to pydomo": 25, "bulkstream to script": 2.0, "bulkstream to pigz": 3.0}


def measure(plan: Plan) -> dict[str, Any]:
    """Run every contender once per round."""
    taken: dict[str, list[float]] = {}
    with best_server() as server, drain() as polite:
        contenders = fast(plan.file(), server) | slow(plan.file(SLICE_BYTES, QUICK_SLICE_BYTES), server, polite)
        for number in range(plan.rounds):
            told(f"  round {number + 1} of {plan.rounds}")
            for name, run in contenders.items():
                taken.setdefault(name, []).append(run())
    ours = taken["bulkstream"]
    return {
        "raw_bytes": plan.file().stat().st_size,
        "slice_bytes": plan.file(SLICE_BYTES, QUICK_SLICE_BYTES).stat().st_size,
        "threads": usable_cores(),
        "bounds": BOUNDS,
        "mb_s": {name: spread(values) for name, values in taken.items()},
        "bulkstream_to": {name: ratios(ours, values) for name, values in taken.items() if name != "bulkstream"},
    }


def fast(file: Path, server: Server) -> dict[str, Callable[[], float]]:
    """Return what loads the whole file, by name; each gives raw MB/s."""
    threads, contenders = usable_cores(), {"bulkstream": lambda: upload([file], server).mb_s}
    if find_program("pigz"):
        contenders["pigz -1, nothing sent"] = lambda: _rate(file, f"pigz -1 -p {threads} -c {{file}} > /dev/null")
    if find_program("igzip"):
        contenders["igzip -1, nothing sent"] = lambda: _rate(file, f"igzip -1 -T {threads} -c {{file}} > /dev/null")
    if find_program("pigz") and find_program("curl"):
        contenders["split, pigz, then curl"] = lambda: _rate(file, packed_then_sent(server.url, threads))
        contenders["split, pigz into curl"] = lambda: _rate(file, sent_as_packed(server.url, threads))
    return contenders


def slow(file: Path, server: Server, polite: Server) -> dict[str, Callable[[], float]]:
    """Return what loads the slice, by name; pydomo wants its parts answered with 200, which nginx's DAV doesn't."""
    contenders = {"one thread, stdlib gzip": lambda: _own_rate(file, "whole", server)}
    if library("pydomo"):
        contenders["pydomo, DataFrame"] = lambda: _own_rate(file, "frame", polite)
        contenders["pydomo, 8 threads of files"] = lambda: _own_rate(file, "files", polite)
    return contenders


def packed_then_sent(url: str, threads: int) -> str:
    """Return the script that packs parts into shared memory and then sends them all, four at a time."""
    pack = f"pigz -1 -p {threads} > {{folder}}/$FILE"
    send = f'curl -sSf --parallel --parallel-max 4 {HEADERS} -T "{{{{$(ls {{folder}} | paste -sd,)}}}}" {url}{PARTS}'
    return f"{_split(pack)} && cd {{folder}} && {send}"


def sent_as_packed(url: str, threads: int) -> str:
    """Return the script that sends each part while it is packed."""
    return _split(f"pigz -1 -p {threads} | curl -sSf {HEADERS} -T - {url}{PARTS}$FILE")


def _split(command: str) -> str:
    options = "-C 64M -d -a 5 --numeric-suffixes=1"
    return f"tail -n +2 {{file}} | split {options} --filter={shlex.quote(command)} - ''"


def _rate(file: Path, script: str) -> float:
    """Run a script with its `{file}` and an empty `{folder}`; return raw MB/s."""
    parent = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        text = script.format(file=file, folder=folder)
        done = timed(["bash", "-o", "pipefail", "-c", text])
    return file.stat().st_size / 1e6 / done.seconds


def _own_rate(file: Path, way: str, server: Server) -> float:
    """Let another client send a file; return raw MB/s over the seconds of its own work."""
    told_ = json.loads(timed(python("-m", "benchmarks.others", way, str(file), server.url)).printed.splitlines()[-1])
    return file.stat().st_size / 1e6 / float(told_["seconds"])


if __name__ == "__main__":
    alone(NAME, measure, __doc__)
