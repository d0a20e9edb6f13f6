"""A sandbox on a free port, and a client for each of its dialects."""

from __future__ import annotations

import asyncio
import io
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
import pytest

from bulkstream.sandbox import RunningSandbox, SandboxSettings, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

COLUMNS = [{"name": "id", "type": "LONG"}, {"name": "text", "type": "STRING"}]
_WARNED_BYTES = 1 << 20  # of which aiohttp warns, in a client that sends them as bytes
CSV = {"Content-Type": "text/csv"}
BASIC = {"Authorization": aiohttp.encode_basic_auth("sandbox", "sandbox")}


@dataclass(frozen=True)
class Answer:
    """An answer, read to its end; JSON bodies are parsed."""

    status: int
    body: Any
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Desk:
    """A running sandbox and the calls that most tests make."""

    sandbox: RunningSandbox
    session: aiohttp.ClientSession

    async def call(self, method: str, path: str, **kwargs: Any) -> Answer:
        async with self.session.request(method, path, **kwargs) as response:
            body = await response.read()
            parsed = orjson.loads(body) if body and response.content_type == "application/json" else body
            return Answer(response.status, parsed, response.headers)

    async def token(self, **kwargs: Any) -> str:
        answer = await self.call("POST", "/oauth/token", headers=BASIC, **kwargs)
        return str(answer.body["access_token"])

    async def public(self, method: str, path: str, *, headers: Mapping[str, str] = {}, **kwargs: Any) -> Answer:
        bearer = {"Authorization": f"bearer {await self.token()}"}
        return await self.call(method, f"/v1{path}", headers={**bearer, **headers}, **kwargs)

    async def instance(self, method: str, path: str, *, headers: Mapping[str, str] = {}, **kwargs: Any) -> Answer:
        known = {"X-DOMO-Developer-Token": "sandbox"}
        return await self.call(method, f"/api/data/v1{path}", headers={**known, **headers}, **kwargs)

    async def stream(self, columns: Any = COLUMNS, **fields: Any) -> Any:
        body = {"dataSet": {"name": "load", "schema": {"columns": columns} if columns else None}, **fields}
        return (await self.public("POST", "/streams", json=body)).body

    async def execution(self, stream: Any, **body: Any) -> Any:
        return (await self.instance("POST", f"/streams/{stream['id']}/executions", json=body)).body

    async def part(self, execution: Any, number: int, body: Any, *, headers: Mapping[str, str] = CSV) -> Answer:
        path = f"/streams/{execution['streamId']}/data/{execution['dataId']}/parts/{number}"
        data = io.BytesIO(body) if isinstance(body, bytes) and len(body) > _WARNED_BYTES else body
        return await self.instance("PUT", path, data=data, headers=headers)

    async def finalize(self, execution: Any, action: str = "commit") -> Answer:
        return await self.instance("PUT", f"/streams/{execution['streamId']}/data/{execution['dataId']}/{action}")

    async def load(self, stream: Any, parts: Sequence[bytes], **body: Any) -> Answer:
        execution = await self.execution(stream, **body)
        for number, part in enumerate(parts, 1):
            assert (await self.part(execution, number, part)).status == 200
        return await self.finalize(execution)

    async def rows(self, stream: Any) -> bytes:
        return bytes((await self.public("GET", f"/datasets/{stream['dataSet']['id']}/data")).body)

    async def state(self, execution: Any) -> str:
        path = f"/streams/{execution['streamId']}/executions/{execution['id']}"
        return str((await self.public("GET", path)).body["currentState"])

    def files(self) -> int:
        """Number of segments' files on disk."""
        folder = self.sandbox.store.folder / "segments"
        return sum(path.is_file() for path in folder.glob("*/*"))

    async def until_files(self, number: int) -> None:
        """Wait until this many files are there; deletion is in the background."""
        await _until(lambda: self.files() == number)

    async def until_state(self, execution: Any, state: str) -> None:
        """Ask until an execution is in this state."""
        async with asyncio.timeout(10):
            while await self.state(execution) != state:  # noqa: ASYNC110 - the state is the server's
                await asyncio.sleep(0)


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - the file system sends no events
            await asyncio.sleep(0.001)


@asynccontextmanager
async def _opened(*, middlewares: Any = (), clock: Any = None, **fields: Any) -> AsyncIterator[Desk]:
    settings = SandboxSettings(**{"port": 0, **fields})
    more = {} if clock is None else {"clock": clock}
    async with (
        running(settings, middlewares=middlewares, **more) as sandbox,
        aiohttp.ClientSession(sandbox.url) as client,
    ):
        client._retry_connection = False  # else it sends a PUT again by itself when a connection breaks
        yield Desk(sandbox, client)


@pytest.fixture
def open_desk() -> Callable[..., AbstractAsyncContextManager[Desk]]:
    return _opened


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with _opened() as opened:
        yield opened
