"""Reading a remote object from its first byte to its last."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from concurrent.futures import CancelledError
from contextlib import suppress
from io import RawIOBase
from typing import TYPE_CHECKING

from bulkstream.errors import SourceUnreadable
from bulkstream.sources.places.beginning import WHOLE_BYTES
from bulkstream.sources.places.origin import resumed, whole

if TYPE_CHECKING:
    from concurrent.futures import Future

    from typing_extensions import Buffer

    from bulkstream.sources.places.background import Background
    from bulkstream.sources.places.beginning import Beginning
    from bulkstream.sources.places.origin import Found, Origin, Terms

FIRST_RANGE = 256 << 10
"""Who looks at an object's beginning only shall not transfer much more; each next range is four times as long."""


class _Pieces(RawIOBase):
    """Bytes that arrive in pieces, by futures that closing cancels.

    Attributes:
        name: Of the object.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self._lock = threading.Lock()
        self._ended = False
        self._pending: deque[Future[list[bytes]]] = deque()
        self._pieces: deque[memoryview] = deque()

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        """Wait for bytes and take what fits; 0 at the end only.

        Raises:
            SourceError: They could not be read, or the object was replaced.
        """
        view = memoryview(buffer).cast("B")
        while not self._pieces:
            if not self._arrived():
                return 0
        piece = self._pieces.popleft()
        count = min(len(view), len(piece))
        view[:count] = piece[:count]
        if count < len(piece):
            self._pieces.appendleft(piece[count:])
        return count

    def close(self) -> None:
        """Cancel what is in flight; who waits for it gets a `SourceUnreadable`."""
        with self._lock:
            self._ended = True
            pending = list(self._pending)
        for future in pending:
            future.cancel()
        super().close()

    def _arrived(self) -> bool:
        """Wait for the next pieces; False at the end."""
        with self._lock:
            if self._ended:
                raise SourceUnreadable(f"{self.name} was closed while it was read")
            self._ask()
            if not self._pending:
                return False
            future = self._pending[0]
        try:
            pieces = future.result()
        except CancelledError:
            raise SourceUnreadable(f"{self.name} was closed while it was read") from None
        with self._lock:
            self._pending.popleft()
        self._pieces.extend(map(memoryview, pieces))
        return True

    def _ask(self) -> None:
        """Add futures to those pending, if there is more to come and room for it."""
        raise NotImplementedError


class RemoteStream(_Pieces):
    """Bytes in order, of ranges that are transferred side by side.

    In memory are at most `ahead` + 1 ranges. It begins with what is kept of the beginning, or one short range, and asks
    for more, and longer ones, the longer it is read.
    """

    def __init__(
        self, origin: Origin, found: Found, background: Background, terms: Terms, beginning: Beginning
    ) -> None:
        super().__init__(origin.name)
        self._origin = origin
        self._found = found
        self._background = background
        self._terms = terms
        self._beginning = beginning
        self._length = found.size if found.size <= WHOLE_BYTES else FIRST_RANGE
        self._ahead = 1
        kept = beginning.data
        self._asked = len(kept)
        if kept:
            self._pieces.append(memoryview(kept))
            self._length *= 4

    def __repr__(self) -> str:
        return f"RemoteStream({self.name!r}, {self._asked} of {self._found.size} bytes asked for)"

    def _ask(self) -> None:
        while self._asked < self._found.size and len(self._pending) < self._ahead:
            stop = min(self._asked + min(self._length, self._terms.range_bytes), self._found.size)
            transfer = self._range(self._asked, stop)
            self._pending.append(self._background.submit(transfer))
            self._asked = stop
            self._length = min(self._length * 4, self._terms.range_bytes)
        self._ahead = min(self._ahead + 1, self._terms.ahead)

    async def _range(self, start: int, stop: int) -> list[bytes]:
        pieces = await whole(self._origin, self._found, start, stop, self._terms)
        if not start:
            self._beginning.keep(b"".join(pieces))
        return pieces


class SequentialStream(_Pieces):
    """Bytes of a server that gives whole files only; where they break off, what was read before is passed over."""

    def __init__(self, origin: Origin, found: Found, background: Background, terms: Terms) -> None:
        super().__init__(origin.name)
        self._background = background
        self._transfer = resumed(origin, found, 0, found.size, terms)
        self._turn = asyncio.Lock()
        self._over = False

    def __repr__(self) -> str:
        return f"SequentialStream({self.name!r})"

    def close(self) -> None:
        """Cancel what is in flight and end the transfer; who waits for it gets a `SourceUnreadable`."""
        if not self.closed:
            super().close()
            with suppress(SourceUnreadable):  # where the background was closed, which ends all that it ran
                self._background.submit(self._end())

    def _ask(self) -> None:
        if not self._over:
            self._pending.append(self._background.submit(self._next()))

    async def _next(self) -> list[bytes]:
        async with self._turn:
            piece = await anext(self._transfer, b"")
        self._over = not piece
        return [piece] if piece else []

    async def _end(self) -> None:
        async with self._turn:
            await self._transfer.aclose()
