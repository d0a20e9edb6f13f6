"""Packed, columnar and other sources that turn out to be broken, or whose load is given up while rows are made."""

from __future__ import annotations

import asyncio
import gzip
import os
import threading
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from aiohttp import web

from bulkstream import Outcome
from bulkstream.errors import GateFailed, SourceError, SourceUnreadable
from bulkstream.sources.places.local_blob import LocalFile
from bulkstream.sources.render.renderer import Renderer
from tests.support.accounts import account
from tests.support.command_line import serving_beside
from tests.support.derived import HEADER, MAKERS, expected, table
from tests.support.leftovers import open_files, threads
from tests.support.pipes import producing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.support.accounts import Account

SOON_S = 3.0
ROWS = 30_000
SMALL: dict[str, Any] = {"part_size": "64KiB", "sample_size": "64KiB", "concurrency": 2}
"""Parts and a sample that are small beside the sources, so that these are read behind their beginning."""
BEFORE = b"0,before\n"


@asynccontextmanager
async def filled_account(folder: Path) -> AsyncIterator[Account]:
    """Open an account whose dataset has a row, and see in the end that it still has just that."""
    (folder / "before.csv").write_text("id,text\n0,before\n", "utf-8")
    async with account() as opened:
        async with opened.client() as client:
            await client.upload(folder / "before.csv", dataset_name="A")
        opened.forget()
        yield opened
        assert await opened.states() == ["SUCCESS", "ABORTED"]
        assert await opened.rows() == BEFORE
    await nothing_left(folder)


async def nothing_left(folder: Path) -> None:
    """Wait until no thread of ours is there and no file is open; that takes as long as the piece at hand."""
    async with asyncio.timeout(5):
        while threads() or any(path.startswith(str(folder)) for path in open_files().values()):  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def failed(opened: Account, source: Any) -> SourceError | GateFailed:
    """Load what can't be loaded; return the error, which comes soon, behind an abort."""
    async with opened.client() as client:
        began = time.monotonic()
        with pytest.raises((SourceError, GateFailed)) as caught:
            await client.upload(source, dataset_name="A", **SMALL)
        assert time.monotonic() - began < SOON_S
    assert not opened.count("/commit")
    error = caught.value
    assert isinstance(error, SourceError | GateFailed)
    assert error.report is not None
    assert error.report.outcome is Outcome.ABORTED
    return error


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def flipped(path: Path, at: float = 0.6) -> None:
    """Change bytes behind the middle."""
    data = bytearray(path.read_bytes())
    place = int(len(data) * at)
    data[place : place + 64] = bytes(byte ^ 0xFF for byte in data[place : place + 64])
    path.write_bytes(data)


def misfit(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    lines[20_000] = b'{"id": "a word", "text": ""}\n'
    path.write_bytes(b"".join(lines))


def unfinished(path: Path) -> None:
    """Open a quote at the end of what is packed."""
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + b'1,"open'))


