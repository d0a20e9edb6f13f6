"""A process that is killed while an execution is being created."""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate
from typing import TYPE_CHECKING

from aiohttp import web

from bulkstream.journal import Phase, Step
from bulkstream.model import Dialect
from tests.crash.processes import last_record
from tests.crash.test_alone import ROWS, UPLOAD, state_of
from tests.support.command_line import serving

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp.typedefs import Handler

SLOW_S = 100.0


class Lost:
    """Creates the first execution and never says so; the time that it tells is behind."""

    def __init__(self) -> None:
        self.created = asyncio.Event()
        self.release = asyncio.Event()

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        answer = await handler(request)
        if request.method == "POST" and request.path.endswith("/executions") and not self.created.is_set():
            self.created.set()
            await self.release.wait()
        answer.headers["Date"] = formatdate(time.time() - SLOW_S, usegmt=True)
        return answer


async def test_execution_that_was_created_unheard_is_aborted(tmp_path: Path) -> None:
    """The resume finds it, aborts it, loads into one of its own, and asks by the server's clock."""
    (tmp_path / "a.csv").write_text("id,text\n" + ROWS, "utf-8")
    lost = Lost()
    async with serving(tmp_path, dialect=Dialect.PUBLIC, wrap=[lost.middleware]) as server:
        async with server.shell.started(*UPLOAD) as process:
            await lost.created.wait()
            process.kill()
            await process.wait()
        lost.release.set()
        before = last_record(state_of(tmp_path))
        assert before is not None
        run = await server.shell.run("resume", before.run_id, "--json")

        assert await server.rows() == ROWS.encode()
        assert await server.states() in (["SUCCESS"], ["ABORTED", "SUCCESS"])
    after = last_record(state_of(tmp_path))
    assert after is not None
    assert (before.phase, after.phase, run.code) == (Phase.CREATING, Phase.COMMITTED, 0)
    asked = [each.at - each.detail["server_time"] for each in after.events if each.step is Step.CREATING]
    assert [round(late / SLOW_S, 1) for late in asked] == [1.0, 1.0], "both knew the server's clock"
