"""Whole loads of what a program hands over: every kind arrives as it is, and nothing is left of those that fail."""

from __future__ import annotations

import asyncio
import csv
import datetime as dt
import gzip
import io
import sqlite3
import threading
from collections import namedtuple
from contextlib import closing
from decimal import Decimal
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

import duckdb
import orjson
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from bulkstream import Column, ColumnType, Outcome, Query, upload_sync
from bulkstream.errors import (
    DeadlineMissed,
    NotResumable,
    PartFailed,
    SchemaError,
    SourceError,
    SourceMissing,
    UsageError,
)
from bulkstream.runs import store_of
from tests.support.accounts import account, refusing
from tests.support.leftovers import threads

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator
    from pathlib import Path

    from tests.support.accounts import Account

NAMES = ("id", "text", "at")
ROWS: list[tuple[Any, ...]] = [
    (n, f'"{n}", a\nbreak' if n % 3 else None, dt.datetime(2024, 2, 29, 12, 0, n % 60))  # noqa: DTZ001 - without zone
    for n in range(3000)
]
DICTS = [dict(zip(NAMES, row, strict=True)) for row in ROWS]
TABLE = pa.Table.from_pylist(DICTS)
PATIENCE_S = 5.0
EMPTY = pa.RecordBatch.from_pylist([], schema=TABLE.schema)
Row = namedtuple("Row", ["id", "text", "at"])  # noqa: PYI024 - as users have them


def as_csv() -> bytes:
    """Return the rows as a file that a program may write."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(NAMES)
    writer.writerows((n, text, at.isoformat()) for n, text, at in ROWS)
    return text.getvalue().encode()


def as_arrow() -> bytes:
    """Return the rows as a stream of Arrow batches."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, TABLE.schema) as writer:
        writer.write_table(TABLE, max_chunksize=100)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def pieces(data: bytes, size: int = 1000) -> Iterator[bytes]:
    """Yield some bytes, cut anywhere."""
    for begin in range(0, len(data), size):
        yield data[begin : begin + size]


async def later(items: Iterable[Any]) -> AsyncIterator[Any]:
    """Yield some items, and let the loop turn now and then."""
    for number, item in enumerate(items):
        if number % 500 == 0:
            await asyncio.sleep(0)
        yield item


class Given:
    """A generator that says what became of it.

    Attributes:
        begun: It was asked for an item.
        closed: It was closed, or came to its end.
        stalled: Set, from its thread or task, when it gives nothing more.
        left: When it gave its last item.
    """

    def __init__(self, items: Iterable[Any] = DICTS, *, error: Exception | None = None, stalls: bool = False) -> None:
        self.begun = self.closed = False
        self.left = 0.0
        self.loop = asyncio.get_running_loop()
        self.stalled = asyncio.Event()
        self.go_on = threading.Event()
        self._items, self._error, self._stalls = items, error, stalls

    def now(self) -> Iterator[Any]:
        self.begun = True
        try:
            yield from self._items
            self.left = monotonic()
            if self._stalls:
                self.loop.call_soon_threadsafe(self.stalled.set)
                self.go_on.wait(2 * PATIENCE_S)
                yield from self._items
            if self._error:
                raise self._error
        finally:
            self.closed = True

    async def later(self) -> AsyncIterator[Any]:
        self.begun = True
        try:
            async for item in later(self._items):
                yield item
            self.left = monotonic()
            if self._stalls:
                self.stalled.set()
                await asyncio.Event().wait()
            if self._error:
                raise self._error
        finally:
            await asyncio.sleep(0)
            self.closed = True


async def came_out(given: Given) -> None:
    """Wait until a generator that was left in the middle is closed."""
    end = monotonic() + PATIENCE_S
    while not given.closed:
        assert monotonic() < end
        await asyncio.sleep(0.001)


async def nothing_runs() -> None:
    """No thread of ours is left, and no task but the sandbox's."""
    end = monotonic() + PATIENCE_S
    while threads() or [t for t in asyncio.all_tasks() if t is not asyncio.current_task() and "given" in repr(t)]:
        assert monotonic() < end, (threads(), asyncio.all_tasks())
        await asyncio.sleep(0.001)


def read_back(data: bytes) -> list[tuple[Any, ...]]:
    """Return the rows of a dataset."""
    return [
        (int(n), text or None, dt.datetime.fromisoformat(at))
        for n, text, at in csv.reader(io.StringIO(data.decode(), newline=""))
    ]


