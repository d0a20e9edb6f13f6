"""The cutter: whole records only, and nothing lost."""

from __future__ import annotations

import csv
import gc
import io
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkstream.errors import RecordTooLong, SourceChanged, UnclosedQuote
from bulkstream.model import Receipt
from bulkstream.stages import Buffer, Cutter
from tests.support.memory_source import MemorySource, chunks_of

if TYPE_CHECKING:
    from collections.abc import Callable

FIELD = st.text(alphabet=st.sampled_from('ab,"\n\r é€𝄞'), max_size=12)
TABLE = st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(FIELD, min_size=width, max_size=width), max_size=25))
DIALECT = st.fixed_dictionaries(
    {
        "lineterminator": st.sampled_from(["\n", "\r\n"]),
        "quoting": st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    }
)


def written(rows: list[list[str]], **dialect: object) -> bytes:
    """Write rows as Python's csv does.

    Before 3.13 it leaves a lone CR unquoted when lines end in LF, and can't read that back itself: there, none.
    """
    text = io.StringIO(newline="")
    if dialect.get("lineterminator") == "\n":
        rows = [[field.replace("\r", " ") for field in row] for row in rows]
    csv.writer(text, **dialect).writerows(rows)  # type: ignore[arg-type]
    return text.getvalue().encode()


@dataclass(frozen=True)
class Cut:
    """A chunk, after its buffer was used again."""

    data: bytes
    receipt: Receipt


def cut_whole(cutter: Cutter) -> tuple[dict[int, Cut], tuple[int, int]]:
    """Cut to the end; return the chunks by number, and bytes read and added."""
    buffer, chunks = Buffer(cutter.capacity), {}
    while chunk := cutter.next(buffer):
        data = bytes(chunk.data)
        receipt = Receipt(chunk.number, len(data), 0, chunk.rows, begin=chunk.begin, end=chunk.end)
        chunks[chunk.number] = Cut(data, receipt)
        buffer.restore(cutter.capacity)
    cutter.close()
    return chunks, (cutter.read_bytes, cutter.added_bytes)


def parsed(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True))


@settings(max_examples=300, deadline=None)
@given(TABLE, DIALECT, st.integers(1, 80), st.integers(1, 40), st.booleans())
def test_any_csv_is_cut_into_chunks_that_parse_alone(
    rows: list[list[str]], dialect: dict[str, object], part_bytes: int, piece: int, strip: bool
) -> None:
    """Every chunk parses alone, none splits a record, and their concatenation is the input."""
    data = written(rows, **dialect)
    if strip:
        data = data.removesuffix(b"\n").removesuffix(b"\r")
    chunks = chunks_of(MemorySource([data], piece), part_bytes)

    assert b"".join(chunk for chunk, _ in chunks) == data
    assert [row for chunk, _ in chunks for row in parsed(chunk)] == parsed(data)
    assert [count for _, count in chunks] == [len(parsed(chunk)) for chunk, _ in chunks]


@settings(max_examples=200, deadline=None)
@given(TABLE, st.integers(1, 200))
def test_a_chunk_is_as_large_as_the_part_size_allows(rows: list[list[str]], part_bytes: int) -> None:
    """Only a long record exceeds the part size, by less than a part, and no chunk could have taken one more record."""
    chunks = chunks_of(MemorySource([written(rows)]), part_bytes)

    assert all(len(chunk) <= part_bytes or len(chunk) < first_record_bytes(chunk) + part_bytes for chunk, _ in chunks)
    for (chunk, _), (following, _) in itertools.pairwise(chunks):
        assert len(chunk) + first_record_bytes(following) > part_bytes


def first_record_bytes(data: bytes) -> int:
    quotes = 0
    for offset, byte in enumerate(data):
        quotes += byte == ord('"')
        if byte == ord("\n") and quotes % 2 == 0:
            return offset + 1
    return len(data)


@settings(max_examples=150, deadline=None)
@given(st.lists(TABLE, max_size=4), st.integers(1, 60), st.lists(st.booleans(), min_size=4, max_size=4))
def test_files_are_joined_without_running_rows_together(
    tables: list[list[list[str]]], part_bytes: int, strip: list[bool]
) -> None:
    """The records of several files come in order, also where a file has no final line break."""
    files = [
        written(table).removesuffix(b"\r\n") if bare else written(table)
        for table, bare in zip(tables, strip, strict=False)
    ]
    chunks = chunks_of(MemorySource(files), part_bytes)

    assert [row for chunk, _ in chunks for row in parsed(chunk)] == [row for file in files for row in parsed(file)]


@settings(max_examples=300, deadline=None)
@given(st.lists(TABLE, max_size=4), st.integers(1, 60), st.integers(1, 40), st.data())
def test_a_second_cut_passes_over_what_is_done(
    tables: list[list[list[str]]], part_bytes: int, piece: int, data: st.DataObject
) -> None:
    """Whatever parts the server has already, the others are cut as before, and the account is the same."""
    files = [written(table).removesuffix(b"\r\n") for table in tables]
    chunks, whole = cut_whole(Cutter(MemorySource(files, piece), part_bytes=part_bytes, max_record_bytes=1 << 20))
    done = {n: chunks[n].receipt for n in data.draw(st.sets(st.sampled_from(sorted(chunks))))} if chunks else {}

    again = Cutter(MemorySource(files, piece), part_bytes=part_bytes, max_record_bytes=1 << 20, done=done)
    first = again.first
    others, account = cut_whole(again)

    assert others == {n: chunk for n, chunk in chunks.items() if n not in done}
    assert account == whole
    assert first == min(others, default=len(chunks) + 1)


