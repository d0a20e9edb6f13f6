"""Whole loads, through the library, into the sandbox."""

from __future__ import annotations

import asyncio
import csv
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from aiohttp import web

from bulkstream import Client, Column, ColumnType, Dialect, Outcome, UpdateMethod
from bulkstream.errors import (
    CommitRefused,
    GateFailed,
    HeaderMismatch,
    PartFailed,
    SourceMissing,
    Unauthorized,
    UsageError,
)
from bulkstream.sandbox import SandboxSettings, running
from bulkstream.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

COLUMNS = (Column("id", ColumnType.LONG), Column("text", ColumnType.STRING))


class Recorder:
    """A middleware that notes every request, and answers some of them itself."""

    def __init__(self, answer: Callable[[web.Request], Awaitable[web.StreamResponse | None]] | None = None) -> None:
        self.seen: list[str] = []
        self._answer = answer

    @property
    def parts(self) -> list[int]:
        """Numbers of the parts that were asked for, in order."""
        return [int(line.rsplit("/", 1)[1]) for line in self.seen if "/part" in line]

    def middleware(self) -> Any:
        @web.middleware
        async def note(request: web.Request, handler: Any) -> web.StreamResponse:
            self.seen.append(f"{request.method} {request.path}")
            if self._answer and (answer := await self._answer(request)) is not None:
                return answer
            return await handler(request)  # type: ignore[no-any-return]

        return note


@asynccontextmanager
async def client_of(
    recorder: Recorder, *, dialect: Dialect = Dialect.PUBLIC, token: str = "sandbox", **settings: Any
) -> AsyncIterator[Client]:
    """Open a client on a sandbox of its own, with quick retries."""
    async with running(SandboxSettings(port=0, **settings), middlewares=[recorder.middleware()]) as sandbox:
        environ = {
            "BULKSTREAM_URL": sandbox.url,
            "BULKSTREAM_DIALECT": dialect,
            "BULKSTREAM_TOKEN": token,
            "BULKSTREAM_CLIENT_ID": "sandbox",
            "BULKSTREAM_CLIENT_SECRET": token,
            "HOME": "/nowhere",
        }
        async with Client(load_settings({"retry": {"base_s": 0.0}}, environ=environ)) as client:
            yield client


async def rows_of(client: Client, stream_id: int, recorder: Recorder) -> bytes:
    """Read a stream's dataset back."""
    stream = await client.streams.get(stream_id)
    return b"".join([block async for block in client.datasets.export(stream.dataset_id, include_header=False)])


def write_rows(path: Path, count: int, *, header: str = "id,text\n") -> bytes:
    """Write a CSV of quoted, multi-line rows; return its data without the header."""
    draw = random.Random(count)
    body = "".join(f'{n},"a ""quote"", a\nbreak {draw.random()}"\n' for n in range(count))
    path.write_text(header + body, "utf-8", newline="")
    return body.encode()


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize("part_size", ["1KiB", "7KiB", "64MiB"])
async def test_rows_come_back_byte_for_byte(tmp_path: Path, dialect: Dialect, part_size: str) -> None:
    """What is read back is the file behind its header, in order, in both dialects at any part size."""
    recorder = Recorder()
    data = write_rows(tmp_path / "a.csv", 500)
    async with client_of(recorder, dialect=dialect) as client:
        report = await client.upload(tmp_path / "a.csv", dataset_name="A", part_size=part_size)

        assert (report.outcome, report.rows, report.raw_bytes) == (Outcome.COMMITTED, 500, len(data))
        public = Client(client.settings.model_copy(update={"connection": as_public(client)}))
        async with public:
            assert await rows_of(public, report.stream_id or 0, recorder) == data


def as_public(client: Client) -> Any:
    """Return the connection of a client, in the dialect that can export."""
    return client.settings.connection.model_copy(update={"dialect": Dialect.PUBLIC})


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
async def test_files_are_loaded_in_order_as_one(tmp_path: Path, newline: str) -> None:
    """Headers and byte order marks of all files are left out; rows of neighbours don't run together."""
    recorder = Recorder()
    bodies = [f"1,a{newline}2,b", "", f"3,c{newline}", "4,d"]
    for number, body in enumerate(bodies):
        text = f"\ufeffid,text{newline}{body}" if number != 1 else "id,text"
        (tmp_path / f"{number}.csv").write_text(text, "utf-8", newline="")
    (tmp_path / "9.csv").touch()
    async with client_of(recorder) as client:
        report = await client.upload(str(tmp_path / "*.csv"), dataset_name="B")

        expected = f"1,a{newline}2,b\n3,c{newline}4,d".encode()
        assert report.rows == 4
        assert await rows_of(client, report.stream_id or 0, recorder) == expected


