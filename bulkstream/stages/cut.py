"""Cutting: from a source's bytes to chunks of whole records, about `part_bytes` each.

The cutter fills a buffer from the source, scanning what it reads while it is still in the cache, and ends the chunk
behind the last whole record. The rest, a part of one record, opens the next buffer. So every byte is read once,
scanned once and, but for that rest, never copied.

A cut depends on nothing but the source, the part size and the longest record allowed, and a chunk begins where the
one before it ends. So a load that was interrupted is cut as it was before, and what the server has already can be
passed over without reading it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from zlib import crc32

from bulkstream.errors import RecordTooLong, SourceChanged, UnclosedQuote
from bulkstream.model import Chunk, Origin, Place
from bulkstream.stages.scan import Scanner

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bulkstream.model import Receipt
    from bulkstream.sources import Segment, Source
    from bulkstream.stages.buffers import Buffer
    from bulkstream.stages.masks import Marks

_LINE_FEED = 0x0A

READ_BYTES = 512 << 10
"""Bytes per read: few system calls, and still in the cache when they are scanned."""

MARKED_BYTES = 64 << 10
"""Bytes whose marks are worth keeping; those of small pieces cost more than looking again."""


@dataclass(slots=True)
class _Fill:
    """A buffer that is being filled: `filled` bytes, of which `end` are whole records, `rows` of them.

    Attributes:
        line: Of the current file, on which the record behind `end` begins.
        open_lines: Line feeds in that record so far.
        origins: Files that the bytes come from, and where in the buffer each begins.
        marks: What the scanner found, unless it is not wanted.
    """

    buffer: Buffer
    filled: int = 0
    end: int = 0
    rows: int = 0
    line: int = 1
    open_lines: int = 0
    origins: list[Origin] = field(default_factory=list)
    marks: list[Marks] | None = None

    def enter(self, segment: Segment) -> None:
        """What comes next is from the beginning of this segment."""
        self.line, self.open_lines = segment.first_line, 0
        self.origins.append(Origin(self.filled, segment.name, segment.offset, self.line))

    def add(self, size: int, scanner: Scanner) -> None:
        """Take over `size` bytes that were just written behind `filled`."""
        for marks, found in scanner.marked(self.buffer.view[self.filled : self.filled + size], self.filled):
            if found.rows:
                self.end = marks.begin + found.end
                self.rows += found.rows
                self.line, self.open_lines = self.line + self.open_lines + found.lines, 0
            self.open_lines += found.open_lines
            if self.marks is not None and marks.end - marks.begin >= MARKED_BYTES:
                self.marks.append(marks)
        self.filled += size


@dataclass(slots=True)
class _Again:
    """A chunk that is passed over by making it again.

    Attributes:
        crc32: Of its bytes so far.
        ends: There is no byte yet, or the last one ends a line.
        parted: Line feeds put between files.
        complete: All of its bytes are among those that `crc32` is of.
    """

    done: Receipt
    crc32: int = 0
    ends: bool = True
    parted: int = 0
    complete: bool = True

    @property
    def added_bytes(self) -> int:
        """Line feeds that the cutter had put between files."""
        return self.done.raw_bytes + self.done.rejected_bytes - (self.done.end - self.done.begin)

    def add(self, data: memoryview | bytes) -> None:
        """Take over what was made again."""
        self.crc32 = crc32(data, self.crc32)
        self.ends = data[-1] == _LINE_FEED if len(data) else self.ends

    def part_files(self) -> None:
        """A file ends here, and another one follows."""
        if not self.ends:
            self.add(b"\n")
            self.parted += 1

    def differs(self) -> bool:
        """Whether its bytes are others; where rows were left out, nobody can tell."""
        if self.parted < self.added_bytes:  # a file ends where the chunk does, which was not seen this time
            self.part_files()
        return self.complete and not self.done.rejects and self.crc32 != self.done.raw_crc32


class Cutter:
    """Cuts one source into chunks, numbered from 1. Blocking: call `next` in a thread, one call at a time.

    Attributes:
        read_bytes: Bytes taken from the source so far, those that were passed over included.
        added_bytes: Line feeds put between files whose last record had none.
        live: The source may keep `next` waiting for a producer.
        first: Number of the first chunk that is not passed over, if there is one.
    """

    def __init__(
        self,
        source: Source,
        *,
        part_bytes: int,
        max_record_bytes: int,
        done: Mapping[int, Receipt] | None = None,
        marking: bool = False,
    ) -> None:
        """Begin at the start of the source.

        Args:
            source: What to cut.
            part_bytes: Bytes of a chunk.
            max_record_bytes: Bytes of the longest record allowed.
            done: Receipts by number, of an earlier cut of the same source; their chunks are passed over.
            marking: Hand on what scanning found, an eighth or a quarter of a chunk's size, for those who check rows.
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
        self._line, self._open_lines = 1, 0
        self._number = 0
        self._done = done or {}
        self.first = next(number for number in range(1, len(self._done) + 2) if number not in self._done)
        self._marking = marking

    def __repr__(self) -> str:
        return f"Cutter(chunk {self._number}, {self.read_bytes} bytes read, in {self._segment!r})"

    @property
    def capacity(self) -> int:
        """Bytes that a buffer needs: a part, and a line feed between two files."""
        return self.part_bytes + 1

    def next(self, buffer: Buffer) -> Chunk | None:
        """Fill the buffer and return its whole records, or None at the end of the source.

        Raises:
            RecordTooLong: A record is longer than `max_record_bytes`.
            UnclosedQuote: A file ends inside a quoted field.
            SourceError: Reading failed, or a file is shorter than it was.
        """
        while (done := self._done.get(self._number + 1)) is not None:
            self._pass_over(done)
        begin, fill = self._position, self._begun(buffer)
        while (segment := self._current(fill)) is not None and (room := self._room(fill, segment)):
            self._read(fill, segment, room)
        return self._chunk(fill, begin)

    def _begun(self, buffer: Buffer) -> _Fill:
        """Open a buffer with what the last chunk has left over."""
        fill = _Fill(buffer, line=self._line, open_lines=self._open_lines, marks=[] if self._marking else None)
        if self._segment is not None:
            fill.origins.append(Origin(0, self._segment.name, self._segment.offset - len(self._rest), self._line))
        buffer.view[: len(self._rest)] = self._rest
        fill.filled, self._rest = len(self._rest), b""
        return fill

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
        left, again = done.end - self.read_bytes, _Again(done)
        again.add(self._rest)
        while left and (segment := self._current()) is not None:
            left -= self._step_over(segment, left, again)
            if segment.remaining == 0:
                self.close()
                if self._following is not None:
                    again.part_files()
        if left or again.differs():
            raise SourceChanged(f"part {done.number} can't be made again as it was; the source gives other rows now")
        self.added_bytes += again.added_bytes
        self.read_bytes, self._rest, self._scanner.quoted = done.end, b"", False
        self._line, self._open_lines = done.end_line, 0
        self._number = done.number

    def _step_over(self, segment: Segment, count: int, again: _Again) -> int:
        """Go on behind at most `count` bytes of a segment; what is derived is made again, and compared."""
        if not segment.derived:
            step = min(count, segment.remaining)
            segment.skip(step)
            again.complete = False
            return step
        view = memoryview(bytearray(min(count, READ_BYTES)))
        size = segment.readinto(view)
        again.add(view[:size])
        return size

    def close(self) -> None:
        """Close the file that is being read, if any. To be called once, whatever happened."""
        if self._segment is not None:
            self._segment.close()
            self._segment = None

    def _current(self, fill: _Fill | None = None) -> Segment | None:
        """Return the segment to read from, the next one when the last is through."""
        if self._segment is None:
            self._segment, self._following = self._following, next(self._segments, None)
            if self._segment is not None and fill is not None:
                fill.enter(self._segment)
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
        if self._current(fill) is None and fill.filled > fill.end:
            fill.end, fill.rows = fill.filled, fill.rows + 1
        if not fill.end:
            return None
        self._rest = bytes(fill.buffer.view[fill.end : fill.filled])
        self._line, self._open_lines = fill.line, fill.open_lines
        self._number += 1
        return Chunk(
            number=self._number,
            data=fill.buffer.view[: fill.end],
            rows=fill.rows,
            begin=begin,
            end=self._position,
            end_line=self._line,
            origins=tuple(each for each in fill.origins if each.at < fill.end),
            marks=tuple(fill.marks or ()),
        )

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
