"""One attempt of one request over aiohttp, with a watchdog instead of a total timeout."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import aiohttp
import orjson
from aiohttp import hdrs
from yarl import URL

from bulkstream.api.body import Body
from bulkstream.api.failures import TooSlow, told_apart
from bulkstream.api.sessions import Sessions, revealed, user_agent
from bulkstream.api.watch import UNWATCHED
from bulkstream.api.wire import Answer, Request, date_of, judged, unexpected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from bulkstream.api.body import Moved, Pace
    from bulkstream.api.watch import Watch
    from bulkstream.secret import Secret
    from bulkstream.settings import Connection

JSON_BYTES = 16 << 20
"""Longest answer that is read; 500 streams of 500 columns each stay below."""

ERROR_BYTES = 64 << 10
"""How much is read of an answer that tells an error."""

LEAST_BYTES_PER_S = 16 << 10
"""An answer that comes slower than this, beyond a first `stall_timeout_s`, is given up: bytes now and then are none."""


class Transport:
    """An account's address and the connections to it.

    Attributes:
        base: The address, without a trailing slash.
        ahead_s: Seconds by which the server's clock is ahead of ours, as its last answer shows.
    """

    def __init__(
        self, base: str, connection: Connection, session: aiohttp.ClientSession | None, wall: Callable[[], float]
    ) -> None:
        self.base = base
        self.ahead_s = 0.0
        self._stall_s = connection.stall_timeout_s
        self._sessions = Sessions(base, connection, session)
        self._wall = wall

    def __repr__(self) -> str:
        return f"Transport({self.base})"

    async def open(self) -> None:
        """Make the connections' sessions, unless the caller has brought one.

        Raises:
            UsageError: The CA bundle or the proxy can't be used.
        """
        await self._sessions.open()

    async def close(self) -> None:
        """Close what is ours."""
        await self._sessions.close()

    def address(self, request: Request) -> str:
        """Return a request's address without its query."""
        return f"{self.base}{request.path}"

    async def send(self, request: Request, headers: Mapping[str, Secret], *, watch: Watch = UNWATCHED) -> Answer:
        """Send a request once and read the answer.

        Raises:
            ApiError: No answer arrived, or one that is not what was asked for.
        """
        request = replace(request, headers={**headers, **request.headers})
        url = self.address(request)
        with told_apart(request, url, self._stall_s):
            async with _watched(self._stall_s) as moved:
                body = _body(request, _both(moved, watch.sent), watch.pace)
                async with self._requested(request, body) as response:
                    answer = await self._read(response, moved)
                    cut_short = body is not None and body.cut_short
        if error := judged(request, url, answer):
            raise error
        if cut_short:
            # An acknowledgement of bytes that have not arrived would be a part lost in silence.
            raise unexpected(request, url, answer, "success before the whole body was sent")
        return answer

    @asynccontextmanager
    async def streamed(self, request: Request, headers: Mapping[str, Secret]) -> AsyncIterator[AsyncIterator[bytes]]:
        """Send a request once; hold the body of its answer as blocks that are read as they are asked for.

        Raises:
            ApiError: As `send` does, on entering; while blocks are read, when the body breaks off.
        """
        request = replace(request, headers={**headers, **request.headers})
        url = self.address(request)
        with told_apart(request, url, self._stall_s):
            async with _watched(self._stall_s):
                response = await self._requested(request, None)
        async with response:
            with told_apart(request, url, self._stall_s):
                await self._refuse(request, response)
            yield self._blocks(response, request, url)

    async def _blocks(self, response: aiohttp.ClientResponse, request: Request, url: str) -> AsyncIterator[bytes]:
        """Yield blocks; the watchdog runs while one is awaited, and not while the consumer works on one."""
        while True:
            with told_apart(request, url, self._stall_s):
                async with asyncio.timeout(self._stall_s):
                    block = await response.content.readany()
            if not block:
                return
            yield block

    async def _refuse(self, request: Request, response: aiohttp.ClientResponse) -> None:
        """Raise what an answer means that brings no rows."""
        if response.status // 100 == 2 and "html" not in response.content_type:  # noqa: PLR2004 - success
            return
        async with _watched(self._stall_s) as moved:
            answer = await self._read(response, moved)
        url = self.address(request)
        raise judged(request, url, answer) or unexpected(request, url, answer, "no rows")

    def _requested(self, request: Request, body: Body | None) -> Any:
        """Return aiohttp's request, to be awaited or entered."""
        url = URL(self.address(request), encoded=True)
        headers = {hdrs.ACCEPT: "application/json", **user_agent(), **request.headers}
        session = self._sessions.session(fresh=not request.replayable)
        how: dict[str, Any] = {"params": dict(request.params), "data": body}
        # Secrets are revealed as arguments only, so that no variable of ours holds them.
        return session.request(request.method, url, **how, **self._sessions.options(), headers=revealed(headers))

    async def _read(self, response: aiohttp.ClientResponse, moved: Moved) -> Answer:
        """Read an answer up to its bound; one that tells an error counts also if its body breaks off."""
        failed = response.status // 100 != 2  # noqa: PLR2004 - success
        limit = ERROR_BYTES if failed else JSON_BYTES
        body = bytearray()
        with suppress(*((aiohttp.ClientError, OSError) if failed else ())):
            async with _hurried(self._stall_s) as received:
                while len(body) <= limit and (block := await response.content.readany()):
                    moved(len(block))
                    received(len(block))
                    body += block
        whole = len(body) <= limit
        if (date := date_of(response.headers)) is not None:
            self.ahead_s = date - self._wall()
        return Answer(response.status, response.headers, bytes(body[:limit]), self._wall(), whole=whole)


@asynccontextmanager
async def _watched(stall_s: float) -> AsyncIterator[Moved]:
    """Raise TimeoutError once no byte has moved for `stall_s` seconds; yield what is to be told of those that do."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(stall_s) as deadline:

        def moved(_: int) -> None:
            # aiohttp sends in a task of its own, which may report a last slice after the deadline has passed.
            with suppress(RuntimeError):
                deadline.reschedule(loop.time() + stall_s)

        yield moved


@asynccontextmanager
async def _hurried(stall_s: float) -> AsyncIterator[Moved]:
    """Raise TooSlow once fewer bytes came than are due by then; yield what is to be told of those that did.

    The watchdog alone would wait for ever for a server that sends one byte a minute.
    """
    try:
        async with asyncio.timeout(stall_s) as deadline:

            def received(count: int) -> None:
                if not deadline.expired():
                    deadline.reschedule((deadline.when() or 0.0) + count / LEAST_BYTES_PER_S)

            yield received
    except TimeoutError as error:
        raise TooSlow from error


def _both(moved: Moved, sent: Moved) -> Moved:
    def tell(count: int) -> None:
        moved(count)
        sent(count)

    return tell


def _body(request: Request, moved: Moved, pace: Pace | None) -> Body | None:
    """Return what aiohttp is to send."""
    if request.body is not None:
        return Body(request.body, "text/csv", moved, pace)
    if request.form is not None:
        return Body(urlencode(request.form).encode(), "application/x-www-form-urlencoded", moved)
    if request.json is not None:
        return Body(orjson.dumps(request.json), "application/json", moved)
    return None
