"""Parquet: one file, or many that are one table, as record batches.

A task is one row group, or small ones together. Each task opens its files anew, with the footers that were read
before, since a `ParquetFile` may not be used by two threads. Column chunks are read through buffers, so that what is in
memory does not depend on how large a row group is; in a remote file, what a task needs is read in as few requests as
possible.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from bulkstream.errors import MissingExtra
from bulkstream.sources.columnar.handles import Handles, check_rows, reading
from bulkstream.sources.columnar.hive import partition_field, partition_names, partition_value
from bulkstream.sources.columnar.one_schema import one_schema, places
from bulkstream.sources.columnar.parquet_footer import FORM, ParquetFile, codecs, read_footer, writers
from bulkstream.sources.columnar.row_groups import Piece, numbers_of, pieces_of, tasks_of
from bulkstream.sources.columnar.slices import gathered, picked, rows_of, sliced

try:
    import pyarrow as pa
    from pyarrow import parquet as pq
except ImportError:
    raise MissingExtra("pyarrow", "arrow") from None

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bulkstream.sources.batches import Task
    from bulkstream.sources.content import Blob

_OPENERS = 8
"""Threads that read footers."""

_BUFFERS_BYTES = 16 << 20
"""Bytes that the buffers of one task's columns have together, roughly."""

WHOLE_BYTES = 32 << 20
"""Bytes in memory up to which row groups of one task are decoded at once."""

_LEAST_BUFFER = 64 << 10
_MOST_BUFFER = 1 << 20
_MOST_AHEAD = 64 << 20
"""Bytes up to which all that a task needs of a remote file is read before it is decoded."""


class ParquetFiles:
    """Files of the same columns, as one input; see `Batches`."""

    format = FORM

    def __init__(
        self, name: str, files: Sequence[ParquetFile], handles: Handles, partitions: Sequence[Mapping[str, str | None]]
    ) -> None:
        """Make one input of files whose footers were read."""
        names = [file.blob.name for file in files]
        self.name = name
        self._files = files
        self._handles = handles
        self._own = one_schema([file.schema for file in files], names)
        # A column that the files hold themselves is read from them: what a folder says of it may be rounded or encoded.
        keys = [key for key in partition_names(partitions, names) if key not in self._own.names]
        folders = [partition_field(key, [parts[key] for parts in partitions]) for key in keys]
        self._values = [[partition_value(parts[field.name], field.type) for field in folders] for parts in partitions]
        self._keys = keys
        self.schema = pa.schema([*self._own, *folders])

    def __repr__(self) -> str:
        return f"ParquetFiles({self.name!r}, {len(self._files)} files, {self.rows} rows)"

    @property
    def rows(self) -> int:
        """Rows of all files, as their footers say."""
        return sum(file.footer.num_rows for file in self._files)

    @property
    def details(self) -> tuple[tuple[str, str], ...]:
        """Files, row groups, how they are packed, and by what they were written."""
        found = [("files", f"{len(self._files):,}")] if len(self._files) > 1 else []
        found.append(("row groups", f"{sum(file.footer.num_row_groups for file in self._files):,}"))
        found.append(("compression", ", ".join(codecs(self._files)) or "none"))
        found.append(("written by", ", ".join(writers(self._files)) or "unknown"))
        return tuple(found + [("partitions", ", ".join(self._keys))] * bool(self._keys))

    @property
    def unrepeatable(self) -> str:
        """Why it can't be read again, which it can."""
        return next(filter(None, (file.blob.unrepeatable for file in self._files)), "")

    def tasks(self, columns: Sequence[int]) -> Iterator[Task]:
        """Yield tasks of some MiB each, made of row groups."""
        return (partial(self._read, pieces, tuple(columns)) for pieces in tasks_of(self._pieces(columns)))

    def changes(self) -> tuple[str, ...]:
        """Say which files have changed."""
        return tuple(change for file in self._files if (change := file.blob.changed()))

    def close(self) -> None:
        """End what reads."""
        self._handles.close()

    def _pieces(self, columns: Sequence[int]) -> Iterator[tuple[Piece, int]]:
        read, _ = picked([number for number in columns if number < len(self._own)])
        for n, file in enumerate(self._files):
            where = places(file.schema, self._own)
            yield from pieces_of(n, file.footer, file.leaves, sorted(where[number] for number in read))

    def _read(self, pieces: Sequence[Piece], columns: Sequence[int]) -> Iterator[pa.RecordBatch]:
        batches = (batch for piece in pieces for batch in self._batches(piece, columns))
        for batch in gathered(batches) if len(pieces) > 1 else batches:
            for each in sliced(batch):
                self._handles.check(self)
                yield each

    def _batches(self, piece: Piece, columns: Sequence[int]) -> Iterator[pa.RecordBatch]:
        """Read one file's row groups, and give the batches the columns that were asked for."""
        file = self._files[piece.file]
        where = places(file.schema, self._own)
        read, found = picked([where[number] for number in columns if number < len(self._own)])
        schema = pa.schema([self.schema.field(number) for number in columns])
        constants = {n: self._values[piece.file][n - len(self._own)] for n in columns if n >= len(self._own)}
        at = iter(found)
        sources = [constants[number] if number in constants else next(at) for number in columns]
        with _reader(self._handles, file, piece, len(read)) as reader:
            numbers = numbers_of(file.leaves, read)
            rows = 0
            for batch in _decoded(reader, piece, numbers):
                self._handles.check(file.blob)
                rows += batch.num_rows
                yield _arranged(batch, sources, schema)
            check_rows(file.blob.name, FORM, said=piece.rows, read=rows)


