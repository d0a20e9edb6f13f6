"""Reading in large blocks what is asked for in small pieces, so that a remote file costs few requests."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bulkstream.sources.columnar.whole import Whole

if TYPE_CHECKING:
    from io import RawIOBase

_BLOCK_BYTES = 4 << 20
_KEPT = 8
"""Blocks that are kept; as many columns may be read side by side without reading a block twice."""


class Blocks(Whole):
    """Reads blocks of 4 MiB, and keeps the last ones that were used."""

    def __init__(self, raw: RawIOBase) -> None:
        """Read from the beginning."""
        super().__init__(raw)
        self._blocks: dict[int, memoryview] = {}
        self._at = 0

    def read(self, size: int) -> memoryview:
        """Read `size` bytes, fewer only at the end."""
        data = bytearray()
        while len(data) < size:
            number, begin = divmod(self._at, _BLOCK_BYTES)
            piece = self._block(number)[begin : begin + size - len(data)]
            if not piece:
                break
            data += piece
            self._at += len(piece)
        return memoryview(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go elsewhere."""
        if whence == os.SEEK_END:
            self._at = super().seek(offset, whence)
        else:
            self._at = offset + (self._at if whence == os.SEEK_CUR else 0)
        return self._at

    def tell(self) -> int:
        """Tell where the next byte is."""
        return self._at

    def _block(self, number: int) -> memoryview:
        block = self._blocks.pop(number, None)
        if block is None:
            super().seek(number * _BLOCK_BYTES)
            block = super().read(_BLOCK_BYTES)
        self._blocks[number] = block  # the last one used stands last
        if len(self._blocks) > _KEPT:
            del self._blocks[next(iter(self._blocks))]
        return block
