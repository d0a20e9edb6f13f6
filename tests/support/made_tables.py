"""Arrow tables of many types, and what readers make of their files."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from hypothesis import strategies as st

from bulkstream.sources.columnar.slices import BATCH_BYTES, BATCH_ROWS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkstream.sources.batches import Batches

_MOMENTS = st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1))  # noqa: DTZ001 - a wall clock's time
_LONGS = st.integers(-(2**63), 2**63 - 1)

PLAIN: tuple[tuple[pa.DataType, st.SearchStrategy[Any]], ...] = (
    (pa.int64(), _LONGS),
    (pa.int8(), st.integers(-128, 127)),
    (pa.bool_(), st.booleans()),
    (pa.float64(), st.floats(allow_nan=False)),
    (pa.string(), st.text(max_size=20)),
    (pa.binary(), st.binary(max_size=20)),
    (pa.date32(), st.dates()),
    (pa.timestamp("ns"), _MOMENTS),
    (pa.decimal128(20, 3), st.decimals(-(10**16), 10**16, places=3)),
    (pa.list_(pa.int64()), st.lists(_LONGS, max_size=3)),
    (
        pa.struct([("a", pa.int64()), ("b", pa.string())]),
        st.fixed_dictionaries({"a": _LONGS, "b": st.text(max_size=5)}),
    ),
)
"""Types that every format has."""

RICH = (
    *PLAIN,
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.float32(), st.floats(width=32, allow_nan=False)),
    (pa.large_string(), st.text(max_size=20)),
    (pa.string_view(), st.text(max_size=20)),
    (pa.timestamp("us", "UTC"), _MOMENTS),
    (pa.time64("us"), st.times()),
    (pa.decimal256(60, 5), st.decimals(-(10**16), 10**16, places=5)),
    (
        pa.map_(pa.string(), pa.int64()),
        st.dictionaries(st.text(max_size=3), _LONGS, max_size=3).map(lambda d: [*d.items()]),
    ),
    (pa.dictionary(pa.int32(), pa.string()), st.sampled_from(["", "north", "süd"])),
    (pa.null(), st.none()),
)
"""Types of Parquet and Arrow."""


@st.composite
def tables(draw: st.DrawFn, kinds: Sequence[tuple[pa.DataType, st.SearchStrategy[Any]]]) -> pa.Table:
    """Draw a table of some columns, nulls among their values."""
    chosen = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=6))
    rows = draw(st.integers(0, 30))
    columns = [
        pa.array(draw(st.lists(st.none() | values, min_size=rows, max_size=rows)), kind) for kind, values in chosen
    ]
    return pa.table(columns, names=[f"c{n}" for n in range(len(columns))])


def wide_table(rows: int) -> pa.Table:
    """Return a table whose every row is another, of numbers, text, decimals and nulls."""
    text = [None if n % 7 == 0 else f"row {n}, {'x' * (n % 40)}" for n in range(rows)]
    amounts = [Decimal(n) / 100 for n in range(rows)]
    kinds = ["AIR", "RAIL", "SHIP"]
    return pa.table(
        {
            "id": pa.array(range(rows), pa.int64()),
            "text": pa.array(text, pa.string()),
            "amount": pa.array(amounts, pa.decimal128(15, 2)),
            "kind": pa.array([kinds[n % 3] for n in range(rows)], pa.string()),
        }
    )


def drained(batches: Batches, columns: Sequence[int] | None = None, *, threads: int = 1) -> pa.Table:
    """Do all tasks, several at once if there are threads, and return the rows in order; every batch must be bounded."""
    wanted = range(len(batches.schema)) if columns is None else columns
    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(lambda task: list(task()), batches.tasks(wanted)))
    found = [batch for part in parts for batch in part]
    assert all(0 < batch.num_rows <= BATCH_ROWS for batch in found)
    assert all(batch.num_rows == 1 or batch.nbytes <= 2 * BATCH_BYTES for batch in found)
    schema = pa.schema([batches.schema.field(number) for number in wanted])
    return pa.Table.from_batches(found, schema)
