"""An account on a sandbox of its own: what it was asked, what it answers, and runs that come to no end."""

from __future__ import annotations

import sqlite3
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from bulkstream import Client, Dialect, Outcome
from bulkstream.errors import PartFailed
from bulkstream.runs import store_of
from bulkstream.sandbox import RunningSandbox, SandboxSettings, running
from bulkstream.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from aiohttp.typedefs import Handler

    from bulkstream.journal import RunFolder
    from bulkstream.model import Report

    Answer = Callable[[web.Request, Handler], Awaitable[web.StreamResponse | None]]


@dataclass
class Account:
    """A running sandbox.

    `seen` is what it was asked, `sent` the numbers of the parts among that. `answer` may answer in its place.
    """

    answer: Answer | None = None
    seen: list[str] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    sandbox: RunningSandbox = field(init=False)

    @property
    def changes(self) -> list[str]:
        """What was asked that changes something, tokens aside."""
        return [each for each in self.seen if not each.startswith("GET ") and "oauth" not in each]

    def count(self, ending: str) -> int:
        """Count the requests whose path ends so."""
        return sum(each.endswith(ending) for each in self.seen)

    def forget(self) -> None:
        """Begin to note anew, and answer as the sandbox does."""
        self.answer = None
        self.seen.clear()
        self.sent.clear()

    @property
    def middleware(self) -> Any:
        @web.middleware
        async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
            self.seen.append(f"{request.method} {request.path}")
            if "/part" in request.path and request.content_type == "text/csv":
                self.sent.append(int(request.path.rsplit("/", 1)[1]))
            answer = self.answer
            if answer and (answered := await answer(request, handler)) is not None:
                return answered
            return await handler(request)

        return note

    def client(self, dialect: Dialect = Dialect.PUBLIC, **flags: dict[str, Any]) -> Client:
        """Make a client, to be opened; its retries don't wait, and its requests are noted."""
        environ = {
            "BULKSTREAM_URL": self.sandbox.url,
            "BULKSTREAM_DIALECT": dialect,
            "BULKSTREAM_TOKEN": "sandbox",
            "BULKSTREAM_CLIENT_ID": "sandbox",
            "BULKSTREAM_CLIENT_SECRET": "sandbox",
            "HOME": "/nowhere",
        }
        return Client(load_settings({"retry": {"base_s": 0.0}, **flags}, environ=environ))

    async def rows(self, stream_id: int = 1) -> bytes:
        """Read a stream's dataset back."""
        async with self.client() as client:
            dataset = (await client.streams.get(stream_id)).dataset_id
            return b"".join([block async for block in client.datasets.export(dataset, include_header=False)])

    async def states(self, stream_id: int = 1) -> list[str]:
        """Return the states of a stream's executions, the oldest first."""
        async with self.client() as client:
            found = [each async for each in client.executions.list(stream_id)]
            return [each.current_state for each in sorted(found, key=lambda each: each.id)]


@asynccontextmanager
async def account(**settings: Any) -> AsyncIterator[Account]:
    """Open an account."""
    opened = Account()
    async with running(SandboxSettings(port=0, **settings), middlewares=[opened.middleware]) as sandbox:
        opened.sandbox = sandbox
        yield opened


def refusing(part: int) -> Answer:
    """Refuse a part for good."""

    async def refuse(request: web.Request, _: Handler) -> web.StreamResponse | None:
        if "/part" in request.path and request.path.endswith(f"/{part}"):
            return web.json_response({"message": "not today"}, status=400)
        return None

    return refuse


def losing(ending: str, *, effect: bool, blind: bool = False) -> Answer:
    """Break the connection where an answer is due whose path ends so.

    Args:
        ending: Of the path.
        effect: The sandbox gets the request before.
        blind: From then on, executions can't be read.
    """
    lost = False

    async def lose(request: web.Request, handler: Handler) -> web.StreamResponse | None:
        nonlocal lost
        if request.method != "GET" and request.path.endswith(ending):
            lost = True
            if effect:
                await handler(request)
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if lost and blind and request.method == "GET" and "/executions/" in request.path:
            return web.json_response({"message": "no idea"}, status=500)
        return None

    return lose


def write_csv(path: Path, count: int, *, ends: bool = True) -> bytes:
    """Write rows below a header; return their bytes. `ends` says whether the last one has its line feed."""
    body = "".join(f'{n},"{path.name}, ""{n % 7}""\n{"x" * (n % 50)}"\n' for n in range(count))
    body = body if ends else body.removesuffix("\n")
    path.write_text("id,text\n" + body, "utf-8", newline="")
    return body.encode()


async def kept_run(
    opened: Account, source: Any, *, client: Client | None = None, refused: int = 5, **options: Any
) -> Report:
    """Let a load fail at a part, and keep what it has sent; forget what was asked."""
    opened.answer = refusing(refused)
    loading = {"dataset_name": "A", "part_size": "1KiB", "concurrency": 3, "on_failure": "keep", **options}
    async with client or opened.client() as entered:
        with pytest.raises(PartFailed) as caught:
            await entered.upload(source, **loading)
    opened.forget()
    report = caught.value.report
    assert report is not None
    assert report.outcome is Outcome.KEPT
    return report


def run_of(opened: Account, run_id: str) -> RunFolder:
    """Return the folder of a run."""
    return store_of(opened.client().settings).get(run_id)


def moved(run: RunFolder, url: str) -> None:
    """Make a journal what it would be if the server had been at another address when the run began."""
    with closing(sqlite3.connect(run.journal)) as db:
        db.execute("UPDATE run SET plan = json_set(plan, '$.url', ?)", (url,))
        db.commit()


def cut_off(run: RunFolder, *, back_to: str = "ended") -> None:
    """Make a journal what it would be if the process had been killed before it took a step."""
    with closing(sqlite3.connect(run.journal)) as db:
        db.execute("DELETE FROM steps WHERE id >= (SELECT min(id) FROM steps WHERE step = ?)", (back_to,))
        db.commit()
