"""Arrow IPC, files and streams: the rows that were written, or an error."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from pyarrow import feather, ipc

from bulkstream.errors import SourceError, SourceUnreadable
from bulkstream.sources.columnar import ipc as ipc_module
from bulkstream.sources.columnar.ipc import ArrowFile, open_ipc
from bulkstream.sources.columnar.ipc_stream import ArrowStream
from tests.support.made_tables import RICH, drained, tables, wide_table
from tests.support.memory_blob import MemoryBlob, MemoryContent

if TYPE_CHECKING:
    from pathlib import Path

END = b"\xff\xff\xff\xff\0\0\0\0"


def written(table: pa.Table, *, file: bool, rows: int = 7, **options: Any) -> bytes:
    sink = io.BytesIO()
    new = ipc.new_file if file else ipc.new_stream
    with new(sink, table.schema, options=ipc.IpcWriteOptions(**options)) as writer:
        for batch in table.to_batches(max_chunksize=rows):
            writer.write_batch(batch)
    return sink.getvalue()


def through_a_pipe(data: bytes) -> MemoryContent:
    return MemoryContent(data, "standard input", "a pipe", piece=1000)


@given(table=tables(RICH))
@settings(max_examples=60, deadline=None)
def test_rows_are_those_that_were_written(table: pa.Table) -> None:
    """Whatever the types, a file, a file through a pipe and a stream give the table, and each column alone."""
    file, stream = written(table, file=True), written(table, file=False, emit_dictionary_deltas=True)

    for content in (MemoryBlob(file), through_a_pipe(file), MemoryBlob(stream), through_a_pipe(stream)):
        source = open_ipc(content)

        assert drained(source).equals(table)
        assert content.all_closed() or isinstance(source, ArrowFile)
    for number, column in enumerate(table.columns):
        assert drained(open_ipc(MemoryBlob(file)), [number])[0].to_pylist() == column.to_pylist()


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
@pytest.mark.parametrize("local", [True, False])
def test_tasks_may_run_at_once(tmp_path: Path, local: bool, compression: str | None) -> None:
    """Four threads give the rows in their order, compressed or not, from a disk and from elsewhere."""
    table = pa.table({"t": ["x" * 500 + str(n) for n in range(40_000)], "n": range(40_000)})
    feather.write_feather(table, tmp_path / "a.feather", compression=compression or "uncompressed", chunksize=1000)
    blob = MemoryBlob.at(tmp_path / "a.feather")
    blob.path = blob.path if local else None
    source = open_ipc(blob)

    assert isinstance(source, ArrowFile)
    assert source.rows == (40_000 if local else None)
    assert drained(source, threads=4).equals(table)
    assert drained(source, [1], threads=4).equals(table.select([1]))
    source.close()
    source.close()
    assert blob.all_closed()


def test_uncompressed_batches_are_gathered_into_tasks() -> None:
    """Many small record batches are a few tasks of some MiB."""
    table = pa.table({"t": ["x" * 500 + str(n) for n in range(40_000)]})

    assert 2 <= len(list(open_ipc(MemoryBlob(written(table, file=True, rows=100))).tasks([0]))) <= 4
    assert len(list(open_ipc(MemoryBlob(written(wide_table(1000), file=True, rows=1))).tasks([0]))) == 1


def test_a_huge_record_batch_is_mapped_and_sliced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames that were written in one piece are read in small ones, and their slices outlive the mapping."""
    monkeypatch.setattr(ipc_module, "_MOST_READ", 1 << 20)
    table = pa.table({"t": ["x" * 500 + str(n) for n in range(40_000)]}).combine_chunks()
    (tmp_path / "a.arrow").write_bytes(written(table, file=True, rows=100_000))
    before = pa.total_allocated_bytes()
    source = open_ipc(MemoryBlob.at(tmp_path / "a.arrow"))
    (task,) = source.tasks([0])
    batches = list(task())

    assert len(batches) >= 4
    assert pa.total_allocated_bytes() - before < 1 << 20
    source.close()
    assert pa.Table.from_batches(batches).equals(table)


def test_dictionaries_may_grow_and_be_replaced() -> None:
    """Deltas and replacements of dictionaries change no value."""
    one, two, three = (pa.array(values).dictionary_encode() for values in (["a", "b"], ["a", "b", "c"], ["d"]))
    batches = [pa.record_batch([part], names=["k"]) for part in (one, two, three)]
    for deltas, last in ((True, 2), (False, 3)):
        sink = io.BytesIO()
        with ipc.new_stream(
            sink, batches[0].schema, options=ipc.IpcWriteOptions(emit_dictionary_deltas=deltas)
        ) as writer:
            for batch in batches[:last]:
                writer.write_batch(batch)

        found = drained(open_ipc(MemoryBlob(sink.getvalue())))[0].to_pylist()

        assert found == ["a", "b", "a", "b", "c", "d"][: 5 if deltas else 6]


