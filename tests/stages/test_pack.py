"""Packing: several threads on one cutter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bulkstream.errors import SourceUnreadable
from bulkstream.stages import Cutter, Packer
from tests.support.memory_source import MemorySegment, MemorySource

if TYPE_CHECKING:
    from collections.abc import Iterator


class Level:
    """An effort that never changes."""

    level = 1

    def packed(self, packed: object) -> None:
        """Take no note."""

    def blocked(self, seconds: float) -> None:
        """Take no note."""


class Failing(MemorySegment):
    """A segment whose second read fails, and whose third would not."""

    reads = 0

    def readinto(self, view: memoryview) -> int:
        self.reads += 1
        if self.reads == 2:
            raise SourceUnreadable("Input/output error")
        return super().readinto(view)


class FailingSource(MemorySource):
    """A source of one such segment."""

    def segments(self) -> Iterator[MemorySegment]:
        self.opened.append(Failing("file0", self.files[0], self.piece))
        yield self.opened[-1]


def test_nobody_cuts_behind_a_failure() -> None:
    """A cutter that has failed has lost its place: another worker finds the end, and not a hole in the rows."""
    source = FailingSource([b"1,a\n" * 100], piece=8)
    packer = Packer(Cutter(source, part_bytes=16, max_record_bytes=1000), Level())
    buffer = packer.buffer()
    with pytest.raises(SourceUnreadable):
        packer.next(buffer)

    assert packer.next(packer.buffer()) is None
    assert [segment.closed for segment in source.opened] == [True]
