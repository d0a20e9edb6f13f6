"""Iterables of rows, batches and bytes are read once, with the right types, and closed however the load ends."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
from collections import namedtuple
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pytest

from bulkstream.errors import SourceError, SourceUnreadable, UsageError
from bulkstream.model import ColumnType
from bulkstream.sources.batches import TYPE_KEY
from bulkstream.sources.given import feed as feeds
from bulkstream.sources.given.byte_pieces import BytesContent
from bulkstream.sources.given.feed import AsyncFeed
from bulkstream.sources.given.iterables import BatchRows, Rows, open_rows
from tests.support.reading import Reader, rows_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

UTC = dt.UTC
EAST = dt.timezone(dt.timedelta(hours=2))
NOON = dt.datetime(2024, 2, 29, 12)  # noqa: DTZ001 - without a zone


def read(rows: Any, **options: Any) -> tuple[pa.Schema, list[tuple[Any, ...]]]:
    source = open_rows(rows, **options)
    assert isinstance(source, Rows)
    return source.schema, rows_of(source)


@pytest.mark.parametrize(
    ("values", "kind", "arriving"),
    [
        ([1, None, -(2**63)], pa.int64(), [1, None, -(2**63)]),
        ([np.int32(7)], pa.int64(), [7]),
        ([True, None], pa.bool_(), [True, None]),
        ([1.5, 2, Decimal("0.5")], pa.float64(), [1.5, 2.0, 0.5]),
        ([np.float32(0.5)], pa.float64(), [0.5]),
        ([dt.date(2024, 2, 29)], pa.date32(), [dt.date(2024, 2, 29)]),
        ([NOON, dt.date(2024, 1, 1)], pa.timestamp("us"), [NOON, dt.datetime(2024, 1, 1)]),  # noqa: DTZ001
        ([NOON.replace(tzinfo=EAST)], pa.timestamp("us", "UTC"), [dt.datetime(2024, 2, 29, 10, tzinfo=UTC)]),
        ([b"x", bytearray(b"y")], pa.binary(), [b"x", b"y"]),
        (['Grüße, "x"\n', "", None], pa.string(), ['Grüße, "x"\n', "", None]),
        ([None], pa.null(), [None]),
        ([{"a": [1, None], 2: dt.date(2024, 1, 1)}, [UUID(int=1)], {"x"}], pa.string(),
         ['{"a":[1,null],"2":"2024-01-01"}', '["00000000-0000-0000-0000-000000000001"]', '["x"]']),
        ([1, "x", True, 0.1, Decimal("1E+2"), NOON, None], pa.string(),
         ["1", "x", "true", "0.1", "100", "2024-02-29T12:00:00", None]),
        ([dt.time(1, 2), UUID(int=1)], pa.string(), ["01:02:00", "00000000-0000-0000-0000-000000000001"]),
        ([NOON, NOON.replace(tzinfo=EAST)], pa.string(), ["2024-02-29T12:00:00", "2024-02-29T12:00:00+02:00"]),
    ],
)  # fmt: skip
def test_types_follow_from_values(values: list[Any], kind: pa.DataType, arriving: list[Any]) -> None:
    """Each sort of value has its type, and mixtures the one that holds all of them."""
    schema, rows = read([(value,) for value in values], columns=["x"])

    assert schema.field(0).type == kind
    assert [value for (value,) in rows] == arriving


@pytest.mark.parametrize("values", [[Decimal("1.50"), 2**63], [2**63, 1], [Decimal("1E+3"), None]])
def test_exact_numbers_are_decimals(values: list[Any]) -> None:
    """They arrive as their digits, and are marked."""
    schema, rows = read([(value,) for value in values], columns=["x"])

    assert schema.field(0).metadata == {TYPE_KEY: b"DECIMAL"}
    assert [None if value is None else Decimal(value) for (value,) in rows] == values


@pytest.mark.parametrize(
    ("first", "later", "said"),
    [
        (1, "x", "'x': is not a whole number"),
        (1, 2**63, "9223372036854775808: is not a whole number of 64 bits"),
        (1, 1.0, r"1\.0: is not"),
        (1, True, "True: is not"),
        (True, 1, "1: is not a truth value"),
        (0.5, 2**53 + 1, "would be rounded"),
        (Decimal(1), Decimal("NaN"), "is no decimal number"),
        (Decimal(1), 10**38, "up to 38 digits"),
        (dt.date(2024, 1, 1), NOON, "is not a date"),
        (NOON, NOON.replace(tzinfo=UTC), "is not a time without time zone"),
        (NOON.replace(tzinfo=UTC), NOON, "is not a time with time zone"),
        ("x", b"x", "is not text"),
        ("x", "\ud800", "surrogates"),
        ("x", object(), "a object can't be loaded"),
        (None, 1, "empty in the first rows"),
        (b"x", "x", "is not bytes"),
    ],
)
def test_a_later_value_of_another_type_is_named(first: Any, later: Any, said: str) -> None:
    """Row, column and value are told; nothing is bent to fit."""
    rows = [{"n": n, "x": later if n == 2500 else first} for n in range(1, 2600)]

    with pytest.raises(SourceError, match=rf"row 2,500, column x: .*{said}"):
        read(rows, sample_rows=100)


@pytest.mark.parametrize(
    ("first", "wanted", "later", "arriving"),
    [
        (1, ColumnType.DOUBLE, 0.5, [1.0, 0.5]),
        (1, ColumnType.DECIMAL, Decimal("0.1"), ["1", "0.1"]),
        (1, ColumnType.STRING, "x", ["1", "x"]),
        (True, ColumnType.STRING, "x", ["true", "x"]),
        (None, ColumnType.LONG, 1, [None, 1]),
        (None, ColumnType.STRING, "x", [None, "x"]),
        (dt.date(2024, 2, 29), ColumnType.DATETIME, NOON, [NOON.replace(hour=0), NOON]),
        (1, ColumnType.LONG, 2, [1, 2]),
    ],
)
def test_a_dataset_widens_columns(first: Any, wanted: ColumnType, later: Any, arriving: list[Any]) -> None:
    """To what its type holds, whatever stands in the first rows; its names are compared as everywhere."""
    _, rows = read([{"X ": first}, {"X ": later}], sample_rows=1, types={"x": wanted})

    assert [value for (value,) in rows] == arriving


@pytest.mark.parametrize(
    ("first", "wanted"),
    [
        ("x", ColumnType.LONG),
        (0.5, ColumnType.LONG),
        (b"x", ColumnType.STRING),
        (NOON, ColumnType.STRING),
        (NOON.replace(tzinfo=UTC), ColumnType.DATETIME),
    ],
)
def test_a_dataset_narrows_no_column(first: Any, wanted: ColumnType) -> None:
    """What its type can't hold is the matching's to tell; bytes and times stay what they are."""
    assert read([{"x": first}], types={"x": wanted})[0] == read([{"x": first}])[0]


def test_names_of_columns() -> None:
    """Those of mappings in the sample as they appear, of named tuples, or as given."""
    point = namedtuple("point", "x y")  # noqa: PYI024 - as users have them

    assert read([{"b": 1}, {"a": 2, "b": 3}])[0].names == ["b", "a"]
    assert read([{"b": 1}, {"a": 2, "b": 3}])[1] == [(1, None), (3, 2)]
    assert read([point(1, 2)])[0].names == ["x", "y"]
    assert read([{"a": 1, "b": 2}], columns=["b", "a"])[1] == [(2, 1)]
    assert read([], columns=["a"]) == (pa.schema([("a", pa.null())]), [])


@pytest.mark.parametrize(
    ("rows", "error", "said"),
    [
        ([], UsageError, "is empty"),
        ([(1, 2)], UsageError, "named the columns"),
        ([7], UsageError, "named the columns of a int"),
        ([{1: 2}], UsageError, "named the columns"),
        ([{"a": 1}, 7], SourceError, "row 2 is a int"),
        ([{"a": 1}] * 1500 + [{"b": 1}], SourceError, "row 1,501 has a column 'b'"),
        ([{"a": 1}] * 1500 + [7], SourceError, "row 1,501 is a int"),
        ([{"a": 1}] * 1500 + [(1, 2)], SourceError, "row 1,501 has 2 values for 1 columns"),
        ([{"a": b"x"}, {"a": 1}], SourceError, "column a: bytes and other values"),
    ],
)
def test_what_is_no_row_is_named(rows: list[Any], error: type[Exception], said: str) -> None:
    """With its number, and what rows may be."""
    with pytest.raises(error, match=said):
        read(iter(rows))


def test_batches_are_passed_on() -> None:
    """Arrow batches keep their types; one with other columns ends the load."""
    batch = pa.record_batch([[1, 2]], names=["a"])
    source = open_rows(iter([batch, batch]))

    assert isinstance(source, BatchRows)
    assert rows_of(source) == [(1,), (2,), (1,), (2,)]
    with pytest.raises(SourceError, match="item 2"):
        rows_of(open_rows([batch, pa.record_batch([[1]], names=["b"])]))  # type: ignore[arg-type]


def test_bytes_are_a_content() -> None:
    """Pieces of CSV are read as they come, in reads of any size, empty ones among them."""
    content = open_rows([b"a,b\n1", b"", bytearray(b",2\n"), memoryview(b"3,4")])
    assert isinstance(content, BytesContent)

    with content.stream() as stream:
        pieces = list(iter(lambda: stream.read(4), b""))

    assert b"".join(pieces) == b"a,b\n1,2\n3,4"
    with pytest.raises(SourceUnreadable, match="only once"):
        content.stream()


class Watched:
    """A generator that tells whether it was closed.

    Attributes:
        closed: It was.
    """

    def __init__(self, item: Any = None) -> None:
        self.closed = False
        self.item = {"a": 1} if item is None else item

    def rows(self, most: int = 10**9) -> Iterator[Any]:
        try:
            for _ in range(most):
                yield self.item
        finally:
            self.closed = True

    async def later(self, most: int = 10**9) -> AsyncIterator[Any]:
        try:
            for _ in range(most):
                yield self.item
        finally:
            await asyncio.sleep(0)
            self.closed = True


def test_generators_are_closed() -> None:
    """When the load ends before they do, also where nothing was read, and where a row is wrong."""
    unread, stopped, wrong, content = Watched(), Watched(), Watched(7), Watched(b"x")

    open_rows(unread.rows()).close()
    (task,) = open_rows(stopped.rows()).tasks([0])  # type: ignore[union-attr]
    reading: Any = task()
    next(reading)
    reading.close()
    with pytest.raises(UsageError):
        open_rows(wrong.rows())
    open_rows(content.rows()).stream().close()  # type: ignore[union-attr]

    assert [each.closed for each in (unread, stopped, wrong, content)] == [True] * 4


def test_a_generator_that_works_is_closed_when_it_comes_out() -> None:
    """Closing from another thread does not disturb it, and its reader learns of it."""
    inside, go, watched = threading.Event(), threading.Event(), Watched()

    def rows() -> Iterator[Any]:
        yield {"a": 0}
        inside.set()
        go.wait()
        yield from watched.rows()

    source = open_rows(rows(), sample_rows=1)
    assert isinstance(source, Rows)
    reader = Reader(source)
    inside.wait()
    source.close()
    go.set()

    assert reader.ended(within_s=5)
    assert "was closed" in str(reader.error)
    assert watched.closed


def test_errors_of_a_generator_are_the_loads() -> None:
    """Unchanged, so that the caller knows them again."""

    def rows() -> Iterator[Any]:
        yield {"a": 1}
        raise KeyError("gone")

    source = open_rows(rows(), sample_rows=1)
    with pytest.raises(KeyError, match="gone"):
        rows_of(source)  # type: ignore[arg-type]


async def test_asynchronous_iterables_are_read_in_a_thread() -> None:
    """The loop goes on meanwhile; all items arrive, in order."""

    async def rows() -> AsyncIterator[Any]:
        for n in range(20_000):
            if n % 5000 == 0:
                await asyncio.sleep(0)
            yield {"n": n}

    feed = AsyncFeed(rows())
    async with asyncio.TaskGroup() as group:
        group.create_task(feed.run())
        got = await asyncio.to_thread(lambda: rows_of(open_rows(feed)))  # type: ignore[arg-type]

    assert got == [(n,) for n in range(20_000)]


async def test_what_lies_there_is_bounded() -> None:
    """A quick iterable waits for a slow load."""
    watched = Watched()
    feed = AsyncFeed(watched.later())
    task = asyncio.create_task(feed.run())
    for _ in range(feeds.MOST_ITEMS + 1000):  # each turn of the loop brings an item at least
        await asyncio.sleep(0)

    assert len(feed._lying) == feeds.MOST_ITEMS
    feed.close()
    await task
    assert watched.closed


async def test_large_items_count_by_their_bytes() -> None:
    """A few are enough."""
    feed = AsyncFeed(Watched(bytes(1 << 20)).later())
    task = asyncio.create_task(feed.run())
    for _ in range(100):
        await asyncio.sleep(0)

    assert len(feed._lying) == feeds.MOST_BYTES >> 20
    feed.close()
    await task


async def test_errors_of_an_asynchronous_iterable_are_the_loads() -> None:
    """Behind the rows that came before; the task of the feed does not fail."""

    async def rows() -> AsyncIterator[Any]:
        yield {"a": 1}
        raise KeyError("gone")

    feed = AsyncFeed(rows())
    task = asyncio.create_task(feed.run())

    with pytest.raises(KeyError, match="gone"):
        await asyncio.to_thread(lambda: rows_of(open_rows(feed, sample_rows=1)))  # type: ignore[arg-type]
    await task


@pytest.mark.parametrize("way", ["close", "cancel"])
async def test_a_silent_iterable_ends_with_the_load(way: str) -> None:
    """Its reader is woken, its task ends, and it is closed, whether the load closes it or is cancelled."""
    silent, closed = asyncio.Event(), False

    async def rows() -> AsyncIterator[Any]:
        nonlocal closed
        try:
            yield {"a": 1}
            silent.set()
            await asyncio.Event().wait()
        finally:
            closed = True

    feed = AsyncFeed(rows())
    task = asyncio.create_task(feed.run())
    source = await asyncio.to_thread(lambda: open_rows(feed, sample_rows=1))
    assert isinstance(source, Rows)
    reader = Reader(source)
    await silent.wait()

    if way == "close":
        source.close()
        await task
    else:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert await asyncio.to_thread(reader.ended, 5)
    assert "was closed" in str(reader.error)
    assert closed


async def test_a_feed_that_was_closed_before_it_ran() -> None:
    """Asks for nothing."""
    feed = AsyncFeed(Watched().later())
    feed.close()

    await feed.run()

    with pytest.raises(SourceUnreadable, match="was closed"):
        next(feed)
