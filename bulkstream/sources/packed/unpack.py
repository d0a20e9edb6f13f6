"""Packed content, unpacked while it is read: what it is packed by is told by its first bytes, never by its name."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from bulkstream.errors import SourceError
from bulkstream.sources.packed.feed import Feed
from bulkstream.sources.packed.frames import BZ2, GZIP, XZ, ArrowFrames, Frames
from bulkstream.sources.packed.unpacked_stream import UnpackedStream
from bulkstream.sources.packed.zip_members import is_excel, members

if TYPE_CHECKING:
    from io import RawIOBase

    from bulkstream.sources.content import Content
    from bulkstream.sources.packed.unpacked_stream import Engine

__all__ = ["HEAD_BYTES", "Packing", "Unpacked", "is_excel", "members", "packing_of", "refuse_packed"]

HEAD_BYTES = 10
"""First bytes that tell by what something is packed."""


class Packing(StrEnum):
    """By what a content is packed."""

    GZIP = "gzip"
    ZSTD = "zstd"
    BZ2 = "bz2"
    XZ = "xz"
    LZ4 = "lz4"
    ZIP = "zip"


_MAGIC = {
    b"\x1f\x8b": Packing.GZIP,
    b"\x28\xb5\x2f\xfd": Packing.ZSTD,
    **{bytes([0x50 + n]) + b"\x2a\x4d\x18": Packing.ZSTD for n in range(16)},  # frames to be skipped (RFC 8878, 3.1.2)
    b"\xfd7zXZ\0": Packing.XZ,
    b"\x04\x22\x4d\x18": Packing.LZ4,
    b"PK\x03\x04": Packing.ZIP,
    b"PK\x05\x06": Packing.ZIP,  # without members
}
_BZ2_BLOCKS = (b"\x31\x41\x59\x26\x53\x59", b"\x17\x72\x45\x38\x50\x90")
"""How a block of bz2 begins, and the end of what has none: `BZh1` alone may as well be text."""


def packing_of(head: bytes) -> Packing | None:
    """Tell by what a content is packed, by its first `HEAD_BYTES` or all that there are; None if it is not."""
    if head[:3] == b"BZh" and head[3:4] in b"123456789" and any(block.startswith(head[4:10]) for block in _BZ2_BLOCKS):
        return Packing.BZ2
    return next((packing for magic, packing in _MAGIC.items() if head.startswith(magic)), None)


def refuse_packed(name: str, head: bytes) -> None:
    """Look whether what was unpacked is packed again.

    Args:
        name: For the message.
        head: Its first `HEAD_BYTES`, or all that there are.

    Raises:
        SourceError: It is.
    """
    if packing := packing_of(head):
        raise SourceError(
            f"{name} is packed twice: unpacked once, it is {packing} data",
            hint="Unpack it once, and load what comes out.",
        )


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A content that is not a zip archive, unpacked.

    Attributes:
        content: The packed one.
    """

    content: Content

    @property
    def name(self) -> str:
        """That of the packed content; offsets in messages count packed bytes."""
        return self.content.name

    @property
    def unrepeatable(self) -> str:
        """Why the packed content can't be read a second time."""
        return self.content.unrepeatable

    def stream(self) -> RawIOBase:
        """Open the unpacked bytes; whoever called closes them, also from another thread.

        Raises:
            SourceUnreadable: The packed content can't be opened.
        """
        packed = self.content.stream()
        return UnpackedStream(packed, Feed(self.name, packed), _engine)

    def changed(self) -> str | None:
        """Say how the packed content differs from when it was found."""
        return self.content.changed()


def _engine(feed: Feed) -> Engine:
    match packing_of(feed.peek(HEAD_BYTES)):
        case Packing.GZIP:
            return Frames(GZIP, feed)
        case Packing.BZ2:
            return Frames(BZ2, feed)
        case Packing.XZ:
            return Frames(XZ, feed)
        case Packing.ZSTD | Packing.LZ4 as packing:
            return ArrowFrames(packing.value, feed)
        case Packing.ZIP:
            raise SourceError(
                f"{feed.name} is a zip archive, whose members can only be found in a file",
                hint="Write it to a file and name that, or keep a copy with --spool.",
            )
        case None:
            raise SourceError(f"{feed.name} is not packed, or no longer", hint="Load it again as it is now.")
