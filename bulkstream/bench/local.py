"""The stages that need no server, each alone: reading, cutting, the gzip ladder. Blocking: call it in threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import TYPE_CHECKING

from bulkstream.stages import LADDER, Buffer, Cutter, codec_for

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from bulkstream.sources import Source

READ_BYTES = 512 << 10
SAMPLE_BYTES = 2 << 20
SLICE_BYTES = 512 << 10
BOX_S = 0.05
"""Seconds for which a level compresses at least: isal makes 20 MB in that time, on a quiet core."""


def read_rate(source: Source) -> float:
    """Read the source and drop it; raw MB/s."""
    view, size, began = Buffer(READ_BYTES).view, 0, perf_counter()
    for segment in source.segments():
        try:
            while segment.remaining and (count := segment.readinto(view)):
                size += count
        finally:
            segment.close()
    return size / 1e6 / (perf_counter() - began)


def cut_rate(source: Source, part_bytes: int, max_record_bytes: int) -> float:
    """Read the source and cut it; raw MB/s."""
    cutter = Cutter(source, part_bytes=part_bytes, max_record_bytes=max_record_bytes)
    buffer, size, began = Buffer(cutter.capacity), 0, perf_counter()
    try:
        while chunk := cutter.next(buffer):
            size += len(chunk.data)
    finally:
        cutter.close()
    return size / 1e6 / (perf_counter() - began)


def chunks(source: Source, part_bytes: int, max_record_bytes: int) -> Generator[bytes, None, None]:
    """Yield copies of the source's chunks; close the iterator to close the source."""
    cutter = Cutter(source, part_bytes=part_bytes, max_record_bytes=max_record_bytes)
    buffer = Buffer(cutter.capacity)
    try:
        while chunk := cutter.next(buffer):
            yield bytes(chunk.data)
    finally:
        cutter.close()


def sample(source: Source) -> list[memoryview]:
    """Take slices of the source's data from evenly spaced places, 2 MiB together, or all of it if it is less."""
    count = SAMPLE_BYTES // SLICE_BYTES
    apart = ((source.total_bytes or 0) - SLICE_BYTES) // (count - 1)
    # In a source that is hardly larger than the sample the slices would overlap: its beginning is the sample.
    places = [number * max(apart, SLICE_BYTES) for number in range(count)]
    taken, passed, view = bytearray(), 0, Buffer(READ_BYTES).view
    for segment in source.segments():
        try:
            while segment.remaining and (size := segment.readinto(view)):
                for place in places:
                    start, end = max(place - passed, 0), min(place + SLICE_BYTES - passed, size)
                    taken += view[start:end] if start < end else b""
                passed += size
        finally:
            segment.close()
    whole = memoryview(bytes(taken))[:SAMPLE_BYTES]
    return [whole[start : start + SLICE_BYTES] for start in range(0, len(whole), SLICE_BYTES)]


def ratio(slices: Sequence[memoryview], level: int) -> float:
    """Compress the sample once; raw bytes per compressed byte."""
    encode = codec_for(level)
    return sum(map(len, slices)) / sum(len(encode(each)) for each in slices)


def compress_rate(slices: Sequence[memoryview], level: int, threads: int) -> float:
    """Compress the sample over and over on so many threads at once; raw MB/s of all of them together."""
    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(lambda _: _thread_rate(slices, level), range(threads)))


def _thread_rate(slices: Sequence[memoryview], level: int) -> float:
    encode, size, began = codec_for(level), 0, perf_counter()
    while True:
        for each in slices:
            encode(each)
            size += len(each)
            if (seconds := perf_counter() - began) >= BOX_S:
                return size / 1e6 / seconds


def levels() -> range:
    """All levels of the ladder."""
    return range(len(LADDER))
