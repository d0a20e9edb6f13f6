"""A segment's CSV bytes, in blocks of bounded size, whatever its file holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isal import igzip_lib

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

BLOCK_BYTES = 512 << 10
"""Most bytes in a block. Two of them and their bit masks stay in a core's second-level cache."""

_READ_BYTES = 64 << 10
_MAGIC = b"\x1f\x8b"


class BrokenGzip(ValueError):
    """A compressed file is damaged, incomplete, or followed by something else."""


class TooLarge(ValueError):
    """A file decompresses to more than it may."""


def blocks(path: Path, *, gzip: bool, limit: int | None = None) -> Iterator[bytes]:
    """Read a file piece by piece, decompressing it if it is gzip (RFC 1952, one or more members).

    Args:
        path: The file; it is open while the iterator is.
        gzip: Whether it is compressed.
        limit: Most bytes to yield before giving up; None means any number.

    Raises:
        BrokenGzip: The file is no whole gzip file.
        TooLarge: The file holds more than `limit`.
    """
    total = 0
    with path.open("rb", buffering=0) as file:
        for block in _inflated(file) if gzip else iter(lambda: file.read(BLOCK_BYTES), b""):
            total += len(block)
            if limit is not None and total > limit:
                raise TooLarge(f"more than {limit:,} bytes of CSV in one part")
            yield block


def _inflated(file: BinaryIO) -> Iterator[bytes]:
    data = file.read(_READ_BYTES)
    if not data:
        raise BrokenGzip("the gzip data is empty")
    while data:
        if not _MAGIC.startswith(data[:2]):
            raise BrokenGzip("the data is not gzip")
        decoder = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
        try:
            yield from _member(decoder, data, file)
        except igzip_lib.IsalError as error:  # type: ignore[misc]  # isal's stubs have an instance here
            raise BrokenGzip(f"the gzip data is damaged ({error})") from None
        data = decoder.unused_data or file.read(_READ_BYTES)


def _member(decoder: igzip_lib.IgzipDecompressor, data: bytes, file: BinaryIO) -> Iterator[bytes]:
    """Decompress one member; never more at a time than a block, so that a bomb can't fill the memory."""
    while True:
        if block := decoder.decompress(data, BLOCK_BYTES):
            yield block
        if decoder.eof:
            return
        data = file.read(_READ_BYTES) if decoder.needs_input else b""
        if decoder.needs_input and not data:
            raise BrokenGzip("the gzip data ends too early")
