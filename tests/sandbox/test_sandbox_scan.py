"""The bit-mask scanner accepts only what Python's `csv` accepts, and counts the same records."""

from __future__ import annotations

import csv
import gzip
import io
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstream.sandbox import blocks as blocks_module
from bulkstream.sandbox.check import Check, check
from bulkstream.sandbox.records import BadRecord, records
from bulkstream.sandbox.scan import Odd, Scanner

LIMIT = 1 << 30
FIELDS = st.text(st.sampled_from('ab,"\n\r é€'), max_size=12)
LONG_FIELDS = st.one_of(FIELDS, st.sampled_from(["x" * 63, "y" * 64, ',"' * 70, "\n" * 65]))
SOUP = st.text(st.sampled_from('a,"\n\r'), max_size=60)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[list[str]], str]:
    """Rows of one width, and the line end to write them with."""
    columns = draw(st.integers(1, 5))
    rows = draw(st.lists(st.lists(LONG_FIELDS, min_size=columns, max_size=columns), max_size=30))
    return rows, draw(st.sampled_from(["\n", "\r\n"]))


def written(rows: list[list[str]], line_end: str, *, quoted: bool = False) -> bytes:
    file = io.StringIO()
    csv.writer(file, lineterminator=line_end, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL).writerows(rows)
    return file.getvalue().encode()


def scanned(data: bytes, columns: int, cuts: list[int]) -> int:
    """Scan data that comes in blocks cut at these places."""
    scanner = Scanner(columns)
    for start, end in pairwise(sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})):
        scanner.feed(data[start:end])
    return scanner.finish()


def counted(data: bytes, columns: int) -> int | None:
    """What the authority says: the number of records, or None if one of them is wrong."""
    try:
        widths = [len(record.fields) for record in records((data,))]
    except BadRecord:
        return None
    return len(widths) if set(widths) <= {columns} else None


def checked(data: bytes, columns: int | None = None, *, compressed: bool = False, limit: int = LIMIT) -> Check:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "part"
        path.write_bytes(gzip.compress(data) if compressed else data)
        return check(path, gzip=compressed, columns=columns, limit=limit)


@given(tables(), st.lists(st.integers(0, 5000), max_size=6), st.booleans())
def test_well_written_csv_is_counted_whatever_the_blocks(
    table: tuple[list[list[str]], str], cuts: list[int], quoted: bool
) -> None:
    """What `csv.writer` wrote is never odd, unless a carriage return stands alone, and every row is counted."""
    rows, line_end = table
    data = written(rows, line_end, quoted=quoted)
    lone_returns = data.count(b"\r") != data.count(b"\r\n")
    try:
        found = scanned(data, len(rows[0]) if rows else 1, cuts)
    except Odd:
        found = len(rows) if lone_returns else -1

    assert found == len(rows)


@given(SOUP, st.integers(1, 3), st.lists(st.integers(0, 60), max_size=4))
def test_what_the_scanner_accepts_the_authority_accepts_too(text: str, columns: int, cuts: list[int]) -> None:
    """On any soup of the characters that matter, the scanner is right or says that it doesn't know."""
    data = text.encode()
    try:
        found: int | None = scanned(data, columns, cuts)
    except Odd:
        return

    assert found == counted(data, columns)


@given(tables(), st.integers(0, 10_000), st.sampled_from([b"", b",", b'"', b"\n", b"\r", b"\xff"]))
def test_a_damaged_part_is_judged_as_the_authority_judges_it(
    table: tuple[list[list[str]], str], place: int, damage: bytes
) -> None:
    """One byte is lost or exchanged: the check finds a problem exactly if `csv`, or UTF-8, has one."""
    rows, line_end = table
    data, columns = written(rows, line_end), len(rows[0]) if rows else 1
    at = place % (len(data) + 1)
    damaged = data[:at] + damage + data[at + 1 :]

    found = checked(damaged, columns)

    assert found.rows == counted(damaged, columns)
    assert (found.problem is None) == (found.rows is not None)


