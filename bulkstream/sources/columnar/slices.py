"""Record batches of a size that can be worked with: large ones are sliced, small ones put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulkstream.errors import MissingExtra

try:
    import pyarrow as pa
except ImportError:
    raise MissingExtra("pyarrow", "arrow") from None

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

BATCH_BYTES = 4 << 20
"""Bytes of Arrow data that a batch shall have at most, one row excepted."""

MOST_BYTES = BATCH_BYTES * 5 // 4
"""Bytes of a batch whose rows are not alike in length, one row excepted."""

BATCH_ROWS = 64 << 10
"""Rows of a batch at most: what is narrow in Arrow, as a dictionary's numbers are, may be wide as text."""

TASK_BYTES = 8 << 20
"""Bytes of Arrow data that a task shall have at least, so that its beginning and end cost little."""

_SMALL_BYTES = BATCH_BYTES // 8
_SMALL_ROWS = BATCH_ROWS // 8


def rows_of(width: float) -> int:
    """Say how many rows of so many bytes each make a batch."""
    return max(1, min(BATCH_ROWS, int(BATCH_BYTES / max(width, 1))))


def sliced(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Yield a batch in slices that are small enough; nothing is copied, and nothing comes of no rows."""
    step = rows_of(batch.nbytes / max(batch.num_rows, 1))
    for begin in range(0, batch.num_rows, step):
        yield from _halved(batch.slice(begin, step))


def _halved(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Yield a batch in halves of halves, where its rows are far longer than the average."""
    if batch.num_rows == 1 or batch.nbytes <= MOST_BYTES:
        yield batch
        return
    half = batch.num_rows // 2
    yield from _halved(batch.slice(0, half))
    yield from _halved(batch.slice(half))


def gathered(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the same rows, small neighbours together in one batch."""
    held, rows, size = list[pa.RecordBatch](), 0, 0
    for batch in batches:
        held.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows >= _SMALL_ROWS or size >= _SMALL_BYTES or not batch.num_columns:
            yield from _joined(held)
            held, rows, size = [], 0, 0
    yield from _joined(held)


def picked(columns: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return which columns are to be read, each once and in the order of the file; and where each is found there."""
    read = sorted(set(columns))
    place = {number: n for n, number in enumerate(read)}
    return read, [place[number] for number in columns]


def plain(schema: pa.Schema) -> pa.Schema:
    """Return a schema without what its writer has noted in it.

    Raises:
        UnicodeDecodeError: A name is damaged.
    """
    return pa.schema([pa.field(field.name, field.type, field.nullable) for field in schema])


def _joined(held: Sequence[pa.RecordBatch]) -> Iterable[pa.RecordBatch]:
    """Put batches together; large text may still not fit into one."""
    return held if len(held) < 2 else pa.Table.from_batches(held).combine_chunks().to_batches()  # noqa: PLR2004 - one
