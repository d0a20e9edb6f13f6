"""An iterable of pieces of bytes as a content."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from bulkstream.errors import SourceError, SourceUnreadable
from bulkstream.sources.given.items import NOTHING

if TYPE_CHECKING:
    from bulkstream.sources.given.items import Items

UNREPEATABLE = "an iterable can be read only once"


class BytesContent:
    """Implements `Content` over pieces of CSV, or of another format, cut wherever they are."""

    name = "the iterable"
    unrepeatable = UNREPEATABLE

    def __init__(self, items: Items) -> None:
        self._items = items
        self._begun = False

    def __repr__(self) -> str:
        return f"BytesContent({self._items!r})"

    def stream(self) -> io.RawIOBase:
        """See `Content`.

        Raises:
            SourceUnreadable: It was asked for before.
        """
        if self._begun:
            raise SourceUnreadable(UNREPEATABLE)
        self._begun = True
        return _Pieces(self._items)

    def changed(self) -> None:
        """See `Content`; nobody knows."""

    def close(self) -> None:
        """Close the iterable, if its stream was not opened; may be called again."""
        self._items.close()


class _Pieces(io.RawIOBase):
    """Reads pieces one after the other."""

    def __init__(self, items: Items) -> None:
        self._items = items
        self._left = memoryview(b"")

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Copy what is left of a piece, or the next one; 0 at the end only."""
        while not self._left:
            piece = next(self._items, NOTHING)
            if piece is NOTHING:
                return 0
            if not isinstance(piece, bytes | bytearray | memoryview):
                raise SourceError(f"a piece of bytes is a {type(piece).__name__}", hint="Give bytes alone.")
            self._left = memoryview(piece).cast("B")
        view = memoryview(buffer).cast("B")
        size = min(len(view), len(self._left))
        view[:size] = self._left[:size]
        self._left = self._left[size:]
        return size

    def close(self) -> None:
        """Close the iterable."""
        self._items.close()
        super().close()
