"""One process at a time works on a run, and a journal is read as a killed process has left it."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from bulkstream.journal import Phase
from bulkstream.model import Dialect
from tests.crash.processes import last_record
from tests.support.command_line import Run, Server, ended, serving

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aiohttp import web

ROWS = "".join(f'{number},"a ""row""\n{"x" * 100}"\n' for number in range(200))
UPLOAD = ("upload", "a.csv", "--dataset-name", "A", "--part-size", "1KiB", "--concurrency", "3")
HELD = 9
"""The first part that the server holds."""


class Hold:
    """Holds the uploads from one part on; tells when the first has arrived."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self.release = asyncio.Event()

    async def __call__(self, request: web.Request) -> None:
        found = re.search(r"/part/(\d+)$", request.path)
        if found and int(found[1]) >= HELD:
            self.arrived.set()
            await self.release.wait()


@asynccontextmanager
async def held_upload(folder: Path) -> AsyncIterator[tuple[Server, Hold, Process, str]]:
    """Run an upload up to a part that the server holds; yields the name of the run as well."""
    (folder / "a.csv").write_text("id,text\n" + ROWS, "utf-8")
    hold = Hold()
    async with (
        serving(folder, hold, dialect=Dialect.PUBLIC) as server,
        server.shell.started(*UPLOAD) as process,
    ):
        await hold.arrived.wait()
        record = last_record(state_of(folder))
        assert record is not None
        yield server, hold, process, record.run_id
        hold.release.set()


def state_of(folder: Path) -> Path:
    """Where a shell keeps its journals."""
    return folder / ".local" / "state" / "bulkstream"


async def test_living_run_can_not_be_resumed(tmp_path: Path) -> None:
    """`resume` names the process that works on the run, changes nothing, and gives 1; the upload goes on."""
    async with held_upload(tmp_path) as (server, hold, process, run_id):
        run = await server.shell.run("resume", run_id, "--json")

        assert (run.code, run.json["outcome"], run.json["run_id"]) == (1, "kept", run_id)
        assert f"run {run_id} is still alive (process {process.pid} on " in run.err
        assert server.seen.count("POST /oauth/token") == 1, "it asked the server nothing"
        hold.release.set()
        assert (await ended(process)).code == 0
        assert await server.rows() == ROWS.encode()
        assert [number for number in set(server.parts) if server.parts.count(number) > 1] == []


async def test_of_two_resumes_at_once_one_works(tmp_path: Path) -> None:
    """The other is refused with 1; what is sent are the parts that had no receipt."""
    async with held_upload(tmp_path) as (server, hold, process, run_id):
        process.kill()
        await process.wait()
        record = last_record(state_of(tmp_path))
        assert record is not None
        hold.arrived.clear()
        sent = len(server.parts)
        async with server.shell.started("resume", run_id) as one, server.shell.started("resume", run_id) as other:
            both = {asyncio.create_task(ended(each)) for each in (one, other)}
            done, working = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            hold.release.set()
            refused, finished = done.pop().result(), await working.pop()

        assert (refused.code, finished.code) == (1, 0)
        assert f"run {run_id} is still alive" in refused.err
        assert await server.rows() == ROWS.encode()
        after = last_record(state_of(tmp_path))
        assert after is not None
        assert set(server.parts[sent:]) == set(after.receipts) - set(record.receipts)


async def killed(folder: Path) -> None:
    """Kill an upload that has receipts, and check that its journal was not folded into the database."""
    async with held_upload(folder) as (_, _, process, run_id):
        process.kill()
        await process.wait()
        run = state_of(folder) / "runs" / run_id
    assert (run / "journal.sqlite-wal").stat().st_size > 0
    assert (run / "journal.sqlite-shm").exists()


async def test_journal_of_a_killed_process_is_listed_and_shown(tmp_path: Path) -> None:
    """Receipts that are only in the write-ahead log count, also where the shared memory's file is gone."""
    await killed(tmp_path)
    record = last_record(state_of(tmp_path))
    assert record is not None
    for path in state_of(tmp_path).glob("runs/*/journal.sqlite-shm"):
        path.unlink()
    async with serving(tmp_path) as server:
        listed = await server.shell.run("runs", "list", "--json")
        shown = await server.shell.run("runs", "show", record.run_id)

    assert record.phase is Phase.OPEN
    found = [(each["run_id"], each["state"], each["parts"]) for each in listed.json]
    assert found == [(record.run_id, "interrupted", len(record.receipts))]
    assert f"{len(record.receipts)} acknowledged" in shown.out
    assert f"bulkstream resume {record.run_id}" in shown.out


async def test_torn_end_of_the_log_costs_only_what_it_held(tmp_path: Path) -> None:
    """A power cut in the middle of a write leaves the transactions before it; the run is finished with them."""
    async with held_upload(tmp_path) as (server, hold, process, run_id):
        process.kill()
        await process.wait()
        whole = last_record(state_of(tmp_path))
        log = state_of(tmp_path) / "runs" / run_id / "journal.sqlite-wal"
        with log.open("r+b") as file:
            file.truncate(log.stat().st_size - 100)
        torn = last_record(state_of(tmp_path))
        hold.release.set()
        run: Run = await server.shell.run("resume", run_id, "--json")

        assert run.code == 0
        assert await server.rows() == ROWS.encode()
    assert whole is not None
    assert torn is not None
    assert torn.receipts.items() <= whole.receipts.items()
    assert (len(torn.events), len(torn.receipts)) < (len(whole.events), len(whole.receipts))
