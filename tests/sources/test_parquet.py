"""Parquet: the same rows as its own reader gives, in bounded pieces, from one file or many."""

from __future__ import annotations

import base64
import datetime as dt
import io
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from pyarrow import parquet as pq

from bulkstream.errors import HeaderMismatch, SourceError, SourceUnreadable
from bulkstream.sources.columnar import parquet as parquet_module
from bulkstream.sources.columnar import row_groups
from bulkstream.sources.columnar.parquet import ParquetFiles, open_parquet
from bulkstream.sources.columnar.slices import BATCH_ROWS
from tests.support.made_tables import RICH, drained, tables, wide_table
from tests.support.memory_blob import MemoryBlob

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def written(table: pa.Table, **options: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def opened(*data: bytes, **options: Any) -> ParquetFiles:
    return open_parquet("sales", [MemoryBlob(one, f"file{n}") for n, one in enumerate(data)], **options)


def plain_table(data: bytes) -> pa.Table:
    """Read with the format's own reader, without the notes of its writer."""
    table = pq.read_table(io.BytesIO(data))
    return table.replace_schema_metadata(None)


@given(table=tables(RICH))
@settings(max_examples=60, deadline=None)
def test_rows_are_those_of_the_formats_own_reader(table: pa.Table) -> None:
    """Whatever the types, a file's rows and types are what pyarrow reads as a whole; and so is each column alone."""
    data = written(table, row_group_size=7)
    source = opened(data)

    assert drained(source).equals(plain_table(data))
    assert source.rows == table.num_rows
    for number, column in enumerate(table.columns):
        assert drained(source, [number])[0].to_pylist() == column.to_pylist()


@given(table=tables(RICH))
@settings(max_examples=30, deadline=None)
def test_rows_of_several_files_are_gathered(table: pa.Table) -> None:
    """Whatever the types, pieces of a table in files of their own are the table again."""
    names = table.schema.names
    pieces = [table.slice(0, 3), table.slice(3, 5).select(names[::-1]), table.slice(8)]

    found = drained(opened(*map(written, pieces)))

    assert found.to_pylist() == table.to_pylist()


def test_a_remote_row_group_is_read_in_few_requests() -> None:
    """Column chunks that stand next to each other are one request, for all columns as for some."""
    blob = MemoryBlob(written(wide_table(5000)))
    source = open_parquet("sales", [blob])
    for columns in ([0, 1, 2, 3], [1]):
        before = sum(raw.requests for raw in blob.opened)
        drained(source, columns)

        assert sum(raw.requests for raw in blob.opened) - before <= 2


@pytest.mark.parametrize("local", [True, False])
def test_tasks_may_run_at_once(tmp_path: Path, local: bool) -> None:
    """Four threads that do tasks at the same time give the rows in their order, from a disk and from elsewhere."""
    table = wide_table(60_000)
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=1000)
    blob = MemoryBlob.at(tmp_path / "a.parquet")
    blob.piece = 1000  # reads give less than they were asked for
    blob.path = blob.path if local else None
    source = open_parquet("a", [blob])

    for _ in range(3):
        assert drained(source, threads=4).equals(table)
    assert blob.all_closed()
    assert len(blob.opened) == (0 if local else 1 + 3 * len(list(source.tasks([0, 1, 2, 3]))))


def test_columns_come_by_their_numbers() -> None:
    """Columns are given in the order that was asked for, also twice, though names repeat, have points, or nest."""
    pair = pa.StructArray.from_arrays([pa.array([1, 2]), pa.array([[3], [4, 5]])], names=["x", "y"])
    columns = [pa.array(["a", "b"]), pair, pa.array([6, 7]), pa.array([8, 9])]
    source = opened(written(pa.table(columns, names=["x", "x.y", "x", "z"])))

    found = drained(source, [3, 1, 0, 2, 3])

    assert found.schema.names == ["z", "x.y", "x", "x", "z"]
    assert [column.to_pylist() for column in found.columns] == [
        [8, 9],
        [{"x": 1, "y": [3]}, {"x": 2, "y": [4, 5]}],
        ["a", "b"],
        [6, 7],
        [8, 9],
    ]


def test_no_columns_are_so_many_rows() -> None:
    """A dataset none of whose columns is in the file gets as many rows all the same."""
    source = opened(written(wide_table(100)), written(wide_table(10)))

    assert sum(batch.num_rows for task in source.tasks([]) for batch in task()) == 110


