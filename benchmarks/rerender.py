"""Decoding, rendering and packing alone: Parquet becomes gzipped CSV, in memory. What a load of it is compared with.

    python -m benchmarks.rerender FILE.parquet --chunk 8388608

Prints the seconds of reading and `write_csv` on two threads, of packing what that gives on two threads, and of all of
it on two threads, each of which takes a row group from its bytes to its gzip. It is pyarrow as anybody would use it:
views are cast, since `write_csv` refuses them, and packing is isal's at the level with which a load begins.
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from isal import igzip_lib
from pyarrow import csv

from benchmarks.codec import LEVEL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

THREADS = 2
BATCH_ROWS = 65_536


def rendered(path: Path, metadata: pq.FileMetaData, number: int) -> pa.Buffer:
    """Return the CSV of a row group."""
    table = pq.ParquetFile(path, metadata=metadata).read_row_group(number, use_threads=False)
    fields = [field.with_type(pa.string()) if pa.types.is_string_view(field.type) else field for field in table.schema]
    sink = pa.BufferOutputStream()
    csv.write_csv(table.cast(pa.schema(fields)), sink, csv.WriteOptions(include_header=False, batch_size=BATCH_ROWS))
    return sink.getvalue()


def packed(data: pa.Buffer, chunk_bytes: int) -> int:
    """Pack by chunks; return the packed bytes."""
    view = memoryview(data).cast("B")
    chunks = (view[begin : begin + chunk_bytes] for begin in range(0, len(view), chunk_bytes))
    return sum(len(igzip_lib.compress(chunk, LEVEL, igzip_lib.COMP_GZIP)) for chunk in chunks)


def on_threads(work: Callable[[Any], int], items: Iterable[Any]) -> tuple[float, int]:
    """Work on all items; return the seconds, and the sum of what came of it."""
    began = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        total = sum(pool.map(work, items))
    return time.perf_counter() - began, total


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--chunk", type=int, default=8 << 20)
    args = parser.parse_args()
    metadata = pq.read_metadata(args.file)
    groups = range(metadata.num_row_groups)
    render = partial(rendered, args.file, metadata)
    render_s, csv_bytes = on_threads(lambda number: render(number).size, groups)
    sample = [render(number) for number in groups[:8]]
    pack_s, _ = on_threads(lambda data: packed(data, args.chunk), sample)
    pack_s *= csv_bytes / sum(data.size for data in sample)
    both_s, packed_bytes = on_threads(lambda number: packed(render(number), args.chunk), groups)
    told = {"render_s": render_s, "pack_s": pack_s, "both_s": both_s, "csv_bytes": csv_bytes, "row_groups": len(groups)}
    print(json.dumps({**told, "packed_bytes": packed_bytes}))


if __name__ == "__main__":
    main()
