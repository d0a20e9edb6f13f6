"""A soak: many small parts under faults of all kinds; memory, descriptors, threads and tasks are watched.

`python -m tests.faults.soak` loads 10,000 parts from this process into a sandbox in another one, with the journal on,
writes benchmarks/results/soak.json and the account of it in docs/reliability.md.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import hashlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import orjson

from benchmarks.machine import machine
from bulkstream import Client, Column, ColumnType, Dialect
from bulkstream.settings import load_settings
from tests.support.marked import write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bulkstream.model import Report
    from bulkstream.settings import Settings

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "benchmarks" / "results" / "soak.json"
PAGE = ROOT / "docs" / "reliability.md"
MARK = "<!-- soak -->"

PARTS = 10_000
PART_BYTES = 4096
ROW_BYTES = 128
SHARE = 0.05
SAMPLE_S = 0.1
START_S = 30.0
GROWTH = 1.05
"""Memory is flat if the median of the last quarter of the load is at most this times that of the second."""
SLACK_BYTES = 4 << 20

KINDS = (
    *('kind = "status"\nstatus = 500', 'kind = "status"\nstatus = 503', 'kind = "status"\nstatus = 502'),
    *('kind = "status"\nstatus = 429\nretry_after = "0"', 'kind = "html"', 'kind = "html"\neffect = true'),
    *('kind = "reset_before"', 'kind = "reset_during"', 'kind = "reset_after"', 'kind = "lost_answer"'),
    *('kind = "late_effect"\nseconds = 0.2', 'kind = "truncated_answer"', 'kind = "malformed_json"'),
    *('kind = "empty_answer"', 'kind = "duplicate_delivery"', 'kind = "disk_full"'),
    *('kind = "latency"\nseconds = 0.05\nlate = 0.05', 'kind = "bandwidth"\nread = 20000', 'kind = "stall"'),
)
"""Strike parts, in equal shares."""

EXPIRIES = 2
"""How often all tokens expire; a request is sent with a new token once."""


@dataclass
class Samples:
    """What the load's process used, over time.

    Attributes:
        rss: Resident bytes.
    """

    rss: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    tasks: list[int] = field(default_factory=list)

    async def take(self) -> None:
        """Take them for ever."""
        while True:
            self.rss.append(resident())
            self.descriptors.append(descriptors())
            self.tasks.append(len(asyncio.all_tasks()))
            await asyncio.sleep(SAMPLE_S)

    def quarter(self, number: int) -> float:
        """Median of the resident bytes in a quarter of the time, from 1."""
        size = max(1, len(self.rss) // 4)
        return median(self.rss[(number - 1) * size : number * size])


@dataclass(frozen=True)
class Used:
    """What a process holds."""

    descriptors: int
    threads: int


def descriptors() -> int:
    """Open descriptors of this process, without the one that looks."""
    return len(os.listdir("/proc/self/fd")) - 1  # noqa: PTH208 - names only


def resident() -> int:
    """Resident bytes of this process."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def used() -> Used:
    """What this process holds now."""
    gc.collect()
    return Used(descriptors(), threading.active_count())


