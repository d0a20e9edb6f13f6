"""Connections that close, answer too early or speak something else: what is sent, how often, and what is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeAlias

import aiohttp
import pytest

from bulkstream.api import ApiClient, Execution
from bulkstream.errors import ApiDisconnected, ApiError, RequestRejected, UnexpectedAnswer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bulkstream.settings import Settings

EXECUTION = Execution.model_validate({"id": 7, "streamId": 1, "dataId": "d"})
OPEN = b'{"id":7,"streamId":1,"dataId":"d","currentState":"ACTIVE"}'
LARGE = bytes(16 << 20)

Reader: TypeAlias = asyncio.StreamReader
Writer: TypeAlias = asyncio.StreamWriter
MakeSettings = Callable[..., "Settings"]


def http(body: bytes = b"{}", *, status: str = "200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
        status.encode(),
        len(body),
        body,
    )


class RawServer:
    """Reads requests off a socket and lets the test write what it likes, byte by byte."""

    def __init__(self, answer: Callable[[str, Reader, Writer], Awaitable[None]]) -> None:
        self.lines: list[str] = []
        self.connections = 0
        self.tasks: list[asyncio.Future[None]] = []
        self._answer = answer

    def accept(self, reader: Reader, writer: Writer) -> None:
        self.connections += 1
        self.tasks.append(asyncio.ensure_future(self._serve(reader, writer)))

    async def _serve(self, reader: Reader, writer: Writer) -> None:
        try:
            while not writer.is_closing():
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                self.lines.append(head.split(" HTTP/")[0])
                await self._answer(head, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


async def drained(head: str, reader: Reader) -> None:
    """Read the body that a head announces."""
    sizes = [int(line[15:]) for line in head.split("\r\n") if line.lower().startswith("content-length:")]
    await reader.readexactly(sum(sizes))


@asynccontextmanager
async def raw(server: RawServer) -> AsyncIterator[str]:
    listening = await asyncio.start_server(server.accept, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()
        for task in server.tasks:
            task.cancel()
        await asyncio.wait(server.tasks)


async def test_a_commit_reaches_the_server_once(settings: MakeSettings) -> None:
    """A server that takes a commit and closes gets no second one, although aiohttp repeats a PUT by itself."""

    async def answer(head: str, reader: Reader, writer: Writer) -> None:
        await drained(head, reader)
        if "/commit" in head:
            writer.close()
        else:
            writer.write(http(OPEN))

    server = RawServer(answer)
    async with raw(server) as url, ApiClient(settings(url)) as client:
        execution = await client.executions.get(1, 7)
        with pytest.raises(ApiDisconnected) as caught:
            await client.executions.commit(execution)

    assert [line for line in server.lines if "commit" in line] == ["PUT /api/data/v1/streams/1/data/d/commit"]
    assert (caught.value.ambiguous, caught.value.attempts, client.retries) == (True, 1, 0)


async def test_a_commit_reaches_the_server_once_over_a_session_of_the_callers(settings: MakeSettings) -> None:
    """The promise does not depend on whose connections are used."""

    async def answer(head: str, reader: Reader, writer: Writer) -> None:
        await drained(head, reader)
        if "/commit" in head:
            writer.close()
        else:
            writer.write(http(OPEN))

    server = RawServer(answer)
    async with (
        raw(server) as url,
        aiohttp.ClientSession() as session,
        ApiClient(settings(url), session=session) as client,
    ):
        execution = await client.executions.get(1, 7)
        with pytest.raises(ApiDisconnected):
            await client.executions.commit(execution)

    assert sum("commit" in line for line in server.lines) == 1


async def test_a_commit_has_a_connection_of_its_own(settings: MakeSettings) -> None:
    """It can't meet the closing of a kept one; everything else shares."""

    async def answer(head: str, reader: Reader, writer: Writer) -> None:
        await drained(head, reader)
        writer.write(http(OPEN))

    server = RawServer(answer)
    async with raw(server) as url, ApiClient(settings(url)) as client:
        for number in (1, 2, 3):
            await client.executions.upload_part(EXECUTION, number, b"x")
        assert server.connections == 1
        await client.executions.commit(EXECUTION)
        assert server.connections == 2


async def test_a_part_on_a_closed_connection_is_sent_again_and_counted(settings: MakeSettings) -> None:
    """What may be repeated is, by the retry policy alone, which tells of it."""
    told: list[str] = []

    async def answer(head: str, reader: Reader, writer: Writer) -> None:
        await drained(head, reader)
        if len(server.lines) == 2:
            writer.close()
        else:
            writer.write(http(OPEN))

    server = RawServer(answer)
    async with raw(server) as url, ApiClient(settings(url), on_notice=lambda each: told.append(each.text)) as client:
        execution = await client.executions.get(1, 7)
        await client.executions.upload_part(execution, 1, b"x")

    assert len(server.lines) == 3
    assert client.retries == 1
    assert told == ["part 1: retrying in 0.0 s (attempt 2 of 3): the connection broke: Server disconnected"]