def test_a_large_row_group_comes_in_small_batches() -> None:
    """A batch's size follows from the width of rows, and does not grow with the row group."""
    narrow = opened(written(pa.table({"n": pa.array(range(300_000), pa.int64())})))
    text = pa.array(["x" * 2000 + str(n) for n in range(20_000)])
    broad = opened(written(pa.table({"t": text}), use_dictionary=False))
    repeated = opened(written(pa.table({"t": pa.array(["y" * 50_000, "z"] * 1000)})))

    sizes = [[batch.nbytes for task in source.tasks([0]) for batch in task()] for source in (narrow, broad, repeated)]

    assert max(batch.num_rows for task in narrow.tasks([0]) for batch in task()) == BATCH_ROWS
    assert 5 <= len(sizes[1]) <= 25
    assert max(map(max, sizes)) <= 5 << 20


def test_small_row_groups_and_files_share_a_task() -> None:
    """A thousand row groups of a few rows are one task and one batch, and so are a hundred files."""
    table = wide_table(1000)
    groups = opened(written(table, row_group_size=1))
    files = opened(*[written(table.slice(n, 20)) for n in range(0, 1000, 20)])

    for source in (groups, files):
        (task,) = source.tasks(range(4))

        assert len(list(task())) == 1
        assert drained(source).equals(table)


def test_large_row_groups_are_tasks_of_their_own() -> None:
    """Where there is enough work in each, row groups are done side by side."""
    table = pa.table({"t": pa.array(["x" * 1000 + str(n) for n in range(30_000)])})
    source = opened(written(table, row_group_size=10_000, use_dictionary=False))

    assert len(list(source.tasks([0]))) == 3
    assert drained(source, threads=3).equals(table)


def test_files_may_order_their_columns_differently() -> None:
    """Columns are matched by name; the first file's order counts."""
    one = pa.table({"a": [1, 2], "b": ["x", "y"]})
    other = pa.table({"b": ["z"], "a": [3]})

    found = drained(opened(written(one), written(other)))

    assert found.to_pydict() == {"a": [1, 2, 3], "b": ["x", "y", "z"]}


def test_types_widen_where_nothing_changes() -> None:
    """Integers, decimals of one scale, layouts of text, and columns of nulls go together without a changed value."""
    one = pa.table(
        {
            "n": pa.array([1], pa.int8()),
            "u": pa.array([200], pa.uint8()),
            "t": pa.array(["x"]).dictionary_encode(),
            "d": pa.array([Decimal("1.50")], pa.decimal128(5, 2)),
            "gap": pa.array([None], pa.null()),
        }
    )
    other = pa.table(
        {
            "n": pa.array([2**40], pa.int64()),
            "u": pa.array([-1], pa.int16()),
            "t": pa.array(["y"], pa.large_string()),
            "d": pa.array([Decimal("123456789.25")], pa.decimal128(20, 2)),
            "gap": pa.array([dt.date(2024, 2, 29)]),
        }
    )

    for first, second in ((one, other), (other, one)):
        source = opened(written(first), written(second))
        found = drained(source).to_pylist()

        assert found == [*first.to_pylist(), *second.to_pylist()]
        assert source.schema.field("n").type == source.schema.field("u").type == pa.int64()
        assert source.schema.field("gap").type == pa.date32()


@pytest.mark.parametrize(
    ("theirs", "shown"),
    [
        (pa.table({"a": [1.5], "b": ["x"]}), "file1  a       double          int64"),
        (pa.table({"a": [1]}), "file1  b       missing         string"),
        (pa.table({"a": [1], "b": ["x"], "c": [1]}), "file1  c       int64           missing"),
        (pa.table([[1], ["x"], ["y"]], names=["a", "b", "b"]), "file1  b       string and string  string"),
    ],
)
def test_contradicting_files_are_refused_with_a_table(theirs: pa.Table, shown: str) -> None:
    """The message shows file, column, the type there and the type before."""
    ours = pa.table({"a": [1], "b": ["x"]})

    with pytest.raises(HeaderMismatch, match="1 of 2 files have other columns than file0") as raised:
        opened(written(ours), written(theirs))

    assert "file   column  its type there" in str(raised.value)
    assert shown in str(raised.value)


