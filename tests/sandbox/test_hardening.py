"""What a sandbox does with requests that nobody should send: a clear refusal, and bounded time and memory."""

from __future__ import annotations

import asyncio
import errno
import gzip
import os
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from bulkstream.sandbox import Validation
from bulkstream.sandbox.check import check

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    Desk = Any
    Opener = Callable[..., Any]

CSV = {"Content-Type": "text/csv"}
GZIP = {**CSV, "Content-Encoding": "gzip"}
TOKEN = "X-DOMO-Developer-Token: sandbox\r\n"
STREAMS = "/api/data/v1/streams"


async def raw(desk: Desk, sent: bytes) -> bytes:
    """The beginning of what comes back for some bytes, until the server closes or answers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", desk.sandbox.port)
    writer.write(sent)
    try:
        async with asyncio.timeout(5):
            return await reader.read(64 << 10)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def request(method: str, path: str, headers: str = "", body: str = "") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n{TOKEN}{headers}\r\n{body}".encode()


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


async def alive(desk: Desk) -> bool:
    return bool((await desk.instance("GET", "/streams")).status == 200)


async def endless(piece: bytes) -> AsyncIterator[bytes]:
    while True:
        yield piece
        await asyncio.sleep(0)


# ---- paths

TRICKS = (
    "..",
    "%2e%2e",
    "..%2f..%2fetc",
    "%2e%2e%2fetc%2fpasswd",
    "%00",
    "1%00",
    "%D9%A1",
    "9" * 16,
    "-1",
    "1e3",
    "a|b",
)


@pytest.mark.parametrize("trick", TRICKS)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", STREAMS + "/{}"),
        ("GET", STREAMS + "/1/executions/{}"),
        ("PUT", STREAMS + "/1/data/{}/parts/1"),
        ("PUT", STREAMS + "/1/data/x/parts/{}"),
        ("GET", "/v1/datasets/{}/data"),
    ],
)
async def test_an_id_is_never_a_path(desk: Desk, method: str, path: str, trick: str) -> None:
    """Dots, encoded slashes, NUL, other digits than ASCII's and huge numbers name nothing, and make nothing."""
    answer = await raw(desk, request(method, path.format(trick), "Content-Type: text/csv\r\nContent-Length: 0\r\n"))

    assert status(answer) in {401, 404, 405}
    assert desk.files() == 0


# ---- heads


