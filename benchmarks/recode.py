"""Unpacking and packing alone: a .gz in memory is unpacked and packed again. What a load of a .gz is compared with.

    python -m benchmarks.recode FILE.gz --chunk 8388608

Prints the seconds of unpacking on one thread, of packing on one thread, and of both on two threads that take turns:
one at a time unpacks a chunk, each packs what it has unpacked. Both are isal's, packing at the level with which a load
begins.
"""

from __future__ import annotations

import argparse
import io
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isal import igzip_lib, isal_zlib

from benchmarks.codec import LEVEL

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK = 1 << 20
READ_BYTES = 512 << 10
THREADS = 2


def reader(packed: bytes) -> Any:
    """Return isal's own reader of gzip, the quickest way to its bytes."""
    return isal_zlib._GzipReader(io.BytesIO(packed), READ_BYTES)  # noqa: SLF001 - its public face copies once more


def unpacked_bytes(packed: bytes) -> int:
    """Unpack block by block, each over the one before; return the raw bytes."""
    stream, block, total = reader(packed), bytearray(BLOCK), 0
    while count := stream.readinto(block):
        total += count
    return total


def packing_s(packed: bytes, chunk_bytes: int) -> float:
    """Return the seconds that packing alone takes."""
    stream, chunk, seconds = reader(packed), memoryview(bytearray(chunk_bytes)), 0.0
    while size := _filled(stream, chunk):
        began = time.perf_counter()
        igzip_lib.compress(chunk[:size], LEVEL, igzip_lib.COMP_GZIP)
        seconds += time.perf_counter() - began
    return seconds


def both(packed: bytes, chunk_bytes: int) -> None:
    """Unpack and pack on two threads."""
    stream, turn = reader(packed), threading.Lock()

    def work() -> None:
        chunk = memoryview(bytearray(chunk_bytes))
        while True:
            with turn:
                size = _filled(stream, chunk)
            if not size:
                return
            igzip_lib.compress(chunk[:size], LEVEL, igzip_lib.COMP_GZIP)

    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(work) for _ in range(THREADS)]:
            done.result()


def _filled(stream: Any, chunk: memoryview) -> int:
    size = 0
    while size < len(chunk) and (count := stream.readinto(chunk[size : size + BLOCK])):
        size += count
    return size


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    """Parse the command line, read, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--chunk", type=int, default=8 << 20)
    args = parser.parse_args()
    packed = args.file.read_bytes()
    raw_bytes = unpacked_bytes(packed)
    measured = {
        "raw_bytes": raw_bytes,
        "unpack_s": _seconds(lambda: unpacked_bytes(packed)),
        "pack_s": packing_s(packed, args.chunk),
        "both_s": _seconds(lambda: both(packed, args.chunk)),
    }
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
