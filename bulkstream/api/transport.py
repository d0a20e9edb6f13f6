"""One attempt of one request over aiohttp, with a watchdog instead of a total timeout."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
from aiohttp import hdrs
from aiohttp.payload import Payload
from yarl import URL

from bulkstream import __version__
from bulkstream.api.wire import Answer, Request, judged, unexpected
from bulkstream.errors import (
    ApiDisconnected,
    ApiError,
    ApiTimeout,
    ApiUnreachable,
    CertificateRefused,
    Exchange,
    UsageError,
)

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter

    from bulkstream.settings import Connection

SLICE_BYTES = 256 << 10
"""How much of a body is handed over at once: the grain of progress, and of the watchdog."""

ANSWER_BYTES = 64 << 20
"""Largest JSON answer that is read; 500 streams with all fields stay far below."""

CONNECTIONS = 256
LOOPBACK = {"localhost", "127.0.0.1", "::1"}

Moved = Callable[[int], None]


class Body(Payload):
    """Bytes that are sent in slices, without a copy, and that can be sent again."""

    def __init__(self, body: bytes | memoryview, moved: Moved) -> None:
        super().__init__(body, content_type="text/csv")
        self._view = memoryview(body)
        self._size = self._view.nbytes
        self._moved = moved

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return the body as text; aiohttp asks for it only when it prints a payload."""
        return bytes(self._view).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send all of it."""
        await self.write_with_length(writer, None)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """Send it slice by slice, telling how much each time."""
        end = self._view.nbytes if content_length is None else min(content_length, self._view.nbytes)
        for start in range(0, end, SLICE_BYTES):
            piece = self._view[start : min(start + SLICE_BYTES, end)]
            await writer.write(piece)
            self._moved(piece.nbytes)


class Transport:
    """An account's address and the connections to it.

    A session passed in belongs to the caller; without one, `open` makes one and `close` closes it.
    """

    def __init__(self, connection: Connection, session: aiohttp.ClientSession | None = None) -> None:
        self.base = checked_url(connection.url)
        self._connection = connection
        self._session = session
        self._owned = session is None

    def __repr__(self) -> str:
        return f"Transport({self.base})"

    async def open(self) -> None:
        """Make a session unless there is one.

        Raises:
            UsageError: The CA bundle can't be read.
        """
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=30, ssl=self._tls()),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connection.connect_timeout_s),
                headers={hdrs.USER_AGENT: f"bulkstream/{__version__}"},
                trust_env=True,
                cookie_jar=aiohttp.DummyCookieJar(),
            )

    async def close(self) -> None:
        """Close the session if it is ours."""
        if self._owned and self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, request: Request, headers: dict[str, str], *, sent: Moved | None = None) -> Answer:
        """Send a request once and read the answer.

        Raises:
            ApiError: No answer arrived, or one that is not what was asked for.
        """
        async with self._answered(request, headers, sent) as (response, moved):
            answer = Answer(response.status, response.headers, await _read(response, moved))
        if error := judged(request, str(self._url(request)), answer):
            raise error
        return answer

    async def stream(self, request: Request, headers: dict[str, str]) -> AsyncIterator[bytes]:
        """Send a request once and yield the answer's body as it arrives.

        Raises:
            ApiError: As `send` does; also when the body ends before it is complete.
        """
        async with self._answered(request, headers, None) as (response, moved):
            if response.status != 200 or "html" in response.content_type:  # noqa: PLR2004 - OK
                answer = Answer(response.status, response.headers, await _read(response, moved))
                raise judged(request, str(self._url(request)), answer) or unexpected(
                    request, str(self._url(request)), answer, "no rows"
                )
            async for block in response.content.iter_any():
                moved(len(block))
                yield block

    @asynccontextmanager
    async def _answered(
        self, request: Request, headers: dict[str, str], sent: Moved | None
    ) -> AsyncIterator[tuple[aiohttp.ClientResponse, Moved]]:
        """Hold an answer whose head has arrived; every byte that moves puts the deadline off."""
        if self._session is None:
            raise UsageError("the client is not open", hint="Use it as `async with Client(...) as client:`.")
        stall_s, loop = self._connection.stall_timeout_s, asyncio.get_running_loop()
        url = self._url(request)
        with _told_apart(request, url, stall_s):
            async with asyncio.timeout(stall_s) as watchdog:

                def read(_: int) -> None:
                    watchdog.reschedule(loop.time() + stall_s)

                def moved(count: int) -> None:
                    read(count)
                    if sent is not None:
                        sent(count)

                async with self._session.request(
                    request.method, url, allow_redirects=False, **_payload(request, headers, moved)
                ) as response:
                    yield response, read

    def _url(self, request: Request) -> URL:
        return URL(f"{self.base}{request.path}", encoded=True)

    def _tls(self) -> ssl.SSLContext | bool:
        bundle = self._connection.ca_bundle
        if bundle is None:
            return True
        try:
            return ssl.create_default_context(cafile=str(bundle))
        except (OSError, ssl.SSLError) as error:
            raise UsageError(f"ca_bundle {bundle} can't be read: {error}") from None


@contextmanager
def _told_apart(request: Request, url: URL, stall_s: float) -> Iterator[None]:
    """Turn aiohttp's failures into ours: never sent, broken off, or stalled."""
    try:
        yield
    except ApiError:  # some of ours are OSErrors as well
        raise
    except aiohttp.ConnectionTimeoutError as error:
        raise ApiUnreachable(_failed(request, url, "no connection within the time")) from error
    except TimeoutError as error:
        raise ApiTimeout(_failed(request, url, f"no byte moved for {stall_s:g} s")) from error
    except aiohttp.ClientConnectorCertificateError as error:
        raise CertificateRefused(_failed(request, url, str(error.certificate_error))) from error
    except aiohttp.ClientConnectorError as error:
        raise ApiUnreachable(_failed(request, url, f"no connection: {error.os_error}")) from error
    except (aiohttp.ClientError, OSError) as error:
        what = f"the connection broke: {str(error) or type(error).__name__}"
        raise ApiDisconnected(_failed(request, url, what)) from error


