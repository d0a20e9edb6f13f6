"""Unpacking as a stream: packed bytes are fed to an engine, which fills the caller's buffers."""

from __future__ import annotations

import threading
from io import RawIOBase
from typing import TYPE_CHECKING, Protocol

from bulkstream.errors import SourceError, SourceUnreadable

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import WriteableBuffer

    from bulkstream.sources.packed.feed import Feed


MOMENT_S = 0.1
"""Seconds that closing waits for a read to end by itself, before it closes what is read from."""


class Engine(Protocol):
    """Turns what a feed gives into unpacked bytes."""

    def fill(self, view: memoryview) -> int:
        """Write at most `len(view)` bytes, which is not 0; none at the end only.

        Raises:
            SourceError: The packed bytes can't be read, are damaged, or end too early.
        """


class UnpackedStream(RawIOBase):
    """Unpacked bytes. One thread at a time reads, while any other may close.

    Nothing is read before the first `readinto`, so that closing ends any wait. `readinto` fills its buffer but at the
    end. What failed once fails again, so that an error is never taken for the end.

    Attributes:
        name: For messages.
    """

    def __init__(self, packed: RawIOBase, feed: Feed, begin: Callable[[Feed], Engine]) -> None:
        """Read `packed`, which is closed along with this, through `feed`; `begin` looks at its head."""
        super().__init__()
        self.name = feed.name
        self._packed = packed
        self._feed = feed
        self._begin = begin
        self._engine: Engine | None = None
        self._failure: SourceError | None = None
        self._stopped = False
        self._reading = threading.Lock()

    def __repr__(self) -> str:
        return f"UnpackedStream({self.name!r}, {self._feed.offset:,} packed bytes{', closed' if self._stopped else ''})"

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill a buffer; see the class.

        Raises:
            SourceUnreadable: It was closed, or its place can't be read.
            SourceError: The packed bytes are damaged, or end too early.
        """
        view = memoryview(buffer).cast("B")
        with self._reading:
            try:
                return self._filled(view)
            except SourceError as error:
                self._failure = self._closed_meanwhile() if self._stopped else error
                raise self._failure from error.__cause__

    def close(self) -> None:
        """Close what is read from as well; a read in another thread ends with an error. May be called again."""
        self._stopped = True
        idle = self._reading.acquire(timeout=MOMENT_S)
        try:
            self._packed.close()  # ends what waits for data
            idle = idle or self._reading.acquire()
            self._engine = None
            super().close()
        finally:
            if idle:
                self._reading.release()

    def _filled(self, view: memoryview) -> int:
        size = 0
        while size < len(view):
            if self._stopped:
                raise self._closed_meanwhile()
            if self._failure:
                raise self._failure
            if self._engine is None:
                self._engine = self._begin(self._feed)
            count = self._engine.fill(view[size:])
            if not count:
                break
            size += count
        return size

    def _closed_meanwhile(self) -> SourceUnreadable:
        return SourceUnreadable(f"{self.name} was closed while it was read")