KINDS: dict[str, Callable[[], Any]] = {
    "pyarrow.Table": lambda: TABLE,
    "pyarrow.RecordBatch": lambda: TABLE.combine_chunks().to_batches()[0],
    "pyarrow.RecordBatchReader": lambda: TABLE.to_reader(max_chunksize=100),
    "polars": lambda: pl.from_arrow(TABLE),
    "pandas": lambda: pd.DataFrame(DICTS),
    "pandas objects": lambda: pd.DataFrame(DICTS).astype(object),
    "duckdb": lambda: duckdb.connect().from_arrow(TABLE),
    "dicts": lambda: DICTS,
    "generator of dicts": lambda: iter(DICTS),
    "named tuples": lambda: map(Row._make, ROWS),
    "batches": lambda: iter(TABLE.to_batches(max_chunksize=100)),
    "bytes of CSV": lambda: pieces(as_csv()),
    "asynchronous dicts": lambda: later(DICTS),
    "asynchronous batches": lambda: later(TABLE.to_batches(max_chunksize=100)),
    "asynchronous bytes": lambda: later(pieces(as_csv())),
}


@pytest.mark.parametrize("made", KINDS.values(), ids=KINDS)
async def test_every_kind_of_source_is_loaded(made: Callable[[], Any]) -> None:
    """Names, types, order and values arrive, in several parts."""
    async with account() as opened, opened.client() as client:
        report = await client.upload(made(), dataset_name="A", part_size="16KiB")

        assert (report.outcome, report.rows) == (Outcome.COMMITTED, len(ROWS))
        assert report.parts > 1
        assert read_back(await opened.rows()) == ROWS
        stream = await client.streams.get(1)
        assert [(each.name, each.type) for each in stream.columns or ()] == [
            ("id", ColumnType.LONG),
            ("text", ColumnType.STRING),
            ("at", ColumnType.DATETIME),
        ]
        await nothing_runs()


async def test_a_query_is_loaded(tmp_path: Path) -> None:
    """Its rows come from the database that is named."""
    with closing(sqlite3.connect(tmp_path / "a.db")) as db, db:
        db.execute("CREATE TABLE t (n INTEGER, s TEXT)")
        db.executemany("INSERT INTO t VALUES (?, ?)", [(n, str(n)) for n in range(100)])
    async with account() as opened, opened.client() as client:
        query = Query(f"sqlite:///{tmp_path}/a.db", "SELECT * FROM t ORDER BY n")
        report = await client.upload(query, dataset_name="A")

        assert report.rows == 100
        assert await opened.rows() == b"".join(b'%d,"%d"\n' % (n, n) for n in range(100))


@pytest.mark.parametrize("made", [list, tuple, iter], ids=["list", "tuple", "iterator"])
async def test_names_are_told_from_rows_by_the_first_item(tmp_path: Path, made: Callable[[Any], Any]) -> None:
    """Paths and texts in any iterable are files, in their order."""
    for name in ("a", "b"):
        (tmp_path / name).write_text(f"id\n{ord(name)}\n", "utf-8")
    async with account() as opened, opened.client() as client:
        await client.upload(made([tmp_path / "b", str(tmp_path / "a")]), dataset_name="A")

        assert await opened.rows() == b"98\n97\n"


async def test_tuples_have_the_names_of_the_dataset() -> None:
    """Or of the schema; with neither, or with other numbers of values, they are numbered."""
    columns = (Column("n", ColumnType.DOUBLE), Column("s"))
    async with account() as opened, opened.client() as client:
        await client.upload([(1, "a")], dataset_name="Numbered")
        await client.upload([(1, "a")], dataset_name="Schema", schema=columns)
        await client.upload([[2, "b"]], dataset_name="Schema", columns=["s", "n"], mode="append")
        with pytest.raises(SchemaError):
            await client.upload([(1, "a", "b")], dataset_name="Schema")

        streams = {each.name: each async for each in client.streams.list()}
        assert [each.name for each in streams["Numbered"].columns or ()] == ["Column 1", "Column 2"]
        assert tuple(streams["Schema"].columns or ()) == columns
        assert await opened.rows(streams["Schema"].id) == b'1,"a"\n2,"b"\n'


async def test_columns_are_chosen_and_renamed() -> None:
    """As for files."""
    async with account() as opened, opened.client() as client:
        await client.upload([{"a": 1, "b": 2, "c": 3}], dataset_name="A", columns=["c", "x=a"])

        stream = await client.streams.get(1)
        assert [each.name for each in stream.columns or ()] == ["c", "x"]
        assert await opened.rows() == b"3,1\n"


