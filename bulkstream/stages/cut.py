"""Cutting: from a source's bytes to chunks of whole records, about `part_bytes` each.

The cutter fills a buffer from the source, scanning what it reads while it is still in the cache, and ends the chunk
behind the last whole record. The rest, a part of one record, opens the next buffer. So every byte is read once,
scanned once and, but for that rest, never copied.

A cut depends on nothing but the source, the part size and the longest record allowed, and a chunk begins where the
one before it ends. So a load that was interrupted is cut as it was before, and what the server has already can be
passed over without reading it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bulkstream.errors import RecordTooLong, SourceChanged, UnclosedQuote
from bulkstream.model import Chunk, Place
from bulkstream.stages.scan import Scanner

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bulkstream.model import Receipt
    from bulkstream.sources import Segment, Source
    from bulkstream.stages.buffers import Buffer

READ_BYTES = 512 << 10
"""Bytes per read: few system calls, and still in the cache when they are scanned."""


@dataclass(slots=True)
class _Fill:
    """A buffer that is being filled: `filled` bytes, of which `end` are whole records, `rows` of them."""

    buffer: Buffer
    filled: int = 0
    end: int = 0
    rows: int = 0

    def add(self, size: int, scanner: Scanner) -> None:
        """Take over `size` bytes that were just written behind `filled`."""
        found = scanner.scan(self.buffer.view[self.filled : self.filled + size])
        if found.rows:
            self.end = self.filled + found.end
            self.rows += found.rows
        self.filled += size


class Cutter:
    """Cuts one source into chunks, numbered from 1. Blocking: call `next` in a thread, one call at a time.

    Attributes:
        read_bytes: Bytes taken from the source so far, those that were passed over included.
        added_bytes: Line feeds put between files whose last record had none.
        live: The source may keep `next` waiting for a producer.
    """

    def __init__(
        self, source: Source, *, part_bytes: int, max_record_bytes: int, done: Mapping[int, Receipt] | None = None
    ) -> None:
        """Begin at the start of the source.

        Args:
            source: What to cut.
            part_bytes: Bytes of a chunk.
            max_record_bytes: Bytes of the longest record allowed.
            done: Receipts by number, of an earlier cut of the same source; their chunks are passed over.
        """
        self.part_bytes = part_bytes
        self.max_record_bytes = max_record_bytes
        self.read_bytes = 0
        self.added_bytes = 0
        self.live = bool(source.unrepeatable)
        self._segments: Iterator[Segment] = iter(source.segments())
        self._segment: Segment | None = None
        self._following: Segment | None = next(self._segments, None)
        self._scanner = Scanner()
        self._rest = b""
        self._number = 0
        self._done = done or {}

    def __repr__(self) -> str:
        return f"Cutter(chunk {self._number}, {self.read_bytes} bytes read, in {self._segment!r})"

    @property
    def capacity(self) -> int:
        """Bytes that a buffer needs: a part, and a line feed between two files."""
        return self.part_bytes + 1

    @property
    def first(self) -> int:
        """Number of the first chunk that is not passed over, if there is one."""
        return next(number for number in range(1, len(self._done) + 2) if number not in self._done)

    def next(self, buffer: Buffer) -> Chunk | None:
        """Fill the buffer and return its whole records, or None at the end of the source.

        Raises:
            RecordTooLong: A record is longer than `max_record_bytes`.
            UnclosedQuote: A file ends inside a quoted field.
            SourceError: Reading failed, or a file is shorter than it was.
        """
        while (done := self._done.get(self._number + 1)) is not None:
            self._pass_over(done)
        begin = self._position
        fill = _Fill(buffer)
        buffer.view[: len(self._rest)] = self._rest
        fill.filled, self._rest = len(self._rest), b""
        while (segment := self._current()) is not None and (room := self._room(fill, segment)):
            self._read(fill, segment, room)
        return self._chunk(fill, begin)

    @property
    def _position(self) -> int:
        """Where the next chunk begins, all segments in a row."""
        return self.read_bytes - len(self._rest)

    def _pass_over(self, done: Receipt) -> None:
        """Go on behind a chunk without reading it.

        Raises:
            SourceChanged: The chunk does not begin where this cut has come to.
        """
        if done.begin != self._position or done.end < self.read_bytes:
            raise SourceChanged(f"part {done.number} does not begin where the cut has come to: {self._position:,}")
        left = done.end - self.read_bytes
        while left and (segment := self._current()) is not None:
            step = min(left, segment.remaining)
            segment.skip(step)
            left -= step
            if segment.remaining == 0:
                self.close()
        self.added_bytes += done.raw_bytes - (done.end - done.begin)
        self.read_bytes, self._rest, self._scanner.quoted = done.end, b"", False
        self._number = done.number

    def close(self) -> None:
        """Close the file that is being read, if any. To be called once, whatever happened."""
        if self._segment is not None:
            self._segment.close()
            self._segment = None

    def _current(self) -> Segment | None:
        """Return the segment to read from, the next one when the last is through."""
        if self._segment is None:
            self._segment, self._following = self._following, next(self._segments, None)
        return self._segment

    def _room(self, fill: _Fill, segment: Segment) -> int:
        """Bytes to read next: up to the part's size, and beyond it only while no record is whole."""
        if fill.filled < self.part_bytes:
            return min(READ_BYTES, self.part_bytes - fill.filled)
        if fill.end:
            return 0
        if fill.filled >= self.max_record_bytes:
            raise self._too_long(fill, segment)
        if fill.filled >= fill.buffer.capacity - 1:
            fill.buffer.grow(min(2 * fill.filled, self.max_record_bytes) + 1, fill.filled)
        # No more than a part at a time, since what stays behind the record must fit into the next buffer.
        return min(READ_BYTES, self.part_bytes, fill.buffer.capacity - 1 - fill.filled)

    def _read(self, fill: _Fill, segment: Segment, room: int) -> None:
        size = segment.readinto(fill.buffer.view[fill.filled : fill.filled + room])
        self.read_bytes += size
        fill.add(size, self._scanner)
        if segment.remaining == 0:
            self._finish(fill, segment)
        elif size == 0:
            raise _shrunk(segment)

    def _finish(self, fill: _Fill, segment: Segment) -> None:
        """Check that the file ended with a whole record, and part it from a next one."""
        if self._scanner.quoted:
            raise UnclosedQuote(
                "this record opens a quoted field that the file never closes",
                place=_record_start(fill, segment),
                hint='Check the quotes around that place; a quote inside a quoted field is written "".',
            )
        if fill.filled > fill.end and self._following is not None:
            fill.buffer.view[fill.filled : fill.filled + 1] = b"\n"
            fill.add(1, self._scanner)
            self.added_bytes += 1
        self.close()

    def _chunk(self, fill: _Fill, begin: int) -> Chunk | None:
        """Cut behind the last whole record; at the end of everything, take what is left as well."""
        if self._current() is None and fill.filled > fill.end:
            fill.end, fill.rows = fill.filled, fill.rows + 1
        if not fill.end:
            return None
        self._rest = bytes(fill.buffer.view[fill.end : fill.filled])
        self._number += 1
        return Chunk(self._number, fill.buffer.view[: fill.end], fill.rows, begin, self._position)

    def _too_long(self, fill: _Fill, segment: Segment) -> RecordTooLong:
        return RecordTooLong(
            f"this record is longer than {self.max_record_bytes:,} bytes",
            place=_record_start(fill, segment),
            hint="Perhaps a quote is never closed, or lines end in CR alone; else raise max_record_size.",
        )


def _record_start(fill: _Fill, segment: Segment) -> Place:
    """Where the record that the buffer ends with begins in its file."""
    return Place(segment.name, segment.offset - (fill.filled - fill.end))


def _shrunk(segment: Segment) -> SourceChanged:
    return SourceChanged(
        f"the file ended {segment.remaining:,} bytes early; it was cut short during the load",
        place=Place(segment.name, segment.offset),
    )
