"""One sandbox, one client and one dataset with rows in one loop; and the truth, which is what the sandbox has."""

from __future__ import annotations

import asyncio
import gzip
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bulkstream import Client, Column, ColumnType, Dialect, Outcome, UpdateMethod
from bulkstream.cli.exits import Exit, exit_code
from bulkstream.client import load, take_up
from bulkstream.errors import BulkstreamError
from bulkstream.journal import Step
from bulkstream.ledger import Ledger
from bulkstream.prepare import Request
from bulkstream.reporter import Silent
from bulkstream.runs import store_of
from bulkstream.sandbox import RunningSandbox, SandboxSettings, executions, running, segments
from bulkstream.sandbox.context import SANDBOX
from bulkstream.sandbox.executions import State
from bulkstream.settings import load_settings, overridden
from tests.support.warped import WarpedLoop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Mapping
    from pathlib import Path

    from bulkstream.api import Stream
    from bulkstream.model import Report

COLUMNS = (Column("id", ColumnType.LONG), Column("text", ColumnType.STRING))
TEXT = "x" * 90
ROWS_A_PART = 10
PART_BYTES = 1024
OPEN = (State.ACTIVE, State.COMMITTING, State.SETTLING)

CONNECTION = {"stall_timeout_s": 2.0, "connect_timeout_s": 2.0}
UPLOAD = {
    "part_size": PART_BYTES,
    "concurrency": 2,
    "workers": 1,
    "level": 1,
    "commit_timeout_s": 20.0,
    "commit_wait_s": 30.0,
    "abort_timeout_s": 10.0,
}


@dataclass(frozen=True)
class Told:
    """What a command says to have happened."""

    report: Report
    error: BaseException | None = None
    given_up: bool = False

    @property
    def outcome(self) -> Outcome:
        return self.report.outcome

    @property
    def code(self) -> Exit:
        return exit_code(self.error, self.report, given_up=self.given_up)

    @property
    def hint(self) -> str:
        return self.error.hint if isinstance(self.error, BulkstreamError) else ""


@dataclass(frozen=True)
class Truth:
    """What the sandbox has, behind its API.

    Attributes:
        states: Of the stream's executions, by their ids.
        committed: Ids of those that succeeded, in their order.
        rows: Of the dataset.
    """

    states: Mapping[int, State]
    committed: tuple[int, ...]
    rows: bytes

    @property
    def open(self) -> tuple[int, ...]:
        return tuple(key for key, state in self.states.items() if state in OPEN)


