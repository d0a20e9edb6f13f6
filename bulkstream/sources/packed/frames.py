"""Engines that unpack frames, which is what packed data is made of: one behind another, most often just one."""

from __future__ import annotations

import bz2
import lzma
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from bulkstream.errors import MissingExtra, SourceError
from bulkstream.sources.packed.unpackers import BROKEN, MOST_MEMORY_BYTES, Inflater

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkstream.sources.packed.feed import Feed
    from bulkstream.sources.packed.unpackers import Unpacker

PIECE_BYTES = 256 << 10
"""Most unpacked bytes that are made at a time, and then copied to where they belong: they stay in the cache."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How packed data is laid out: one *frame* behind another (gzip calls them members, xz streams).

    Attributes:
        what: For messages.
        start: Makes what unpacks a frame.
        magic: What each frame begins with; without it, there is one frame, and nobody looks at what follows.
        padding: Zero bytes may stand behind a frame in such multiples; 0 if they may not.
    """

    what: str
    start: Callable[[], Unpacker]
    magic: bytes = b""
    padding: int = 0


GZIP = Layout("gzip data", Inflater, b"\x1f\x8b", 1)
BZ2 = Layout("bz2 data", bz2.BZ2Decompressor, b"BZh")
XZ = Layout("xz data", partial(lzma.LZMADecompressor, lzma.FORMAT_XZ, MOST_MEMORY_BYTES), b"\xfd7zXZ\0", 4)


class Frames:
    """Unpacks one frame after the other."""

    def __init__(self, layout: Layout, feed: Feed) -> None:
        self._layout = layout
        self._feed = feed
        self._unpacker: Unpacker | None = layout.start()

    def fill(self, view: memoryview) -> int:
        """Write at most `len(view)` bytes; none at the end only.

        Raises:
            SourceError: The packed bytes can't be read, are damaged, end too early or are followed by others.
        """
        limit = min(len(view), PIECE_BYTES)
        while self._unpacker or self._next_frame():
            piece = self._piece(limit)
            if piece:
                view[: len(piece)] = piece
                return len(piece)
        return 0

    def _piece(self, limit: int) -> bytes:
        """Unpack what there is, perhaps nothing; the end of a frame leaves no unpacker."""
        unpacker, feed = self._unpacker, self._feed
        if unpacker is None:
            return b""
        hungry = unpacker.needs_input
        data = feed.read() if hungry else b""
        try:
            piece = unpacker.decompress(data, limit)
        except BROKEN as error:
            raise feed.damaged(self._layout.what, error) from None
        if unpacker.eof:
            feed.unread(unpacker.unused_data)
            self._unpacker = None
        elif hungry and not data and not piece:
            raise feed.truncated(self._layout.what)
        return piece

    def _next_frame(self) -> bool:
        """Begin the next frame; False if there is none."""
        magic, feed = self._layout.magic, self._feed
        if not magic:
            return False
        self._skip_padding()
        head = feed.peek(len(magic))
        if not head:
            return False
        if not magic.startswith(head):
            raise feed.garbage(self._layout.what)
        self._unpacker = self._layout.start()
        return True

    def _skip_padding(self) -> None:
        feed, zeros = self._feed, 0
        while self._layout.padding and (block := feed.read()):
            rest = block.lstrip(b"\0")
            zeros += len(block) - len(rest)
            if rest:
                feed.unread(rest)
                break
        if self._layout.padding and zeros % self._layout.padding:
            raise feed.garbage(self._layout.what)


class ArrowFrames:
    """Unpacks frames of zstd or lz4, those that are to be skipped among them, by Arrow."""

    def __init__(self, codec: str, feed: Feed) -> None:
        """Begin.

        Raises:
            MissingExtra: Arrow is not installed.
        """
        try:
            import pyarrow as pa  # noqa: PLC0415 - optional at frame time
        except ImportError:
            raise MissingExtra("pyarrow", "arrow") from None
        self._what = f"{codec} data"
        self._feed = feed
        self._stream = pa.CompressedInputStream(pa.PythonFile(feed, mode="r"), codec)

    def fill(self, view: memoryview) -> int:
        """Write at most `len(view)` bytes; none at the end only.

        Raises:
            SourceError: The packed bytes can't be read, are damaged, or end too early.
        """
        try:
            return int(self._stream.readinto(view))
        except SourceError:
            raise
        except BROKEN as error:
            if str(error).startswith("Truncated"):
                raise self._feed.truncated(self._what) from None
            raise self._feed.damaged(self._what, error) from None
