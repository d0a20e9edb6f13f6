"""The row check, held against a loop over single bytes."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bulkstream.budget import Budget
from bulkstream.errors import BadRow
from bulkstream.model import Receipt
from bulkstream.stages import Buffer, Cutter, RowChecker, Sifter
from bulkstream.stages import cut as cut_module
from bulkstream.stages.masks import BLOCK_BYTES, Masks
from bulkstream.stages.utf8 import is_utf8
from tests.support.memory_source import MemorySource
from tests.support.naive_rows import fault_of, sifted

if TYPE_CHECKING:
    from bulkstream.model import Reject

FIELD = st.one_of(
    st.text(alphabet="ab é€𝄞\r", max_size=6).map(str.encode),
    st.text(alphabet='ab,\n\r é""', max_size=8).map(lambda text: b'"' + text.replace('"', '""').encode() + b'"'),
    st.sampled_from([b"\xff", b"\xc3", b"a\xe2\x82", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b'x"y"']),
)
ROW = st.lists(FIELD, min_size=1, max_size=4).map(b",".join)
FILE = st.tuples(st.lists(st.tuples(ROW, st.sampled_from([b"\n", b"\r\n"])), max_size=12), st.booleans()).map(
    lambda made: b"".join(row + end for row, end in made[0])[: -1 if made[1] else None]
)
EVERYTHING = Budget(100_000)


def balanced(data: bytes) -> bool:
    """Whether a file closes all its quotes; others are refused by the cutter."""
    return data.count(b'"') % 2 == 0


def kind_of(reject: Reject) -> str:
    if reject.reason == "blank line":
        return reject.reason
    return "fields" if " instead of " in reject.reason else "UTF-8"


def sift_all(
    files: list[bytes], fields: int, part_bytes: int, piece: int = 1 << 30, done: dict[int, Receipt] | None = None
) -> tuple[dict[int, bytes], dict[int, Receipt], Cutter]:
    """Cut and sift; return what is kept, and the receipts that it would have, by number."""
    cutter = Cutter(
        MemorySource(files, piece), part_bytes=part_bytes, max_record_bytes=1 << 20, done=done, marking=True
    )
    sifter, buffer = Sifter(RowChecker(fields), EVERYTHING), Buffer(cutter.capacity)
    kept, receipts = {}, {}
    while chunk := cutter.next(buffer):
        clean = sifter.sift(chunk)
        kept[clean.number] = bytes(clean.data)
        receipts[clean.number] = Receipt(
            number=clean.number,
            raw_bytes=len(clean.data),
            sent_bytes=0,
            rows=clean.rows,
            begin=clean.begin,
            end=clean.end,
            end_line=clean.end_line,
            rejects=clean.rejects,
        )
        buffer.restore(cutter.capacity)
    cutter.close()
    return kept, receipts, cutter


def rejects_of(receipts: dict[int, Receipt]) -> list[tuple[str, int, int, str, bytes]]:
    return [
        (each.path, each.line, each.offset, kind_of(each), each.row)
        for number in sorted(receipts)
        for each in receipts[number].rejects
    ]


@pytest.fixture(autouse=True)
def _marks_of_all_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small pieces' marks are used here as large ones' are."""
    monkeypatch.setattr(cut_module, "MARKED_BYTES", 5)


@settings(max_examples=200, deadline=None)
@given(st.lists(FILE.filter(balanced), max_size=3), st.integers(1, 4), st.integers(1, 90), st.integers(1, 60))
@example([b"a,b\n\n", b"\n", b"c,d"], 2, 40, 9)
@example([b"a\n\xc3", b"\xa9\n"], 1, 40, 9)
def test_any_rows_are_kept_or_rejected_as_by_a_byte_loop(
    files: list[bytes], fields: int, part_bytes: int, piece: int
) -> None:
    """What is kept and what is rejected, with place and reason, is right at any sizes of chunks and reads."""
    expected = sifted(files, fields)

    kept, receipts, cutter = sift_all(files, fields, part_bytes, piece)

    assert b"".join(kept[number] for number in sorted(kept)) == b"".join(expected.kept)
    assert rejects_of(receipts) == expected.rejects
    assert sum(each.rows for each in receipts.values()) == len(expected.kept)
    accounted = sum(each.raw_bytes + each.rejected_bytes for each in receipts.values())
    assert accounted == cutter.read_bytes + cutter.added_bytes


@settings(max_examples=300, deadline=None)
@given(st.lists(FILE.filter(balanced), max_size=3), st.integers(1, 60), st.integers(1, 40), st.data())
def test_a_second_cut_rejects_the_same_rows(
    files: list[bytes], part_bytes: int, piece: int, data: st.DataObject
) -> None:
    """Whatever parts are passed over, the rows of the others are kept and rejected with the same places."""
    kept, receipts, whole = sift_all(files, 2, part_bytes, piece)
    done = {n: receipts[n] for n in data.draw(st.sets(st.sampled_from(sorted(receipts))))} if receipts else {}

    kept_again, receipts_again, again = sift_all(files, 2, part_bytes, piece, done)

    assert kept_again == {n: each for n, each in kept.items() if n not in done}
    assert receipts_again == {n: each for n, each in receipts.items() if n not in done}
    assert (again.read_bytes, again.added_bytes) == (whole.read_bytes, whole.added_bytes)