@pytest.mark.parametrize("compressed", [False, True])
def test_records_longer_than_a_block_are_whole(compressed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 64 bytes, records of thousands: the edges lose nothing."""
    monkeypatch.setattr(blocks_module, "BLOCK_BYTES", 64)
    monkeypatch.setattr(blocks_module, "_READ_BYTES", 16)
    data = written([["a" * 5000, 'b"\n' * 900]] * 3, "\r\n")

    assert checked(data, 2, compressed=compressed) == Check(3, len(data), 2)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"1,a\n2\n", "record 2: 1 fields, the schema has 2"),
        (b"1,a\n2,b,c\n", "record 2: 3 fields, the schema has 2"),
        (b'1,a\n2,"b\n3,c\n', "record 2: unexpected end of data"),
        (b'1,a\n2,"b"c\n', "record 2: ',' expected after '\"'"),
        (b"1,a\n\n3,c\n", "record 2: 1 fields, the schema has 2"),
        (b"1,a\n2,\xc3(\n", "record 2: not UTF-8 (invalid continuation byte)"),
        (b"1,a\n2,\xc3", "record 2: not UTF-8 (unexpected end of data)"),
    ],
)
def test_a_problem_names_its_record(data: bytes, problem: str) -> None:
    """The reason for a refusal says which record, and what is wrong with it."""
    assert checked(data, 2).problem == problem


@pytest.mark.parametrize(
    ("data", "rows"), [(b"", 0), (b"a,b", 1), (b"a,b\n", 1), (b"a,b\r\nc,d\r\n", 2), (b'"",\n', 1), (b'a"b,c\n', 1)]
)
def test_edges_of_csv_are_accepted(data: bytes, rows: int) -> None:
    """Empty parts, a missing last newline, CRLF, empty and oddly quoted fields are all CSV."""
    found = checked(data, 2)

    assert (found.problem, found.rows, found.raw_bytes) == (None, rows, len(data))


def test_an_empty_line_is_a_record_of_one_empty_field() -> None:
    """With one column an empty line counts, as RFC 4180's grammar has it."""
    assert checked(b"a\n\nb\n", 1).rows == 3


def test_columns_are_taken_from_the_first_record_without_a_schema() -> None:
    """A part that nobody described must still agree with itself."""
    assert checked(b"a,b,c\nd,e,f\n").columns == 3
    assert checked(b"a,b,c\nd,e\n").problem == "record 2: 2 fields, the schema has 3"


def test_gzip_of_several_members_is_one_part() -> None:
    """RFC 1952 allows members in a row."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "part"
        path.write_bytes(gzip.compress(b"1,a\n") + gzip.compress(b"2,b\n"))

        assert check(path, gzip=True, columns=2, limit=LIMIT) == Check(2, 8, 2)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "the gzip data is empty"),
        (gzip.compress(b"1,a\n")[:-3], "the gzip data ends too early"),
        (gzip.compress(b"1,a\n" * 99)[:20], "the gzip data ends too early"),
        (b"1,a\n", "the data is not gzip"),
        (gzip.compress(b"1,a\n") + b"tail", "the data is not gzip"),
        (gzip.compress(b"1,a\n")[:-8] + bytes(8), "the gzip data is damaged"),
    ],
)
def test_damaged_gzip_is_a_problem(body: bytes, problem: str, tmp_path: Path) -> None:
    """Cut off, not gzip at all, followed by something else, or with a wrong checksum."""
    (tmp_path / "part").write_bytes(body)

    found = check(tmp_path / "part", gzip=True, columns=2, limit=LIMIT).problem

    assert found is not None
    assert found.startswith(problem)


def test_a_gzip_bomb_is_given_up_early() -> None:
    """A part that decompresses to more than the limit is a problem, found before it is all there."""
    found = checked(b"0,0\n" * 3_000_000, 2, compressed=True, limit=1 << 20)

    assert found.problem == "more than 1,048,576 bytes of CSV in one part"