def open_parquet(
    name: str, blobs: Sequence[Blob], *, partitions: Sequence[Mapping[str, str | None]] = ()
) -> ParquetFiles:
    """Read the footers of files that are one input. Blocking; the caller closes it.

    Args:
        name: Of the input, for messages.
        blobs: Its files, in the order of their rows; at least one.
        partitions: What the folders of each file say (`hive_parts`), or nothing.

    Raises:
        SourceError: A file is damaged, encrypted or no Parquet, or its columns contradict those of another.
    """
    if not blobs or (partitions and len(partitions) != len(blobs)):
        raise ValueError(f"{len(blobs)} files, partitions of {len(partitions)}")
    handles = Handles()
    with ThreadPoolExecutor(min(_OPENERS, len(blobs)), thread_name_prefix="footers") as pool:
        files = list(pool.map(partial(read_footer, handles), blobs))
    return ParquetFiles(name, files, handles, partitions)


@contextmanager
def _reader(handles: Handles, file: ParquetFile, piece: Piece, width: int) -> Iterator[Any]:
    """Open a file for one task.

    INT96 is read as microseconds, since Arrow lets years before 1678 and after 2262 overflow in nanoseconds. Checksums
    of pages are compared where the writer has made some.
    """
    ahead = file.blob.path is None and piece.stored <= _MOST_AHEAD
    with reading(file.blob.name, FORM), handles.file(file.blob) as source:
        opened = pq.ParquetFile(
            source,
            metadata=file.footer,
            pre_buffer=ahead,
            buffer_size=0 if ahead else max(_LEAST_BUFFER, min(_MOST_BUFFER, _BUFFERS_BYTES // max(width, 1))),
            coerce_int96_timestamp_unit="us",
            page_checksum_verification=True,
        )
        yield opened.reader


def _decoded(reader: Any, piece: Piece, numbers: Sequence[int]) -> Iterator[pa.RecordBatch]:
    """Decode row groups: small ones whole, which takes a tenth less time, others batch by batch."""
    groups = list(piece.groups)
    if piece.width * piece.rows <= WHOLE_BYTES:
        return iter(reader.read_row_groups(groups, column_indices=numbers, use_threads=False).to_batches())
    batches: Iterator[pa.RecordBatch] = reader.iter_batches(
        rows_of(piece.width), row_groups=groups, column_indices=numbers, use_threads=False
    )
    return batches


def _arranged(batch: pa.RecordBatch, sources: Sequence[int | pa.Scalar], schema: pa.Schema) -> pa.RecordBatch:
    """Put columns in their order, partition values among them, and give them the types of the whole."""
    if not sources:
        return batch.select([])
    arrays = [
        batch.column(source) if isinstance(source, int) else pa.repeat(source, batch.num_rows) for source in sources
    ]
    cast = [array if array.type == kind else array.cast(kind) for array, kind in zip(arrays, schema.types, strict=True)]
    return pa.RecordBatch.from_arrays(cast, schema=schema)
