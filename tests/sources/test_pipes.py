"""Pipes: what comes out of them is cut as a file would be, whatever the pieces, and nothing waits for ever."""

from __future__ import annotations

import gzip
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkstream.errors import HeaderMismatch, RecordTooLong, SourceError, SourceUnreadable, UnclosedQuote
from bulkstream.model import Column, ColumnType, HeaderMode
from bulkstream.settings import Upload
from bulkstream.sources import CsvFiles, CsvPipes, Inputs, Tables, open_csv, pipe_head
from bulkstream.sources.pipe import Pipe
from bulkstream.stages import Buffer, Cutter
from tests.support.pipes import descriptors, filled, producing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bulkstream.sources import Source

RAW = st.lists(st.sampled_from([b"a", b"bc", b",", b"\n", b"\r\n", b'"', b'"x\n"', b"\xef\xbb\xbf"]), max_size=30)
PIECES = st.lists(st.integers(1, 9), min_size=1, max_size=8)
READV = os.readv


def cut(source: Source, part_bytes: int) -> tuple[list[object], tuple[int, int]]:
    """Cut to the end or to an error; return chunks, the error and its place, and bytes read and added."""
    cutter = Cutter(source, part_bytes=part_bytes, max_record_bytes=3 * part_bytes)
    buffer, found = Buffer(cutter.capacity), list[object]()
    try:
        while chunk := cutter.next(buffer):
            found.append((bytes(chunk.data), chunk.rows, chunk.begin, chunk.end))
            buffer.restore(cutter.capacity)
    except (RecordTooLong, UnclosedQuote) as error:
        found.append((type(error), error.place and error.place.offset))
    cutter.close()
    return found, (cutter.read_bytes, cutter.added_bytes)


def in_pieces(sizes: Sequence[int]) -> Any:
    """Let the system give no more than so many bytes at a time, over and over."""
    turns = iter(range(1 << 30))

    def dribble(descriptor: int, views: Sequence[memoryview]) -> int:
        left, small = sizes[next(turns) % len(sizes)], []
        for view in views:
            small.append(memoryview(view)[:left])
            left -= len(small[-1])
        return READV(descriptor, small)

    return patch("bulkstream.sources.pipe.os.readv", dribble)


def opened(
    inputs: Inputs, header: HeaderMode = HeaderMode.AUTO, dialect: str = "rfc4180"
) -> CsvFiles | CsvPipes | Tables:
    inputs.find()
    return inputs.open(Upload(header=header, dialect=dialect))


@settings(max_examples=300, deadline=None)
@given(st.lists(RAW, min_size=1, max_size=3), PIECES, st.integers(1, 30), st.sampled_from(HeaderMode))
def test_any_pieces_are_cut_as_files_are(
    tmp_path_factory: pytest.TempPathFactory,
    contents: list[list[bytes]],
    pieces: list[int],
    part_bytes: int,
    header: HeaderMode,
) -> None:
    """Chunks, errors with their places and the account are those of files, however the producer writes."""
    folder, data = tmp_path_factory.getbasetemp(), [b"".join(each) for each in contents]
    paths = [folder / f"{number}.csv" for number in range(len(data))]
    for path, content in zip(paths, data, strict=True):
        path.write_bytes(content)
    with filled(*data) as names, in_pieces(pieces), Inputs(names) as inputs:
        try:
            files = open_csv(paths, header=header)
        except (SourceError, ValueError) as error:
            with pytest.raises(type(error)):
                opened(inputs, header)
            return
        pipes = opened(inputs, header)
        assert isinstance(pipes, CsvPipes)
        assert (pipes.header.present, pipes.names) == (files.header.present, files.names)

        assert cut(pipes, part_bytes) == cut(files, part_bytes)