def test_a_part_that_begins_elsewhere_is_not_passed_over() -> None:
    """A receipt that does not fit the source ends the load, instead of leaving a hole."""
    done = {1: Receipt(1, 4, 4, 2, begin=2, end=6)}
    cutter = Cutter(MemorySource([b"a\n" * 20]), part_bytes=4, max_record_bytes=100, done=done)

    with pytest.raises(SourceChanged, match="part 1 does not begin where the cut has come to"):
        cutter.next(Buffer(cutter.capacity))


def test_added_line_feeds_are_counted() -> None:
    """The gate can tell bytes that came from a file from those put between two files."""
    cutter = Cutter(MemorySource([b"a\nb", b"c", b"d\n"]), part_bytes=100, max_record_bytes=1000)

    chunk = cutter.next(Buffer(cutter.capacity))

    assert chunk is not None
    assert bytes(chunk.data) == b"a\nb\nc\nd\n"
    assert (chunk.rows, cutter.read_bytes, cutter.added_bytes) == (4, 6, 2)


@pytest.mark.parametrize("files", [[], [b""], [b"", b""]])
def test_an_empty_source_has_no_chunks(files: list[bytes]) -> None:
    """There is nothing to send for empty files."""
    assert chunks_of(MemorySource(files), 10) == []


@pytest.mark.parametrize("length", [11, 63, 64, 65, 1000, 5000])
def test_a_long_record_makes_a_larger_part(length: int) -> None:
    """A record longer than a part is sent whole, and its neighbours as usual."""
    long = b"x" * length + b"\n"

    chunks = chunks_of(MemorySource([b"a\n" + long + b"b\n"], piece=7), part_bytes=10)

    assert b"".join(chunk for chunk, _ in chunks) == b"a\n" + long + b"b\n"
    assert sum(count for _, count in chunks) == 3


def test_a_record_at_the_limit_passes_and_one_byte_more_fails() -> None:
    """The limit is exact, line feed included, and the error tells the record's place."""
    chunks = chunks_of(MemorySource([b"a\n" + b"x" * 99 + b"\nb\n"]), 10, max_record_bytes=100)
    assert sum(count for _, count in chunks) == 3

    with pytest.raises(RecordTooLong, match=r"file0 at byte 2: this record is longer than 100 bytes") as caught:
        chunks_of(MemorySource([b"a\n" + b"x" * 100 + b"\nb\n"]), 10, max_record_bytes=100)
    assert caught.value.place is not None
    assert caught.value.place.offset == 2


def test_a_record_at_the_limit_without_a_final_line_break_passes() -> None:
    """The end of the file ends a record just as a line feed does."""
    chunks = chunks_of(MemorySource([b"x" * 100]), 10, max_record_bytes=100)

    assert chunks == [(b"x" * 100, 1)]


@pytest.mark.parametrize(
    ("files", "place"),
    [([b'a,b\n1,"x\n2,y\n'], "file0 at byte 4"), ([b"a\n", b'1\n2\n"', b"c\n"], "file1 at byte 4")],
)
def test_an_unclosed_quote_is_an_error_with_its_place(files: list[bytes], place: str) -> None:
    """A quote that a file never closes is not carried into the next file."""
    with pytest.raises(UnclosedQuote, match=place):
        chunks_of(MemorySource(files), 100)


def test_a_file_that_was_cut_short_is_an_error() -> None:
    """Fewer bytes than the file had when it was opened end the load."""
    with pytest.raises(SourceChanged, match="ended 5 bytes early"):
        chunks_of(MemorySource([b"a\n" * 20], cut_short=5), 10)


def test_the_file_being_read_is_closed_after_a_failure() -> None:
    """No handle survives a cutter that was given up in mid-file."""
    source = MemorySource([b"a\n" * 20])
    cutter = Cutter(source, part_bytes=4, max_record_bytes=100)
    cutter.next(Buffer(cutter.capacity))

    cutter.close()

    assert [segment.closed for segment in source.opened] == [True]


def test_cutting_leaves_no_row_to_python() -> None:
    """A chunk of many rows takes no more Python calls than one of few."""
    import sys  # noqa: PLC0415 - only here

    def calls_for(data: bytes) -> int:
        counted = 0

        def count(*_: object) -> None:
            nonlocal counted
            counted += 1

        cutter = Cutter(MemorySource([data]), part_bytes=1 << 20, max_record_bytes=1 << 20)
        buffer = Buffer(cutter.capacity)
        previous: Callable[..., object] | None = sys.getprofile()
        gc.disable()  # a collection calls whoever listens to it, which is no call of the cutter's
        sys.setprofile(count)
        try:
            cutter.next(buffer)
        finally:
            sys.setprofile(previous)
            gc.enable()
        return counted

    assert calls_for(b'1,"x"\n' * 20_000) == calls_for(b'1,"' + b"x" * 119_994 + b'"\n')
