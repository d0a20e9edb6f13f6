"""Delimited text in pieces of whole records, each at a known byte and line.

Theory of operation. Where no quote stands inside an unquoted field, a record ends at a line end that has an even number
of quotes before it, since every piece begins with a record. So the last such line end of a buffer is found by numpy,
in its last bytes, at the price of counting quotes; characters behind an escape don't count. Quotes elsewhere make that
wrong in either way: no end is found, or one in mid-record. Then the reader that parses the piece sees it, and `recut`
finds the last end record by record.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bulkstream.errors import RecordTooLong, SourceUnreadable
from bulkstream.model import Place
from bulkstream.sources.head import UTF8_BOM
from bulkstream.sources.text.dialect import LineEnd, TextDialect
from bulkstream.sources.text.tokens import Tokens

if TYPE_CHECKING:
    from io import BytesIO, RawIOBase

Bytes = npt.NDArray[np.uint8]

_TAIL_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is read at a time.

    Attributes:
        block_bytes: Of a piece, unless a single record is longer.
        record_bytes: A longer record is an error.
    """

    block_bytes: int = 4 << 20
    record_bytes: int = 256 << 20


@dataclass(frozen=True, slots=True)
class Piece:
    """Whole records, valid until the next piece is cut. Whoever reads it may write into it.

    Attributes:
        buffer: The bytes of the piece, and `room` more.
        size: Of the piece.
        offset: Byte of the text at which it begins.
        line: Physical line, from 1, with which it begins.
        last: Nothing follows; its last record may lack a line end.
    """

    buffer: memoryview
    size: int
    offset: int
    line: int
    last: bool

    @property
    def data(self) -> memoryview:
        """The bytes of the piece alone."""
        return self.buffer[: self.size]


