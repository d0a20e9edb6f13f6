"""Whole loads of pipes through the library: cancelled while they wait, they leave nothing behind."""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import ExitStack
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

import anyio
import pytest

from bulkstream import Client, Column, ColumnType, Outcome
from bulkstream.errors import DeadlineMissed, SourceError
from bulkstream.reporter import Silent
from bulkstream.sandbox import SandboxSettings, running
from bulkstream.settings import load_settings
from bulkstream.sources.pipe import Pipe
from tests.support.pipes import descriptors, filled, producing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bulkstream.reporter import Progress

COLUMNS = (Column("id", ColumnType.LONG), Column("text"))


class Waits:
    """Tells, on the event loop, how often a pipe had nothing to give."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.loop = asyncio.get_running_loop()
        self.waited = asyncio.Semaphore(0)
        ready = Pipe._ready

        def noted(pipe: Pipe, deadline: float | None) -> bool:
            if not pipe._poll.poll(0):
                self.loop.call_soon_threadsafe(self.waited.release)
            return ready(pipe, deadline)

        monkeypatch.setattr(Pipe, "_ready", noted)


def readers() -> set[threading.Thread]:
    """Return the threads of the loads, without the pool that the event loop keeps."""
    return {thread for thread in threading.enumerate() if thread.name.startswith("bulkstream")}


def tasks() -> set[asyncio.Task[object] | None]:
    """Return the tasks that run, without those of the sandbox and its connections."""
    return {task for task in asyncio.all_tasks() if "aiohttp" not in repr(task) and "sandbox" not in repr(task)}


@pytest.fixture
def account() -> Iterator[dict[str, str]]:
    """The environment that leads to a sandbox, but for its address; afterwards no descriptor is left."""
    before = descriptors()
    yield {"BULKSTREAM_DIALECT": "instance", "BULKSTREAM_TOKEN": "sandbox", "HOME": "/nowhere"}
    assert descriptors() == before


async def client_at(url: str, account: dict[str, str]) -> Client:
    return Client(load_settings(environ=account | {"BULKSTREAM_URL": url}))


@pytest.mark.parametrize("data", [b"", b"id,te", b"id,text\n", b"id,text\n1,a\n2,"], ids=repr)
async def test_a_cancelled_load_leaves_nothing(
    account: dict[str, str], monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    """Wherever it waits for the producer, no thread, descriptor or task stays, and no execution is open."""
    waits = Waits(monkeypatch)
    async with running(SandboxSettings(port=0)) as sandbox, await client_at(sandbox.url, account) as client:
        stream = await client.streams.create(name="A", columns=COLUMNS)
        with producing() as producer:
            producer.send(data)
            load = asyncio.ensure_future(client.upload(producer.name, stream=stream.id))
            await waits.waited.acquire()
            began = monotonic()
            load.cancel()
            with pytest.raises(asyncio.CancelledError):
                await load

            assert monotonic() - began < 2
            for thread in readers():
                await asyncio.to_thread(thread.join, 2)
            assert readers() == set()
        executions = [each.current_state async for each in client.executions.list(stream.id)]
        assert set(executions) <= {"ABORTED"}
        assert tasks() == {asyncio.current_task()}


async def test_a_deadline_does_not_wait_for_the_producer(account: dict[str, str]) -> None:
    """A cancel scope ends a load of a pipe that nobody writes into, as a cancelled task does."""
    async with running(SandboxSettings(port=0)) as sandbox, await client_at(sandbox.url, account) as client:
        with producing() as producer:
            began = monotonic()
            with anyio.move_on_after(0.05) as scope:
                await client.upload(producer.name, dataset_name="A")

            assert scope.cancelled_caught
            assert monotonic() - began < 2


@pytest.mark.parametrize("spool", [False, True])
async def test_a_silent_producer_misses_the_deadline(account: dict[str, str], tmp_path: Path, spool: bool) -> None:
    """The setting holds before there is an execution too, and while a copy is made, which then is removed."""
    folder = {"spool": tmp_path} if spool else {}
    async with running(SandboxSettings(port=0)) as sandbox, await client_at(sandbox.url, account) as client:
        with producing() as producer:
            producer.send(b"id,text\n" if spool else b"")
            with pytest.raises(DeadlineMissed, match="has passed"):
                await client.upload(producer.name, dataset_name="A", deadline="0.2s", **folder)  # type: ignore[arg-type]

        assert [each async for each in client.streams.list()] == []
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - Path's own would block, says another rule


async def test_a_pipes_length_is_known_at_its_end(account: dict[str, str]) -> None:
    """So a deadline that passes during the commit does not take that for a load which is under way."""
    seen = []

    class Noting(Silent):
        def progress(self, progress: Progress) -> None:
            seen.append(progress)

    async with running(SandboxSettings(port=0)) as sandbox, await client_at(sandbox.url, account) as client:
        with filled(b"id,text\n1,a\n") as (name,):
            await client.upload(name, dataset_name="A", reporter=Noting())

    assert (seen[0].total_bytes, seen[-1].total_bytes, seen[-1].acked_bytes) == (None, 4, 4)


async def test_silent_producers_hold_up_no_other_load(
    account: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There are more of them than threads that loads share, and a load of a file goes by."""
    (tmp_path / "a.csv").write_bytes(b"id,text\n1,a\n")
    waits = Waits(monkeypatch)
    async with running(SandboxSettings(port=0)) as sandbox, await client_at(sandbox.url, account) as client:
        with ExitStack() as stack:
            producers = [stack.enter_context(producing()) for _ in range(50)]
            async with anyio.create_task_group() as tasks:
                for n, producer in enumerate(producers):
                    tasks.start_soon(partial(client.upload, producer.name, dataset_name=f"P{n}"))
                for _ in producers:
                    await waits.waited.acquire()
                with anyio.fail_after(20):
                    report = await client.upload(tmp_path / "a.csv", dataset_name="A")
                tasks.cancel_scope.cancel()

    assert report.rows == 1


async def test_a_spooled_pipe_is_loaded_as_a_file(account: dict[str, str], tmp_path: Path) -> None:
    """The folder may be given as text; after the commit it is empty."""
    async with running(SandboxSettings(port=0)) as sandbox, await client_at(sandbox.url, account) as client:
        with filled(b"id,text\n1,a\n") as (name,):
            report = await client.upload(name, dataset_name="A", spool=str(tmp_path))

    assert (report.outcome, report.rows) == (Outcome.COMMITTED, 1)
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - Path's own would block, says another rule


async def test_a_copy_that_fails_creates_nothing(
    account: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without room for the copy the server has neither a stream nor an execution."""

    def full(descriptor: int, data: memoryview) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bulkstream.sources.spool._write", full)
    async with running(SandboxSettings(port=0)) as sandbox, await client_at(sandbox.url, account) as client:
        with filled(b"id,text\n1,a\n") as (name,), pytest.raises(SourceError, match="No space left"):
            await client.upload(name, dataset_name="A", spool=tmp_path)

        assert [stream async for stream in client.streams.list()] == []
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - Path's own would block, says another rule
