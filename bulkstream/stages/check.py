"""Checking rows: has each as many fields as there are columns, and is it UTF-8? No Python per good row.

Theory of operation. The cutter hands on the masks of record ends and of quoted bytes, so one more mask is needed:
that of the commas. Commas outside quotes, summed up word by word, tell how many stand before a record end; before the
n-th there must be n * (fields - 1). Where all do, and no byte has its highest bit set, a block is done: 0.2 s per GB.
A block with other bytes is decoded by the interpreter's own decoder. Only a block in which something is wrong is
taken apart into its records, and only the bad ones among them come to Python.
"""

from __future__ import annotations

from codecs import utf_8_decode
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from bulkstream.stages.masks import BLOCK_BYTES, ONE, Bytes, Marks, Masks, Words, count_bits
from bulkstream.stages.scan import Scanner
from bulkstream.stages.utf8 import is_utf8, whole_characters

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bulkstream.model import Chunk

_COMMA = ord(",")
BLANK_LINES = frozenset({b"\n", b"\r\n", b"\r"})
"""The last one at the end of a file."""
LONGEST_BLANK = max(map(len, BLANK_LINES))

Offsets = npt.NDArray[np.int64]


class Fault(NamedTuple):
    """A bad row: where in the chunk it begins, where the next one begins, and what is wrong."""

    begin: int
    end: int
    reason: str


class Judge(Protocol):
    """Judges the values of rows that have the right number of fields."""

    def faults(self, data: memoryview, rows: int) -> Mapping[int, str]:
        """Return what is wrong with which of `rows` whole records, counted from 0."""


@dataclass(frozen=True, slots=True)
class RowChecker:
    """Finds the bad rows of chunks, in any number of threads.

    Attributes:
        fields: That a row must have; with 0 there is nothing to check.
        judge: Of the values; None leaves them unchecked.
    """

    fields: int
    judge: Judge | None = None

    def faults(self, chunk: Chunk) -> Iterator[Fault]:
        """Yield the bad rows in their order, found as they are asked for."""
        if self.fields:
            yield from _Walk(chunk, self.fields, self.judge).faults()


