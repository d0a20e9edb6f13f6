"""Columns whose values all plainly fit their types, told from bit masks: no field is taken out of its record.

Theory of operation. The bits of the bytes become eight masks over a block, one bit per byte, and each class of
characters (digits, signs, points) is a few operations on 64-bit words away from them, as in simdjson
(arXiv:1902.08318). What would be wrong with a field of this or that type is marked for all fields at once: a byte that
no number has, a second point, too many digits, a date that is none. Then the columns are walked through: from where
column n begins in each record, one subtraction over the whole mask finds the separators behind it, since each borrow
runs up to the next separator and ends there. So a column costs about ten operations on an eighth of the bytes, however
many rows there are.

What is not plain may fit nevertheless (`+.5`, `1e3`, a time with an offset, 29 February): where that is little, it is
told which fields it is, and else whoever asks looks at the column in another way.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from bulkstream.model import ColumnType
from bulkstream.stages.masks import ONE, WORD, WORD_BITS, Bytes, Masks, Words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOST_BYTES = 1 << 20
"""A longer run of records is left to the other way: its masks would not stay in the cache."""

MOST_DOUBTS = 64
"""Of a column's values in a run of records; more are left to the other way."""

_FULL = (1 << WORD_BITS) - 1
_TOP = WORD(WORD_BITS - 1)


@dataclass(frozen=True, slots=True)
class Doubt:
    """A column with values that are not plain.

    Attributes:
        column: Its number, from 0.
        fields: Where they begin and end, the separators not among them; None if there are many, or nobody looked.
    """

    column: int
    fields: tuple[tuple[int, int], ...] | None = None


def doubtful(data: memoryview, kinds: Sequence[ColumnType]) -> list[Doubt]:
    """Return the columns that may hold values which don't fit; all values of the others do.

    Args:
        data: Whole records, each with as many fields as there are kinds, as the scanner counts them.
        kinds: Types of the columns.
    """
    typed = {number: kind for number, kind in enumerate(kinds) if kind is not ColumnType.STRING}
    if not typed or len(data) > MOST_BYTES or data[-1] != ord("\n"):
        return [Doubt(number) for number in typed]
    fields = _Fields(np.frombuffer(data, dtype=np.uint8))
    wrong = {kind: fields.wrong(kind) for kind in set(typed.values())}
    columns = zip(range(max(typed) + 1), fields.columns(), strict=False)
    marked = ((number, column, column & wrong[typed[number]]) for number, column in columns if number in typed)
    return [
        Doubt(number, _listed(marks, column, fields.separators))
        for number, column, marks in marked
        if np.count_nonzero(marks)
    ]


def _listed(marks: Words, column: Words, separators: Words) -> tuple[tuple[int, int], ...] | None:
    """Return where the marked fields of a column begin and end, None if they are many."""
    words = np.flatnonzero(marks)
    if len(words) > MOST_DOUBTS or int(np.bitwise_count(marks[words]).sum()) > MOST_DOUBTS:
        return None
    found: list[tuple[int, int]] = []
    for word in words.tolist():
        left = int(marks[word])
        while left:
            at = word * WORD_BITS + (left & -left).bit_length() - 1
            left &= left - 1
            if not found or at > found[-1][1]:
                found.append(_around(at, column, column & separators))
    return tuple(found)


def _around(at: int, column: Words, ends: Words) -> tuple[int, int]:
    """Return where the field of a column that holds a byte begins and ends."""
    word, bit = divmod(at, WORD_BITS)
    above, last = int(ends[word]) >> bit << bit, word
    while not above:
        last += 1
        above = int(ends[last])
    below = (~int(column[word]) | int(ends[word])) & ((1 << bit) - 1)
    while not below and word:
        word -= 1
        below = (~int(column[word]) | int(ends[word])) & _FULL
    return word * WORD_BITS + below.bit_length(), last * WORD_BITS + (above & -above).bit_length() - 1