async def test_success_before_the_whole_body_was_sent_is_no_receipt(settings: MakeSettings) -> None:
    """A gateway that answers 200 to the first bytes has not stored the part."""

    async def answer(_: str, reader: Reader, writer: Writer) -> None:
        writer.write(http())
        await reader.read(1)
        await writer.drain()
        await asyncio.Event().wait()

    async with raw(RawServer(answer)) as url, ApiClient(settings(url, retry={"attempts": 1})) as client:
        with pytest.raises(UnexpectedAnswer, match="before the whole body was sent"):
            await client.executions.upload_part(EXECUTION, 1, LARGE)


async def test_a_refusal_is_heard_while_the_server_stops_reading(settings: MakeSettings) -> None:
    """A server that answers and reads no further is quoted at once, and the client goes on to work."""

    async def answer(head: str, reader: Reader, writer: Writer) -> None:
        if "PUT" in head:
            writer.write(http(b'{"message":"too large","toe":"T9"}', status="413 Too Large"))
            await asyncio.Event().wait()
        await drained(head, reader)
        writer.write(http(OPEN))

    server = RawServer(answer)
    async with raw(server) as url, ApiClient(settings(url)) as client:
        with pytest.raises(RequestRejected, match=r"413: too large \(trace id T9\)"):
            await client.executions.upload_part(EXECUTION, 1, LARGE)
        assert (await client.executions.get(1, 7)).id == 7


async def test_an_error_whose_text_breaks_off_keeps_its_status(settings: MakeSettings) -> None:
    """What was refused stays refused, even if the reason did not arrive whole."""

    async def answer(head: str, reader: Reader, writer: Writer) -> None:
        await drained(head, reader)
        writer.write(b"HTTP/1.1 422 No\r\nContent-Length: 900\r\n\r\nbad colu")
        writer.close()

    async with raw(RawServer(answer)) as url, ApiClient(settings(url)) as client:
        with pytest.raises(RequestRejected, match="422: bad colu"):
            await client.streams.get(1)


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"HTTP/9.9 what\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}",
        b"\x00" * 64,
        b"",
    ],
)
async def test_what_is_no_http_becomes_an_error_of_ours(settings: MakeSettings, answer: bytes) -> None:
    """Another service on that port, or a broken gateway, leads to no traceback of the HTTP library."""

    async def nonsense(head: str, reader: Reader, writer: Writer) -> None:
        await drained(head, reader)
        writer.write(answer)
        writer.close()

    async with raw(RawServer(nonsense)) as url, ApiClient(settings(url, retry={"attempts": 1})) as client:
        with pytest.raises(ApiError) as caught:
            await client.streams.get(1)

    assert "\n" not in str(caught.value)


async def test_the_consumer_of_an_export_may_take_its_time(settings: MakeSettings) -> None:
    """The watchdog watches the server, not the code that works on the rows."""
    rows = bytes(3 << 20)

    async def answer(head: str, reader: Reader, writer: Writer) -> None:
        await drained(head, reader)
        if "/oauth/token" in head:
            writer.write(http(b'{"access_token":"t","expires_in":3599}'))
            return
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: %d\r\n\r\n" % len(rows) + rows)
        await writer.drain()

    flags: dict[str, Any] = {"connection": {"stall_timeout_s": 0.1}}
    read = bytearray()
    async with raw(RawServer(answer)) as url, ApiClient(settings(url, "public", **flags)) as client:
        stalled = asyncio.Event()
        asyncio.get_running_loop().call_later(0.3, stalled.set)
        async for block in client.datasets.export("x", include_header=False):
            await stalled.wait()
            read += block

    assert bytes(read) == rows


async def test_the_beginning_of_an_export_is_retried(settings: MakeSettings) -> None:
    """Nothing was handed out yet, so an answer that says `later` is asked again."""

    async def answer(head: str, reader: Reader, writer: Writer) -> None:
        await drained(head, reader)
        if "/oauth/token" in head:
            writer.write(http(b'{"access_token":"t","expires_in":3599}'))
        elif sum("/data" in line for line in server.lines) < 3:
            writer.write(http(status="503 Later"))
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: 4\r\n\r\n1,a\n")

    server = RawServer(answer)
    async with raw(server) as url, ApiClient(settings(url, "public")) as client:
        rows = [block async for block in client.datasets.export("x", include_header=False)]

    assert rows == [b"1,a\n"]
    assert client.retries == 2