@pytest.mark.parametrize(
    ("kind", "damage", "told"),
    [
        ("gzip", cut_short, "a.csv.gz"),
        ("gzip", flipped, "a.csv.gz"),
        ("gzip", unfinished, "quoted field that the file never closes"),
        ("utf-16 in bzip2", flipped, "a.csv.bz2"),
        ("parquet", flipped, "a.parquet"),
        ("parquet folder", lambda path: flipped(path / "b.parquet"), "b.parquet"),
        ("arrow", flipped, "a.arrow"),
        ("orc", flipped, "a.orc"),
        ("json lines", misfit, "line 20,001"),
        ("json lines", cut_short, "a.jsonl"),
        ("zip", lambda path: flipped(path, 0.3), "a.zip"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
async def test_damage_behind_the_beginning_aborts_the_load(
    tmp_path: Path, kind: str, damage: Callable[[Path], None], told: str
) -> None:
    """What was well at its beginning is found out while it is read; the error names the place."""
    path = tmp_path / MAKERS[kind](tmp_path, ROWS)
    damage(path)

    async with filled_account(tmp_path) as opened:
        error = await failed(opened, path)

    assert told in f"{error} {error.hint}"


@pytest.mark.parametrize("kind", ["gzip", "zip", "json lines", "semicolons"])
async def test_disk_that_goes_away_aborts_the_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """An error of the system's comes out as it is, once an execution is there, and with the file's name."""
    path = tmp_path / MAKERS[kind](tmp_path, ROWS)
    gone, read = threading.Event(), LocalFile.readinto

    def readinto(self: LocalFile, buffer: Any, /) -> int:
        if gone.is_set():
            raise SourceUnreadable(f"{self.name}: Input/output error")
        return read(self, buffer)

    async def go(request: web.Request, _: Any) -> None:
        if request.method == "POST" and request.path.endswith("/executions"):
            gone.set()

    async with filled_account(tmp_path) as opened:
        opened.answer = go
        monkeypatch.setattr(LocalFile, "readinto", readinto)
        error = await failed(opened, path)
        opened.answer = None
        gone.clear()

    assert "Input/output error" in str(error)


@pytest.mark.parametrize("kind", ["gzip", "zip", "json lines", "semicolons", "parquet", "arrow", "orc", "excel"])
@pytest.mark.parametrize("size", [0, 0.5], ids=["emptied", "halved"])
async def test_file_that_is_cut_short_meanwhile_is_not_committed(tmp_path: Path, kind: str, size: float) -> None:
    """Whether all of it had been read by then or not; the error names the file."""
    path = tmp_path / MAKERS[kind](tmp_path, 2000 if kind == "excel" else ROWS)

    async def cut(request: web.Request, _: Any) -> None:
        if request.method == "POST" and request.path.endswith("/executions"):
            os.truncate(path, int(path.stat().st_size * size))

    async with filled_account(tmp_path) as opened:
        opened.answer = cut
        error = await failed(opened, path)

    assert path.name in str(error)


def test_load_that_is_aborted_midway_is_exit_4(tmp_path: Path) -> None:
    """The command line says where it was, and what is true of the dataset."""
    path = tmp_path / MAKERS["gzip"](tmp_path, ROWS)
    cut_short(path)
    with serving_beside(tmp_path) as beside:
        beside.server.shell.config('[upload]\nsample_size = "64KiB"\n')
        run = beside.run("upload", path.name, "--dataset-name", "A", "--part-size", "64KiB", "--json")

    assert (run.code, run.json["outcome"]) == (4, "aborted")
    assert "a.csv.gz" in run.json["error"]
    assert "Traceback" not in run.err


async def cancelled(opened: Account, source: Any, when: threading.Event) -> None:
    """Load, and cancel that when something has happened; it ends soon."""
    async with opened.client() as client:
        load = asyncio.create_task(client.upload(source, dataset_name="A", **SMALL))
        waiting = asyncio.create_task(asyncio.to_thread(when.wait, SOON_S))
        await asyncio.wait({load, waiting}, return_when=asyncio.FIRST_COMPLETED)
        assert when.is_set(), load
        began = time.monotonic()
        load.cancel()
        with pytest.raises(asyncio.CancelledError):
            await load
        assert time.monotonic() - began < SOON_S
    assert not opened.count("/commit")


async def test_load_is_cancelled_while_a_row_group_is_rendered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a thread is at can't be stopped, so it is left behind, and ends with what it is at."""
    pyarrow.parquet.write_table(table(ROWS), tmp_path / "a.parquet", row_group_size=1000)
    rendering, release, render = threading.Event(), threading.Event(), Renderer.__call__

    def held(self: Renderer, batch: pa.RecordBatch) -> pa.Buffer:
        rendering.set()
        release.wait()
        return render(self, batch)

    monkeypatch.setattr(Renderer, "__call__", held)
    async with filled_account(tmp_path) as opened:
        try:
            await cancelled(opened, tmp_path / "a.parquet", rendering)
        finally:
            release.set()


async def test_load_is_cancelled_while_a_packed_pipe_waits(tmp_path: Path) -> None:
    """A producer that says no more holds nobody."""
    packed, arrived = gzip.compress(HEADER.encode() + expected(60_000)), threading.Event()

    async def arrive(request: web.Request, _: Any) -> None:
        if "/part" in request.path:
            arrived.set()

    async with filled_account(tmp_path) as opened:
        opened.answer = arrive
        with producing() as producer:
            threading.Thread(target=producer.send, args=(packed[:-20],)).start()
            await cancelled(opened, producer.name, arrived)


async def test_load_is_cancelled_while_a_server_says_no_more(tmp_path: Path) -> None:
    """A place on the network that hangs holds nobody either."""
    body, hanging = HEADER.encode() + expected(3000), threading.Event()
    never = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        found = web.StreamResponse(headers={"Content-Length": str(len(body) + 100), "ETag": '"1"'})
        await found.prepare(request)
        await found.write(body)
        hanging.set()
        await never.wait()
        return found

    app = web.Application()
    app.router.add_get("/a.csv", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/a.csv"
    try:
        async with account() as opened:
            await cancelled(opened, url, hanging)
    finally:
        never.set()
        await runner.cleanup()
    await nothing_left(tmp_path)
