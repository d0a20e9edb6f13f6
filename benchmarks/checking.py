"""What checking rows costs: CPU time of checking and compressing a chunk, compared with compressing it alone.

    python -m benchmarks.checking

Paired, in turn, on chunks of 8 MiB as the cutter hands them on; prints the median of the ratios.
"""

from __future__ import annotations

import statistics
import time
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.inputs import beginning, lineitem, synthetic
from bulkstream.sources import open_csv
from bulkstream.stages import Buffer, Cutter, RowChecker, codec_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bulkstream.model import Chunk
    from bulkstream.sources import CsvFiles

MIB = 1 << 20
LEVEL = 1
ROUNDS = 15


def ratios(path: Path) -> tuple[list[float], list[float]]:
    """Measure the file's chunks in turn; return ratios, and CPU seconds of checking alone per GB."""
    source = open_csv([path])
    checker, compress = RowChecker(len(source.names)), codec_for(LEVEL)
    compared, alone = [], []
    for chunk in _chunks(source, 8 * MIB):
        for _ in range(ROUNDS):
            checked = _cpu_s(partial(_check, checker, chunk))
            packed = _cpu_s(partial(compress, chunk.data))
            compared.append(1 + checked / packed)
            alone.append(checked / len(chunk.data) * 1e9)
    return compared, alone


def _chunks(source: CsvFiles, part_bytes: int) -> Iterator[Chunk]:
    cutter = Cutter(source, part_bytes=part_bytes, max_record_bytes=256 * MIB, marking=True)
    try:
        while chunk := cutter.next(Buffer(cutter.capacity)):
            yield chunk
    finally:
        cutter.close()


def _check(checker: RowChecker, chunk: Chunk) -> None:
    if next(checker.faults(chunk), None) is not None:
        raise RuntimeError("the input has bad rows")


def _cpu_s(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began


def main() -> None:
    """Measure and print."""
    for name, path in (("lineitem", beginning(lineitem(0.1), 64 * MIB)), ("quoted", synthetic(64 * MIB))):
        compared, alone = ratios(path)
        print(
            f"{name:9} {statistics.median(compared):.3f} times, {statistics.median(alone):.2f} CPU s/GB for the check"
        )


if __name__ == "__main__":
    main()