class _Walk:
    """One walk over a chunk, piece by piece; what it knows of the record that is open at a piece's end is below."""

    def __init__(self, chunk: Chunk, fields: int, judge: Judge | None) -> None:
        self._chunk = chunk
        self._array = np.frombuffer(chunk.data, dtype=np.uint8)
        self._masks = Masks(min(len(self._array), BLOCK_BYTES))
        self._wanted = fields - 1
        self._judge = judge
        self._start = 0  # where it begins
        self._commas = 0  # that it has so far
        self._broken: int | None = None  # where it is no UTF-8
        self._decoded = 0  # up to here everything is UTF-8, or known to be bad
        # What can be added up in a block: 2^19 bytes, each of which may end a record.
        self._sums = np.int32 if fields < 1 << 11 else np.int64

    def faults(self) -> Iterator[Fault]:
        for marks in self._pieces():
            yield from self._piece(marks, marks.begin, min(marks.end, len(self._array)))
        if self._start < len(self._array):  # the last record of a source may lack its line feed
            ends = np.array([len(self._array)], dtype=np.int64)
            broken = {} if self._broken is None else {0: self._broken}
            yield from self._told(ends, np.array([self._commas]), broken)

    def _pieces(self) -> Iterator[Marks]:
        """Yield the marks of all bytes; those that the cutter has not kept are made."""
        at, quoted, size = 0, False, len(self._array)
        for marks in self._chunk.marks:
            if marks.begin < size:
                yield from self._made(at, marks.begin, quoted=quoted)
                yield marks
                at, quoted = marks.end, marks.quoted
        yield from self._made(at, size, quoted=quoted)

    def _made(self, begin: int, end: int, *, quoted: bool) -> Iterator[Marks]:
        if begin < end:
            scanner = Scanner()
            scanner.quoted = quoted
            yield from (marks for marks, _ in scanner.marked(self._chunk.data[begin:end], begin))

    def _piece(self, marks: Marks, begin: int, end: int) -> Iterator[Fault]:
        block = self._array[begin:end]
        commas, ends = self._separators(block, marks)
        open_commas = self._fitting(commas, ends)
        if not self._is_text(block, begin, end) or open_commas is None or self._broken is not None:
            yield from self._apart(begin, end, commas, ends)
            return
        if marks.rows:
            start, self._start = self._start, begin + marks.last
            if misfits := self._misfits(start, self._start, marks.rows):
                yield from _placed(misfits, start, _positions(ends, begin))
        self._commas = open_commas

    def _separators(self, block: Bytes, marks: Marks) -> tuple[Words, Words]:
        """Return the masks of commas and line feeds that separate fields and records."""
        if marks.ends is None:
            nothing = np.zeros(1, dtype=np.uint64)
            return nothing, nothing
        commas = self._masks.of(block, _COMMA)
        if marks.unquoted is not None:
            np.bitwise_and(commas, marks.unquoted[: len(commas)], out=commas)
        return commas, marks.ends[: len(commas)]

    def _fitting(self, commas: Words, ends: Words) -> int | None:
        """Return the commas behind the last record end if as many as must stand before each; else None."""
        if not self._wanted:
            return None if self._commas or commas.any() else 0
        # Commas that each word adds to the record that is open at its end, if all before it are as they must be.
        surplus = np.multiply(np.bitwise_count(ends), -self._wanted, dtype=self._sums)
        surplus += np.bitwise_count(commas)
        behind = np.cumsum(surplus, dtype=self._sums)
        due = np.subtract(behind, surplus, out=surplus)
        np.subtract(self._wanted - self._commas, due, out=due)
        ends_left, commas_left = ends, commas
        while True:  # once for each record end in the fullest word
            below = ends_left - ONE  # the bits below the lowest end, and other ends, where no commas are
            wrong = np.bitwise_count(commas_left & below) != due
            wrong &= ends_left != 0
            if wrong.any():
                return None
            ends_left = ends_left & below
            if not ends_left.any():
                return int(behind[-1]) + self._commas
            words = np.flatnonzero(ends_left)
            ends_left, commas_left, due = ends_left[words], commas_left[words], due[words] + self._wanted

    def _is_text(self, block: Bytes, begin: int, end: int) -> bool:
        """Whether all is UTF-8 up to the piece's end; a sequence that goes on behind it is looked at later."""
        if self._broken is not None:
            return False
        if self._decoded == begin and block.view(np.int8).min() >= 0:
            self._decoded = end
            return True
        stop = end if end == len(self._array) else whole_characters(self._array, end)
        if is_utf8(self._array[self._decoded : stop], self._masks):
            self._decoded = stop
            return True
        return False

    def _decode(self, end: int) -> int | None:
        """Go on decoding; return the offset of the first byte that is not UTF-8."""
        data = self._chunk.data[self._decoded : end]
        try:
            _, consumed = utf_8_decode(data, "strict", end == len(self._array))
        except UnicodeDecodeError as error:
            return self._decoded + error.start
        self._decoded += consumed
        return None

    def _apart(self, begin: int, end: int, commas: Words, ends: Words) -> Iterator[Fault]:
        """Take a piece apart into its records."""
        positions = _positions(ends, begin)
        broken = self._undecodable(positions, end)
        before = np.cumsum(_bits(commas), dtype=np.int64)
        counts = np.diff(before[positions - begin - 1], prepend=-self._commas)
        yield from self._told(positions, counts, broken)
        self._broken = broken.get(len(positions))
        self._commas += count_bits(commas) - int(counts.sum())

    def _undecodable(self, positions: Offsets, end: int) -> dict[int, int]:
        """Return which records that end at the positions, or behind them, are not UTF-8, and where."""
        broken: dict[int, int] = {}
        at = self._broken
        while at is not None or (self._decoded < end and (at := self._decode(end)) is not None):
            row = int(np.searchsorted(positions, at, side="right"))
            broken[row] = at
            self._decoded = int(positions[row]) if row < len(positions) else end
            if row == len(positions):
                break
            at = None
        return broken

    def _told(self, positions: Offsets, counts: Offsets, broken: Mapping[int, int]) -> Iterator[Fault]:
        """Yield the faults of records that end at the positions, given their commas and where they are not UTF-8."""
        wrong = set(np.flatnonzero(counts != self._wanted).tolist())
        bad = sorted(wrong | {row for row in broken if row < len(positions)})
        for last, row in pairwise([-1, *bad, len(positions)]):
            yield from self._judged(self._start, positions[last + 1 : row])
            if row < len(positions):
                begin, end = self._start, int(positions[row])
                self._start = end
                reason = self._miscounted(begin, end, int(counts[row])) if row in wrong else ""
                yield Fault(begin, end, reason or _undecoded(self._chunk.data, begin, broken[row]))

    def _judged(self, begin: int, positions: Offsets) -> Iterator[Fault]:
        """Yield the faults in the values of records that end at the positions, the first of which begins at `begin`."""
        if not len(positions):
            return
        self._start = int(positions[-1])
        yield from _placed(self._misfits(begin, self._start, len(positions)), begin, positions)

    def _misfits(self, begin: int, end: int, rows: int) -> Mapping[int, str]:
        """Return what is wrong with the values of which of the records from `begin` to `end`, counted from 0."""
        return self._judge.faults(self._chunk.data[begin:end], rows) if self._judge is not None else {}

    def _miscounted(self, begin: int, end: int, commas: int) -> str:
        if not commas and end - begin <= LONGEST_BLANK and bytes(self._chunk.data[begin:end]) in BLANK_LINES:
            return "blank line"
        return f"{commas + 1:,} field{'s' if commas else ''} instead of {self._wanted + 1:,}"


def _placed(misfits: Mapping[int, str], begin: int, positions: Offsets) -> Iterator[Fault]:
    """Yield the faults of records that end at the positions, the first of which begins at `begin`."""
    for row, reason in sorted(misfits.items()):
        yield Fault(int(positions[row - 1]) if row else begin, int(positions[row]), reason)


def _undecoded(data: memoryview, begin: int, at: int) -> str:
    return f"invalid UTF-8: byte 0x{data[at]:02x} at offset {at - begin:,} of the row"


def _bits(words: Words) -> npt.NDArray[np.uint8]:
    return np.unpackbits(words.view(np.uint8), bitorder="little")


def _positions(ends: Words, begin: int) -> Offsets:
    """Return the offsets behind record ends."""
    return np.flatnonzero(_bits(ends).view(np.bool_)) + (begin + 1)