def test_pipes_and_files_are_one_source(tmp_path: Path) -> None:
    """They are loaded in the order in which they are named, without their marks and headers."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"id,text\n2,b")
    pipes = filled(b"\xef\xbb\xbfid,text\n1,a", b"id,text\n", b"id,text\r\n3,c\r\n")
    with pipes as (first, empty, last), Inputs([first, path, empty, last]) as inputs:
        source = opened(inputs)

        assert isinstance(source, CsvPipes)
        assert (source.names, source.total_bytes, source.changes()) == (("id", "text"), None, ())
        assert source.label == f"{first}, {path}, {empty}, {last}"
        assert source.unrepeatable == f"{first} and {empty} and {last} can't be read again"
        assert source.types(1 << 20).columns == (Column("id", ColumnType.LONG), Column("text"))
        assert cut(source, 100)[0] == [(b"1,a\n2,b\n3,c\r\n", 3, 0, 11)]


def test_a_file_among_pipes_is_watched(tmp_path: Path) -> None:
    """The gate hears of a file that was changed, also where most of the source is a pipe."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"id\n1\n")
    with filled(b"id\n2\n") as (name,), Inputs([name, path]) as inputs:
        source = opened(inputs)
        path.write_bytes(b"id\n1\n2\n")

        assert "had 5 bytes and now has 7" in source.changes()[0]


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", b"id,text\n", b"id,text"])
def test_without_a_row_there_is_nothing_to_cut(data: bytes) -> None:
    """An empty pipe and a header alone are no error, but hold no rows."""
    with filled(data) as names, Inputs(names) as inputs:
        source = opened(inputs)

        assert cut(source, 10)[0] == []
        assert source.names == (("id", "text") if b"id" in data else ())


def test_packed_data_is_told_by_its_first_bytes() -> None:
    """Packed data is unpacked, as it is in a file, also where its bytes come one by one."""
    with filled(gzip.compress(b"id,text\n1,a\n")) as names, in_pieces([1]), Inputs(names) as inputs:
        source = opened(inputs)

        assert isinstance(source, Tables)
        assert (source.names, cut(source, 100)[0]) == (("id", "text"), [(b"1,a\n", 1, 0, 4)])


def test_a_first_record_without_an_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for gigabytes to find out that a quote is never closed."""
    monkeypatch.setattr(pipe_head, "LONGEST_FIRST_RECORD", 1 << 15)
    refused = pytest.raises(RecordTooLong, match=r"at byte 0: the first record is longer")
    with filled(b'"' + b"x\n" * (1 << 14)) as names, in_pieces([4096]), Inputs(names) as inputs, refused:
        opened(inputs)


def test_pipes_that_differ_are_refused() -> None:
    """What is loaded together has the same header; both names are told."""
    refused = pytest.raises(HeaderMismatch, match=r"/dev/fd/\d+ has other columns than /dev/fd/\d+: missing 'text'")
    with filled(b"id,text\n1,a\n", b"id,other\n1,a\n") as names, Inputs(names) as inputs, refused:
        opened(inputs)


def test_types_wait_for_a_row_and_then_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A producer that is slow behind its header does not make every column a text."""
    monkeypatch.setattr("bulkstream.sources.csv_pipes.MOMENT_S", 0.0)
    with producing() as producer, Inputs([producer.name]) as inputs, ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(opened, inputs)
        producer.send(b"id,text\n")
        producer.send(b"1,")
        source = waiting.result()
        types = threads.submit(source.types, 1 << 20)
        producer.send(b"a\n2")

        assert types.result().columns == (Column("id", ColumnType.LONG), Column("text"))
        producer.send(b",b\n")
        producer.end()
        assert cut(source, 100)[0] == [(b"1,a\n2,b\n", 2, 0, 8)]


def test_a_sample_is_bounded() -> None:
    """Of a long pipe no more is read ahead than the sample may be, and one read more."""
    with filled(b"id\n" + b"1\n" * 30_000) as names, in_pieces([1000]), Inputs(names) as inputs:
        source = opened(inputs)

        assert 900 < source.types(2000).sampled < 2000


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[Path]:
    """A named pipe that nobody has open; afterwards nothing of this process is."""
    before, threads = descriptors(), set(threading.enumerate())
    path = tmp_path / "fifo"
    os.mkfifo(path)
    yield path
    assert descriptors() == before
    assert set(threading.enumerate()) == threads


