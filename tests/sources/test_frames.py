"""Frames of other libraries are read as they are, piece by piece."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from bulkstream.errors import SourceError, SourceUnreadable, UsageError
from bulkstream.sources.columnar.slices import BATCH_BYTES, MOST_BYTES
from bulkstream.sources.given.frames import open_frame
from tests.support.reading import batches_of, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VALUES = {"n": list(range(100_000)), "s": [f"text {n}" * (n % 5) or None for n in range(100_000)]}
ROWS = list(zip(*VALUES.values(), strict=True))


TABLE = pa.table(VALUES)
WHOLE: dict[str, Callable[[], Any]] = {
    "pyarrow.Table": lambda: TABLE,
    "pyarrow.RecordBatch": lambda: TABLE.combine_chunks().to_batches()[0],
    "polars": lambda: pl.DataFrame(VALUES),
    "pandas": lambda: pd.DataFrame(VALUES),
}
ONCE: dict[str, Callable[[], Any]] = {
    "pyarrow.RecordBatchReader": lambda: TABLE.to_reader(max_chunksize=1000),
    "duckdb": lambda: duckdb.connect().from_arrow(TABLE),
}


@pytest.mark.parametrize("made", WHOLE.values(), ids=WHOLE)
def test_tables_are_read_by_several_tasks_and_again(made: Any) -> None:
    """What is in memory has a count, an order, and work for several threads."""
    frame = open_frame(made())

    assert (frame.rows, frame.unrepeatable, frame.schema.names) == (100_000, "", ["n", "s"])
    assert len(list(frame.tasks([0, 1]))) > 1
    assert rows_of(frame) == ROWS
    assert [
        row for batch in batches_of(frame, [1]) for (row,) in zip(*batch.to_pydict().values(), strict=True)
    ] == VALUES["s"]


@pytest.mark.parametrize("made", ONCE.values(), ids=ONCE)
def test_streams_are_read_once(made: Any) -> None:
    """What gives its batches as they come does so in one task, a single time."""
    frame = open_frame(made())

    assert frame.rows is None
    assert frame.unrepeatable
    assert rows_of(frame) == ROWS
    with pytest.raises(SourceUnreadable, match="only once"):
        rows_of(frame)


def test_batches_are_small() -> None:
    """Also of frames whose text is in views that share their bytes."""
    frame = open_frame(pl.DataFrame({"s": [f"{n} " + "x" * 1000 for n in range(50_000)]}))

    sizes = [batch.nbytes for batch in batches_of(frame)]

    assert BATCH_BYTES // 8 < max(sizes) <= MOST_BYTES


def test_polars_types() -> None:
    """Views and categories are text, nested ones too; the others are as polars has them."""
    frame = open_frame(
        pl.DataFrame({
            "c": pl.Series(["u", None], dtype=pl.Categorical),
            "l": [["x"], None],
            "r": [{"a": "x", "b": 1}, None],
            "d": [dt.date(2024, 2, 29), None],
        })
    )  # fmt: skip

    assert frame.schema.types == [
        pa.string(),
        pa.large_list(pa.string()),
        pa.struct([("a", pa.string()), ("b", pa.int64())]),
        pa.date32(),
    ]
    assert rows_of(frame) == [("u", ["x"], {"a": "x", "b": 1}, dt.date(2024, 2, 29)), (None, None, None, None)]


def test_pandas_index_and_missing_values() -> None:
    """The index stays behind; what pandas takes for missing is null."""
    nan = float("nan")
    made = pd.DataFrame(
        {"o": [nan, "z"], "f": [nan, 1.5], "t": pd.to_datetime([None, "2024-02-29"]), 7: [1, 2]}, index=["i", "j"]
    )

    frame = open_frame(made.rename_axis("named"))

    assert frame.schema.names == ["o", "f", "t", "7"]
    assert rows_of(frame) == [(None, None, None, 1), ("z", 1.5, dt.datetime(2024, 2, 29), 2)]  # noqa: DTZ001 - it has none


def test_what_is_no_frame_is_refused() -> None:
    """A list, a single column, a column of all sorts."""
    with pytest.raises(UsageError, match="a list can't be loaded as a frame"):
        open_frame([1])
    with pytest.raises(UsageError, match="Series can't be loaded"):
        open_frame(pl.Series([1]))
    with pytest.raises(UsageError, match="column m"):
        open_frame(pd.DataFrame({"m": [1, "x"]}))


def test_a_stream_that_fails_or_is_closed() -> None:
    """Neither looks like its end."""
    schema = pa.schema([("a", pa.int64())])

    def failing() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch([[1]], schema=schema)
        raise OSError("the cable is broken")

    with pytest.raises(SourceUnreadable, match="the cable is broken"):
        rows_of(open_frame(pa.RecordBatchReader.from_batches(schema, failing())))
    frame = open_frame(pa.table(VALUES).to_reader(max_chunksize=1000))
    reading = batches_of(frame)
    next(reading)
    frame.close()
    frame.close()
    with pytest.raises(SourceUnreadable, match="was closed"):
        list(reading)


def test_objects_of_pandas_have_the_type_that_holds_all() -> None:
    """Also where it shows only far behind the first ones."""
    count = 5000
    frame = pd.DataFrame(
        {
            "number": pd.Series([1] * count + [0.5], dtype=object),
            "late": pd.Series([None] * count + ["x"], dtype=object),
            "exact": pd.Series([Decimal("1.5")] * count + [Decimal("0.125")], dtype=object),
            "none": pd.Series([None] * (count + 1), dtype=object),
        }
    )
    source = open_frame(frame)

    kinds = [field.type for field in source.schema]
    assert kinds[:2] + kinds[3:] == [pa.float64(), pa.string(), pa.null()]
    rows = rows_of(source)
    assert rows[0] == (1.0, None, Decimal("1.5"), None)
    assert rows[count] == (0.5, "x", Decimal("0.125"), None)


def test_objects_of_pandas_that_have_no_common_type() -> None:
    """They are refused by the column's name, however far apart they stand; a value that would be rounded as well."""
    mixed = pd.Series([1] * 5000 + ["x"], dtype=object)
    rounded = pd.Series([2**60 + 1] * 4096 + [0.5], dtype=object)

    with pytest.raises(UsageError, match="column mixed"):
        open_frame(pd.DataFrame({"mixed": mixed}))
    with pytest.raises(SourceError, match="rows from 1, column rounded"):
        rows_of(open_frame(pd.DataFrame({"rounded": rounded})))


def test_no_objects_make_an_empty_column() -> None:
    """A frame of pandas without rows has its columns."""
    assert open_frame(pd.DataFrame({"a": pd.Series([], dtype=object)})).schema.names == ["a"]
