"""The server's side: a sandbox that knows which process has sent what."""

from __future__ import annotations

import asyncio
import base64
from collections import Counter, defaultdict
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import ClientSession, hdrs, web
from multidict import CIMultiDict

from bulkstream.sandbox import SandboxSettings, running
from tests.crash.moments import PAUSES_S, Call
from tests.crash.source import BASE, COLUMNS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp.typedefs import Handler

    from bulkstream.model import Dialect, UpdateMethod

DEVELOPER = "X-DOMO-Developer-Token"


@dataclass(slots=True)
class Seen:
    """What one process has sent.

    Attributes:
        began: How often a part's upload began, by its number.
        stored: How often it came to its end.
        calls: How often each kind of call came.
        first_at: When the first of them did.
        awaited: The call that somebody waits for: the how many of its kind.
        lost: That call is to have no effect.
        arrived: Set when it has come.
    """

    began: Counter[int] = field(default_factory=Counter)
    stored: Counter[int] = field(default_factory=Counter)
    calls: Counter[Call] = field(default_factory=Counter)
    first_at: float = 0.0
    awaited: tuple[Call, int] | None = None
    lost: bool = False
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, call: Call, at: float) -> bool:
        """Note a call that has come; return whether it is to have an effect."""
        self.first_at = self.first_at or at
        self.calls[call] += 1
        if self.awaited != (call, self.calls[call]):
            return True
        self.arrived.set()
        return not self.lost


class Witness:
    """Tells the processes apart by their credentials: process 7 is `sandbox-7`, whatever becomes of its requests.

    Attributes:
        seen: What each has sent.
        processes: How many there were.
    """

    def __init__(self) -> None:
        self.seen: defaultdict[int, Seen] = defaultdict(Seen)
        self._tokens: dict[str, int] = {}
        self.processes = 0

    def new_process(self) -> int:
        """Return the number of a process that is about to begin."""
        self.processes += 1
        return self.processes

    def environ(self, process: int, url: str, dialect: Dialect) -> dict[str, str]:
        """Return what tells a process where the server is, and who it is itself."""
        return {
            "BULKSTREAM_URL": url,
            "BULKSTREAM_DIALECT": dialect,
            "BULKSTREAM_TOKEN": f"sandbox-{process}",
            "BULKSTREAM_CLIENT_ID": f"sandbox-{process}",
            "BULKSTREAM_CLIENT_SECRET": "sandbox",
        }

    @web.middleware
    async def note(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Note a request, and let it take its time."""
        process, known = self._attributed(request)
        seen, call = self.seen[process], call_of(request)
        number = int(request.path.rsplit("/", 1)[1]) if call is Call.PART else 0
        seen.began[number] += call is Call.PART
        effective = seen.note(call, asyncio.get_running_loop().time())
        await asyncio.sleep(PAUSES_S[call] / 2)
        if not effective:
            return web.Response(status=503)  # to a process that is dead by now
        answer = await handler(known)
        seen.stored[number] += call is Call.PART and answer.status == 200
        if request.path == "/oauth/token" and isinstance(answer, web.Response) and isinstance(answer.body, bytes):
            self._tokens[orjson.loads(answer.body)["access_token"]] = process
        await asyncio.sleep(PAUSES_S[call] / 2)
        return answer

    def _attributed(self, request: web.Request) -> tuple[int, web.Request]:
        """Return who sent a request, and the request with the credentials that the sandbox knows."""
        headers = CIMultiDict(request.headers)
        scheme, _, given = headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        if DEVELOPER in headers:
            given = headers[DEVELOPER]
            headers[DEVELOPER] = "sandbox"
        elif scheme.lower() == "basic":
            given = base64.b64decode(given).decode().partition(":")[0]
            headers[hdrs.AUTHORIZATION] = "Basic " + base64.b64encode(b"sandbox:sandbox").decode()
        else:
            return self._tokens[given], request
        return int(given.rpartition("-")[2]), request.clone(headers=headers)


def call_of(request: web.Request) -> Call:
    """Say which kind of call a request is."""
    if request.method == "POST" and request.path.endswith("/executions"):
        return Call.CREATE
    if request.method == "PUT" and request.path.endswith("/commit"):
        return Call.COMMIT
    return Call.PART if request.method == "PUT" and request.content_type == "text/csv" else Call.OTHER


@dataclass(frozen=True, slots=True)
class Desk:
    """Prepares datasets and reads them back, as process 0."""

    url: str
    session: ClientSession

    async def stream(self, method: UpdateMethod) -> int:
        """Make a stream whose dataset holds the base rows."""
        asked = {"dataSet": {"name": "Crash", "schema": {"columns": COLUMNS}}, "updateMethod": method}
        stream = await self._json("POST", "/v1/streams", json=asked)
        path = f"/v1/streams/{stream['id']}/executions"
        execution = await self._json("POST", path, json={})
        headers = {"Content-Type": "text/csv"}
        await self._json("PUT", f"{path}/{execution['id']}/part/1", data=BASE, headers=headers)
        await self._json("PUT", f"{path}/{execution['id']}/commit")
        return int(stream["id"])

    async def rows(self, stream_id: int) -> bytes:
        """Read a stream's dataset back."""
        stream = await self._json("GET", f"/v1/streams/{stream_id}")
        path = f"/v1/datasets/{stream['dataSet']['id']}/data?includeHeader=false"
        async with self.session.get(self.url + path) as answer:
            return await answer.read()

    async def open_executions(self, stream_id: int) -> int:
        """Count the executions of a stream that nobody has ended."""
        listed = await self._json("GET", f"/v1/streams/{stream_id}/executions")
        return sum(each["currentState"] == "ACTIVE" for each in listed)

    async def _json(self, method: str, path: str, **options: object) -> Any:
        async with self.session.request(method, self.url + path, **options) as answer:  # type: ignore[arg-type]
            return orjson.loads(await answer.read())


@asynccontextmanager
async def desk_at(url: str, client_id: str) -> AsyncIterator[Desk]:
    """Open a desk at a sandbox."""
    basic = {"Authorization": "Basic " + base64.b64encode(f"{client_id}:sandbox".encode()).decode()}
    async with ClientSession(raise_for_status=True) as session:
        query = "grant_type=client_credentials&scope=data"
        async with session.post(f"{url}/oauth/token?{query}", headers=basic) as answer:
            token = (await answer.json())["access_token"]
        session.headers["Authorization"] = f"Bearer {token}"
        yield Desk(url, session)


@asynccontextmanager
async def witnessed() -> AsyncIterator[tuple[Witness, Desk]]:
    """Run a sandbox with a witness."""
    witness = Witness()
    async with (
        running(SandboxSettings(port=0), middlewares=[witness.note]) as sandbox,
        desk_at(sandbox.url, "sandbox-0") as desk,
    ):
        yield witness, desk