async def test_dataset_is_found_again_and_replaced_or_appended(tmp_path: Path) -> None:
    """A second load by name goes to the same stream; the mode decides what becomes of the rows."""
    recorder = Recorder()
    (tmp_path / "a.csv").write_text("id,text\n1,a\n", "utf-8")
    (tmp_path / "b.csv").write_text("id,text\n1,b\n2,c\n", "utf-8")
    async with client_of(recorder) as client:
        first = await client.upload(tmp_path / "a.csv", dataset_name="C")
        appended = await client.upload(tmp_path / "b.csv", dataset_name="C", mode="append")
        assert first.stream_id == appended.stream_id == 1
        assert await rows_of(client, 1, recorder) == b"1,a\n1,b\n2,c\n"

        await client.upload(tmp_path / "b.csv", dataset_name="C", mode=UpdateMethod.REPLACE)
        assert await rows_of(client, 1, recorder) == b"1,b\n2,c\n"


async def test_upsert_replaces_rows_by_key(tmp_path: Path) -> None:
    """Rows whose key is there already are replaced, others added."""
    recorder = Recorder()
    (tmp_path / "a.csv").write_text("id,text\n1,a\n2,b\n", "utf-8")
    (tmp_path / "b.csv").write_text("id,text\n2,B\n3,c\n", "utf-8")
    async with client_of(recorder) as client:
        await client.upload(tmp_path / "a.csv", dataset_name="D", mode="upsert", key=["id"])
        await client.upload(tmp_path / "b.csv", dataset_name="D", mode="upsert", key=["id"])

        assert sorted((await rows_of(client, 1, recorder)).split()) == [b"1,a", b"2,B", b"3,c"]


async def test_header_only_file_commits_no_rows(tmp_path: Path) -> None:
    """An empty result of yesterday's query is a valid load of nothing."""
    (tmp_path / "a.csv").write_text("id,text\n", "utf-8")
    async with client_of(Recorder()) as client:
        report = await client.upload(tmp_path / "a.csv", dataset_name="E")

        assert (report.outcome, report.rows, report.parts) == (Outcome.COMMITTED, 0, 0)


async def test_first_part_goes_alone(tmp_path: Path) -> None:
    """No second part is on its way before the first was acknowledged."""
    arrived = asyncio.Event()
    release = asyncio.Event()

    async def hold_part_1(request: web.Request) -> None:
        if request.path.endswith("/part/1"):
            arrived.set()
            await release.wait()

    recorder = Recorder(hold_part_1)
    write_rows(tmp_path / "a.csv", 500)
    async with client_of(recorder) as client, anyio.create_task_group() as tasks:
        upload = asyncio.ensure_future(client.upload(tmp_path / "a.csv", dataset_name="F", part_size="1KiB"))
        await arrived.wait()
        for _ in range(200):  # let everything that could run, run
            await anyio.lowlevel.checkpoint()
        assert recorder.parts == [1]
        release.set()
        report = await upload
        tasks.cancel_scope.cancel()

    assert report.outcome is Outcome.COMMITTED
    assert sorted(recorder.parts) == list(range(1, report.parts + 1))


async def test_part_refused_for_good_ends_in_an_abort(tmp_path: Path) -> None:
    """A 400 on a part stops everything at once, aborts the execution and leaves the dataset as it was."""

    async def refuse_part_5(request: web.Request) -> web.Response | None:
        bad = request.path.endswith("/part/5")
        return web.json_response({"message": "bad part", "toe": "T5"}, status=400) if bad else None

    recorder = Recorder(refuse_part_5)
    write_rows(tmp_path / "big.csv", 2000)
    (tmp_path / "old.csv").write_text("id,text\n1,old\n", "utf-8")
    async with client_of(recorder) as client:
        await client.upload(tmp_path / "old.csv", dataset_name="G")
        with pytest.raises(PartFailed, match=r"part 5 failed: .*bad part.*T5") as caught:
            await client.upload(tmp_path / "big.csv", dataset_name="G", part_size="1KiB", concurrency=3)

        report = caught.value.report
        assert report is not None
        assert report.outcome is Outcome.ABORTED
        execution = await client.executions.get(report.stream_id or 0, report.execution_id or 0)
        assert execution.current_state == "ABORTED"
        assert await rows_of(client, 1, recorder) == b"1,old\n"
    behind = recorder.parts[recorder.parts.index(5) + 1 :]
    assert len(behind) <= 3, "only what was on its way already"
    aborted = recorder.seen.index("PUT /v1/streams/1/executions/1002/abort")
    assert not any("/part/" in line for line in recorder.seen[aborted:])