@pytest.mark.parametrize(
    "sent",
    [
        request("GET", f"{STREAMS}?{'x' * 20_000}"),
        request("GET", STREAMS, f"A: {'x' * 20_000}\r\n"),
        request("GET", STREAMS, f"{'A' * 20_000}: x\r\n"),
        request("GET", STREAMS, "".join(f"A{n}: x\r\n" for n in range(500))),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        request("POST", STREAMS, "Content-Length: -1\r\n"),
        request("POST", STREAMS, "Content-Length: 1x\r\n"),
        request("POST", STREAMS, "Content-Length: 2\r\nContent-Length: 3\r\n", "{}"),
        request("POST", STREAMS, "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        request("GET", STREAMS, "A\x00: x\r\n"),
        request("GET", STREAMS, " folded: x\r\n"),
    ],
)
async def test_a_head_that_is_no_http_is_400(desk: Desk, sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Too long, too many, or not HTTP at all; the connection is closed, the server goes on and logs no traceback."""
    assert status(await raw(desk, sent)) == 400
    assert await alive(desk)
    assert caplog.records == []


@pytest.mark.parametrize("first", [b"", request("GET", STREAMS)])
async def test_a_head_that_dribbles_is_given_up(open_desk: Opener, first: bytes) -> None:
    """Counted from the connection's beginning, or from the answer before; bytes that come don't prolong it."""
    async with open_desk(head_timeout_s=0.1) as desk:
        reader, writer = await asyncio.open_connection("127.0.0.1", desk.sandbox.port)
        writer.write(first)
        if first:
            await reader.readuntil(b"[]")
        dribble = asyncio.create_task(_dribble(writer))
        async with asyncio.timeout(2):
            rest = await reader.read()
        dribble.cancel()
        await asyncio.gather(dribble, return_exceptions=True)
        writer.close()

        assert rest == b""
        assert await alive(desk)


async def _dribble(writer: asyncio.StreamWriter) -> None:
    writer.write(b"GET / HTTP/1.1\r\n")
    while True:
        writer.write(b"A: b\r\n")
        await asyncio.sleep(0.03)


# ---- bodies


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_json_body_over_the_limit_is_413(open_desk: Opener, chunked: bool) -> None:
    """Told by its length or found while it arrives, also without an end."""
    async with open_desk(max_json_bytes=10_000) as desk:
        data = endless(b" " * 1000) if chunked else b'{"a":"' + b"x" * 20_000 + b'"}'
        answer = await desk.instance("POST", "/streams", data=data, headers={"Content-Type": "application/json"})

        assert answer.status == 413
        assert await alive(desk)


@pytest.mark.parametrize("path", [STREAMS, "/oauth/token", "/admin/faults"])
async def test_a_body_that_dribbles_is_given_up(open_desk: Opener, path: str) -> None:
    """408 when the time for all of it is over; another byte now and then does not prolong it."""
    async with open_desk(stall_timeout_s=0.05) as desk:
        method = "PUT" if path.startswith("/admin") else "POST"
        head = request(method, path, "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n")
        reader, writer = await asyncio.open_connection("127.0.0.1", desk.sandbox.port)
        writer.write(head)
        dribble = asyncio.create_task(_dribble(writer))
        async with asyncio.timeout(5):
            answer = await reader.read(1000)
        dribble.cancel()
        await asyncio.gather(dribble, return_exceptions=True)
        writer.close()

        assert status(answer) == 408


async def test_deeply_nested_json_is_400(desk: Desk) -> None:
    """No recursion that ends the process."""
    body = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    answer = await desk.instance("POST", "/streams", data=body, headers={"Content-Type": "application/json"})

    assert answer.status == 400


@pytest.mark.parametrize("path", [STREAMS, "/oauth/token", "part"])
@pytest.mark.parametrize("body", ["zz\r\n", "fffffffffffffffff\r\n", "-1\r\nx\r\n", "5\r\nabc\r\nxx"])
async def test_broken_chunks_are_400(desk: Desk, path: str, body: str) -> None:
    """Whatever reads them; nothing is kept."""
    method = "POST"
    if path == "part":
        execution = await desk.execution(await desk.stream())
        method, path = "PUT", f"{STREAMS}/{execution['streamId']}/data/{execution['dataId']}/parts/1"
    headers = "Content-Type: text/csv\r\nTransfer-Encoding: chunked\r\n"
    answer = await raw(desk, request(method, path, headers, body))

    assert status(answer) == 400 or (path == "/oauth/token" and status(answer) == 401)
    await desk.until_files(0)
    assert await alive(desk)


async def test_a_part_without_an_end_is_413(open_desk: Opener) -> None:
    """Chunks that go on for ever stop at the limit, and leave no file."""
    async with open_desk(max_part_bytes=100_000) as desk:
        execution = await desk.execution(await desk.stream())

        assert (await desk.part(execution, 1, endless(b"1,a\n" * 1000))).status == 413
        await desk.until_files(0)


async def test_a_full_disk_is_507(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the part is kept, and the next one is fine."""
    execution = await desk.execution(await desk.stream())

    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("bulkstream.sandbox.parts.os.write", full)
        answer = await desk.part(execution, 1, b"1,a\n")
    await desk.until_files(0)

    assert (answer.status, "no space" in answer.body["message"]) == (507, True)
    assert (await desk.part(execution, 1, b"1,a\n")).status == 200


# ---- CSV

BOMB = gzip.compress(b"1,a\n" * 500_000)


async def test_a_bomb_fails_its_commit(open_desk: Opener) -> None:
    """By the checks, which read no more than a part may hold."""
    async with open_desk(max_raw_part_bytes=1_000_000) as desk:
        execution = await desk.execution(await desk.stream())
        await desk.part(execution, 1, BOMB, headers=GZIP)
        answer = await desk.finalize(execution)

        assert (answer.status, "more than 1,000,000 bytes" in answer.body["message"]) == (400, True)


async def test_a_bomb_fails_an_upsert_without_checks(open_desk: Opener) -> None:
    """The merge is a reader of its own."""
    async with open_desk(max_raw_part_bytes=1_000_000, validate=Validation.OFF) as desk:
        stream = await desk.stream(updateMethod="UPSERT", keyColumnNames=["id"])
        execution = await desk.execution(stream)
        await desk.part(execution, 1, BOMB, headers=GZIP)
        answer = await desk.finalize(execution)

        assert (answer.status, "more than 1,000,000 bytes" in answer.body["message"]) == (400, True)
        assert await desk.rows(stream) == b""


async def test_a_bomb_ends_a_download(open_desk: Opener) -> None:
    """Unchecked, it is committed; whoever reads it gets no more than a part may hold, and no proper end."""
    async with open_desk(max_raw_part_bytes=100_000, validate=Validation.OFF) as desk:
        stream = await desk.stream()
        execution = await desk.execution(stream)
        await desk.part(execution, 1, BOMB, headers=GZIP)
        await desk.finalize(execution)
        answer = await desk.public("GET", f"/datasets/{stream['dataSet']['id']}/data")

        assert (answer.status, "more than 100,000 bytes" in answer.body["message"]) == (500, True)


LONG = {
    "one field": b"1," + b"x" * 2_000_000 + b"\n",
    "quoted lines": b'1,"' + b"x\n" * 1_000_000 + b'"\n',
    "an open quote": b'1,"' + b"x\n" * 1_000_000,
    "no end": b"1," + b"x" * 2_000_000,
    "another record first": b"1,a\n" + b"1," + b"x" * 2_000_000 + b"\n2,b\n",
}


@pytest.mark.parametrize("columns", [True, False])
@pytest.mark.parametrize("name", LONG)
async def test_a_record_over_the_limit_fails_its_commit(open_desk: Opener, name: str, columns: bool) -> None:
    """However it gets that long, with a schema and without; the message says which."""
    async with open_desk(max_record_bytes=1_000_000) as desk:
        stream = await (desk.stream() if columns else desk.stream(None))
        execution = await desk.execution(stream)
        await desk.part(execution, 1, LONG[name])
        answer = await desk.finalize(execution)

        number = 2 if name == "another record first" else 1
        assert answer.status == 400
        assert f"part 1: record {number}: longer than 1,000,000 bytes" in answer.body["message"]


async def test_a_record_over_the_limit_fails_an_upsert(open_desk: Opener) -> None:
    """Also where nothing was checked before."""
    async with open_desk(max_record_bytes=1_000_000, validate=Validation.OFF) as desk:
        execution = await desk.execution(await desk.stream(updateMethod="UPSERT", keyColumnNames=["id"]))
        await desk.part(execution, 1, LONG["one field"])

        assert "record 1: longer than 1,000,000 bytes" in (await desk.finalize(execution)).body["message"]


def test_a_record_just_within_the_limit_passes(tmp_path: Path) -> None:
    """The limit is exact, wherever blocks are cut."""
    path = tmp_path / "part"
    path.write_bytes(b"1,a\n1," + b"x" * 997 + b"\n2,b\n")

    assert check(path, gzip=False, columns=2, limit=1 << 30, longest=1000).rows == 3
    assert "record 2: longer than 999" in str(check(path, gzip=False, columns=2, limit=1 << 30, longest=999).problem)


@pytest.mark.parametrize("columns", [2, None])
def test_an_endless_line_takes_a_bounded_memory(tmp_path: Path, columns: int | None) -> None:
    """50 MB of one line, compressed to 50 kB, are looked into within a few times the longest record."""
    path = tmp_path / "part"
    path.write_bytes(gzip.compress(b"1," + b"x" * 50_000_000, 1))

    tracemalloc.start()
    found = check(path, gzip=True, columns=columns, limit=1 << 30, longest=1 << 20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert found.problem == "record 1: longer than 1,048,576 bytes"
    assert peak < 16 << 20
