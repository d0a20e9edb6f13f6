"""The first records of a source, as a source, so that a bench of 500 GB takes no longer than one of 64 MiB."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulkstream.errors import UsageError
from bulkstream.size import MIB
from bulkstream.stages import Buffer, Cutter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bulkstream.sources import Segment, Source


class _Head:
    """The first bytes of a segment."""

    derived = False

    def __init__(self, segment: Segment, size: int) -> None:
        self.name = segment.name
        self.remaining = size
        self.first_line = segment.first_line
        self._segment = segment

    def __repr__(self) -> str:
        return f"_Head({self._segment!r}, {self.remaining} bytes)"

    @property
    def offset(self) -> int:
        return self._segment.offset

    def readinto(self, view: memoryview) -> int:
        size = self._segment.readinto(view[: self.remaining])
        self.remaining -= size
        return size

    def skip(self, count: int) -> None:
        self._segment.skip(count)
        self.remaining -= count

    def close(self) -> None:
        self._segment.close()


class Excerpt:
    """The first `total_bytes` of a source, which end with a record.

    Attributes:
        rows: Records in it.
    """

    def __init__(self, source: Source, total_bytes: int, rows: int) -> None:
        self._source = source
        self.total_bytes = total_bytes
        self.rows = rows

    def __repr__(self) -> str:
        return f"Excerpt({self.rows} rows, {self.total_bytes} bytes of {self._source!r})"

    @property
    def ahead_bytes(self) -> int:
        """As much as the whole source may hold on its own."""
        return self._source.ahead_bytes

    @property
    def unrepeatable(self) -> str:
        """Say why the whole source can't be read again, if it can't."""
        return self._source.unrepeatable

    def segments(self) -> Iterator[Segment]:
        """Yield the segments, the last one cut short."""
        left = self.total_bytes
        for segment in self._source.segments():
            size = min(segment.remaining, left)
            if not size:
                return
            left -= size
            yield _Head(segment, size)

    def changes(self) -> tuple[str, ...]:
        """Say what has changed in the whole source."""
        return self._source.changes()

    def close(self) -> None:
        """Close the whole source."""
        self._source.close()


def excerpt(source: Source, size: int, max_record_bytes: int) -> Excerpt:
    """Take the first records of a source, up to the one that reaches `size` bytes. Blocking.

    Raises:
        UsageError: There are none.
        SourceError: The source can't be read or cut.
    """
    cutter = Cutter(source, part_bytes=min(MIB, size), max_record_bytes=max_record_bytes)
    buffer, taken, rows = Buffer(cutter.capacity), 0, 0
    try:
        while taken < size and (chunk := cutter.next(buffer)):
            taken, rows = taken + len(chunk.data), rows + chunk.rows
    finally:
        cutter.close()
    if not rows:
        raise UsageError("there are no rows to measure with")
    return Excerpt(source, taken - cutter.added_bytes, rows)
