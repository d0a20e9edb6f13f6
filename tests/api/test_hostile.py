"""What a hostile server can make the client do: no endless wait, no unbounded memory, no credential to anyone else."""

from __future__ import annotations

import asyncio
import traceback
import tracemalloc
import zlib
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

from bulkstream.api import ApiClient, Execution
from bulkstream.api.transport import ERROR_BYTES, JSON_BYTES
from bulkstream.api.wire import FOREVER_S, retry_after_s
from bulkstream.errors import (
    ApiDisconnected,
    ApiError,
    ApiTimeout,
    RequestRejected,
    ServerFault,
    Unauthorized,
    UnexpectedAnswer,
)
from bulkstream.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from bulkstream.settings import Settings

    Conversation = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

TOKEN = "0123456789abcdef-a-developer-token"
MIB = 1 << 20
EXECUTION = Execution.model_validate({"id": 7, "streamId": 1, "dataId": "d"})
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


@asynccontextmanager
async def listening(talk: Conversation) -> AsyncIterator[str]:
    """Talk to whoever connects, after the head of their request; yield the address."""
    tasks: set[asyncio.Task[Any]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(task := asyncio.current_task() or asyncio.ensure_future(asyncio.sleep(0)))
        task.add_done_callback(tasks.discard)
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await talk(reader, writer)
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def saying(*pieces: bytes, then: bytes = b"", times: int = 0) -> Conversation:
    """Answer any request with some bytes, and then with others again and again."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in (*pieces, *(then for _ in range(times))):
            writer.write(piece)
            await writer.drain()

    return talk


def settings_to(url: str, dialect: str = "instance", stall_s: float = 5.0) -> Settings:
    secrets = {"BULKSTREAM_TOKEN": TOKEN, "BULKSTREAM_CLIENT_ID": "an-id", "BULKSTREAM_CLIENT_SECRET": TOKEN}
    environ = {**secrets, "BULKSTREAM_URL": url, "BULKSTREAM_DIALECT": dialect, "HOME": "/nowhere"}
    return load_settings({"retry": {"attempts": 1}, "connection": {"stall_timeout_s": stall_s}}, environ=environ)


async def refused(talk: Conversation, *, stall_s: float = 5.0) -> ApiError:
    """Ask such a server for a stream, and return the error that this ends in."""
    async with listening(talk) as url, ApiClient(settings_to(url, stall_s=stall_s)) as client:
        with pytest.raises(ApiError) as caught:
            await client.streams.get(1)
    assert TOKEN not in str(caught.value) + repr(caught.value)
    return caught.value


def led_by(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those that led to it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@contextmanager
def memory_below(limit: int) -> Iterator[None]:
    """Check that no more than so many bytes are allocated at any moment inside; both ends of the connection count."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < limit


def bomb(encoding: str, mib: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31 if encoding == "gzip" else 15)
    zeros = bytes(MIB)
    return b"".join([*(packer.compress(zeros) for _ in range(mib)), packer.flush()])


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize(("status", "bound"), [(b"200 OK", JSON_BYTES), (b"500 Fault", ERROR_BYTES)])
async def test_a_bomb_is_read_up_to_the_bound(encoding: str, status: bytes, bound: int) -> None:
    """The bound holds for the bytes that come out; what becomes half a gigabyte costs no half a gigabyte."""
    packed = bomb(encoding, 512)
    head = b"HTTP/1.1 %b\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n"

    with memory_below(4 * bound + 8 * MIB):
        error = await refused(saying(head % (status, encoding.encode(), len(packed)), packed))

    assert isinstance(error, UnexpectedAnswer if status.startswith(b"2") else ServerFault)


@pytest.mark.parametrize("encoding", ["br", "zstd"])
async def test_an_encoding_that_cant_be_read_is_an_error(encoding: str) -> None:
    """What was never asked for ends the request in an error of ours, whichever libraries are installed."""
    head = OK + f"Content-Encoding: {encoding}\r\nContent-Length: 4\r\n\r\n".encode()

    error = await refused(saying(head, b"junk"))

    assert isinstance(error, UnexpectedAnswer | ApiDisconnected)


@pytest.mark.parametrize("status", [b"200 OK", b"400 Bad Request"])
async def test_an_endless_answer_is_left(status: bytes) -> None:
    """No more is read than the longest answer that is ever due."""
    block = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"

    error = await refused(saying(b"HTTP/1.1 %b\r\n" % status + CHUNKED, then=block, times=10_000))

    assert isinstance(error, UnexpectedAnswer if status.startswith(b"2") else RequestRejected)
    assert len(str(error)) < 1000


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (b"HTTP/1.1 200 ", b"O" * 65536),
        (b"HTTP/1.1 200 OK\r\nX-Long: ", b"x" * 65536),
        (b"HTTP/1.1 200 OK\r\n", b"X-Many: 1\r\n" * 4096),
        (OK + CHUNKED, b"0" * 65536),
        (OK + CHUNKED + b"0\r\n", b"X-Trailer: 1\r\n" * 4096),
    ],
    ids=["status", "header", "headers", "chunk-size", "trailers"],
)
async def test_endless_lines_are_left(start: bytes, more: bytes) -> None:
    """Whatever of HTTP's framing never ends, it is not collected."""
    with memory_below(8 * MIB):
        error = await refused(saying(start, then=more, times=4096), stall_s=2.0)

    assert isinstance(error, UnexpectedAnswer | ApiDisconnected | ApiTimeout)


