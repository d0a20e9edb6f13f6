"""Rows on their way out."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from bulkstream.sandbox import Validation

if TYPE_CHECKING:
    from collections.abc import Callable

    Desk = Any


async def test_rows_of_neighbouring_parts_never_run_together(desk: Desk) -> None:
    """A newline is put where a part lacks its last one; the very last byte stays as it was sent."""
    stream = await desk.stream()

    await desk.load(stream, [b"1,a", b"", b"2,b\r\n", b"3,c\n", b"4,d"])

    assert await desk.rows(stream) == b"1,a\n2,b\r\n3,c\n4,d"


async def test_a_header_is_given_on_request(desk: Desk) -> None:
    """The schema's names as a record, quoted where they must be."""
    columns = [{"name": name, "type": "STRING"} for name in ("plain", "with, comma", 'with "quotes"')]
    stream = await desk.stream(columns=columns)
    await desk.load(stream, [b"1,2,3\n"])
    path = f"/datasets/{stream['dataSet']['id']}/data"

    answer = await desk.public("GET", f"{path}?includeHeader=True")

    assert answer.headers["Content-Type"].startswith("text/csv")
    assert answer.body == b'plain,"with, comma","with ""quotes"""\n1,2,3\n'
    assert (await desk.public("GET", f"{path}?includeHeader=maybe")).status == 400


async def test_without_a_schema_there_is_no_header(desk: Desk) -> None:
    """Asking for one is 400 with the reason."""
    stream = await desk.stream(columns=None)

    answer = await desk.public("GET", f"/datasets/{stream['dataSet']['id']}/data?includeHeader=true")

    assert answer.status == 400
    assert "schema" in answer.body["message"]


async def test_many_small_parts_come_back_whole(desk: Desk) -> None:
    """Their files are opened one after the other."""
    stream = await desk.stream()
    parts = [b"%d,x\n" % number for number in range(300)]

    await desk.load(stream, parts)

    assert await desk.rows(stream) == b"".join(parts)


async def test_a_reader_keeps_the_rows_that_it_began_on(desk: Desk) -> None:
    """A commit in the middle of a download doesn't show in it, and the old files go when it is done."""
    stream = await desk.stream()
    old = [b"%d," % number + b"o" * 2_000_000 + b"\n" for number in range(12)]
    await desk.load(stream, old)
    url = f"/v1/datasets/{stream['dataSet']['id']}/data"

    async with desk.session.get(url, headers={"X-DOMO-Developer-Token": "sandbox"}) as response:
        first = await response.content.readexactly(10)
        await desk.load(stream, [b"1,new\n"])
        during, kept = await desk.rows(stream), desk.files()
        rest = await response.read()
    await desk.until_files(1)

    assert first + rest == b"".join(old)
    assert (during, kept) == (b"1,new\n", 13)


async def test_a_reader_that_leaves_lets_go_of_the_files(desk: Desk) -> None:
    """A download that is broken off holds nothing back."""
    stream = await desk.stream()
    await desk.load(stream, [b"%d," % number + b"o" * 2_000_000 + b"\n" for number in range(12)])
    url = f"/v1/datasets/{stream['dataSet']['id']}/data"

    response = await desk.session.get(url, headers={"X-DOMO-Developer-Token": "sandbox"})
    await response.content.readexactly(10)
    response.close()
    await desk.load(stream, [b"1,new\n"])

    await desk.until_files(1)


async def test_damaged_data_that_nobody_checked_is_an_error(open_desk: Callable[..., Any]) -> None:
    """At the start it is a 500 with a JSON body."""
    async with open_desk(validate=Validation.OFF) as desk:
        stream = await desk.stream()
        execution = await desk.execution(stream)
        headers = {"Content-Type": "text/csv", "Content-Encoding": "gzip"}
        await desk.part(execution, 1, gzip.compress(b"1,a\n")[:12], headers=headers)
        await desk.finalize(execution)

        answer = await desk.public("GET", f"/datasets/{stream['dataSet']['id']}/data")

    assert answer.status == 500
    assert "gzip" in answer.body["message"]


async def test_damage_further_on_breaks_the_download_off(open_desk: Callable[..., Any]) -> None:
    """After the answer has begun an error can't be told in words, but it never looks like the end of the data."""
    async with open_desk(validate=Validation.OFF) as desk:
        stream = await desk.stream()
        execution = await desk.execution(stream)
        await desk.part(execution, 1, b"1,a" + b"b" * 1_000_000 + b"\n")
        headers = {"Content-Type": "text/csv", "Content-Encoding": "gzip"}
        await desk.part(execution, 2, gzip.compress(b"1,a\n")[:12], headers=headers)
        await desk.finalize(execution)

        with pytest.raises(aiohttp.ClientPayloadError):
            await desk.rows(stream)


@pytest.mark.parametrize("fields", [{"name": "new"}, {"description": "new"}])
async def test_an_update_of_a_dataset_keeps_what_it_does_not_name(desk: Desk, fields: dict[str, str]) -> None:
    """Name, description and schema change one by one."""
    stream = await desk.stream()
    path = f"/datasets/{stream['dataSet']['id']}"

    seen = (await desk.public("PUT", path, json=fields)).body

    assert {**stream["dataSet"], **fields, "updatedAt": seen["updatedAt"]} == seen
