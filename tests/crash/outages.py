"""The server killed in the middle of loads, and started again on the data that it has kept."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bulkstream.model import UpdateMethod
from tests.crash.counts import Counts
from tests.crash.load import CASES, SETTINGS, TOLD, UPLOAD, Case
from tests.crash.processes import Ended, kill, killed_or_ended, last_record, started
from tests.crash.source import BASE, KINDS, write_files
from tests.crash.witness import desk_at

if TYPE_CHECKING:
    import random
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator
    from pathlib import Path

CREDENTIALS = {
    "BULKSTREAM_TOKEN": "sandbox",
    "BULKSTREAM_CLIENT_ID": "sandbox",
    "BULKSTREAM_CLIENT_SECRET": "sandbox",
}
START_LIMIT_S = 20.0
STRIKES_S = (0.5, 2.5)
"""When the server is killed, after the load has begun: a load takes about this long."""


@dataclass(slots=True)
class Server:
    """A sandbox in a process of its own, on a folder that survives it."""

    folder: Path
    port: int = 0
    process: Process | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start it, on the port that it had before, and wait until it answers."""
        options = ("--port", str(self.port), "--data", str(self.folder / "data"), "--latency", "0.01")
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bulkstream.sandbox", *options),
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), START_LIMIT_S)
        self.port = int(line.decode().rsplit(":", 1)[1])

    async def kill(self) -> None:
        """Kill it, and wait until it is gone."""
        if self.process is not None:
            kill(self.process)
            await self.process.communicate()


@asynccontextmanager
async def server_in(folder: Path) -> AsyncIterator[Server]:
    """Run a sandbox that does not outlive the context."""
    server = Server(folder)
    await server.start()
    try:
        yield server
    finally:
        await server.kill()


@dataclass(frozen=True, slots=True)
class Outage:
    """A load in which the server dies once."""

    server: Server
    case: Case
    sources: Path
    data: bytes
    kind: str
    state: Path

    async def run(self, after_s: float, counts: Counts) -> None:
        """Kill the server so long after the load began, and start it again; what the load says must be true."""
        async with desk_at(self.server.url, "sandbox") as desk:
            stream = await desk.stream(self.case.method)
            ended, _ = await asyncio.gather(
                self._bulkstream("upload", KINDS[self.kind], *UPLOAD, "--stream", str(stream)), self._strike(after_s)
            )
            then = "" if ended.code == 0 else await self._settled()
            rows = await desk.rows(stream)
            left = await desk.open_executions(stream)
        if left or not self._true(ended, then, rows):
            counts.mismatches.append(
                f"{self.case}, {self.kind}, {self.state.name}: {ended}, then {then}: {len(rows)} bytes"
            )
        counts.numbers["loads"] += 1
        begun = ended.report.get("execution_id") is not None
        counts.outcomes[ended.outcome if begun else "its first request met no server", then or "nothing to do"] += 1

    def _true(self, ended: Ended, then: str, rows: bytes) -> bool:
        append = self.case.method is UpdateMethod.APPEND
        if ended.outcome == "committed" or then == "resume: committed":
            return rows == (BASE if append else b"") + self.data
        return rows == BASE

    async def _settled(self) -> str:
        """Settle what came to no good end, as its user would: resume it, and if that can't tell, give it up."""
        record = last_record(self.state)
        if record is None or record.ended:
            return ""
        for arguments in (("resume", record.run_id), ("resume", record.run_id, "--abort")):
            ended = await self._bulkstream(*arguments, *TOLD)
            if ended.code == 0:
                return f"{' '.join(each for each in arguments if each != record.run_id)}: {ended.outcome}"
        return "not settled"

    async def _bulkstream(self, *arguments: str) -> Ended:
        self.state.mkdir(exist_ok=True)
        (self.state / "settings.toml").write_text(SETTINGS, "utf-8")
        environ = {
            "BULKSTREAM_URL": self.server.url,
            "BULKSTREAM_DIALECT": self.case.dialect,
            "BULKSTREAM_STATE_DIR": str(self.state),
            "BULKSTREAM_CONFIG": str(self.state / "settings.toml"),
        }
        process = await started(self.sources, environ | CREDENTIALS, *arguments)
        return await killed_or_ended(process, None, asyncio.Event())

    async def _strike(self, after_s: float) -> None:
        await asyncio.sleep(after_s)
        await self.server.kill()
        await self.server.start()


async def outages(folder: Path, number: int, draw: random.Random, parts: int) -> Counts:
    """Kill the server in so many loads, one after another, and count what came of it."""
    counts, sources = Counts(), folder / "sources"
    sources.mkdir(parents=True)
    data = write_files(sources, draw, parts)
    async with server_in(folder) as server:
        for each in range(number):
            case, kind = CASES[each % len(CASES)], draw.choice(tuple(KINDS))
            outage = Outage(server, case, sources, data, kind, folder / f"outage{each}")
            await outage.run(draw.uniform(*STRIKES_S), counts)
    return counts
