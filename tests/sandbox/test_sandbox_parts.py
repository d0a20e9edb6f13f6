"""Parts on their way in."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from bulkstream.sandbox import Validation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    Desk = Any

CSV = {"Content-Type": "text/csv"}


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"1,a\n", CSV),
        (gzip.compress(b"1,a\n"), {**CSV, "Content-Encoding": "gzip"}),
        (gzip.compress(b"1,a\n"), {**CSV, "Content-Encoding": "GZIP"}),
        (gzip.compress(b"1,a\n"), {"Content-Type": "application/gzip"}),
    ],
)
async def test_a_part_is_stored_as_it_was_sent(desk: Desk, body: bytes, headers: dict[str, str]) -> None:
    """Plain or gzip, however it is declared; the answer says how many bytes arrived."""
    stream = await desk.stream()
    execution = await desk.execution(stream)

    answer = await desk.part(execution, 1, body, headers=headers)
    await desk.finalize(execution)

    assert (answer.status, answer.body) == (200, {"partId": 1, "bytes": len(body)})
    assert await desk.rows(stream) == b"1,a\n"


async def test_a_body_of_unknown_length_is_a_part(desk: Desk) -> None:
    """Chunked transfer encoding, with many small chunks."""
    stream = await desk.stream()
    execution = await desk.execution(stream)

    async def rows() -> AsyncIterator[bytes]:
        for number in range(500):
            yield b"%d,a\n" % number

    assert (await desk.part(execution, 1, rows())).status == 200
    await desk.finalize(execution)

    assert (await desk.rows(stream)).count(b"\n") == 500


async def test_another_compression_is_refused(desk: Desk) -> None:
    """415, since its rows could not be read."""
    execution = await desk.execution(await desk.stream())

    answer = await desk.part(execution, 1, zlib.compress(b"1,a\n"), headers={**CSV, "Content-Encoding": "deflate"})

    assert answer.status == 415


async def test_the_last_complete_upload_of_a_part_wins(desk: Desk) -> None:
    """A second PUT of one id replaces the first, and the first one's file goes."""
    stream = await desk.stream()
    execution = await desk.execution(stream)
    await desk.part(execution, 1, b"1,old\n")

    answer = await desk.part(execution, 1, b"1,new\n")
    await desk.finalize(execution)
    await desk.until_files(1)

    assert answer.status == 200
    assert await desk.rows(stream) == b"1,new\n"
    assert desk.files() == 1


async def test_a_second_upload_can_be_refused(open_desk: Callable[..., Any]) -> None:
    """With overwrite_parts off it is 409, and the first stays."""
    async with open_desk(overwrite_parts=False) as desk:
        stream = await desk.stream()
        execution = await desk.execution(stream)
        await desk.part(execution, 1, b"1,old\n")

        answer = await desk.part(execution, 1, b"1,new\n")
        await desk.finalize(execution)

        assert answer.status == 409
        assert await desk.rows(stream) == b"1,old\n"


@pytest.mark.parametrize("action", ["commit", "abort"])
async def test_a_closed_execution_takes_no_parts(desk: Desk, action: str) -> None:
    """409, and nothing is kept of them."""
    execution = await desk.execution(await desk.stream())
    await desk.finalize(execution, action)

    answer = await desk.part(execution, 1, b"1,a\n")

    assert answer.status == 409
    assert desk.files() == 0


async def test_a_part_that_was_still_on_its_way_is_not_in_the_commit(desk: Desk) -> None:
    """It is refused when it has arrived, and leaves nothing."""
    stream = await desk.stream()
    execution = await desk.execution(stream)
    await desk.part(execution, 1, b"1,a\n")
    release = asyncio.Event()

    async def rows() -> AsyncIterator[bytes]:
        yield b"2,b\n"
        await release.wait()

    late = asyncio.create_task(desk.part(execution, 2, rows()))
    await desk.until_files(2)
    committed = await desk.finalize(execution)
    release.set()

    assert committed.body["rowsInserted"] == 1
    assert (await late).status == 409
    await desk.until_files(1)
    assert await desk.rows(stream) == b"1,a\n"