async def test_transient_faults_are_ridden_out(tmp_path: Path) -> None:
    """A 503 twice on each part costs two retries a part and nothing else."""
    failures: dict[str, int] = {}

    async def fail_twice(request: web.Request) -> web.Response | None:
        if "/part/" not in request.path or failures.get(request.path, 0) == 2:
            return None
        failures[request.path] = failures.get(request.path, 0) + 1
        return web.Response(status=503)

    recorder = Recorder(fail_twice)
    data = write_rows(tmp_path / "a.csv", 1000)
    async with client_of(recorder) as client:
        report = await client.upload(tmp_path / "a.csv", dataset_name="H", part_size="1KiB")

        assert report.outcome is Outcome.COMMITTED
        assert report.retries == 2 * report.parts
        assert await rows_of(client, 1, recorder) == data


@pytest.mark.parametrize("dialect", list(Dialect))
async def test_wrong_credentials_cost_one_request(tmp_path: Path, dialect: Dialect) -> None:
    """Nothing is created and nothing is tried twice."""
    recorder = Recorder()
    write_rows(tmp_path / "a.csv", 10)
    async with client_of(recorder, dialect=dialect, token="wrong") as client:
        with pytest.raises(Unauthorized) as caught:
            await client.upload(tmp_path / "a.csv", dataset_name="I")

    assert len(recorder.seen) == 1
    assert caught.value.report is not None
    assert caught.value.report.execution_id is None


async def test_cancelling_aborts_and_leaves_nothing(tmp_path: Path) -> None:
    """A cancelled load aborts its execution; no task of it survives."""
    arrived = asyncio.Event()

    async def hold_part_3(request: web.Request) -> None:
        if request.path.endswith("/part/3"):
            arrived.set()
            await asyncio.Event().wait()

    recorder = Recorder(hold_part_3)
    write_rows(tmp_path / "a.csv", 1000)
    async with client_of(recorder) as client:
        tasks = asyncio.all_tasks()
        upload = asyncio.ensure_future(client.upload(tmp_path / "a.csv", dataset_name="J", part_size="1KiB"))
        await arrived.wait()
        upload.cancel()
        with pytest.raises(asyncio.CancelledError):
            await upload

        assert [state.current_state async for state in client.executions.list(1)] == ["ABORTED"]
        leftover = {task for task in asyncio.all_tasks() - tasks if "bulkstream" in repr(task.get_coro())}
        assert {task for task in leftover if "sandbox" not in repr(task.get_coro())} == set()


async def test_source_that_changes_during_the_load_is_not_committed(tmp_path: Path) -> None:
    """A file that grows while it is loaded ends in an abort that names it."""
    path = tmp_path / "a.csv"
    write_rows(path, 100)

    async def grow(request: web.Request) -> None:
        if request.path.endswith("/part/1"):
            with path.open("a") as file:
                file.write('100,"more"\n')

    async with client_of(Recorder(grow)) as client:
        with pytest.raises(GateFailed, match=r"a\.csv had [\d,]+ bytes and now has [\d,]+"):
            await client.upload(path, dataset_name="K")

        assert [state.current_state async for state in client.executions.list(1)] == ["ABORTED"]


async def test_commit_that_goes_on_is_awaited(tmp_path: Path) -> None:
    """A commit whose answer still says ACTIVE is reported only when it has succeeded."""
    write_rows(tmp_path / "a.csv", 10)
    async with client_of(Recorder(), commit_delay_s=0.3) as client:
        report = await client.upload(tmp_path / "a.csv", dataset_name="L")

        assert report.outcome is Outcome.COMMITTED
        assert (await client.executions.get(1, report.execution_id or 0)).current_state == "SUCCESS"


async def test_part_that_the_server_finds_invalid_at_the_commit_is_refused(tmp_path: Path) -> None:
    """Rows with a wrong number of fields don't get into the dataset."""
    (tmp_path / "a.csv").write_text("id,text\n1,a\n2,b,c\n", "utf-8")
    async with client_of(Recorder()) as client:
        with pytest.raises(CommitRefused) as caught:
            await client.upload(tmp_path / "a.csv", dataset_name="M", check="off")

    assert caught.value.report is not None
    assert caught.value.report.outcome is Outcome.ABORTED


def rejects_in(state_dir: Path) -> list[list[str]]:
    """Return line, byte and row of each reject of the only run."""
    (made,) = state_dir.glob("runs/*/rejected-*.csv")
    with made.open(encoding="utf-8", newline="") as file:
        return [[each["line"], each["byte_offset"], each["row"]] for each in csv.DictReader(file)]


