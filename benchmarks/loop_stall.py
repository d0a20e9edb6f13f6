"""Does a load at full speed disturb the event loop it runs on? Delay of a ticking coroutine, and peak memory.

Uploads a file as a library call, several times over as one source, to a sink in a process of its own, while a
coroutine asks to be woken every millisecond and notes by how much it is late.

    python benchmarks/loop_stall.py --times 3 --part-size 8MiB
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import uvloop
from throughput import lineitem, machine, sink

from bulkstream import Client, Report

TICK_S = 0.001


async def ticking(late_ms: list[float]) -> None:
    """Note, forever, by how many milliseconds each wake-up is late."""
    while True:
        asked = time.perf_counter()
        await asyncio.sleep(TICK_S)
        late_ms.append((time.perf_counter() - asked - TICK_S) * 1e3)


async def loaded(files: list[Path], part_size: str) -> tuple[Report, list[float]]:
    """Upload while ticking."""
    late_ms: list[float] = []
    ticker = asyncio.create_task(ticking(late_ms))
    async with Client.from_env() as client:
        report = await client.upload(files, stream=1, part_size=part_size)
    ticker.cancel()
    with suppress(asyncio.CancelledError):
        await ticker
    return report, late_ms


def summary(report: Report, late_ms: list[float]) -> dict[str, Any]:
    """Reduce the delays to what matters."""
    ordered = sorted(late_ms)
    return {
        "raw_bytes": report.raw_bytes,
        "raw_mb_s": report.raw_mb_s,
        "peak_rss_mb": report.peak_rss_mb,
        "ticks": len(ordered),
        "late_ms_median": round(statistics.median(ordered), 2),
        "late_ms_p99": round(ordered[int(len(ordered) * 0.99)], 2),
        "late_ms_max": round(ordered[-1], 2),
    }


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--file", type=Path, help="a CSV file (default: TPC-H lineitem, scale 1)")
    parser.add_argument("--times", type=int, default=3, help="how often the file stands in the source")
    parser.add_argument("--part-size", default="8MiB")
    args = parser.parse_args()
    file = args.file or lineitem(1.0)
    with sink() as url:
        os.environ.update(BULKSTREAM_URL=url, BULKSTREAM_DIALECT="public")
        os.environ.update(BULKSTREAM_CLIENT_ID="sink", BULKSTREAM_CLIENT_SECRET="sink")  # noqa: S106 - a sink's
        report, late_ms = uvloop.run(loaded([file] * args.times, args.part_size))
    print(json.dumps({**machine(), "part_size": args.part_size, **summary(report, late_ms)}, indent=2))


if __name__ == "__main__":
    main()