class Pieces:
    """Cuts a stream, which it owns. One thread at a time, while any other may close."""

    def __init__(self, stream: RawIOBase | BytesIO, dialect: TextDialect, name: str, limits: Limits) -> None:
        self.name = name
        self._stream = stream
        self._dialect = dialect
        self._tokens = Tokens(dialect)
        self._limits = limits
        self._room = 0
        self._buffer = bytearray(limits.block_bytes)
        self._filled = self._given = 0
        self._offset, self._line = 0, 1
        self._ended = self._begun = False
        self._end_byte = ord("\r" if dialect.ends is LineEnd.CR else "\n")

    def __repr__(self) -> str:
        return f"Pieces({self.name!r}, byte {self._offset:,}, line {self._line:,})"

    def next(self) -> Piece | None:
        """Cut the next piece; None at the end.

        Raises:
            SourceError: The stream can't be read.
            RecordTooLong: A record is longer than allowed.
        """
        self._drop(self._given)
        self._fill()
        while not self._ended and (end := self._likely_end() or self._exact_end()) == 0:
            self._grow()
        return self._given_to(self._filled if self._ended else end) if self._filled else None

    def recut(self) -> Piece:
        """Cut the last piece again, from the same place on, and slowly.

        Raises:
            SourceError: As from `next`.
        """
        while not self._ended and (end := self._exact_end()) == 0:
            self._grow()
        return self._given_to(self._filled if self._ended else end)

    def first_record(self) -> bytes:
        """Look at the first record, its line end included; empty if there is none.

        Raises:
            SourceError: As from `next`.
        """
        self._fill()
        while True:
            span = next(self._tokens.spans(memoryview(self._buffer)[: self._filled]), None)
            if self._ended or (span is not None and span.ended):
                return bytes(self._buffer[: span.end]) if span is not None else b""
            self._grow()

    def skip_record(self) -> None:
        """Begin behind the first record.

        Raises:
            SourceError: As from `next`.
        """
        self._drop(len(self.first_record()))

    def reserve(self, room: int) -> None:
        """Let pieces have room for some bytes more."""
        larger = bytearray(len(self._buffer) - self._room + room)
        larger[: self._filled] = memoryview(self._buffer)[: self._filled]
        self._buffer, self._room = larger, room

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()

    def _given_to(self, end: int) -> Piece:
        self._given = end
        view = memoryview(self._buffer)[: end + self._room]
        return Piece(view, end, self._offset, self._line, last=self._ended and end == self._filled)

    def _drop(self, size: int) -> None:
        """Move on behind what was taken from the buffer."""
        if size:
            self._line += int(np.count_nonzero(self._array(size) == self._end_byte))
            self._offset += size
            self._buffer[: self._filled - size] = self._buffer[size : self._filled]
            self._filled -= size
        self._given = 0

    def _fill(self) -> None:
        """Read until the buffer is full or the stream ends."""
        view = memoryview(self._buffer)[: len(self._buffer) - self._room]
        try:
            while not self._ended and self._filled < len(view):
                size = self._stream.readinto(view[self._filled :]) or 0
                self._filled += size
                self._ended = size == 0
        except ValueError:  # what Python's own streams raise
            raise SourceUnreadable(f"{self.name} was closed") from None
        except SourceUnreadable:
            raise
        except OSError as error:
            raise SourceUnreadable(f"{self.name}: {error.strerror or error}") from error
        if not self._begun:
            self._begun = True
            if self._buffer.startswith(UTF8_BOM, 0, self._filled):
                self._drop(len(UTF8_BOM))

    def _grow(self) -> None:
        """Make room for a record that the buffer can't hold, and read on.

        Raises:
            RecordTooLong: It must not be that long.
        """
        if self._filled >= self._limits.record_bytes:
            raise RecordTooLong(
                f"this record is longer than {self._limits.record_bytes:,} bytes",
                place=Place(self.name, self._offset),
                hint="Perhaps a quote is never closed, or the dialect is another; else raise max_record_size.",
            )
        larger = bytearray(max(2 * self._filled, self._limits.block_bytes) + self._room)
        larger[: self._filled] = memoryview(self._buffer)[: self._filled]
        self._buffer = larger
        self._fill()

    def _exact_end(self) -> int:
        return self._tokens.last_end(memoryview(self._buffer)[: self._filled])

    def _likely_end(self) -> int:
        """Return the offset behind the last line end outside quotes, 0 if there is none."""
        data = _unescaped(self._array(self._filled), self._dialect.escape)
        quote = ord(self._dialect.quote) if self._dialect.quote else None
        for begin in dict.fromkeys((max(0, len(data) - _TAIL_BYTES), 0)):
            before = 0 if quote is None else int(np.count_nonzero(data[:begin] == quote))
            if end := _last_outside(data[begin:], self._end_byte, quote, before):
                return begin + end
        return 0

    def _array(self, size: int) -> Bytes:
        return np.frombuffer(self._buffer, np.uint8, size)


def _last_outside(data: Bytes, end_byte: int, quote: int | None, before: int) -> int:
    """Return the offset behind the last line end with an even number of quotes before it, 0 if there is none."""
    ends = np.flatnonzero(data == end_byte)
    if quote is not None and ends.size:
        quotes = np.flatnonzero(data == quote)
        ends = ends[(np.searchsorted(quotes, ends) + before) % 2 == 0]
    return int(ends[-1]) + 1 if ends.size else 0


def _unescaped(data: Bytes, escape: str | None) -> Bytes:
    """Return the bytes with zeros in place of those behind an escape."""
    at = np.flatnonzero(data == ord(escape)) if escape else None
    if at is None or not at.size:
        return data
    numbers = np.arange(at.size)
    begins = np.diff(at, prepend=-2) != 1
    within_run = numbers - np.maximum.accumulate(np.where(begins, numbers, 0))
    escaped = at[within_run % 2 == 0] + 1
    plain = data.copy()
    plain[escaped[escaped < data.size]] = 0
    return plain
