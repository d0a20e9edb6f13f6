"""Do time and memory grow as they should? Loads from 10 MB to 20 GB, and from 1 part to 100,000.

The larger sources are one file of 1 GB, named several times. Time should grow linearly (exponent 1) and memory not
at all (0), once all buffers are in use; what a part costs beyond its bytes is the time of many small parts less that of
the same bytes in large ones.

    python -m benchmarks.scaling --quick
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

from benchmarks.figures import exponent, line, rounded, spread
from benchmarks.loads import upload
from benchmarks.plan import MB, alone, told
from benchmarks.server import best_server

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.loads import Load
    from benchmarks.plan import Plan
    from benchmarks.server import Server

NAME = "scaling"
SIZES = (10 * MB, 100 * MB, 1000 * MB, 10_000 * MB, 20_000 * MB)
QUICK_SIZES = (10 * MB, 50 * MB, 100 * MB)
COUNTS = (1, 100, 1000, 10_000, 100_000)
QUICK_COUNTS = (1, 100, 1000)
SMALL_PART = 64 << 10
FROM_BYTES = 100 * MB
"""Below, starting Python is most of a load."""
FULL = 3
"""So many sizes, the largest, have all buffers in use."""
BOUND_EXPONENT = 1.05
BOUND_PART_MS = 1.0
LARGEST_FILE = 1000 * MB


def measure(plan: Plan) -> dict[str, Any]:
    """Run all sizes and all counts, a round at a time."""
    sizes = QUICK_SIZES if plan.quick else SIZES
    counts = QUICK_COUNTS if plan.quick else COUNTS
    by_size: dict[int, list[Load]] = {size: [] for size in sizes}
    by_count: dict[int, list[tuple[Load, Load]]] = {count: [] for count in counts}
    with best_server() as server:
        for number in range(plan.rounds):
            told(f"  round {number + 1} of {plan.rounds}")
            for size in sizes:
                by_size[size].append(upload(source(plan, size), server))
            for count in counts:
                by_count[count].append(small_and_large(source(plan, count * SMALL_PART), server))
    return {
        **growth(by_size),
        "bound_exponent": BOUND_EXPONENT,
        "small_part_bytes": SMALL_PART,
        "bound_part_ms": BOUND_PART_MS,
        "counts": [of_count(pairs) for pairs in by_count.values()],
    }


def source(plan: Plan, size: int) -> list[Path]:
    """Return files of about `size` bytes together: one, or the same one several times."""
    times = ceil(size / LARGEST_FILE)
    return [plan.file(size // times, quick_bytes=size // times)] * times


def small_and_large(files: list[Path], server: Server) -> tuple[Load, Load]:
    """Load the same bytes in small parts, and in parts of the default size."""
    return upload(files, server, "--part-size", str(SMALL_PART)), upload(files, server)


def growth(by_size: dict[int, list[Load]]) -> dict[str, Any]:
    """Reduce the sizes to a table and its exponents."""
    rows = [of_size(loads) for loads in by_size.values()]
    large = [row for row in rows if row["raw_bytes"] >= FROM_BYTES * 0.9] if len(rows) > len(QUICK_SIZES) else rows
    sizes, seconds = [row["raw_bytes"] for row in large], [row["seconds"]["median"] for row in large]
    start_s, per_byte_s = line(sizes, seconds)
    return {
        "sizes": rows,
        "exponent_from_bytes": sizes[0],
        "time_exponent": exponent(sizes, seconds),
        "memory_exponent": exponent(sizes[-FULL:], [row["peak_rss_mb"]["median"] for row in large[-FULL:]]),
        "fitted_start_s": start_s,
        "fitted_s_per_gb": rounded(per_byte_s * 1e9),
    }


def of_size(loads: list[Load]) -> dict[str, Any]:
    """Return a row of the sizes' table."""
    return {
        "raw_bytes": loads[0].raw_bytes,
        "parts": loads[0].report["parts"],
        "seconds": spread([load.seconds for load in loads]),
        "mb_s": spread([load.mb_s for load in loads]),
        "peak_rss_mb": spread([load.report["peak_rss_mb"] for load in loads]),
    }


def of_count(pairs: list[tuple[Load, Load]]) -> dict[str, Any]:
    """Return a row of the counts' table."""
    parts = pairs[0][0].report["parts"]
    return {
        "parts": parts,
        "raw_bytes": pairs[0][0].raw_bytes,
        "small_s": spread([small.seconds for small, _ in pairs]),
        "large_s": spread([large.seconds for _, large in pairs]),
        "ms_per_part": spread([(small.seconds - large.seconds) / parts * 1e3 for small, large in pairs]),
        "peak_rss_mb": spread([small.report["peak_rss_mb"] for small, _ in pairs]),
    }


if __name__ == "__main__":
    alone(NAME, measure, __doc__)
