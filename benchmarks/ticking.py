"""How late does an event loop wake a coroutine, with something going on beside it? One process, for `loop_stall`.

    python -m benchmarks.ticking --beside upload FILE      # a load on the same loop
    python -m benchmarks.ticking --beside codec FILE       # another process that takes all cores
    python -m benchmarks.ticking --beside nothing FILE     # a second of idling
    python -m benchmarks.ticking --beside objects FILE     # a load of a million rows in memory, see `GIVEN`

Prints the delays of a coroutine that asks to be woken every millisecond, and the report of the load.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import uvloop

from benchmarks.figures import histogram, percentile, rounded
from benchmarks.timing import ROOT, python
from bulkstream import Client
from bulkstream.cores import usable_cores

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    import pandas as pd

TICK_S = 0.001
IDLE_S = 1.0
ROWS = 1_000_000
BOUNDS_MS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)


async def ticking(late_ms: list[float]) -> None:
    """Note, forever, by how many milliseconds each wake-up is late."""
    while True:
        asked = time.perf_counter()
        await asyncio.sleep(TICK_S)
        late_ms.append((time.perf_counter() - asked - TICK_S) * 1e3)


def table() -> pa.Table:
    """Make a table of numbers, text and exact numbers."""
    numbers = np.arange(ROWS)
    text = pa.array(numbers).cast(pa.string())
    exact = pa.array(numbers % 1000).cast(pa.decimal128(22, 2))
    return pa.table({"n": numbers, "x": numbers / 7, "s": text, "d": exact})


def objects() -> pd.DataFrame:
    """Make a frame of pandas whose text and exact numbers are Python objects."""
    return table().to_pandas().astype({"s": object, "d": object})


def dicts() -> Iterator[dict[str, Any]]:
    """Yield rows, from a thread of the load's."""
    for n in range(ROWS):
        yield {"n": n, "x": n / 7, "s": str(n)}


async def later() -> AsyncIterator[dict[str, Any]]:
    """Yield rows on the loop, without a wait among them."""
    for row in dicts():
        yield row


GIVEN: dict[str, Callable[[], Any]] = {"table": table, "objects": objects, "dicts": dicts, "later": later}
"""What is loaded from memory."""


async def loaded(source: Any, part_size: str) -> dict[str, Any]:
    """Load as a library call, to where the environment says."""
    async with Client.from_env() as client:
        return (await client.upload(source, stream=1, part_size=part_size)).as_dict()


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
    source = GIVEN[beside]() if beside in GIVEN else file
    late_ms: list[float] = []
    ticker = asyncio.create_task(ticking(late_ms))
    match beside:
        case "codec":
            report = await crowded(file)
        case "nothing":
            report = await idle()
        case _:
            report = await loaded(source, part_size)
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
    parser.add_argument("--beside", choices=("upload", "codec", "nothing", *GIVEN), default="upload")
    parser.add_argument("--part-size", default="8MiB")
    args = parser.parse_args()
    print(json.dumps(uvloop.run(measured(args.beside, args.file, args.part_size))))


if __name__ == "__main__":
    main()