@dataclass
class Stage:
    """Where a test plays.

    Attributes:
        sources: What each run was given, by its name.
        owners: Which run has opened an execution, as far as runs have said so.
        first: Execution that brought the rows that were there before.
    """

    sandbox: RunningSandbox
    client: Client
    folder: Path
    stream: Stream
    first: int
    before: bytes
    sources: dict[str, bytes] = field(default_factory=dict)
    owners: dict[int, str] = field(default_factory=dict)

    def write(self, name: str, rows: int, start: int) -> bytes:
        """Write a file of rows with ids from `start`."""
        data = rows_of(name, rows, start)
        (self.folder / name).write_bytes(b"id,text\n" + data)
        return data

    async def load(self, name: str, data: bytes, *, take_over: bool = False, **settings: Any) -> Told:
        """Load a file that was written, under the default terms of tests."""
        ledger = Ledger()
        self.sources[ledger.run_id] = data
        upload = overridden(self.client.settings.upload, settings)
        request = Request((self.folder / name,), upload, stream_id=self.stream.id, take_over=take_over)
        return await self._told(load(request, self.client, ledger=ledger, reporter=Silent()), ledger)

    async def resume(self, run_id: str, *, give_up: bool = False) -> Told:
        """Finish a run, or give it up."""
        found, ledger = store_of(self.client.settings).get(run_id).lock(), Ledger(run_id=run_id)
        work = take_up(found, self.client, ledger=ledger, reporter=Silent(), give_up=give_up)
        return await self._told(work, ledger, given_up=give_up)

    async def _told(self, work: Awaitable[Report], ledger: Ledger, *, given_up: bool = False) -> Told:
        try:
            told = Told(await work, given_up=given_up)
        except (BulkstreamError, asyncio.CancelledError) as error:
            told = Told(ledger.report(), error, given_up)
        if told.report.execution_id is not None:
            self.owners[told.report.execution_id] = told.report.run_id
        return told

    def has_journal(self, run_id: str) -> bool:
        """Whether a run has begun; one that failed before it sent anything has not."""
        return (store_of(self.client.settings).runs / run_id / "journal.sqlite").is_file()

    def commit_was_sent(self, run_id: str) -> bool:
        """Whether a run's journal has a commit that was about to be sent."""
        record = store_of(self.client.settings).get(run_id).record()
        return any(event.step is Step.COMMITTING for event in record.events)

    async def settled(self) -> None:
        """Wait for everything that still goes on in the sandbox by itself."""
        faults, server = self.sandbox.faults, self.sandbox._server
        while True:
            tasks = {*faults._beside, *faults._at_work}
            if server._restarting is not None and not server._restarting.done():
                tasks.add(server._restarting)
            else:
                tasks |= server.app[SANDBOX].committer._settling
            if not tasks:
                return
            await asyncio.wait(tasks)

    async def truth(self) -> Truth:
        """Look behind the API."""
        await self.settled()
        store = self.sandbox.store
        found = await store.run(executions.listed, self.stream.id, 10_000, 0)
        done = sorted((each.ended, each.id) for each in found if each.state is State.SUCCESS)
        parts = [
            (store.path(segment.id).read_bytes(), segment.gzip)
            for segment in await store.run(segments.of_dataset, self.stream.dataset_id)
        ]
        rows = b"".join(gzip.decompress(body) if zipped else body for body, zipped in parts)
        return Truth({each.id: each.state for each in found}, tuple(key for _, key in done), rows)


@asynccontextmanager
async def staged(
    folder: Path, dialect: Dialect, method: UpdateMethod = UpdateMethod.APPEND, *, rows: int = 15, **settings: Any
) -> AsyncIterator[Stage]:
    """Open a sandbox whose dataset holds rows with ids from 0; nothing goes wrong yet."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, WarpedLoop)
    data = rows_of("before", rows, 0)
    (folder / "before.csv").write_bytes(b"id,text\n" + data)
    async with (
        running(SandboxSettings(port=0, **settings), clock=loop.wall) as sandbox,
        Client(_settings(sandbox, dialect, folder), clock=loop.clock()) as client,
    ):
        stream = await client.streams.create(name="D", columns=COLUMNS, update_method=method, key_columns=_keys(method))
        report = await client.upload(folder / "before.csv", stream=stream, journal=False)
        await asyncio.sleep(60)
        yield Stage(sandbox, client, folder, stream, report.execution_id or 0, data)


def rows_of(name: str, rows: int, start: int) -> bytes:
    """Rows that say where they are from; `ROWS_A_PART` of them make a part."""
    return b"".join(f"{start + row:06},{name} {TEXT}"[:100].encode() + b"\n" for row in range(rows))


def _keys(method: UpdateMethod) -> tuple[str, ...]:
    return ("id",) if method is UpdateMethod.UPSERT else ()


def _settings(sandbox: RunningSandbox, dialect: Dialect, folder: Path) -> Any:
    environ = {
        "BULKSTREAM_URL": sandbox.url,
        "BULKSTREAM_DIALECT": dialect,
        "BULKSTREAM_TOKEN": "sandbox",
        "BULKSTREAM_CLIENT_ID": "sandbox",
        "BULKSTREAM_CLIENT_SECRET": "sandbox",
        "BULKSTREAM_STATE_DIR": str(folder / "state"),
        "HOME": str(folder),
    }
    flags = {"connection": CONNECTION, "retry": {"max_retry_after_s": 10.0}, "upload": UPLOAD}
    return load_settings(flags, environ=environ)
