"""What checking rows costs: CPU time of checking and compressing a chunk, compared with compressing it alone.

    python -m benchmarks.checking

Paired, in turn, on chunks of 8 MiB as the cutter hands them on; prints the median of the ratios for each `check`.
Columns have the types that a sample shows, as those of a new dataset.
"""

from __future__ import annotations

import statistics
import time
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.inputs import beginning, lineitem, synthetic
from bulkstream.cli.allocator import keep_freed_memory
from bulkstream.model import Check
from bulkstream.rows import checker_of
from bulkstream.sources import open_csv
from bulkstream.stages import Buffer, Cutter, codec_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bulkstream.model import Chunk
    from bulkstream.sources import CsvFiles
    from bulkstream.stages import RowChecker

MIB = 1 << 20
LEVEL = 1
ROUNDS = 15


def ratios(path: Path, check: Check) -> tuple[list[float], list[float]]:
    """Measure the file's chunks in turn; return ratios, and CPU seconds of checking alone per GB."""
    source = open_csv([path])
    checker, compress = checker_of(check, source.types(4 * MIB).columns), codec_for(LEVEL)
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
    keep_freed_memory()  # as the command line does
    for name, path in (("lineitem", beginning(lineitem(0.1), 64 * MIB)), ("quoted", synthetic(64 * MIB))):
        for check in (Check.ROWS, Check.TYPES):
            compared, alone = ratios(path, check)
            ratio, cpu_s = statistics.median(compared), statistics.median(alone)
            print(f"{name:9} {check:6} {ratio:.3f} times, {cpu_s:.2f} CPU s/GB for the check")


if __name__ == "__main__":
    main()
