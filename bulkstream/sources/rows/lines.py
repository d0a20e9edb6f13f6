"""Blocks of whole lines, read from a stream in sequence, each with its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bulkstream.errors import RecordTooLong, SourceUnreadable
from bulkstream.model import Place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import RawIOBase

BLOCK_BYTES = 1 << 20
"""What is read at a time: large enough for vectors, small enough for the cache."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BLANKS = b" \t\r"
_BEGIN_BLANK = tuple(b" \t\r\n")
_LINE_FEED = 10


@dataclass(frozen=True, slots=True)
class Block:
    """Some whole lines.

    Attributes:
        name: Of the content that they are from.
        line: Number of the first one, from 1.
        offset: Where in the content it begins.
    """

    name: str
    data: bytes
    line: int
    offset: int

    def lines(self) -> Iterator[Block]:
        """Yield the lines that are not blank, each as a block of its own."""
        offset = 0
        for number, data in enumerate(self.data.split(b"\n"), self.line):
            if data.strip(_BLANKS):
                yield Block(self.name, data, number, self.offset + offset)
            offset += len(data) + 1

    def rows(self) -> int:
        """Count the lines that are not blank."""
        text = np.frombuffer(self.data, np.uint8)
        begins = np.append(0, np.flatnonzero(text == _LINE_FEED) + 1)
        begins = begins[: np.searchsorted(begins, len(text))]
        if np.isin(text[begins], _BEGIN_BLANK).any():
            return sum(1 for _ in self.lines())
        return len(begins)

    @property
    def place(self) -> Place:
        """Where it begins, for messages."""
        return Place(self.name, self.offset)


class LineBlocks:
    """An iterator over the blocks of a stream, which it closes.

    A byte order mark is left out. The last line needs no line feed.
    """

    def __init__(self, stream: RawIOBase, name: str, *, most_bytes: int) -> None:
        self._stream = stream
        self._name = name
        self._most_bytes = most_bytes
        self._rest = b""
        self._line, self._offset = 1, 0
        self._begun = self._ended = False

    def __iter__(self) -> LineBlocks:
        return self

    def __next__(self) -> Block:
        """Read the next block.

        Raises:
            RecordTooLong: A line is longer than allowed.
            SourceUnreadable: The stream was closed by another thread, or the system refused.
        """
        data = self._whole_lines()
        if not data:
            self.close()
            raise StopIteration
        block = Block(self._name, data, self._line, self._offset)
        self._line += data.count(b"\n")
        self._offset += len(data)
        return block

    def close(self) -> None:
        """Close the stream; may be called again, and from another thread."""
        self._stream.close()

    def _whole_lines(self) -> bytes:
        data, wanted = self._rest, min(BLOCK_BYTES, self._most_bytes + 1)
        while True:
            data = self._filled(data, wanted)
            end = len(data) if self._ended else data.rfind(b"\n") + 1
            if end or self._ended:
                self._rest = data[end:]
                return data[:end]
            if len(data) > self._most_bytes:
                raise RecordTooLong(
                    f"line {self._line:,} is longer than {self._most_bytes:,} bytes",
                    place=Place(self._name, self._offset),
                    hint="Raise max_record_size if that is right.",
                )
            wanted = min(2 * wanted, self._most_bytes + 1)

    def _filled(self, data: bytes, wanted: int) -> bytes:
        """Return what was read before and as much more as makes `wanted` bytes, or what there is."""
        pieces, size = [data], len(data)
        while size < wanted and not self._ended:
            piece = self._read(wanted - size)
            self._ended = not piece
            pieces.append(piece)
            size += len(piece)
        return self._without_mark(b"".join(pieces))

    def _without_mark(self, data: bytes) -> bytes:
        if not self._begun and data.startswith(_BYTE_ORDER_MARK):
            data, self._offset = data[len(_BYTE_ORDER_MARK) :], len(_BYTE_ORDER_MARK)
        self._begun = True
        return data

    def _read(self, size: int) -> bytes:
        try:
            return self._stream.read(size) or b""
        except ValueError:  # what a stream says that was closed meanwhile
            raise SourceUnreadable(f"{self._name} was closed while it was read") from None
