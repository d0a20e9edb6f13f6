"""A sample of the records of CSV files, spread over the whole input.

The rule: if all files together are no larger than the budget, every record is sampled. Else the budget is split
into windows of 256 KiB; the first stands at the head of the first file, the others at even distances over the
bytes of all files. A window that begins in mid-file is read from its first line feed on, once taken as outside and
once as inside a quoted field; the reading in which all records have as many fields as the first record counts, and
a window with no such reading is left out.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from bulkstream.errors import SourceUnreadable
from bulkstream.sources.head import record_end

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bulkstream.sources.head import FileHead

WINDOW_BYTES = 256 << 10

Records = list[list[str]]


def sample(heads: Sequence[FileHead], *, fields: int, budget: int) -> Records:
    """Return sampled records, first records of the files included, each with `fields` fields.

    Raises:
        SourceUnreadable: A file can't be read.
    """
    total = sum(head.state.size for head in heads)
    records: Records = []
    for head, offset, size in _windows(heads, total, budget):
        records += _read_window(head, offset, size, fields)
    return records


def _windows(heads: Sequence[FileHead], total: int, budget: int) -> Iterator[tuple[FileHead, int, int]]:
    """Yield file, offset and size of what to read."""
    if total <= budget:
        yield from ((head, head.bom_bytes, head.state.size) for head in heads)
        return
    count = max(1, budget // WINDOW_BYTES)
    positions = iter([total * n // count for n in range(count)])
    position, begin = next(positions), 0
    for head in heads:
        while begin <= position < begin + head.state.size:
            yield head, max(position - begin, head.bom_bytes), WINDOW_BYTES
            position = next(positions, total)
        begin += head.state.size


def _read_window(head: FileHead, offset: int, size: int, fields: int) -> Records:
    try:
        with head.path.open("rb", buffering=0) as file:
            file.seek(offset)
            data = file.read(size)
    except OSError as error:
        raise SourceUnreadable(f"{head.path}: {error.strerror}") from error
    if offset == head.bom_bytes:
        return _whole_records(data, at_end=offset + len(data) >= head.state.size)
    for start in (data.find(b"\n") + 1, record_end(b'"' + data) - 1):
        records = _whole_records(data[start:], at_end=False) if start > 0 else []
        if records and all(len(record) == fields for record in records):
            return records
    return []


def _whole_records(data: bytes, *, at_end: bool) -> Records:
    """Parse the records of a window, without the one that the window cuts off."""
    text = data.decode("utf-8", errors="replace")
    try:
        records = list(csv.reader(io.StringIO(text, newline="")))
    except csv.Error:  # a field beyond csv's limit: nothing to learn types from
        return []
    return [record for record in (records if at_end else records[:-1]) if record]
