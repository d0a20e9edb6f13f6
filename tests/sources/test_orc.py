"""ORC: the same rows as its own reader gives, a stripe at a time."""

from __future__ import annotations

import datetime as dt
import io
import random
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from pyarrow import orc

from bulkstream.errors import SourceError, SourceUnreadable
from bulkstream.sources.columnar import blocks as blocks_module
from bulkstream.sources.columnar import orc as orc_module
from bulkstream.sources.columnar.orc import open_orc
from tests.support.made_tables import PLAIN, drained, tables, wide_table
from tests.support.memory_blob import MemoryBlob

if TYPE_CHECKING:
    from pathlib import Path


def written(table: pa.Table, **options: Any) -> bytes:
    file = io.BytesIO()
    orc.write_table(table, file, **options)
    return file.getvalue()


@given(table=tables(PLAIN))
@settings(max_examples=40, deadline=None)
def test_rows_are_those_of_the_formats_own_reader(table: pa.Table) -> None:
    """Whatever the types, a file's rows and types are what pyarrow reads as a whole; and so is each column alone."""
    data = written(table)
    source = open_orc(MemoryBlob(data))
    whole = orc.read_table(io.BytesIO(data)).replace_schema_metadata(None)

    assert drained(source).equals(whole)
    assert source.rows == table.num_rows
    for number, column in enumerate(whole.columns):
        assert drained(source, [number])[0].to_pylist() == column.to_pylist()


@pytest.mark.parametrize("local", [True, False])
def test_large_stripes_are_streamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, local: bool) -> None:
    """What would be much in memory is one task, whose batches are small, for all columns as for some."""
    monkeypatch.setattr(blocks_module, "_BLOCK_BYTES", 10_000)
    table = pa.table({"n": range(600_000), "t": [f"row {n}" for n in range(600_000)]})
    orc.write_table(table, tmp_path / "a.orc")
    blob = MemoryBlob.at(tmp_path / "a.orc")
    blob.path = blob.path if local else None
    source = open_orc(blob)
    (task,) = source.tasks([0, 1])

    assert max(batch.num_rows for batch in task()) <= 16 << 10
    assert drained(source).equals(table)
    assert drained(source, [1, 0, 1])[2].equals(table["t"])
    given_up = task()
    next(given_up)
    given_up.close()  # type: ignore[attr-defined]
    source.rows += 1
    with pytest.raises(SourceError, match="600,000 rows where its footer says 600,001"):
        drained(source)
    assert blob.all_closed()


@pytest.mark.parametrize("local", [True, False])
def test_stripes_may_be_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, local: bool) -> None:
    """Four threads give the rows of all stripes in their order, from a disk and, in blocks, from elsewhere."""
    monkeypatch.setattr(blocks_module, "_BLOCK_BYTES", 10_000)
    draw = random.Random(1)
    table = pa.table({"n": range(60_000), "t": [f"{draw.random()}" * 5 for _ in range(60_000)]})
    orc.write_table(table, tmp_path / "a.orc", stripe_size=1 << 20, batch_size=1024)
    monkeypatch.setattr(orc_module, "_TASK_BYTES", 1)
    blob = MemoryBlob.at(tmp_path / "a.orc")
    blob.path = blob.path if local else None
    source = open_orc(blob)

    assert len(list(source.tasks([0]))) > 3
    assert drained(source, threads=4).equals(table)
    assert blob.all_closed()


def test_columns_come_by_their_numbers() -> None:
    """Columns are given in the order that was asked for, also twice, though names repeat or have points."""
    columns = [[1, 2], ["a", "b"], [[3], []]]
    for names in (["x", "y", "z"], ["x", "x", "z"], ["x", "x.y", "z"]):
        source = open_orc(MemoryBlob(written(pa.table(columns, names=names))))

        found = drained(source, [2, 1, 2, 0])

        assert found.schema.names == [names[2], names[1], names[2], names[0]]
        assert [column.to_pylist() for column in found.columns] == [[[3], []], ["a", "b"], [[3], []], [1, 2]]
        assert [batch.num_rows for task in source.tasks([]) for batch in task()] == [2]


def test_times_on_the_wall_and_instants_differ() -> None:
    """A timestamp keeps its wall clock's time, and an instant is in UTC."""
    moment = dt.datetime(2024, 3, 10, 2, 30, 0, 123456)  # noqa: DTZ001 - a wall clock's time, which New York skipped
    table = pa.table(
        {
            "wall": pa.array([moment], pa.timestamp("us")),
            "instant": pa.array([moment], pa.timestamp("us", "America/New_York")),
        }
    )

    source = open_orc(MemoryBlob(written(table)))

    assert source.schema.types == [pa.timestamp("ns"), pa.timestamp("ns", "UTC")]
    assert drained(source)["wall"].cast(pa.timestamp("us")).to_pylist() == [moment]
    assert (
        drained(source)["instant"].cast(pa.int64()).to_pylist()
        == table["instant"].cast(pa.timestamp("ns", "UTC")).cast(pa.int64()).to_pylist()
    )


def test_moments_that_arrow_cannot_hold_are_an_error() -> None:
    """A date of the year 9999 does not turn into another."""
    far = pa.table({"t": pa.array([dt.datetime(9999, 12, 31)], pa.timestamp("us"))})  # noqa: DTZ001 - a wall clock's

    with pytest.raises(SourceError, match=r"memory can't be read as ORC: .*out of range"):
        drained(open_orc(MemoryBlob(written(far))))


def test_a_dry_run_learns_what_is_inside() -> None:
    """Stripes, compression and writer are told."""
    source = open_orc(MemoryBlob(written(wide_table(10), compression="zstd")))

    assert dict(source.details) == {
        "stripes": "1",
        "compression": "zstd",
        "written by": dict(source.details)["written by"],
    }
    assert "ORC" in dict(source.details)["written by"]


GOOD = written(wide_table(1000))


@pytest.mark.parametrize("data", [b"", b"ORC", b"id,name\n1,x\n" * 20, GOOD[:-1], GOOD[: len(GOOD) // 2]])
def test_damaged_files_are_named(data: bytes) -> None:
    """A file that is empty, cut short or something else is refused when it is opened."""
    blob = MemoryBlob(data)

    with pytest.raises(SourceError, match="memory can't be read as ORC") as raised:
        open_orc(blob)

    assert raised.value.hint
    assert blob.all_closed()


def test_missing_rows_are_noticed() -> None:
    """Stripes that hold fewer rows than the footer says end the last of their tasks."""
    source = open_orc(MemoryBlob(GOOD))
    source.rows += 1

    with pytest.raises(SourceError, match="1,000 rows where its footer says 1,001"):
        drained(source)


def test_a_failing_place_speaks_for_itself() -> None:
    """What a place says of a failed read is not hidden behind the reader's words."""
    blob = MemoryBlob(GOOD)
    source = open_orc(blob)
    blob.fails_at = 100

    with pytest.raises(SourceUnreadable, match="the link is down"):
        drained(source)
    source.close()
    assert blob.all_closed()
    assert source.changes() == ()