async def test_a_part_that_breaks_off_leaves_nothing(desk: Desk) -> None:
    """The client goes away in the middle of a body: no part, no file, and the execution goes on."""
    stream = await desk.stream()
    execution = await desk.execution(stream)
    path = f"/api/data/v1/streams/{stream['id']}/data/{execution['dataId']}/parts/1"
    reader, writer = await asyncio.open_connection("127.0.0.1", desk.sandbox.port)
    head = f"PUT {path} HTTP/1.1\r\nHost: x\r\nX-DOMO-Developer-Token: sandbox\r\nContent-Type: text/csv\r\n"
    writer.write(f"{head}Content-Length: 1000\r\n\r\n1,a\n".encode())
    await writer.drain()
    await desk.until_files(1)
    writer.close()
    await writer.wait_closed()
    await reader.read()
    await desk.until_files(0)

    assert (await desk.part(execution, 1, b"2,b\n")).status == 200
    assert (await desk.finalize(execution)).status == 200
    assert await desk.rows(stream) == b"2,b\n"


async def test_a_body_that_stands_still_is_given_up(open_desk: Callable[..., Any]) -> None:
    """408 after the stall timeout, and no file is left."""
    async with open_desk(stall_timeout_s=0.05) as desk:
        execution = await desk.execution(await desk.stream())
        release = asyncio.Event()

        async def rows() -> AsyncIterator[bytes]:
            yield b"1,a\n"
            await release.wait()

        answer = await desk.part(execution, 1, rows())
        release.set()
        await desk.until_files(0)

        assert answer.status == 408


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_part_over_the_limit_is_refused(open_desk: Callable[..., Any], chunked: bool) -> None:
    """413, told by its length or found while it arrives."""
    async with open_desk(max_part_bytes=100) as desk:
        execution = await desk.execution(await desk.stream())

        async def rows() -> AsyncIterator[bytes]:
            yield b"1,a\n" * 50

        answer = await desk.part(execution, 1, rows() if chunked else b"1,a\n" * 50)
        await desk.until_files(0)

        assert answer.status == 413


@pytest.mark.parametrize("part", ["x", "-1", "1.5", "%2e%2e", "9" * 40])
async def test_part_ids_are_whole_numbers(desk: Desk, part: str) -> None:
    """Whatever else stands there is 404, and never a path."""
    execution = await desk.execution(await desk.stream())
    path = f"/streams/{execution['streamId']}/data/{execution['dataId']}/parts/{part}"

    assert (await desk.instance("PUT", path, data=b"1,a\n", headers=CSV)).status == 404


@pytest.mark.parametrize("start", [{}, {"json": {}}, {"json": {"updateMethod": "APPEND"}}])
async def test_a_part_is_announced_on_the_path_of_its_upload(desk: Desk, start: dict[str, Any]) -> None:
    """No body, or a JSON one, starts the multipart, any number of times; the rows come later."""
    stream = await desk.stream()
    await desk.load(stream, [b"0,z\n"])
    execution = await desk.execution(stream)
    path = f"/streams/{stream['id']}/data/{execution['dataId']}/parts/1"

    for _ in range(2):
        answer = await desk.instance("PUT", path, **start)
        assert (answer.status, answer.body) == (200, {"dataId": execution["dataId"], "partId": 1})
    await desk.part(execution, 1, b"1,a\n")
    await desk.finalize(execution)

    appended = b"0,z\n" if (start.get("json") or {}).get("updateMethod") else b""
    assert await desk.rows(stream) == appended + b"1,a\n"


async def test_an_empty_part_is_no_announcement(desk: Desk) -> None:
    """A body of no bytes that says it is CSV uploads a part of no rows."""
    stream = await desk.stream()
    execution = await desk.execution(stream)

    answer = await desk.part(execution, 1, b"")

    assert answer.body == {"partId": 1, "bytes": 0}
    assert (await desk.finalize(execution)).body["rowsInserted"] == 0


async def test_a_hundred_thousand_part_ids_are_checked_quickly(open_desk: Callable[..., Any]) -> None:
    """Gaps are found by counting, not by looking at every id on the event loop."""
    async with open_desk(validate=Validation.OFF) as desk:
        stream = await desk.stream()
        execution = await desk.execution(stream)
        rows = [(n, execution["id"], n - 1) for n in range(1, 100_001) if n != 77_777]
        query = "INSERT INTO segments (id, execution_id, part_id, gzip, sent_bytes) VALUES (?, ?, ?, 0, 0)"
        await desk.sandbox.store.run(lambda db: db.executemany(query, rows) and None)

        async with asyncio.timeout(5):
            answer = await desk.finalize(execution)

        assert answer.status == 400
        assert "77776" in answer.body["message"]
