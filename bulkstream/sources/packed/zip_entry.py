"""One file of a zip archive: what the directory says of it, and how its bytes are unpacked and compared with that."""

from __future__ import annotations

import bz2
import struct
import zipfile
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from bulkstream.sources.packed.frames import Frames, Layout
from bulkstream.sources.packed.unpackers import DEFLATE_WBITS, Inflater, ZipLzma, crc32

if TYPE_CHECKING:
    from bulkstream.sources.packed.feed import Feed
    from bulkstream.sources.packed.unpacked_stream import Engine

_HEADER = struct.Struct("<4s22xHH")
_MAGIC = b"PK\x03\x04"


@dataclass(frozen=True, slots=True)
class Entry:
    """What an archive's directory says of a member.

    Attributes:
        path: Its name in the archive.
        offset: Where its header begins.
        method: How it is packed (APPNOTE.TXT, 4.4.5).
        packed_bytes: Its length in the archive.
        size: Its length when unpacked.
        crc: Checksum of the unpacked bytes.
    """

    path: str
    offset: int
    method: int
    packed_bytes: int
    size: int
    crc: int


def entry_engine(entry: Entry, feed: Feed) -> Engine:
    """Find a member's bytes behind its header, whose length only the header itself tells.

    Raises:
        SourceError: There is no such header.
    """
    header = feed.peek(_HEADER.size)
    if len(header) < _HEADER.size:
        raise feed.truncated("archive")
    magic, name_bytes, extra_bytes = _HEADER.unpack(header)
    if magic != _MAGIC:
        raise feed.damaged("archive", "no member begins where its directory says")
    feed.left = _HEADER.size + name_bytes + extra_bytes
    while feed.read():
        pass
    feed.left = entry.packed_bytes
    return Checked(entry, feed, _unpacking(entry, feed))


def _unpacking(entry: Entry, feed: Feed) -> Engine:
    match entry.method:
        case zipfile.ZIP_DEFLATED:
            return Frames(Layout("member", partial(Inflater, DEFLATE_WBITS)), feed)
        case zipfile.ZIP_BZIP2:
            return Frames(Layout("member", bz2.BZ2Decompressor), feed)
        case zipfile.ZIP_LZMA:
            return Frames(Layout("member", partial(ZipLzma, entry.size)), feed)
        case _:
            return Stored(feed)


class Stored:
    """Gives bytes that are not packed."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def fill(self, view: memoryview) -> int:
        """Write at most `len(view)` bytes; none at the end only."""
        data = self._feed.read(len(view))
        view[: len(data)] = data
        return len(data)


class Checked:
    """Compares what was unpacked with what the archive says of it."""

    def __init__(self, entry: Entry, feed: Feed, engine: Engine) -> None:
        self._entry = entry
        self._feed = feed
        self._engine = engine
        self._size = 0
        self._crc = 0

    def fill(self, view: memoryview) -> int:
        """Write at most `len(view)` bytes; none at the end only.

        Raises:
            SourceError: The bytes are not those that were packed.
        """
        count = self._engine.fill(view)
        self._size += count
        self._crc = crc32(view[:count], self._crc)
        if self._size > self._entry.size or (not count and self._size < self._entry.size):
            raise self._feed.damaged("member", f"its length is not the {self._entry.size:,} bytes that it should be")
        if not count and self._crc != self._entry.crc:
            raise self._feed.damaged("member", "its checksum is wrong")
        return count
