"""A source whose files are bytes in memory, read in pieces of a chosen size."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bulkstream.stages import Buffer, Cutter

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class MemorySegment:
    """One file; `cut_short` bytes of it are missing when it is read."""

    name: str
    data: bytes
    piece: int = 1 << 30
    cut_short: int = 0
    offset: int = 0
    closed: bool = False
    first_line: int = 1
    derived: bool = False

    @property
    def remaining(self) -> int:
        return len(self.data) - self.offset

    def readinto(self, view: memoryview) -> int:
        size = min(len(view), self.piece, max(0, self.remaining - self.cut_short))
        view[:size] = self.data[self.offset : self.offset + size]
        self.offset += size
        return size

    def skip(self, count: int) -> None:
        self.offset += count

    def close(self) -> None:
        self.closed = True


@dataclass
class MemorySource:
    """Several files, in order."""

    files: list[bytes]
    piece: int = 1 << 30
    cut_short: int = 0
    changed: tuple[str, ...] = ()
    unrepeatable: str = ""
    ahead_bytes: int = 0
    rows: int | None = None
    opened: list[MemorySegment] = field(default_factory=list)

    @property
    def total_bytes(self) -> int:
        return sum(map(len, self.files))

    def segments(self) -> Iterator[MemorySegment]:
        for number, data in enumerate(self.files):
            if data:
                self.opened.append(MemorySegment(f"file{number}", data, self.piece, self.cut_short))
                yield self.opened[-1]

    def changes(self) -> tuple[str, ...]:
        return self.changed

    def close(self) -> None:
        for segment in self.opened:
            segment.close()


def chunks_of(source: MemorySource, part_bytes: int, max_record_bytes: int = 1 << 20) -> list[tuple[bytes, int]]:
    """Cut a source whole; return each chunk's bytes and rows."""
    cutter = Cutter(source, part_bytes=part_bytes, max_record_bytes=max_record_bytes)
    chunks = []
    while chunk := cutter.next(Buffer(cutter.capacity)):
        chunks.append((bytes(chunk.data), chunk.rows))
    cutter.close()
    return chunks