async def test_an_answer_that_trickles_is_given_up() -> None:
    """A byte now and then is progress to a watchdog; the answer must also come to an end."""

    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK + b"Content-Length: 100000\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    error = await refused(trickle, stall_s=0.3)

    assert isinstance(error, ApiTimeout)
    assert "too slowly" in error.message


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 100_000, b'{"id": ' + b"9" * 5000 + b"}", b'{"id": 1e400}', b"NaN"],
    ids=["arrays", "objects", "digits", "exponent", "nan"],
)
async def test_json_that_breaks_parsers_is_an_unexpected_answer(body: bytes) -> None:
    """Neither the stack nor the time nor the size of a number is the server's to choose."""
    error = await refused(saying(OK + b"Content-Length: %d\r\n\r\n" % len(body), body))

    assert isinstance(error, UnexpectedAnswer)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("9" * 400, FOREVER_S), ("1e308", None), ("inf", None), ("nan", None), ("-5", None), ("9" * 20, FOREVER_S)],
)
def test_an_absurd_retry_after_is_no_wait(value: str, seconds: float | None) -> None:
    """It is none, or a bounded one that is longer than anybody waits."""
    assert retry_after_s(value, 0.0) == seconds


@pytest.mark.parametrize(
    ("length", "kind"), [(b"50", ApiDisconnected), (b"-1", UnexpectedAnswer), (b"9" * 30, UnexpectedAnswer)]
)
async def test_a_length_that_lies_is_an_error(length: bytes, kind: type[ApiError]) -> None:
    """Fewer bytes than announced are no answer, and a length that is none isn't either."""
    error = await refused(saying(OK + b"Content-Length: %b\r\n\r\n{}" % length))

    assert isinstance(error, kind)


async def test_an_export_of_one_endless_line_is_not_collected() -> None:
    """Rows are handed on as they come; 256 MiB without a line end need a few blocks of memory."""
    block = b"100000\r\n" + b"x" * MIB + b"\r\n"
    largest = total = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        if asked.startswith(b"POST"):
            body = b'{"access_token":"t","expires_in":3599}'
            writer.write(OK + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            return
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\n" + CHUNKED)
        for _ in range(256):
            writer.write(block)
            await writer.drain()
        writer.write(b"0\r\n\r\n")

    with memory_below(16 * MIB):
        async with listening(talk) as url, ApiClient(settings_to(url, "public")) as client:
            async for each in client.datasets.export("d", include_header=False):
                largest, total = max(largest, len(each)), total + len(each)

    assert total == 256 * MIB
    assert largest <= 2 * MIB


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("dialect", ["instance", "public"])
async def test_no_redirect_takes_a_credential_elsewhere(status: int, dialect: str) -> None:
    """POST of a token, PUT of a part and GET: who is redirected to asks nobody, and gets nothing."""
    strays: list[bytes] = []

    async def stray(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        strays.append(await reader.readuntil(b"\r\n\r\n"))

    async with listening(stray) as other:
        answer = b"HTTP/1.1 %d Go\r\nLocation: %b/x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        there = saying(answer % (status, other.encode()))
        async with listening(there) as url, ApiClient(settings_to(url, dialect)) as client:
            for call in (client.streams.get(1), client.executions.upload_part(EXECUTION, 1, b"1\n", gzipped=False)):
                with pytest.raises(RequestRejected, match="which is not followed"):
                    await call

    assert strays == []


@pytest.mark.parametrize("status", [b"401 No", b"200 OK", b"302 Go"])
@pytest.mark.parametrize("padding", range(440, 500, 7))
async def test_an_echo_is_masked_before_it_is_cut(status: bytes, padding: int) -> None:
    """A message is cut to its longest; no beginning of a token may stay at its end."""
    body = b"x" * padding + b" " + TOKEN.encode()
    place = body[-200:].replace(b" ", b"/")
    head = b"HTTP/1.1 %b\r\nLocation: /%b\r\nContent-Length: %d\r\n\r\n" % (status, place, len(body))

    error = await refused(saying(head, body))

    assert TOKEN[:6] not in str(error)


@pytest.mark.parametrize("start", [b"no http, ", b"HTTP/1.1 200 OK\r\nBad\0Header: ", OK + CHUNKED])
async def test_no_exception_leads_to_a_token(start: bytes) -> None:
    """Not the error, not what caused it, and no variable in the frames between: programs log all of these."""
    error = await refused(saying(start + TOKEN.encode() + b"\r\n\r\n"))

    seen = "".join(repr(each) + str(vars(each)) for each in led_by(error))
    seen += "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())

    assert "bulkstream.errors." in seen
    assert TOKEN not in seen


async def test_the_token_service_is_not_quoted() -> None:
    """An answer that should hold a token and can't be read may hold one all the same."""
    body = b"access_token=0123456789-secret&expires_in=1"
    talk = saying(OK + b"Content-Length: %d\r\n\r\n" % len(body), body)

    async with listening(talk) as url, ApiClient(settings_to(url, "public")) as client:
        with pytest.raises(ApiError) as caught:
            await client.streams.get(1)

    assert not isinstance(caught.value, Unauthorized)
    assert "0123456789-secret" not in str(caught.value)