@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize("marking", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_faults_in_large_chunks_are_found(seed: int, marking: bool, quoted: bool) -> None:
    """Bad rows anywhere in chunks of many blocks are found, whether the cutter's marks are at hand or not."""
    draw = random.Random(seed)
    mark = '"' if quoted else ""
    rows = [f"{n},{mark}straße{',' * quoted}{mark},{'x' * draw.randrange(60)}\n".encode() for n in range(40_000)]
    for n in draw.sample(range(len(rows)), 30):
        rows[n] = draw.choice(
            [b"1,2\n", b"\n", b"1,2,3,4\n", b"a,\xff,c\n", b'1,"\n2,\n",3,4\n', b"x" * 700_000 + b"\n"]
        )
    data = b"".join(rows)
    expected = [(n, row) for n, row in enumerate(rows) if fault_of(row, 3)]
    cutter = Cutter(MemorySource([data]), part_bytes=len(data), max_record_bytes=1 << 24, marking=marking)
    chunk = cutter.next(Buffer(cutter.capacity))
    assert chunk is not None

    faults = list(RowChecker(3).faults(chunk))

    assert [data[each.begin : each.end] for each in faults] == [row for _, row in expected]
    assert [each.begin for each in faults] == [sum(map(len, rows[:n])) for n, _ in expected]


def test_good_rows_cost_no_python_each() -> None:
    """A chunk of many rows takes no more calls than one of few."""
    import sys  # noqa: PLC0415 - only here

    def calls_for(data: bytes) -> int:
        cutter = Cutter(MemorySource([data]), part_bytes=1 << 20, max_record_bytes=1 << 20, marking=True)
        chunk = cutter.next(Buffer(cutter.capacity))
        assert chunk is not None
        counted = 0

        def count(*_: object) -> None:
            nonlocal counted
            counted += 1

        previous = sys.getprofile()
        sys.setprofile(count)
        try:
            assert list(RowChecker(2).faults(chunk)) == []
        finally:
            sys.setprofile(previous)
        return counted

    few, many = b"1," + b"x" * 127 + b"\n", b"1," + b"x" * 62 + b"\n"
    assert calls_for(many * 4000) == calls_for(few * 2000)


def test_the_first_bad_row_tells_its_place() -> None:
    """Where none may be left out, the error names file, line, byte, reason and an excerpt that can be printed."""
    cutter = Cutter(MemorySource([b'a,"\n"\n', b"b,c\n\x1b[31m\x00\n"]), part_bytes=100, max_record_bytes=100)
    chunk = cutter.next(Buffer(cutter.capacity))
    assert chunk is not None

    with pytest.raises(BadRow) as caught:
        Sifter(RowChecker(2), Budget(0)).sift(chunk)

    error = caught.value
    assert (error.path, error.line, error.offset, error.reason) == ("file1", 2, 4, "1 field instead of 2")
    assert error.excerpt == r"\x1b[31m\x00"
    assert str(error) == r"file1, line 2 (byte 4): 1 field instead of 2: \x1b[31m\x00"


def test_an_excerpt_is_bounded() -> None:
    """A long row is shown by its beginning."""
    cutter = Cutter(MemorySource([b"x" * 10_000]), part_bytes=20_000, max_record_bytes=20_000)
    chunk = cutter.next(Buffer(cutter.capacity))
    assert chunk is not None

    with pytest.raises(BadRow) as caught:
        Sifter(RowChecker(2), Budget(0)).sift(chunk)

    assert caught.value.excerpt == "x" * 79 + "…"


def test_no_more_is_rejected_at_once_than_shows_that_it_is_too_much() -> None:
    """A chunk of nothing but bad rows is left as soon as there is one bad row too many."""
    cutter = Cutter(MemorySource([b"x\n" * 10_000]), part_bytes=20_000, max_record_bytes=100)
    chunk = cutter.next(Buffer(cutter.capacity))
    assert chunk is not None

    assert len(Sifter(RowChecker(2), Budget(7)).sift(chunk).rejects) == 8


def test_a_chunk_without_origins_is_not_needed_to_find_faults() -> None:
    """Faults are found by bytes alone; only their places need to know of files."""
    cutter = Cutter(MemorySource([b"a,b\nc\n"]), part_bytes=100, max_record_bytes=100, marking=True)
    chunk = cutter.next(Buffer(cutter.capacity))
    assert chunk is not None

    assert [each.begin for each in RowChecker(2).faults(replace(chunk, origins=(), marks=()))] == [4]


UTF8 = st.lists(
    st.one_of(
        st.sampled_from("aé€𝄞߿ࠀ\ud7ff\ue000\uffff\U00010000\U0010ffff").map(str.encode),
        st.sampled_from([bytes([n]) for n in (0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF)]),
        st.sampled_from([bytes([n]) for n in (0xE0, 0xE1, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF4, 0xF5, 0xFF)]),
        st.binary(max_size=3),
    ),
    max_size=80,
).map(b"".join)


@settings(max_examples=600, deadline=None)
@given(UTF8, st.sampled_from([0, 1, 61, 62, 63, 64]))
def test_utf8_is_what_the_interpreter_takes_for_it(data: bytes, before: int) -> None:
    """The masks accept and refuse what Python's decoder does, wherever a character stands in a word."""
    data = b"x" * before + data
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        expected = False
    else:
        expected = True

    assert is_utf8(np.frombuffer(data, np.uint8), Masks(BLOCK_BYTES)) is expected