class Waiting:
    """Tells when a pipe is being waited for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.arrived = threading.Event()
        ready = Pipe._ready

        def noted(pipe: Pipe, deadline: float | None) -> bool:
            self.arrived.set()
            return ready(pipe, deadline)

        monkeypatch.setattr(Pipe, "_ready", noted)


def test_a_pipe_without_a_writer_is_waited_for_until_closed(fifo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening and reading end soon after the close in another thread, with an error."""
    waiting = Waiting(monkeypatch)
    with ThreadPoolExecutor(1) as threads:
        inputs = Inputs([fifo])
        opening = threads.submit(opened, inputs)
        waiting.arrived.wait()
        began = monotonic()
        inputs.close()

        assert monotonic() - began < 2
        with pytest.raises(SourceUnreadable, match="was closed while it was read"):
            opening.result()


def test_a_writer_that_comes_late_is_heard(fifo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe is empty only when somebody has closed it, not while nobody has come yet."""
    waiting = Waiting(monkeypatch)
    with Inputs([fifo]) as inputs, ThreadPoolExecutor(1) as threads:
        opening = threads.submit(opened, inputs)
        waiting.arrived.wait()
        with fifo.open("wb") as writer:
            writer.write(b"id\n1\n")

        assert cut(opening.result(), 10)[0] == [(b"1\n", 1, 0, 2)]


def test_a_cut_that_waits_ends_when_the_source_is_closed(fifo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The producer holds the pipe open and sends nothing: closing does not wait for it."""
    waiting = Waiting(monkeypatch)
    with Inputs([fifo]) as inputs, ThreadPoolExecutor(1) as threads:
        opening = threads.submit(opened, inputs)
        with fifo.open("wb", buffering=0) as writer:
            writer.write(b"id\n1\n")
            source = opening.result()
            waiting.arrived.clear()
            cutting = threads.submit(cut, source, 100)
            waiting.arrived.wait()
            began = monotonic()
            source.close()

            assert monotonic() - began < 2
            with pytest.raises(SourceUnreadable, match="was closed"):
                cutting.result()


def test_what_is_closed_before_it_is_opened_stays_closed(fifo: Path) -> None:
    """A thread that was abandoned before it came to the pipe does not wait there for ever."""
    inputs = Inputs([fifo])
    inputs.close()

    with pytest.raises(SourceUnreadable, match="was closed"):
        opened(inputs)
    inputs.close()


def test_a_pipe_that_cant_be_opened_is_told(tmp_path: Path) -> None:
    """The system's reason is given, and the name."""
    with pytest.raises(SourceUnreadable, match=r"none: No such file"):
        Pipe.open(tmp_path / "none")


def test_a_pipe_where_files_are_needed_is_refused(fifo: Path) -> None:
    """What reads its source several times says so, instead of waiting."""
    with pytest.raises(SourceUnreadable, match="is a pipe, and here the source is read more than once"):
        open_csv([fifo])
    with pytest.raises(SourceUnreadable, match="- is a pipe"):
        open_csv(["-"])


def test_a_pipe_is_named_once(fifo: Path) -> None:
    """Two readers of one pipe would take bytes from each other."""
    with pytest.raises(ValueError, match="are one pipe, which can be read only once"), Inputs([fifo, fifo]) as inputs:
        inputs.find()


def test_a_file_may_be_named_like_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` is standard input, `./-` is a file."""
    monkeypatch.chdir(tmp_path)
    Path("./-").write_bytes(b"id\n1\n")

    with Inputs(["./-"]) as inputs:
        source = opened(inputs)

    assert isinstance(source, CsvFiles)
    assert source.files[0].path == tmp_path / "-"


def test_skipping_reads_on() -> None:
    """A segment goes on where it is told to, as every segment does."""
    with filled(b"id\n1\n2\n3\n") as names, Inputs(names) as inputs:
        segment = next(iter(opened(inputs).segments()))
        segment.skip(4)
        buffer = bytearray(10)

        assert (segment.readinto(memoryview(buffer)), bytes(buffer[:2])) == (2, b"3\n")
        assert (segment.offset, segment.remaining) == (9, 0)
