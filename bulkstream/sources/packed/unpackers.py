"""What unpacks a frame: isal for gzip and deflate, Python's own for bz2 and xz. All of them free the GIL.

Measured on TPC-H lineitem packed as `gzip -6` does it, processor time of one thread: 930 MB/s, 520 by rapidgzip, 350 by
Python's zlib as well as by Arrow; in members of 1 MiB, 850, 530, 350 and 360 (`python -m benchmarks.decoders`).
"""

from __future__ import annotations

import lzma
import struct
import zlib
from typing import Any, Protocol

MOST_MEMORY_BYTES = 256 << 20
"""Most memory that xz data may ask for; `xz -9` asks for 65 MiB."""

GZIP_WBITS, DEFLATE_WBITS = 31, -15

_LZMA_HEADER = struct.Struct("<2xHBI")
_LZMA_PROPERTY_BYTES = 5


def _deflate() -> Any:
    try:
        from isal import isal_zlib  # noqa: PLC0415 - optional at run time
    except ImportError:
        return zlib
    return isal_zlib


BROKEN: tuple[type[Exception], ...] = (_deflate().error, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError)
"""What unpackers raise about damaged bytes."""


def crc32(data: memoryview, before: int) -> int:
    """Go on with a CRC-32."""
    return int(_deflate().crc32(data, before))


class Unpacker(Protocol):
    """Unpacks one frame; the interface of `bz2.BZ2Decompressor`."""

    @property
    def eof(self) -> bool: ...  # noqa: D102 - see the class

    @property
    def needs_input(self) -> bool: ...  # noqa: D102 - see the class

    @property
    def unused_data(self) -> bytes: ...  # noqa: D102 - see the class

    def decompress(self, data: bytes, max_length: int) -> bytes: ...  # noqa: D102 - see the class


class Inflater:
    """Unpacks gzip, whose checksum and length are compared, or bare deflate."""

    def __init__(self, wbits: int = GZIP_WBITS) -> None:
        self._engine = _deflate().decompressobj(wbits)

    @property
    def eof(self) -> bool:
        """Whether the frame has ended."""
        return bool(self._engine.eof)

    @property
    def needs_input(self) -> bool:
        """Whether all that was given is used up."""
        return not self._engine.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        """What stands behind the end of the frame."""
        return bytes(self._engine.unused_data)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Unpack what was left of the last bytes, and `data`."""
        tail = self._engine.unconsumed_tail
        return bytes(self._engine.decompress(tail + data if tail else data, max_length))


class ZipLzma:
    """Unpacks LZMA as zip archives have it: with a header of its own, and perhaps without a mark at the end."""

    unused_data = b""

    def __init__(self, size: int) -> None:
        """Expect `size` bytes when unpacked."""
        self._left = size
        self._header = b""
        self._engine: lzma.LZMADecompressor | None = None

    @property
    def eof(self) -> bool:
        """Whether all has come."""
        return not self._left or (self._engine is not None and self._engine.eof)

    @property
    def needs_input(self) -> bool:
        """Whether all that was given is used up."""
        return self._engine is None or self._engine.needs_input

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Unpack more, once the header is whole."""
        if self._engine is None:
            self._header += data
            if len(self._header) < _LZMA_HEADER.size:
                return b""
            self._engine = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[_lzma_filter(self._header)])
            data = self._header[_LZMA_HEADER.size :]
        piece = self._engine.decompress(data, min(max_length, self._left))
        self._left -= len(piece)
        return piece


def _lzma_filter(header: bytes) -> dict[str, int]:
    """Read the length of the properties and these, behind a version that nobody needs (APPNOTE.TXT, 5.8.8)."""
    length, packed, dict_size = _LZMA_HEADER.unpack_from(header)
    if length != _LZMA_PROPERTY_BYTES or dict_size > MOST_MEMORY_BYTES:
        raise ValueError(f"LZMA properties of {length} bytes, and a dictionary of {dict_size:,}")
    rest, lc = divmod(packed, 9)
    pb, lp = divmod(rest, 5)
    return {"id": lzma.FILTER_LZMA1, "dict_size": dict_size, "lc": lc, "lp": lp, "pb": pb}