async def test_the_datasets_types_decide_what_later_rows_may_hold() -> None:
    """Whole numbers in the first rows are no reason to refuse fractions that the dataset can hold."""
    columns = (Column("n", ColumnType.DOUBLE), Column("d", ColumnType.DECIMAL), Column("s"), Column("none"))
    rows: list[dict[str, Any]] = [{"n": 1, "d": 1, "s": 1, "none": None}] * 2000
    rows.append({"n": 0.5, "d": Decimal("0.1"), "s": "x", "none": "y"})
    async with account() as opened, opened.client() as client:
        await client.upload(rows, dataset_name="A", schema=columns)

        assert (await opened.rows()).splitlines()[-1] == b'0.5,"0.1","x","y"'
        with pytest.raises(SourceError, match=r"row 2,001, column n: 0\.5: is not a whole number"):
            await client.upload(rows, dataset_name="B")


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_row_that_does_not_fit_ends_the_load(asynchronous: bool) -> None:
    """It is named, the dataset stays as it was, and the generator is closed."""
    rows = [*DICTS, {**DICTS[0], "id": "seven"}, *DICTS]
    async with account() as opened, opened.client() as client:
        await client.upload(DICTS[:1], dataset_name="A")
        given = Given(rows)
        with pytest.raises(SourceError, match=r"row 3,001, column id: 'seven': is not a whole number") as caught:
            await client.upload(given.later() if asynchronous else given.now(), dataset_name="A", part_size="16KiB")

        assert caught.value.report is not None
        assert caught.value.report.outcome is Outcome.ABORTED
        assert read_back(await opened.rows()) == ROWS[:1]
        assert await opened.states() == ["SUCCESS", "ABORTED"]
        await came_out(given)
        await nothing_runs()


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("count", [0, 10, 3000], ids=["at once", "in the sample", "behind parts"])
async def test_a_generator_that_fails_ends_the_load(asynchronous: bool, count: int) -> None:
    """With its own exception, within 2 seconds, and without a commit."""
    error = KeyError("gone")
    async with account() as opened, opened.client() as client:
        given = Given(DICTS[:count], error=error)
        with pytest.raises(KeyError) as caught:
            await client.upload(given.later() if asynchronous else given.now(), dataset_name="A", part_size="16KiB")

        assert caught.value is error
        assert monotonic() - given.left < 2
        assert given.closed
        assert "PUT" not in {line.split()[0] for line in opened.seen if line.endswith("/commit")}
        if count == len(DICTS):
            assert await opened.states() == ["ABORTED"]
        await nothing_runs()


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("count", [0, 10, 3000], ids=["at once", "in the sample", "behind parts"])
async def test_a_silent_generator_holds_up_no_cancellation(asynchronous: bool, count: int) -> None:
    """The load ends all the same; one that works in a thread is closed when it comes out."""
    async with account() as opened, opened.client() as client:
        given = Given(DICTS[:count], stalls=True)
        source = given.later() if asynchronous else given.now()
        load = asyncio.ensure_future(client.upload(source, dataset_name="A", part_size="16KiB"))
        await given.stalled.wait()
        load.cancel()
        with pytest.raises(asyncio.CancelledError):
            await load

        assert monotonic() - given.left < PATIENCE_S
        given.go_on.set()
        await came_out(given)
        await nothing_runs()
        if [each async for each in client.streams.list()]:
            assert set(await opened.states()) <= {"ABORTED"}


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("count", [0, 10], ids=["at once", "in the sample"])
async def test_a_silent_generator_misses_the_deadline(asynchronous: bool, count: int) -> None:
    """Also before there is an execution."""
    async with account() as opened, opened.client() as client:
        given = Given(DICTS[:count], stalls=True)
        with pytest.raises(DeadlineMissed):
            await client.upload(given.later() if asynchronous else given.now(), dataset_name="A", deadline="0.1s")

        given.go_on.set()
        await came_out(given)
        await nothing_runs()
        assert [each async for each in client.streams.list()] == []


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_load_that_fails_elsewhere_closes_the_generator(asynchronous: bool) -> None:
    """Also where the server refuses before anything is asked for."""
    async with account() as opened, opened.client() as client:
        given, unread = Given(DICTS * 10), Given()
        opened.answer = refusing(3)
        source = given.later() if asynchronous else given.now()
        with pytest.raises(PartFailed):
            await client.upload(source, dataset_name="A", part_size="16KiB")
        with pytest.raises(UsageError, match="either a stream or a dataset"):
            await client.upload(unread.later() if asynchronous else unread.now())

        await came_out(given)
        assert not unread.begun
        await nothing_runs()


async def test_an_asynchronous_iterable_is_asked_behind_the_server() -> None:
    """A dataset that can't be loaded into costs no item of a queue."""
    async with account() as opened, opened.client() as client:
        given = Given()
        with pytest.raises(Exception, match="404"):
            await client.upload(given.later(), stream=77)

        assert not given.begun
        assert opened.seen