def test_all_conflicts_are_counted_and_some_shown() -> None:
    """Hundreds of contradicting files don't make a message of hundreds of lines."""
    other = written(pa.table({"a": ["x"]}))

    with pytest.raises(HeaderMismatch, match="100 of 101 files") as raised:
        opened(written(pa.table({"a": [1]})), *[other] * 100)

    assert str(raised.value).endswith("… and 80 more")


def test_partitions_become_columns_behind_the_files_own() -> None:
    """Each file's rows carry its folders' values; the columns may be asked for in any order, or alone."""
    parts: Sequence[dict[str, str | None]] = [{"year": "2024", "at": "007"}, {"year": None, "at": "x"}]
    source = opened(written(pa.table({"a": [1, 2]})), written(pa.table({"a": [3]})), partitions=parts)

    assert source.schema == pa.schema([("a", pa.int64()), ("year", pa.int64()), ("at", pa.string())])
    assert drained(source, [2, 0, 1]).to_pydict() == {
        "at": ["007", "007", "x"],
        "a": [1, 2, 3],
        "year": [2024, 2024, None],
    }
    assert drained(source, [1]).to_pydict() == {"year": [2024, 2024, None]}
    assert ("partitions", "year, at") in source.details


def test_a_files_own_column_is_preferred_to_its_folders() -> None:
    """What a file holds itself is read from it."""
    source = opened(written(pa.table({"a": [1], "year": ["twenty"]})), partitions=[{"year": "2024"}])

    assert drained(source).to_pydict() == {"a": [1], "year": ["twenty"]}


def test_files_with_other_partitions_are_refused() -> None:
    """A file in another kind of folder belongs to another table."""
    data = written(pa.table({"a": [1]}))

    with pytest.raises(SourceError, match="file1 has other partitions than file0: none; not year"):
        opened(data, data, partitions=[{"year": "2024"}, {}])


def test_far_dates_in_int96_keep_their_value() -> None:
    """Timestamps of Spark and Hive beyond the nanoseconds' range don't turn into others."""
    far = pa.array([dt.datetime(9999, 12, 31, 23, 59), dt.datetime(1, 1, 1), None], pa.timestamp("us"))  # noqa: DTZ001
    for stored in (True, False):
        data = written(pa.table({"t": far}), use_deprecated_int96_timestamps=True, store_schema=stored)

        assert drained(opened(data))[0].to_pylist() == far.to_pylist()


def test_what_is_empty_is_no_error() -> None:
    """No rows, no row groups and no columns are tables too."""
    table = wide_table(0)
    nothing = io.BytesIO()
    pq.ParquetWriter(nothing, table.schema).close()
    for data in (written(table), nothing.getvalue()):
        source = opened(data)

        assert drained(source).equals(table)
        assert list(source.tasks([0])) == []
        assert source.rows == 0
    assert opened(written(pa.table({}))).rows == 0


def test_a_dry_run_learns_what_is_inside() -> None:
    """Files, row groups, compression and writer are told."""
    source = opened(*[written(wide_table(20), row_group_size=10, compression="zstd")] * 2)

    assert source.details[:3] == (("files", "2"), ("row groups", "4"), ("compression", "zstd"))
    assert dict(source.details)["written by"].startswith("parquet-cpp-arrow")


GOOD = written(wide_table(1000))


def _with_rows(data: bytes, found: int, said: int) -> bytes:
    """Change the number of rows in a footer: a Thrift varint, zigzag, behind the list of columns."""
    old, new = (bytes([2 * rows & 0x7F | 0x80, 2 * rows >> 7]) for rows in (found, said))
    at = data.index(b"\x16" + old, int.from_bytes(data[-8:-4], "little") * -1 - 8 + len(data))
    return data[: at + 1] + new + data[at + 3 :]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "file0 can't be read as Parquet: Parquet file size is 0 bytes"),
        (GOOD[:-20], "file0 can't be read as Parquet: .*magic bytes not found"),
        (GOOD[: len(GOOD) // 2], "file0 can't be read as Parquet"),
        (GOOD[:-8] + b"\xff\xff\xff\x7fPAR1", "file0 can't be read as Parquet: .*footer"),
        (GOOD[:-4] + b"PARE", "file0 is encrypted"),
        (b"id,name\n1,x\n" * 20, "file0 can't be read as Parquet"),
    ],
)
def test_damaged_files_are_named(data: bytes, message: str) -> None:
    """A file that is empty, cut short, encrypted or something else is refused when it is opened."""
    with pytest.raises(SourceError, match=message) as raised:
        opened(data)

    assert raised.value.hint