async def test_a_resumed_load_has_the_rejects_of_both_processes(tmp_path: Path, state_dir: Path) -> None:
    """What a run leaves out before it is cut off is in the reject file in the end, with what follows, in order."""
    refused = ["/part/5"]

    async def refuse(request: web.Request) -> web.Response | None:
        return web.Response(status=400) if request.path.endswith(tuple(refused)) else None

    rows = [f'{n},"a\nb"\n' if n % 10 else f"{n}\n" for n in range(1, 1001)]
    (tmp_path / "a.csv").write_text("id,text\n" + "".join(rows), "utf-8", newline="")
    expected = []
    for n in range(10, 1001, 10):
        before = "".join(rows[: n - 1])
        expected.append([str(2 + before.count("\n")), str(8 + len(before)), str(n)])
    recorder = Recorder(refuse)
    async with client_of(recorder) as client:
        with pytest.raises(PartFailed) as caught:
            await client.upload(
                tmp_path / "a.csv", dataset_name="R", part_size="1KiB", on_failure="keep", max_bad_rows=100
            )
        assert caught.value.report is not None
        refused.clear()
        report = await client.resume(caught.value.report.run_id)

        assert (report.outcome, report.rows, report.bad_rows) == (Outcome.COMMITTED, 900, 100)
        kept = "".join(row for n, row in enumerate(rows, 1) if n % 10).encode()
        assert await rows_of(client, report.stream_id or 0, recorder) == kept
    assert recorder.parts.count(1) == 1
    assert rejects_in(state_dir) == expected


async def test_many_loads_at_once_share_a_client(tmp_path: Path) -> None:
    """Loads into different streams don't disturb each other, and each counts its own."""
    recorder = Recorder()
    sizes = [50, 200, 400]
    data = [write_rows(tmp_path / f"{size}.csv", size) for size in sizes]
    async with client_of(recorder) as client:
        reports = await asyncio.gather(
            *(client.upload(tmp_path / f"{n}.csv", dataset_name=f"N{n}", part_size="1KiB") for n in sizes)
        )

        assert [report.rows for report in reports] == sizes
        for report, expected in zip(reports, data, strict=True):
            assert await rows_of(client, report.stream_id or 0, recorder) == expected


async def test_what_is_wrong_with_the_source_is_found_before_anything_is_created(tmp_path: Path) -> None:
    """Missing files cost no request; headers that differ create nothing."""
    recorder = Recorder()
    (tmp_path / "a.csv").write_text("id,text\n1,a\n", "utf-8")
    (tmp_path / "b.csv").write_text("id,words\n1,a\n", "utf-8")
    async with client_of(recorder) as client:
        with pytest.raises(SourceMissing):
            await client.upload(tmp_path / "none.csv", dataset_name="O")
        assert recorder.seen == []

        with pytest.raises(HeaderMismatch, match=r"b\.csv"):
            await client.upload([tmp_path / "a.csv", tmp_path / "b.csv"], dataset_name="O")
        with pytest.raises(UsageError, match="either a stream or a dataset"):
            await client.upload(tmp_path / "a.csv")
        assert not any(line.startswith("POST /v1") for line in recorder.seen)


@pytest.mark.parametrize(
    ("options", "said", "hint"),
    [
        ({"max_bad_row": 5}, "no option 'max_bad_row'", "'max_bad_rows'"),
        ({"colour": "red"}, "no option 'colour'", ""),
        ({"mode": "merge"}, "'merge' is no mode", "UPSERT"),
    ],
)
async def test_option_that_there_is_not_is_refused(
    tmp_path: Path, options: dict[str, Any], said: str, hint: str
) -> None:
    """A misspelt one is never as good as none; what was meant is named, and nothing was sent."""
    recorder = Recorder()
    write_rows(tmp_path / "a.csv", 10)
    async with client_of(recorder) as client:
        with pytest.raises(UsageError, match=said) as caught:
            await client.upload(tmp_path / "a.csv", dataset_name="O", **options)

    assert hint in caught.value.hint
    assert recorder.seen == []


async def test_connector_stream_is_refused(tmp_path: Path) -> None:
    """A stream that Domo's own connector feeds takes no parts, and no execution is made."""
    recorder = Recorder()
    write_rows(tmp_path / "a.csv", 10)
    async with client_of(recorder, dialect=Dialect.INSTANCE) as client:
        extra = {"transport": {"type": "CONNECTOR", "description": "x", "version": "4"}}
        stream = await client.streams.create(name="P", columns=COLUMNS, extra=extra)
        with pytest.raises(UsageError, match="connector"):
            await client.upload(tmp_path / "a.csv", stream=stream.id)

    assert not any("executions" in line for line in recorder.seen)