async def test_many_loads_at_once_share_a_client() -> None:
    """Of every kind, each into its own dataset."""
    async with account() as opened, opened.client() as client:
        loads = [partial(client.upload, made(), dataset_name=name) for name, made in KINDS.items()]
        reports = await asyncio.gather(*(load(part_size="32KiB") for load in loads))

        for report in reports:
            assert read_back(await opened.rows(report.stream_id or 0)) == ROWS
        await nothing_runs()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(gzip.compress(as_csv()), id="gzip"),
        pytest.param(as_csv().decode().encode("utf-16"), id="UTF-16"),
        pytest.param(b"".join(orjson.dumps(row) + b"\n" for row in DICTS), id="JSON Lines"),
        pytest.param(as_arrow(), id="Arrow stream"),
    ],
)
async def test_bytes_may_be_of_any_format_that_is_read_forwards(data: bytes) -> None:
    """They are what a file would be, wherever the pieces are cut."""
    async with account() as opened, opened.client() as client:
        await client.upload(pieces(data, 777), dataset_name="A")

        assert read_back(await opened.rows()) == ROWS
        await nothing_runs()


@pytest.mark.parametrize(
    ("made", "error", "said"),
    [
        (list, SourceMissing, "is empty"),
        (lambda: iter(()), SourceMissing, "is empty"),
        (lambda: later(()), SourceMissing, "is empty"),
        (lambda: [b""], SourceError, "ended without a byte"),
        (lambda: b"id\n1\n", UsageError, "a bytes alone"),
        (lambda: {"id": 1}, UsageError, "a dict alone"),
        (lambda: 7, UsageError, "an object of type int can't be loaded"),
        (lambda: [7], UsageError, "a int"),
        (lambda: ["a.csv", {"id": 1}], UsageError, "item 2 is a dict"),
        (lambda: [{"id": 1}, "a.csv"], SourceError, "row 2 is a str"),
        (lambda: [object()], UsageError, "named the columns of a object"),
    ],
)
async def test_what_holds_no_rows_empties_no_dataset(
    made: Callable[[], Any], error: type[Exception], said: str
) -> None:
    """It is refused before there is an execution."""
    async with account() as opened, opened.client() as client:
        await client.upload([{"id": 1}], dataset_name="A")
        with pytest.raises(error, match=said):
            await client.upload(made(), dataset_name="A")

        assert await opened.rows() == b"1\n"
        assert await opened.states() == ["SUCCESS"]


@pytest.mark.parametrize("made", [lambda: TABLE.slice(0, 0), lambda: [EMPTY]])
async def test_a_frame_without_rows_empties_the_dataset(made: Callable[[], Any]) -> None:
    """It has columns, so somebody meant it."""
    async with account() as opened, opened.client() as client:
        await client.upload(TABLE, dataset_name="A")
        report = await client.upload(made(), dataset_name="A")

        assert (report.outcome, report.rows) == (Outcome.COMMITTED, 0)
        assert await opened.rows() == b""


@pytest.mark.parametrize(("made", "said"), [(lambda: TABLE, "in the memory"), (lambda: iter(DICTS), "only once")])
async def test_what_is_no_file_is_not_resumed(made: Callable[[], Any], said: str) -> None:
    """The journal knows why; giving the run up is possible."""
    async with account() as opened, opened.client() as client:
        opened.answer = refusing(3)
        with pytest.raises(PartFailed) as caught:
            await client.upload(made(), dataset_name="A", part_size="16KiB", on_failure="keep")
        run_id = caught.value.report.run_id if caught.value.report else ""

        assert said in store_of(client.settings).get(run_id).record().plan.unrepeatable
        with pytest.raises(NotResumable, match=said):
            await client.resume(run_id)


async def test_a_frame_is_verified_in_full() -> None:
    """It is still there to be read again."""
    async with account() as opened, opened.client() as client:
        report = await client.upload(TABLE, dataset_name="A", verify="full")

        assert report.verified


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_there_is_a_way_without_an_event_loop(monkeypatch: pytest.MonkeyPatch, asynchronous: bool) -> None:
    """Rows are loaded from there too."""
    async with account() as opened:
        environment(monkeypatch, opened)
        source = later(DICTS) if asynchronous else iter(DICTS)
        report = await asyncio.to_thread(partial(upload_sync, source, dataset_name="A"))

        assert report.rows == len(ROWS)
        assert read_back(await opened.rows()) == ROWS


def environment(monkeypatch: pytest.MonkeyPatch, opened: Account) -> None:
    """Let the environment lead to an account."""
    monkeypatch.setenv("BULKSTREAM_URL", opened.sandbox.url)
    monkeypatch.setenv("BULKSTREAM_TOKEN", "sandbox")