def test_damage_inside_is_named() -> None:
    """Pages that are not what their headers or checksums say end the task."""
    data = bytearray(written(wide_table(1000), write_page_checksum=True, compression="none"))
    data[2000] ^= 1  # a value, which decodes as another

    with pytest.raises(SourceError, match=r"file0 can't be read as Parquet: .*(checksum|CRC|crc)"):
        drained(opened(bytes(data)))


def test_missing_rows_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row group that holds fewer rows than the footer says ends its task."""
    planned = row_groups.pieces_of
    more = lambda *given: ((replace(piece, rows=piece.rows + 1), size) for piece, size in planned(*given))  # noqa: E731
    monkeypatch.setattr(parquet_module, "pieces_of", more)

    with pytest.raises(SourceError, match=r"file0 .*: 1,000 rows where its footer says 1,001"):
        drained(opened(GOOD))


def test_a_footer_that_contradicts_itself_is_refused() -> None:
    """Row groups that don't come to the rows of the file are noticed before anything is read."""
    with pytest.raises(SourceError, match=r"file0 .*: 1,000 rows where its footer says 1,100"):
        opened(_with_rows(GOOD, 1000, 1100))


def test_encrypted_columns_are_refused() -> None:
    """A file that is only partly encrypted is refused as what it is."""
    encryption = pytest.importorskip("pyarrow.parquet.encryption")

    class Vault(encryption.KmsClient):  # type: ignore[misc, name-defined]
        def wrap_key(self, key: bytes, _name: str) -> bytes:
            return base64.b64encode(key)

        def unwrap_key(self, wrapped: bytes, _name: str) -> bytes:
            return base64.b64decode(wrapped)

    configuration = encryption.EncryptionConfiguration(
        footer_key="f", column_keys={"k": ["id"]}, plaintext_footer=True, double_wrapping=False
    )
    factory = encryption.CryptoFactory(lambda _configuration: Vault())
    properties = factory.file_encryption_properties(encryption.KmsConnectionConfig(), configuration)
    data = written(wide_table(10), encryption_properties=properties)

    with pytest.raises(SourceError, match="file0 is encrypted"):
        drained(opened(data))


def test_a_failing_place_speaks_for_itself(tmp_path: Path) -> None:
    """What a place says of a failed read is not hidden behind Arrow's words; a file that is gone is named."""
    blob = MemoryBlob(written(wide_table(5000), row_group_size=500))
    source = open_parquet("sales", [blob])
    blob.fails_at = 2000
    with pytest.raises(SourceUnreadable, match="the link is down"):
        drained(source)

    pq.write_table(wide_table(10), tmp_path / "gone.parquet")
    local = open_parquet("gone", [MemoryBlob.at(tmp_path / "gone.parquet")])
    (tmp_path / "gone.parquet").unlink()
    with pytest.raises(SourceUnreadable, match=r"gone\.parquet: No such file"):
        drained(local)
    assert blob.all_closed()


def test_closing_ends_tasks_and_files() -> None:
    """A task under way ends with an error when the source is closed; one that is given up closes its file."""
    blob = MemoryBlob(written(pa.table({"t": ["x" * 1000 + str(n) for n in range(30_000)]}), use_dictionary=False))
    source = open_parquet("sales", [blob])
    (task,) = source.tasks([0])
    given_up, running = task(), task()
    next(given_up)
    next(running)

    given_up.close()  # type: ignore[attr-defined]
    assert blob.opened[-2].closed
    source.close()
    source.close()
    with pytest.raises(SourceUnreadable, match="closed while it was read"):
        list(running)
    assert blob.all_closed()


def test_changes_are_those_of_the_files() -> None:
    """Each file is asked whether it has changed."""
    blobs = [MemoryBlob(GOOD, "a"), MemoryBlob(GOOD, "b", change="b was modified")]
    source = open_parquet("sales", blobs)

    assert source.changes() == ("b was modified",)
    assert source.unrepeatable == ""
