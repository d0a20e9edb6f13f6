"""Does memory stay flat, however many rows a query gives? And how quickly do they come?

Reads a table of a PostgreSQL server, which it starts and fills, as a load does: batch by batch, each dropped before the
next. Every reading is a process of its own, so that its peak is its own.

    python -m benchmarks.database --quick
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from benchmarks.figures import rounded, spread
from benchmarks.plan import alone, told
from benchmarks.timing import python, timed
from bulkstream.memory import peak_rss_mb
from tests.support.postgres import programs, serving

if TYPE_CHECKING:
    from benchmarks.plan import Plan

NAME = "database"
ROWS = (1_000_000, 10_000_000)
QUICK_ROWS = (100_000, 1_000_000)
MADE = """
CREATE TABLE orders AS SELECT
    n AS id, n * 7919::bigint % 100003 AS customer, (n % 1000)::numeric / 7 AS price, n % 50 AS quantity,
    timestamptz '2020-01-01' + n * interval '7 s' AS ordered, date '2020-01-01' + (n % 2000)::int AS due,
    md5(n::text) AS reference, 'comment of order ' || n AS remark, n % 3 = 0 AS paid
FROM generate_series(1, {rows}) AS n
"""
READ_FLAG = "--read"


def measure(plan: Plan) -> dict[str, Any]:
    """Run the rounds.

    Raises:
        RuntimeError: No PostgreSQL server is installed.
    """
    folder = programs()
    if folder is None:
        raise RuntimeError("needs a PostgreSQL server (Debian: apt-get install postgresql)")
    counts = QUICK_ROWS if plan.quick else ROWS
    runs: dict[int, list[dict[str, Any]]] = {count: [] for count in counts}
    with serving(folder) as server:
        told(f"  filling a table with {max(counts):,} rows")
        server.run(MADE.format(rows=max(counts)), "VACUUM ANALYZE orders")
        for number in range(plan.rounds):
            told(f"  round {number + 1} of {plan.rounds}")
            for count in counts:
                command = python("-m", "benchmarks.database", READ_FLAG, server.url, str(count))
                runs[count].append(json.loads(timed(command).printed))
    return {"rows": {str(count): summary(each) for count, each in runs.items()}}


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Reduce the rounds of one number of rows."""
    return {
        "arrow_bytes": runs[0]["arrow_bytes"],
        "largest_batch_bytes": max(run["largest_batch_bytes"] for run in runs),
        "peak_rss_mb": rounded(max(run["peak_rss_mb"] for run in runs)),
        "base_rss_mb": rounded(max(run["base_rss_mb"] for run in runs)),
        "rows_s": spread([run["rows"] / run["seconds"] for run in runs]),
        "arrow_mb_s": spread([run["arrow_bytes"] / 1e6 / run["seconds"] for run in runs]),
    }


def read(url: str, count: int) -> dict[str, Any]:
    """Read so many rows of the table in this process."""
    from bulkstream.sources.databases import open_query  # noqa: PLC0415 - this process alone needs the driver

    query = open_query(url, f"SELECT * FROM orders LIMIT {count}", environ=os.environ)  # noqa: S608 - a number
    base, begun = peak_rss_mb(), time.perf_counter()
    rows = size = largest = 0
    for task in query.tasks(range(len(query.schema))):
        for batch in task():
            rows += batch.num_rows
            size += batch.nbytes
            largest = max(largest, batch.nbytes)
    return {
        "rows": rows,
        "arrow_bytes": size,
        "largest_batch_bytes": largest,
        "seconds": time.perf_counter() - begun,
        "base_rss_mb": base,
        "peak_rss_mb": peak_rss_mb(),
    }


if __name__ == "__main__":
    if READ_FLAG in sys.argv:
        print(json.dumps(read(sys.argv[2], int(sys.argv[3]))))
    else:
        alone(NAME, measure, __doc__)
