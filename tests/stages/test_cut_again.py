"""Chunks that are made again: passed over where they are what was sent, and refused where they aren't."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkstream.errors import SourceChanged
from bulkstream.model import Receipt
from bulkstream.sources.source import UNKNOWN
from bulkstream.stages import Buffer, Cutter
from tests.support.memory_source import MemorySegment, MemorySource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LINES = st.lists(st.sampled_from([b"a\n", b'"b\n,"""\n', b"1,2,3\n", b"\n"]), max_size=12).map(b"".join)
FILES = st.lists(st.tuples(LINES, st.booleans()), max_size=6).map(
    lambda files: [data.removesuffix(b"\n") if bare else data for data, bare in files]
)


class Made(MemorySegment):
    """Bytes that are made while they are read: nobody knows where they end until the end was seen."""

    ended = False

    @property
    def remaining(self) -> int:
        return 0 if self.ended else UNKNOWN

    def readinto(self, view: memoryview) -> int:
        data = self.data[self.offset : self.offset + len(view)]
        view[: (size := len(data))] = data
        self.offset += size
        self.ended = size < len(view)
        return size


@dataclass
class MadeSource(MemorySource):
    """Files that are made."""

    def segments(self) -> Iterator[MemorySegment]:
        for number, data in enumerate(self.files):
            yield Made(f"file{number}", data, derived=True)


def cut(files: list[bytes], part_bytes: int, done: Mapping[int, Receipt] | None = None) -> tuple[list[Receipt], int]:
    """Cut what is not done; return the receipts, and the line feeds that are put between files in all."""
    cutter = Cutter(MadeSource(files), part_bytes=part_bytes, max_record_bytes=1 << 20, done=done)
    receipts = []
    while chunk := cutter.next(Buffer(cutter.capacity)):
        data = bytes(chunk.data)
        receipts.append(
            Receipt(
                number=chunk.number,
                begin=chunk.begin,
                end=chunk.end,
                end_line=chunk.end_line,
                rows=chunk.rows,
                raw_bytes=len(data),
                raw_crc32=crc32(data),
                sent_bytes=len(data),
            )
        )
    cutter.close()
    return receipts, cutter.added_bytes


@given(files=FILES, part_bytes=st.integers(1, 40), data=st.data())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_any_chunks_are_passed_over_and_the_rest_is_as_it_was(
    files: list[bytes], part_bytes: int, data: st.DataObject
) -> None:
    """Whichever chunks have receipts, the others come out under their numbers; one of other bytes is refused."""
    receipts, added = cut(files, part_bytes)
    done = {receipt.number: receipt for receipt in receipts if data.draw(st.booleans())}

    again, added_again = cut(files, part_bytes, done)

    assert sorted([*again, *done.values()], key=lambda receipt: receipt.number) == receipts
    assert added_again == added
    for number, receipt in done.items():
        other = done | {number: replace(receipt, raw_crc32=receipt.raw_crc32 ^ 1)}
        with pytest.raises(SourceChanged, match=f"part {number} can't be made again"):
            cut(files, part_bytes, other)