def checked_url(url: str | None) -> str:
    """Return the base address without a trailing slash.

    Raises:
        UsageError: There is none, it is no http(s) address, or credentials would travel unencrypted.
    """
    if not url:
        raise UsageError("no address is set", hint="Set BULKSTREAM_URL, for example https://acme.domo.com.")
    parsed = URL(url if "://" in url else f"https://{url}")
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise UsageError(f"{url!r} is no address", hint="Set BULKSTREAM_URL, for example https://acme.domo.com.")
    if parsed.scheme == "http" and parsed.host not in LOOPBACK:
        raise UsageError(f"{url} would send credentials unencrypted", hint="Use https; http is for this machine only.")
    return str(parsed.with_user(None).with_query(None).with_fragment(None)).rstrip("/")


def _payload(request: Request, headers: dict[str, str], moved: Moved) -> dict[str, Any]:
    """Return what aiohttp is to send, as its keyword arguments."""
    sent_headers = {hdrs.ACCEPT: "application/json", **headers, **request.headers}
    arguments: dict[str, Any] = {"headers": sent_headers, "params": dict(request.params)}
    if request.body is not None:
        arguments["data"] = Body(request.body, moved)
    elif request.form is not None:
        arguments["data"] = dict(request.form)
    elif request.json is not None:
        arguments["data"] = orjson.dumps(request.json)
        sent_headers[hdrs.CONTENT_TYPE] = "application/json"
    return arguments


async def _read(response: aiohttp.ClientResponse, moved: Moved) -> bytes:
    """Read an answer whole, up to a bound; what lies beyond is left."""
    blocks, size = [], 0
    async for block in response.content.iter_any():
        moved(len(block))
        blocks.append(block)
        size += len(block)
        if size > ANSWER_BYTES:
            response.close()
            break
    return b"".join(blocks)


def _failed(request: Request, url: URL, what: str) -> Exchange:
    return Exchange(request.method, str(url), None, what)
