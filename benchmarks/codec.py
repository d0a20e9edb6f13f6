"""The gzip codec alone: everything in memory, nothing read, cut or sent. What a load is compared with.

    python -m benchmarks.codec FILE --threads 2 --chunk 8388608

Prints the seconds that compressing took, wall and processor, without those of starting and of reading the file.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from isal import igzip_lib

LEVEL = 1
"""What bulkstream takes unless told otherwise."""


def compressed(data: memoryview, *, chunk_bytes: int, threads: int) -> int:
    """Compress chunk by chunk on threads that each drop what they make; return the compressed bytes."""
    starts = range(0, len(data), chunk_bytes)
    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(lambda start: _packed_bytes(data[start : start + chunk_bytes]), starts))


def _packed_bytes(chunk: memoryview) -> int:
    return len(igzip_lib.compress(chunk, LEVEL, igzip_lib.COMP_GZIP))


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Parse the command line, read, compress, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--chunk", type=int, default=8 << 20)
    args = parser.parse_args()
    data = memoryview(args.file.read_bytes())
    cpu_s, began = _cpu_s(), time.perf_counter()
    sent = compressed(data, chunk_bytes=args.chunk, threads=args.threads)
    seconds, cpu_s = time.perf_counter() - began, _cpu_s() - cpu_s
    print(json.dumps({"raw_bytes": len(data), "sent_bytes": sent, "seconds": seconds, "cpu_s": cpu_s}))


if __name__ == "__main__":
    main()
