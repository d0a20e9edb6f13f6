"""Which library unpacks gzip fastest, and does a stream of ours free the GIL for other threads?

    python -m benchmarks.decoders

Processor time of one thread, the best of some rounds, for one member and for members of 1 MiB. rapidgzip is no
dependency and takes part where it is installed.
"""

from __future__ import annotations

import io
import sys
import threading
import time
import zlib
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from benchmarks.inputs import beginning, gzipped, lineitem
from benchmarks.recode import BLOCK, reader
from bulkstream.sources.packed.unpack import Unpacked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROUNDS = 5
RAW_BYTES = 100 << 20
READ_BYTES = 128 << 10
TICK_S = 0.001


class InMemory:
    """A packed file, as a content."""

    unrepeatable = ""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self.data = path.read_bytes()

    def stream(self) -> io.RawIOBase:
        """Open it."""
        return io.BytesIO(self.data)  # type: ignore[return-value] # has all that is asked of it

    def changed(self) -> str | None:
        """It doesn't."""
        return None


def drained(stream: Any) -> int:
    """Read a stream to its end, block by block; return the bytes."""
    block, total = bytearray(BLOCK), 0
    while count := stream.readinto(block):
        total += count
    return total


def by_zlib(packed: bytes) -> int:
    """Unpack as Python's own gzip does."""
    total, rest = 0, io.BytesIO(packed)
    engine, data = zlib.decompressobj(31), rest.read(READ_BYTES)
    while data:
        total += len(engine.decompress(data, BLOCK))
        data = engine.unconsumed_tail
        if engine.eof:
            data, engine = engine.unused_data, zlib.decompressobj(31)
        data = data or rest.read(READ_BYTES)
    return total


def by_rapidgzip(packed: bytes) -> int:
    """Unpack by rapidgzip on one thread."""
    import rapidgzip  # type: ignore[import-not-found,unused-ignore] # noqa: PLC0415 - perhaps not installed

    return drained(rapidgzip.open(io.BytesIO(packed), parallelization=1))


CONTENDERS: dict[str, Callable[[InMemory], int]] = {
    "isal, its own reader": lambda content: drained(reader(content.data)),
    "Unpacked": lambda content: drained(Unpacked(content).stream()),
    "zlib": lambda content: by_zlib(content.data),
    "pyarrow": lambda content: drained(pa.CompressedInputStream(pa.BufferReader(content.data), "gzip")),
    "rapidgzip": lambda content: by_rapidgzip(content.data),
}


def best_s(work: Callable[[], int]) -> tuple[int, float]:
    """Return what the work returns, and the processor seconds of its quickest round."""
    total, best = 0, float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        total = work()
        best = min(best, time.process_time() - began)
    return total, best


def lateness(work: Callable[[], object]) -> str:
    """Tell how late a thread wakes that sleeps for a millisecond over and over, while the work is done by another."""
    ended, late = threading.Event(), list[float]()

    def tick() -> None:
        while not ended.is_set():
            began = time.perf_counter()
            time.sleep(TICK_S)
            late.append(time.perf_counter() - began - TICK_S)

    thread = threading.Thread(target=tick)
    thread.start()
    work()
    ended.set()
    thread.join()
    late.sort()
    return f"{late[len(late) // 2] * 1e3:.2f} ms late, {late[len(late) * 99 // 100] * 1e3:.2f} at the 99th percentile"


def main() -> None:
    """Measure and print."""
    path = beginning(lineitem(1), RAW_BYTES)
    print(f"beside nothing, {lateness(lambda: time.sleep(1))}")
    for words, member_bytes in (("one member", 0), ("members of 1 MiB", BLOCK)):
        content = InMemory(gzipped(path, member_bytes=member_bytes))
        for name, unpacked in CONTENDERS.items():
            try:
                total, seconds = best_s(lambda: unpacked(content))  # noqa: B023 - called here
            except ImportError as error:
                print(f"{words:18} {name:22} {error}", file=sys.stderr)
                continue
            print(f"{words:18} {name:22} {total / 1e6 / seconds:6.0f} MB/s")
        print(f"{words:18} beside Unpacked, {lateness(lambda: drained(Unpacked(content).stream()))}")  # noqa: B023


if __name__ == "__main__":
    main()
