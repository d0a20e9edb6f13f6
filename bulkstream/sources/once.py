"""Contents that can be read only once, and whose beginning can be looked at all the same."""

from __future__ import annotations

from io import RawIOBase
from typing import TYPE_CHECKING

from bulkstream.errors import SourceUnreadable

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer

    from bulkstream.sources.content import Content
    from bulkstream.sources.pipe import Pipe

LEAST_MAGIC = 2
"""Bytes of the shortest mark that tells a format or an encoding."""
LOOK_BYTES = 64 << 10
"""Bytes of one read ahead."""


class PipeContent:
    """A pipe as a content; its owner closes it, which ends a read that waits.

    Attributes:
        name: Of the pipe.
        pipe: It.
        unrepeatable: Why it can't be read a second time.
    """

    def __init__(self, pipe: Pipe) -> None:
        self.name = pipe.name
        self.pipe = pipe
        self.unrepeatable = f"{pipe.name} can't be read again"
        self._taken = False

    def __repr__(self) -> str:
        return f"PipeContent({self.pipe!r})"

    def peek(self, count: int) -> bytes:
        """Return at least the first `count` bytes, fewer only at the end; they are still there to be read."""
        while len(self.pipe.ahead) < count and self.pipe.look_ahead():
            pass
        return bytes(self.pipe.ahead)

    def beginning(self, count: int) -> bytes:
        """Return the first `count` bytes, or the first line if that is shorter: no format has one where it is told."""
        while len(self.pipe.ahead) < count and not self._has_line and self.pipe.look_ahead():
            pass
        return bytes(self.pipe.ahead)

    @property
    def _has_line(self) -> bool:
        return b"\n" in self.pipe.ahead[LEAST_MAGIC:]

    def first_line(self) -> bytes:
        """Wait for the first line, or as much of it as tells what it is, and return what was read ahead."""
        while b"\n" not in self.pipe.ahead and len(self.pipe.ahead) < LOOK_BYTES and self.pipe.look_ahead():
            pass
        return bytes(self.pipe.ahead)

    def stream(self) -> Reading:
        """Read the pipe."""
        if self._taken:
            raise SourceUnreadable(self.unrepeatable)
        self._taken = True
        return Reading(self.pipe.take)

    def changed(self) -> None:
        """Nothing can be said of it."""


class Once:
    """What is made of a content that can be read once, such as the unpacked bytes of a pipe.

    Attributes:
        name: Of the content.
        unrepeatable: Why it can't be read a second time.
    """

    def __init__(self, content: Content) -> None:
        self.name = content.name
        self.unrepeatable = content.unrepeatable
        self._content = content
        self._ahead = bytearray()
        self._stream: RawIOBase | None = None
        self._taken = False

    def __repr__(self) -> str:
        return f"Once({self._content!r}, {len(self._ahead)} bytes ahead)"

    def peek(self, count: int) -> bytes:
        """Return at least the first `count` bytes, fewer only at the end; they are still there to be read."""
        stream = self._opened()
        piece = bytearray(LOOK_BYTES)
        while len(self._ahead) < count and (size := stream.readinto(piece)):
            self._ahead += memoryview(piece)[:size]
        return bytes(self._ahead)

    def stream(self) -> Reading:
        """Read what was read ahead, and what follows."""
        if self._taken:
            raise SourceUnreadable(self.unrepeatable)
        self._taken = True
        return Reading(self._take, self._opened())

    def changed(self) -> str | None:
        """Say what the content says."""
        return self._content.changed()

    def _opened(self) -> RawIOBase:
        if self._stream is None:
            self._stream = self._content.stream()
        return self._stream

    def _take(self, view: memoryview) -> int:
        if not self._ahead:
            return self._opened().readinto(view) or 0
        size = min(len(view), len(self._ahead))
        view[:size] = self._ahead[:size]
        del self._ahead[:size]
        return size


class Reading(RawIOBase):
    """A stream over a function that reads into a view what there is, 0 bytes at the end only."""

    def __init__(self, take: Callable[[memoryview], int], below: RawIOBase | None = None) -> None:
        """Read by `take`; `below` is closed with this."""
        super().__init__()
        self._take = take
        self._below = below

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        """Read once, at most what fits."""
        return self._take(memoryview(buffer).cast("B"))

    def close(self) -> None:
        """Close what is below."""
        try:
            if self._below is not None:
                self._below.close()
        finally:
            super().close()


def rereadable(content: Content) -> Content:
    """Return a content whose beginning can be looked at before it is read."""
    return Once(content) if content.unrepeatable and not isinstance(content, PipeContent | Once) else content


def head_of(content: Content, count: int) -> bytes:
    """Return at least the first `count` bytes of a content, fewer only where it ends before. Blocking.

    Raises:
        SourceError: It can't be read.
    """
    if isinstance(content, PipeContent | Once):
        return content.peek(count)
    with content.stream() as stream:
        return filled(stream, count)


def beginning_of(content: Content, count: int) -> bytes:
    """Return the bytes that tell what a content is, without waiting for more of a pipe than its first line. Blocking.

    Raises:
        SourceError: It can't be read.
    """
    return content.beginning(count) if isinstance(content, PipeContent) else head_of(content, count)


def filled(stream: RawIOBase, count: int) -> bytes:
    """Read `count` bytes, fewer only at the end."""
    data = bytearray(count)
    view, size = memoryview(data), 0
    while size < count and (more := stream.readinto(view[size:])):
        size += more
    return bytes(view[:size])
