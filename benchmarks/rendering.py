"""What rendering Arrow batches as CSV costs: CPU time per row, beside Arrow's writer alone and compressing the result.

    python -m benchmarks.rendering

TPC-H lineitem with the types that Parquet gives it, in batches of 32,768 rows, in turn; prints the best of five rounds.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pyarrow as pa
from pyarrow import csv

from benchmarks.inputs import lineitem
from bulkstream.model import Binary
from bulkstream.sources.layout import Slot
from bulkstream.sources.render.renderer import Renderer, typed
from bulkstream.stages import codec_for

if TYPE_CHECKING:
    from collections.abc import Callable

LEVEL = 1
ROUNDS = 5
BATCH_ROWS = 32_768
DECIMALS = ("l_quantity", "l_extendedprice", "l_discount", "l_tax")


def batches() -> list[pa.RecordBatch]:
    """Read lineitem as its Parquet files have it: decimals, dates, views of strings."""
    wanted = csv.ConvertOptions(column_types=dict.fromkeys(DECIMALS, pa.decimal128(15, 2)))
    table = csv.read_csv(lineitem(0.1), convert_options=wanted)
    views = {pa.string(): pa.string_view()}
    schema = pa.schema([field.with_type(views.get(field.type, field.type)) for field in table.schema])
    made: list[pa.RecordBatch] = table.cast(schema).to_batches(BATCH_ROWS)
    return made


def arrow_alone(batch: pa.RecordBatch) -> pa.Buffer:
    """Write a batch as Arrow does by default, views being the one thing that it does not write."""
    columns = [column.cast(pa.string()) if column.type == pa.string_view() else column for column in batch.columns]
    sink = pa.BufferOutputStream()
    csv.write_csv(pa.RecordBatch.from_arrays(columns, batch.schema.names), sink, csv.WriteOptions(include_header=False))
    return sink.getvalue()


def _renderer(schema: pa.Schema) -> Renderer:
    layout = tuple(Slot(inferred.column, n) for n, inferred in enumerate(typed(schema)))
    return Renderer(schema, layout, Binary.REFUSE)


def _cpu_s(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began


def main() -> None:
    """Measure and print."""
    made = batches()
    render, compress = _renderer(made[0].schema), codec_for(LEVEL)
    texts = [render(batch) for batch in made]
    works: dict[str, Callable[[], object]] = {
        "rendered": lambda: [render(batch) for batch in made],
        "by Arrow's defaults": lambda: [arrow_alone(batch) for batch in made],
        "compressed": lambda: [compress(memoryview(text)) for text in texts],
    }
    rounds = [{name: _cpu_s(work) for name, work in works.items()} for _ in range(ROUNDS)]
    rows, size = sum(batch.num_rows for batch in made), sum(text.size for text in texts)
    for name in works:
        spent = min(one[name] for one in rounds)
        print(f"{name:20} {spent / rows * 1e9:4.0f} ns a row, {size / spent / 1e6:4.0f} MB/s")


if __name__ == "__main__":
    main()