def test_columns_come_by_their_numbers() -> None:
    """Columns are given in the order that was asked for, also twice, and none at all are so many rows."""
    table = pa.table([["a", "b"], [1, 2], [3, 4]], names=["x", "x", "y"])
    for file in (True, False):
        blob = MemoryBlob(written(table, file=file))

        assert [c.to_pylist() for c in drained(open_ipc(blob), [2, 0, 2]).columns] == [[3, 4], ["a", "b"], [3, 4]]
        assert [batch.num_rows for task in open_ipc(blob).tasks([]) for batch in task()] == [2]


def test_a_stream_can_be_read_again_where_its_content_can() -> None:
    """The first task goes on from the schema; a second one begins anew, or says why it can't."""
    data = written(wide_table(100), file=False)
    again, once = open_ipc(MemoryBlob(data)), open_ipc(through_a_pipe(data))

    assert isinstance(again, ArrowStream)
    assert drained(again).equals(drained(again))
    assert drained(once).num_rows == 100
    assert once.unrepeatable == "a pipe"
    with pytest.raises(SourceUnreadable, match="standard input was read: a pipe"):
        drained(once)


STREAM, FILE = (written(wide_table(50), file=file) for file in (False, True))


@pytest.mark.parametrize("missing", [4, 8, 9, 20, 1000, len(STREAM) - 20])
def test_a_stream_that_was_cut_off_is_an_error(missing: int) -> None:
    """Wherever a stream is cut, even between two messages, rows are not silently lost."""
    with pytest.raises(SourceError, match="standard input"):
        drained(open_ipc(through_a_pipe(STREAM[:-missing])))


@pytest.mark.parametrize("missing", [1, 10, 300, 2000])
@pytest.mark.parametrize("seekable", [True, False])
def test_a_file_that_was_cut_off_is_an_error(missing: int, seekable: bool) -> None:
    """A file without all of its footer is damaged, at a place as through a pipe."""
    content = MemoryBlob(FILE[:-missing]) if seekable else through_a_pipe(FILE[:-missing])

    with pytest.raises(SourceError):
        drained(open_ipc(content))
    assert content.all_closed()


def test_streams_behind_one_another_are_an_error() -> None:
    """Arrow would read the first of them and say nothing of the others."""
    with pytest.raises(SourceError, match=rf"goes on behind the end of its stream, by {len(STREAM):,} bytes"):
        drained(open_ipc(through_a_pipe(STREAM * 2)))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "memory is empty"),
        (b"FEA1" + bytes(100), "memory is Feather version 1"),
        (b"id,name\n1,x\n", "memory is no Arrow IPC"),
        (END[:4] + struct.pack("<I", 16) + bytes(16), "memory can't be read as Arrow IPC"),
        (b"ARROW1\0\0" + bytes(100), "memory can't be read as Arrow IPC"),
    ],
)
def test_what_is_something_else_is_named(data: bytes, message: str) -> None:
    """An error says what was found, and what to do."""
    content = MemoryBlob(data)

    with pytest.raises(SourceError, match=message) as raised:
        open_ipc(content)

    assert raised.value.hint
    assert content.all_closed()


@pytest.mark.parametrize("data", [STREAM, FILE])
def test_a_damaged_name_is_an_error(data: bytes) -> None:
    """A column whose name is no UTF-8 is damage, not an error of Python's."""
    content = MemoryBlob(data.replace(b"amount", b"\xff" * 6))

    with pytest.raises(SourceError, match=r"memory can't be read as Arrow IPC: .*(utf|UTF)-?8"):
        open_ipc(content)
    assert content.all_closed()


def test_closing_ends_what_reads() -> None:
    """Neither a stream that waits for its task nor one under way is left open."""
    waiting, running = through_a_pipe(STREAM), through_a_pipe(STREAM)
    open_ipc(waiting).close()
    source = open_ipc(running)
    batches = next(iter(source.tasks([0])))()
    next(batches)
    source.close()

    with pytest.raises(SourceError):
        list(batches)
    assert waiting.all_closed()
    assert running.all_closed()


def test_changes_are_those_of_the_content() -> None:
    """The place is asked whether its bytes have changed."""
    for data in (FILE, STREAM):
        assert open_ipc(MemoryBlob(data, change="it was modified")).changes() == ("it was modified",)
        assert open_ipc(MemoryBlob(data)).changes() == ()
