"""Reading a remote object from anywhere, as formats with a footer and column chunks do."""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from concurrent.futures import CancelledError
from io import RawIOBase
from typing import TYPE_CHECKING

from bulkstream.errors import SourceUnreadable
from bulkstream.sources.places.beginning import WHOLE_BYTES
from bulkstream.sources.places.origin import resumed

if TYPE_CHECKING:
    from concurrent.futures import Future

    from typing_extensions import Buffer

    from bulkstream.sources.places.background import Background
    from bulkstream.sources.places.beginning import Beginning
    from bulkstream.sources.places.origin import Found, Origin, Terms

BLOCK_BYTES = 256 << 10
"""Reads shorter than this take whole blocks, since a round trip costs about as much as so many bytes."""
BLOCKS_KEPT = 16


class RemoteFile(RawIOBase):
    """An object that can be read from anywhere; a read gives all that was asked for, but at the end.

    Short reads are answered from a few blocks that are kept, long ones by several ranges side by side.

    Attributes:
        name: Of the object.
    """

    def __init__(
        self, origin: Origin, found: Found, background: Background, terms: Terms, beginning: Beginning
    ) -> None:
        super().__init__()
        self.name = origin.name
        self._origin = origin
        self._found = found
        self._background = background
        self._terms = terms
        self._beginning = beginning
        self._kept = beginning.data
        self._at = 0
        self._blocks: OrderedDict[int, bytearray] = OrderedDict()
        self._transfer: Future[None] | None = None
        self._ended = False

    def __repr__(self) -> str:
        return f"RemoteFile({self.name!r}, at {self._at} of {self._found.size})"

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Return the place in the object."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to another place in the object."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._found.size}[whence]
        if base + offset < 0:
            raise ValueError(f"negative seek position {base + offset}")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Buffer, /) -> int:
        """Fill the buffer as far as the object goes.

        Raises:
            SourceError: The bytes could not be read, or the object was replaced.
        """
        view = memoryview(buffer).cast("B")
        count = max(0, min(len(view), self._found.size - self._at))
        if count >= BLOCK_BYTES:
            self._fill(view[:count], self._at)
        else:
            self._copy(view[:count], self._at)
        self._at += count
        return count

    def close(self) -> None:
        """Cancel what is in flight; who waits for it gets a `SourceUnreadable`."""
        self._ended = True
        if (transfer := self._transfer) is not None:
            transfer.cancel()
        self._blocks.clear()
        super().close()

    def _copy(self, view: memoryview, at: int) -> None:
        """Take a short read from the blocks that it touches."""
        done = 0
        while done < len(view):
            number, offset = divmod(at + done, BLOCK_BYTES)
            part = self._block(number)[offset : offset + len(view) - done]
            view[done : done + len(part)] = part
            done += len(part)

    def _block(self, number: int) -> bytearray:
        if (block := self._blocks.get(number)) is not None:
            self._blocks.move_to_end(number)
            return block
        start = number * BLOCK_BYTES
        block = bytearray(min(BLOCK_BYTES, self._found.size - start))
        self._fill(memoryview(block), start)
        self._blocks[number] = block
        if len(self._blocks) > BLOCKS_KEPT:
            self._blocks.popitem(last=False)
        return block

    def _fill(self, view: memoryview, at: int) -> None:
        """Get as many bytes as the view has; of a small object, all of it at once, to be kept."""
        if not self._kept and self._found.size <= WHOLE_BYTES:
            data = bytearray(self._found.size)
            self._transfer_into(memoryview(data), 0)
            self._kept = bytes(data)
            self._beginning.keep(self._kept)
        if at + len(view) <= len(self._kept):
            view[:] = self._kept[at : at + len(view)]
        else:
            self._transfer_into(view, at)

    def _transfer_into(self, view: memoryview, at: int) -> None:
        transfer = self._transfer = self._background.submit(self._fetched(view, at))
        try:
            if self._ended:
                transfer.cancel()
            transfer.result()
        except CancelledError:
            raise SourceUnreadable(f"{self.name} was closed while it was read") from None
        finally:
            self._transfer = None

    async def _fetched(self, view: memoryview, at: int) -> None:
        """Fill the view by at most `ahead` ranges at once."""
        most = self._terms.range_bytes
        starts = iter(range(0, len(view), most))

        async def lane() -> None:
            for start in starts:
                await self._range(view[start : start + most], at + start)

        try:
            async with asyncio.TaskGroup() as lanes:
                for _ in range(min(self._terms.ahead, -(-len(view) // most))):
                    lanes.create_task(lane())
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None

    async def _range(self, view: memoryview, at: int) -> None:
        done = 0
        async for piece in resumed(self._origin, self._found, at, at + len(view), self._terms):
            view[done : done + len(piece)] = piece
            done += len(piece)
