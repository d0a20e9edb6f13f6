"""The gzip ladder: thirteen efforts over three libraries, from fastest to smallest.

Measured on TPC-H lineitem, 8 MiB chunks, one thread: isal 0..3 make 480, 460, 429, 319 MB/s at a ratio of 2.53,
2.86, 2.90, 2.98; libdeflate 1, 2, 3, 6 make 235, 178, 150, 72 MB/s at 3.03, 3.13, 3.21, 3.47; zlib 6, which other
clients use, 25 MB/s at 3.39. Output depends on nothing but the data and the level: the header carries no time.
Both libraries free the GIL while they work.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

from bulkstream.errors import UsageError

Encode = Callable[[memoryview, int], bytes]


@dataclass(frozen=True, slots=True)
class Codec:
    """One rung of the ladder: a library and its own level."""

    library: str
    level: int


LADDER: tuple[Codec, ...] = (
    *(Codec("isal", level) for level in (0, 1, 2, 3)),
    *(Codec("libdeflate", level) for level in (1, 2, 3, 5, 6, 7, 9, 10, 12)),
)
"""`--level` is an index into this."""


def codec_for(level: int) -> Callable[[memoryview], bytes]:
    """Return the function that turns a chunk into one gzip member.

    Where a library is not installed, zlib stands in at its own level 1 (for isal) or 6 (for libdeflate).

    Raises:
        UsageError: There is no such level.
    """
    if not 0 <= level < len(LADDER):
        raise UsageError(f"level {level} is not on the ladder 0..{len(LADDER) - 1}")
    rung = LADDER[level]
    encode = _LIBRARIES[rung.library]()
    return lambda data: encode(data, rung.level)


def crc32(data: bytes) -> int:
    """Return the CRC-32 of RFC 1952; isal's takes a tenth of zlib's time, and both free the GIL."""
    try:
        from isal import isal_zlib  # noqa: PLC0415 - optional at run time
    except ImportError:
        return zlib.crc32(data)
    return int(isal_zlib.crc32(data))


def _isal() -> Encode:
    try:
        from isal import igzip_lib  # noqa: PLC0415 - optional at run time
    except ImportError:
        return lambda data, _: _zlib(data, 1)
    return lambda data, level: bytes(igzip_lib.compress(data, level, igzip_lib.COMP_GZIP))


def _libdeflate() -> Encode:
    try:
        import deflate  # noqa: PLC0415 - optional at run time
    except ImportError:
        return lambda data, _: _zlib(data, 6)
    return lambda data, level: bytes(deflate.gzip_compress(data, level))


def _zlib(data: memoryview, level: int) -> bytes:
    return zlib.compress(data, level, wbits=31)


_LIBRARIES: dict[str, Callable[[], Encode]] = {"isal": _isal, "libdeflate": _libdeflate}