def soak(parts: int) -> dict[str, Any]:
    """Load so many parts; return everything that was found."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        digest = _write_source(folder / "rows.csv", parts)
        with sandbox(folder, parts) as url:
            asyncio.run(_nothing())  # what the first loop opens and keeps
            before, samples = used(), Samples()
            report, read_back, struck, tasks = asyncio.run(_loaded(folder, url, samples))
            after = used()
    second, last = samples.quarter(2), samples.quarter(4)
    return {
        "parts": report.parts,
        "rows": report.rows,
        "outcome": report.outcome,
        "verified": report.verified,
        "read_back_equal": read_back == digest,
        "seconds": report.seconds,
        "retries": report.retries,
        "faults": struck,
        "rss_mb": {"second_quarter": _mb(second), "last_quarter": _mb(last), "highest": _mb(max(samples.rss))},
        "memory_flat": last <= second * GROWTH + SLACK_BYTES,
        "descriptors": {"before": before.descriptors, "most": max(samples.descriptors), "after": after.descriptors},
        "threads": {"before": before.threads, "after": after.threads},
        "tasks": {"most": max(samples.tasks), "left": tasks},
        "samples": len(samples.rss),
    }


def failures(found: dict[str, Any]) -> list[str]:
    """Say what is not as it must be."""
    return [
        f"{name}: {found[name]}"
        for name, good in (
            ("outcome", found["outcome"] == "committed"),
            ("verified", found["verified"] is True),
            ("read_back_equal", found["read_back_equal"]),
            ("memory_flat", found["memory_flat"]),
            ("descriptors", found["descriptors"]["after"] <= found["descriptors"]["before"]),
            ("threads", found["threads"]["after"] <= found["threads"]["before"]),
            ("tasks", found["tasks"]["left"] == 0),
            ("faults", found["faults"] > found["parts"] * SHARE / 2),
        )
        if not good
    ]


@contextmanager
def sandbox(folder: Path, parts: int) -> Iterator[str]:
    """Run a sandbox of its own process, which breaks something in one of twenty parts; its address."""
    script, port = folder / "faults.toml", folder / "port"
    each = SHARE / len(KINDS)
    faults = [f"probability = {each}\n{kind}" for kind in KINDS]
    faults += [f'kind = "expire_token"\nafter = {(n + 1) * parts // (EXPIRIES + 1)}' for n in range(EXPIRIES)]
    script.write_text("".join(f'[[fault]]\nat = "part"\n{fault}\n' for fault in faults), "utf-8")
    command = (sys.executable, "-m", "bulkstream.sandbox", "--port", "0", "--port-file", port, "--faults", script)
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
    try:
        ends = time.monotonic() + START_S
        while not port.exists():
            if process.poll() is not None or time.monotonic() > ends:
                raise RuntimeError("the sandbox does not start")
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port.read_text('ascii').strip()}"
    finally:
        process.terminate()
        process.wait()


async def _nothing() -> None:
    await asyncio.to_thread(lambda: None)


async def _loaded(folder: Path, url: str, samples: Samples) -> tuple[Report, str, int, int]:
    tasks = len(asyncio.all_tasks())
    async with Client(_settings(folder, url)) as client:
        columns = (Column("id", ColumnType.LONG), Column("text", ColumnType.STRING))
        stream = await client.streams.create(name="soak", columns=columns)
        sampling = asyncio.create_task(samples.take())
        try:
            report = await client.upload(folder / "rows.csv", stream=stream)
        finally:
            sampling.cancel()
            await asyncio.wait([sampling])
        digest = hashlib.sha256()
        async for block in client.datasets.export(stream.dataset_id, include_header=False):
            digest.update(block)
        struck = await _struck(url)
    return report, digest.hexdigest(), struck, len(asyncio.all_tasks()) - tasks


async def _struck(url: str) -> int:
    """How often faults struck, as the sandbox itself has counted."""
    import aiohttp  # noqa: PLC0415 - for this alone

    headers = {"X-DOMO-Developer-Token": "sandbox"}
    async with aiohttp.ClientSession(headers=headers) as session, session.get(f"{url}/admin/faults") as answer:
        return sum(orjson.loads(await answer.read())["struck"])


def _settings(folder: Path, url: str) -> Settings:
    environ = {
        "BULKSTREAM_URL": url,
        "BULKSTREAM_DIALECT": Dialect.PUBLIC,
        "BULKSTREAM_CLIENT_ID": "sandbox",
        "BULKSTREAM_CLIENT_SECRET": "sandbox",
        "BULKSTREAM_STATE_DIR": str(folder / "state"),
        "HOME": str(folder),
    }
    flags: dict[str, dict[str, Any]] = {
        "connection": {"stall_timeout_s": 1.0},
        "retry": {"base_s": 0.01},
        "upload": {"part_size": PART_BYTES, "concurrency": 8},
    }
    return load_settings(flags, environ=environ)


def _write_source(path: Path, parts: int) -> str:
    """Write so many parts of rows, with a header; return the digest of the rows."""
    rows, digest = PART_BYTES // ROW_BYTES, hashlib.sha256()
    with path.open("wb") as file:
        file.write(b"id,text\n")
        for part in range(parts):
            text = b"".join(
                b"%010d,%s\n" % (part * rows + row, os.urandom((ROW_BYTES - 12) // 2).hex().encode())
                for row in range(rows)
            )
            digest.update(text)
            file.write(text)
    return digest.hexdigest()


def _mb(count: float) -> float:
    return round(count / 1e6, 1)


def told(found: dict[str, Any]) -> str:
    """The result in words."""
    rss, held, threads = found["rss_mb"], found["descriptors"], found["threads"]
    return "\n".join(
        (
            "| | |",
            "| --- | --- |",
            f"| parts, rows | {found['parts']:,}, {found['rows']:,} |",
            f"| faults, retries | {found['faults']:,}, {found['retries']:,} |",
            f"| outcome | {found['outcome']}, read back equal to the source |",
            f"| time | {found['seconds']:.0f} s |",
            f"| resident memory, median of the second quarter | {rss['second_quarter']:.0f} MB |",
            f"| resident memory, median of the last quarter | {rss['last_quarter']:.0f} MB |",
            f"| descriptors before, at most, after | {held['before']}, {held['most']}, {held['after']} |",
            f"| threads before, after | {threads['before']}, {threads['after']} |",
            f"| tasks left | {found['tasks']['left']} |",
        )
    )


def main() -> None:
    """Soak, and write the result where it belongs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", type=int, default=PARTS)
    parser.add_argument("--output", type=Path, help="write the result there, and not into the page")
    given = parser.parse_args()
    found = soak(given.parts)
    output = given.output or RESULT
    output.write_bytes(orjson.dumps({**found, "machine": machine()}, option=orjson.OPT_INDENT_2) + b"\n")
    if wrong := failures(found):
        raise SystemExit("\n".join(wrong))
    if given.output is None:
        write(PAGE, MARK, told(found))


if __name__ == "__main__":
    main()