class _Fields:
    """The fields of a block, and which of them don't plainly fit which type.

    Attributes:
        ends: Where records end.
        separators: Commas and record ends outside quotes.
        starts: The first byte of what a field holds, behind its quote; of an empty one, what stands behind it.
        stops: The byte behind what a field holds: its closing quote, its line end, or the separator.
        content: What fields hold, without separators, line ends and the quotes around them.
    """

    def __init__(self, array: Bytes) -> None:
        self._bytes = _Classes(array)
        commas, feeds, quotes = self._byte(","), self._byte("\n"), self._byte('"')
        self.ends, self.separators = feeds, commas | feeds
        if quoted := bool(quotes.any()):
            unquoted = quotes.copy()
            Masks(len(array)).inside(unquoted, quoted=False)
            np.invert(unquoted, out=unquoted)
            self.ends, self.separators = feeds & unquoted, self.separators & unquoted
        size = len(array)
        self._records = _up(self.ends)
        self._records[0] |= ONE
        self._records[size // WORD_BITS] &= ~(ONE << WORD(size % WORD_BITS))  # behind the last record is none
        self.content = ~self.separators
        self.content[size // WORD_BITS] &= (ONE << WORD(size % WORD_BITS)) - ONE
        self.starts = _up(self.separators)
        self.starts[0] |= ONE
        self.starts[size // WORD_BITS] &= ~(ONE << WORD(size % WORD_BITS))
        self.stops = self.separators
        if (returns := self._byte("\r")).any():
            self._without(_down(self.ends) & returns)
        if quoted:
            opening = self.starts & quotes
            self.starts = (self.starts & ~opening) | _up(opening)
            self.content &= ~opening
            self._without(_down(self.stops) & quotes & ~opening)

    def columns(self) -> Iterator[Words]:
        """Yield for each column its fields, separators behind them included; ends with the caller."""
        begin = self._records
        while True:
            fields = _minus(self.separators, begin) ^ self.separators
            yield fields
            begin = _up(fields & self.separators)

    def wrong(self, kind: ColumnType) -> Words:
        """Mark something in each field that doesn't plainly fit a type, or just behind it."""
        match kind:
            case ColumnType.LONG:
                return self.content & ~(self.digits | self._signs) | self._longer_than(18)
            case ColumnType.DECIMAL | ColumnType.DOUBLE:
                return self._no_decimal | self._longer_than(32)
            case ColumnType.DATE:
                return self.stops & ~(self.starts | self._days)
            case ColumnType.DATETIME:
                return self.stops & ~(self.starts | self._days | self._moments)
            case ColumnType.STRING:
                return np.zeros_like(self.content)

    @property
    def digits(self) -> Words:
        """Digits of ASCII."""
        return self._bytes.digits

    @cached_property
    def _signs(self) -> Words:
        """Signs before the first digit."""
        return (self._byte("-") | self._byte("+")) & self.starts & _down(self.digits)

    @cached_property
    def _no_decimal(self) -> Words:
        """What no decimal has: other characters, a point that is not the first or has no digit before it."""
        points = self._byte(".") & _up(self.digits)
        behind = _up(points)
        stop = _plus(self.digits, behind) & ~self.digits  # where the digits behind a point end
        wrong: Words = self.content & (~(self.digits | self._signs | points) | stop)
        return wrong

    def _longer_than(self, count: int) -> Words:
        """Mark in each field that holds more bytes the first one that is too many, and those behind it."""
        runs, length, size = self.content, 1, count + 1
        for run in self._runs:  # of 2, 4, 8 … bytes
            if 2 * length > size:
                break
            runs, length = run, 2 * length
        return runs & _up(runs, size - length) if size > length else runs

    @cached_property
    def _runs(self) -> tuple[Words, ...]:
        """The last bytes of 2, 4, 8, 16 and 32 that a field holds in a row."""
        runs = [self.content & _up(self.content)]
        for length in (2, 4, 8, 16):
            runs.append(runs[-1] & _up(runs[-1], length))
        return tuple(runs)

    @cached_property
    def _days(self) -> Words:
        """What stands behind a day of the calendar, from the year 1000 to 2999; no 29 February is plain."""
        return self._day & self.stops

    @cached_property
    def _day(self) -> Words:
        digit, dash = self.digits, self._byte("-")
        zero, one, two, three = (self._byte(char) for char in "0123")
        at = self.starts & (one | two)
        for _ in range(3):
            at = _up(at) & digit
        at = _up(_up(at) & dash)
        low, high = _up(at & zero), _up(at & one)
        bits = self._bytes.planes
        # Months whose last digit is odd up to 7 or even from 8 on are long: the lowest bit and the fourth differ.
        below = low & digit & ~zero
        above = high & (zero | one | two)
        month = below | above
        long = (below & (bits[0] ^ bits[3])) | (above & ~bits[0])
        month, no_february, long = (_up(_up(each) & dash) for each in (month, month & ~(low & two), long))
        nine, tens_0, tens_1, tens_2 = self._byte("9"), _up(month & zero), _up(month & one), _up(month & two)
        day = (digit & (tens_1 | (tens_0 & ~zero) | (tens_2 & ~nine))) | (_up(no_february & two) & nine)
        day |= (_up(no_february & three) & zero) | (_up(long & three) & one)
        return _up(day)

    @cached_property
    def _moments(self) -> Words:
        """What stands behind a day with a time, to the minute, the second or its fraction, and perhaps a Z."""
        digit, colon, bits = self.digits, self._byte(":"), self._bytes.planes
        sixty = digit & ~bits[3] & ~(bits[2] & bits[1])  # 0 to 5
        at = _up(self._day & (self._byte("T") | self._byte(" ")))
        hour = (_up(at & (self._byte("0") | self._byte("1"))) & digit) | (_up(at & self._byte("2")) & sixty & ~bits[2])
        minute = _up(_up(_up(_up(hour) & colon) & sixty) & digit)
        second = _up(_up(_up(minute & colon) & sixty) & digit)
        fraction, fractions = _up(second & self._byte(".")), np.zeros_like(second)
        for _ in range(6):
            fraction = _up(fraction & digit)
            fractions |= fraction
        behind = minute | second | fractions
        return (behind | _up(behind & self._byte("Z"))) & self.stops

    def _without(self, last: Words) -> None:
        """Take the last byte of some fields off what they hold."""
        self.stops = (self.stops & ~_up(last)) | last
        self.content &= ~last

    def _byte(self, char: str) -> Words:
        return self._bytes.of(char)


class _Classes:
    """Which bytes are which characters of ASCII.

    Attributes:
        planes: A mask for each bit of the bytes, the lowest first.
        digits: Where digits stand.
    """

    def __init__(self, array: Bytes) -> None:
        self.planes = _planes(array)
        self._absent = tuple(~plane for plane in self.planes)
        self._nibbles: dict[tuple[int, int], Words] = {}
        self.digits = self._pairs(4, 3) & (self._absent[3] | (self._absent[2] & self._absent[1]))

    def of(self, char: str) -> Words:
        """Mark where a character stands."""
        code = ord(char)
        return self._pairs(4, code >> 4) & self._pairs(0, code & 15)

    def _pairs(self, first: int, value: int) -> Words:
        """Mark bytes whose four bits from a number on have a value."""
        found = self._nibbles.get((first, value))
        if found is None:
            found = self._pair(first, value & 3) & self._pair(first + 2, value >> 2)
            self._nibbles[first, value] = found
        return found

    def _pair(self, first: int, value: int) -> Words:
        bits = [(self.planes if value >> bit & 1 else self._absent)[first + bit] for bit in (0, 1)]
        return bits[0] & bits[1]


def _planes(array: Bytes) -> tuple[Words, ...]:
    """Return a mask for each bit of the bytes, the lowest first; behind the bytes stand zeros."""
    room = np.empty((len(array) // WORD_BITS + 1) * WORD_BITS, dtype=np.uint8)
    room[len(array) :] = 0
    planes = []
    for bit in range(8):
        np.bitwise_and(array, np.uint8(1 << bit), out=room[: len(array)])
        planes.append(np.packbits(room, bitorder="little").view(WORD))
    return tuple(planes)


def _up(words: Words, count: int = 1) -> Words:
    """Move each mark on by less than 64 bytes."""
    moved = words << WORD(count)
    moved[1:] |= words[:-1] >> WORD(WORD_BITS - count)
    return moved


def _down(words: Words) -> Words:
    """Move each mark back by a byte."""
    moved = words >> ONE
    moved[:-1] |= words[1:] << _TOP
    return moved


def _minus(words: Words, other: Words) -> Words:
    """Subtract as if each were one number."""
    result = words - other
    borrows = np.flatnonzero(words < other) + 1
    while len(borrows) and (borrows := borrows[borrows < len(words)]).size:
        before = result[borrows]
        result[borrows] = before - ONE
        borrows = borrows[before == 0] + 1
    return result


def _plus(words: Words, other: Words) -> Words:
    """Add as if each were one number."""
    result = words + other
    carries = np.flatnonzero(result < words) + 1
    while len(carries) and (carries := carries[carries < len(words)]).size:
        after = result[carries] + ONE
        result[carries] = after
        carries = carries[after == 0] + 1
    return result
