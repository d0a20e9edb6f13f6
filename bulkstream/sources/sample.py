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
from bulkstream.sources.regular import open_regular

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bulkstream.sources.files import CsvFile

WINDOW_BYTES = 256 << 10

Records = list[list[str]]


def sample(files: Sequence[CsvFile], *, fields: int, budget: int) -> Records:
    """Return sampled records, headers not among them.

    Raises:
        SourceUnreadable: A file can't be read.
    """
    total = sum(file.state.size for file in files)
    records: Records = []
    for file, offset, size in _windows(files, total, budget):
        records += _read_window(file, offset, size, fields)
    return records


def _windows(files: Sequence[CsvFile], total: int, budget: int) -> Iterator[tuple[CsvFile, int, int]]:
    """Yield file, offset and size of what to read."""
    if total <= budget:
        yield from ((file, file.start, file.state.size) for file in files)
        return
    count = max(1, budget // WINDOW_BYTES)
    positions = iter([total * n // count for n in range(count)])
    position, begin = next(positions), 0
    for file in files:
        while begin <= position < begin + file.state.size:
            yield file, max(position - begin, file.start), WINDOW_BYTES
            position = next(positions, total)
        begin += file.state.size


def _read_window(file: CsvFile, offset: int, size: int, fields: int) -> Records:
    try:
        with open_regular(file.path) as handle:
            handle.seek(offset)
            data = handle.read(size)
    except SourceUnreadable:
        raise
    except OSError as error:
        raise SourceUnreadable(f"{file.path}: {error.strerror}") from error
    if offset == file.start:
        return whole_records(data, at_end=offset + len(data) >= file.state.size)
    for start in (data.find(b"\n") + 1, record_end(b'"' + data) - 1):
        records = whole_records(data[start:], at_end=False) if start > 0 else []
        if records and all(len(record) == fields for record in records):
            return records
    return []


def whole_records(data: bytes, *, at_end: bool) -> Records:
    """Parse the records of a window, without the one that the window cuts off."""
    text = data.decode("utf-8", errors="replace")
    try:
        records = list(csv.reader(io.StringIO(text, newline="")))
    except csv.Error:  # a field beyond csv's limit: nothing to learn types from
        return []
    return [record for record in (records if at_end else records[:-1]) if record]
