"""How late does an event loop wake a coroutine, with something going on beside it? One process, for `loop_stall`.

    python -m benchmarks.ticking --beside upload FILE      # a load on the same loop
    python -m benchmarks.ticking --beside codec FILE       # another process that takes all cores
    python -m benchmarks.ticking --beside nothing FILE     # a second of idling

Prints the delays of a coroutine that asks to be woken every millisecond, and the report of the load.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.figures import histogram, percentile, rounded
from benchmarks.timing import ROOT, python
from bulkstream import Client
from bulkstream.cores import usable_cores

TICK_S = 0.001
IDLE_S = 1.0
BOUNDS_MS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)


async def ticking(late_ms: list[float]) -> None:
    """Note, forever, by how many milliseconds each wake-up is late."""
    while True:
        asked = time.perf_counter()
        await asyncio.sleep(TICK_S)
        late_ms.append((time.perf_counter() - asked - TICK_S) * 1e3)


async def loaded(file: Path, part_size: str) -> dict[str, Any]:
    """Load a file as a library call, to where the environment says."""
    async with Client.from_env() as client:
        return (await client.upload(file, stream=1, part_size=part_size)).as_dict()


async def crowded(file: Path) -> dict[str, Any]:
    """Let the codec alone take all cores, in another process."""
    command = python("-m", "benchmarks.codec", str(file), "--threads", str(usable_cores()))
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.DEVNULL)
    await process.wait()
    return {}


async def idle() -> dict[str, Any]:
    """Do nothing for a while."""
    await asyncio.sleep(IDLE_S)
    return {}


async def measured(beside: str, file: Path, part_size: str) -> dict[str, Any]:
    """Tick while the other thing goes on."""
    late_ms: list[float] = []
    ticker = asyncio.create_task(ticking(late_ms))
    match beside:
        case "upload":
            report = await loaded(file, part_size)
        case "codec":
            report = await crowded(file)
        case _:
            report = await idle()
    ticker.cancel()
    with suppress(asyncio.CancelledError):
        await ticker
    return {**summary(late_ms), "report": report}


def summary(late_ms: list[float]) -> dict[str, Any]:
    """Reduce the delays to what matters."""
    return {
        "ticks": len(late_ms),
        "p50_ms": rounded(percentile(late_ms, 0.5)),
        "p99_ms": rounded(percentile(late_ms, 0.99)),
        "max_ms": rounded(max(late_ms)),
        "histogram": histogram(late_ms, BOUNDS_MS),
    }


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--beside", choices=("upload", "codec", "nothing"), default="upload")
    parser.add_argument("--part-size", default="8MiB")
    args = parser.parse_args()
    print(json.dumps(uvloop.run(measured(args.beside, args.file, args.part_size))))


if __name__ == "__main__":
    main()
