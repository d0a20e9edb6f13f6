"""Frames and readers of other libraries, by the Arrow C stream interface: nothing is copied, unless for text in views.

What is in memory as a whole (Arrow tables, polars and pandas frames) can be read again, and by several threads at once.
Anything else that offers `__arrow_c_stream__` is read once, from its first batch to its last.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from bulkstream.errors import MissingExtra, SourceError, SourceUnreadable, UsageError
from bulkstream.sources.given.turns import Turns

try:
    import pyarrow as pa

    from bulkstream.sources.columnar.slices import sliced
except ImportError:
    raise MissingExtra("pyarrow", "arrow") from None

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bulkstream.sources.batches import Batches, Task

_TASK_ROWS = 32_768
"""Rows of one piece of work."""
_OBJECT_ROWS = 1024
"""Python objects that are converted in one go, with the GIL held: at most 3 ms, which decimals take."""


def open_frame(frame: Any) -> Batches:
    """Read from what has `__arrow_c_stream__`, which stays the caller's and must not change meanwhile.

    The index of a pandas frame is not loaded, as by its `to_csv(index=False)`; its NaN, NaT and NA are nulls.

    Raises:
        UsageError: It has no such method, no columns, or columns whose values have no common type.
    """
    library, _, _ = type(frame).__module__.partition(".")
    if not hasattr(frame, "__arrow_c_stream__"):
        raise UsageError(
            f"a {type(frame).__name__} can't be loaded as a frame",
            hint="Give a pyarrow, polars or pandas table, or anything else that has `__arrow_c_stream__`.",
        )
    try:
        if library == "pandas" and hasattr(frame, "columns"):
            return PandasFrame(frame)
        if isinstance(frame, pa.Table | pa.RecordBatch) or (library == "polars" and hasattr(frame, "height")):
            return Frame(pa.table(frame), library)
        return Stream(frame, library)
    except (pa.ArrowException, TypeError) as error:
        raise UsageError(f"a {library} {type(frame).__name__} can't be loaded: {error}") from error


class Frame:
    """Implements `Batches` over a table in memory."""

    details: tuple[tuple[str, str], ...] = ()
    unrepeatable = ""

    def __init__(self, table: pa.Table, library: str) -> None:
        self.name = f"the {library} table"
        self.format = f"{library} table"
        self.schema = pa.schema([field.with_type(_plain(field.type)) for field in table.schema])
        self.rows: int | None = table.num_rows
        self._table = table

    def tasks(self, columns: Sequence[int]) -> Iterator[Task]:
        """See `Batches`."""
        chosen = self._table.select(list(columns))
        schema = pa.schema([self.schema.field(n) for n in columns])
        for batch in chosen.to_batches(max_chunksize=_TASK_ROWS):
            yield lambda batch=batch: sliced(_plainly(batch, schema))  # type: ignore[misc]

    def changes(self) -> tuple[str, ...]:
        """See `Batches`; nobody looks."""
        return ()

    def close(self) -> None:
        """See `Batches`."""


class PandasFrame:
    """Implements `Batches` over a pandas frame, which is converted piece by piece."""

    details: tuple[tuple[str, str], ...] = ()
    format = "pandas table"
    name = "the pandas table"
    unrepeatable = ""

    def __init__(self, frame: Any) -> None:
        """Find the types of all values.

        Raises:
            UsageError: Values of a column have no common type.
        """
        fields = []
        for n, label in enumerate(frame.columns):
            try:
                fields.append(pa.field(str(label), _plain(_kind(frame.iloc[:, n]))))
            except (pa.ArrowException, TypeError) as error:
                hint = f"Convert it first, e.g. frame[{label!r}].astype(str)."
                raise UsageError(f"the pandas table's column {label} can't be loaded: {error}", hint=hint) from error
        self.schema = pa.schema(fields)
        self.rows: int | None = len(frame)
        self._frame = frame

    def tasks(self, columns: Sequence[int]) -> Iterator[Task]:
        """See `Batches`."""
        for begin in range(0, len(self._frame), _TASK_ROWS):
            yield lambda begin=begin: self._piece(begin, list(columns))  # type: ignore[misc]

    def changes(self) -> tuple[str, ...]:
        """See `Batches`; nobody looks."""
        return ()

    def close(self) -> None:
        """See `Batches`."""

    def _piece(self, begin: int, columns: list[int]) -> Iterator[pa.RecordBatch]:
        schema = pa.schema([self.schema.field(n) for n in columns])
        arrays = [self._column(begin, n, field) for n, field in zip(columns, schema, strict=True)]
        yield from sliced(pa.record_batch(arrays, schema=schema))

    def _column(self, begin: int, number: int, field: pa.Field) -> Any:
        try:
            arrays = [
                _cast(array, field.type) for array in _arrays(self._frame.iloc[begin : begin + _TASK_ROWS, number])
            ]
        except pa.ArrowException as error:
            raise SourceError(f"{self.name}, rows from {begin + 1:,}, column {field.name}: {error}") from error
        return arrays[0] if len(arrays) == 1 else pa.concat_arrays(arrays)


def _kind(column: Any) -> pa.DataType:
    """Return the type of a column of pandas; of one of Python objects, the one that holds all of them."""
    if column.dtype != object:
        return pa.array(column.iloc[:0], from_pandas=True).type
    kinds = dict.fromkeys(array.type for array in _arrays(column))
    schemas = [pa.schema([("", kind)]) for kind in kinds]
    return pa.unify_schemas(schemas, promote_options="permissive").field(0).type


def _arrays(column: Any) -> Iterator[Any]:
    """Yield a column of pandas, one of Python objects a few at a time: the loop of another thread wants to go on."""
    turns = Turns()
    step = _OBJECT_ROWS if column.dtype == object else max(1, len(column))
    for begin in range(0, max(1, len(column)), step):
        yield _one(pa.array(column.iloc[begin : begin + step], from_pandas=True))
        turns()


class Stream:
    """Implements `Batches` over what gives its batches once."""

    details: tuple[tuple[str, str], ...] = ()
    rows: int | None = None
    unrepeatable = "a stream of batches can be read only once"

    def __init__(self, source: Any, library: str) -> None:
        """Begin to read, which must not have been done by others."""
        self._reader = pa.RecordBatchReader.from_stream(source)
        self._inside = threading.Lock()
        self._begun = self._closed = False
        self.name = f"the {library} stream"
        self.format = f"{library} stream"
        self.schema = pa.schema([field.with_type(_plain(field.type)) for field in self._reader.schema])

    def tasks(self, columns: Sequence[int]) -> Iterator[Task]:
        """See `Batches`; there is one task.

        Raises:
            SourceUnreadable: The rows were asked for before.
        """
        if self._begun:
            raise SourceUnreadable(f"{self.name}: {self.unrepeatable}")
        self._begun = True
        yield lambda: self._read(list(columns))

    def changes(self) -> tuple[str, ...]:
        """See `Batches`; nobody knows."""
        return ()

    def close(self) -> None:
        """End the reading behind the batch that is waited for, which can't be interrupted; may be called again."""
        self._closed = True
        if self._inside.acquire(blocking=False):
            self._reader.close()
            self._inside.release()

    def _read(self, columns: list[int]) -> Iterator[pa.RecordBatch]:
        schema = pa.schema([self.schema.field(n) for n in columns])
        try:
            while (batch := self._next()) is not None:
                for begin in range(0, batch.num_rows, _TASK_ROWS):
                    yield from sliced(_plainly(batch.slice(begin, _TASK_ROWS).select(columns), schema))
        finally:
            self.close()

    def _next(self) -> pa.RecordBatch | None:
        """Wait for the next batch; None at the end."""
        with self._inside:
            if not self._closed:
                try:
                    return self._reader.read_next_batch()
                except StopIteration:
                    return None
                except (pa.ArrowException, OSError) as error:
                    raise SourceUnreadable(f"{self.name} failed: {error}") from error
            self._reader.close()
        raise SourceUnreadable(f"{self.name} was closed while it was read")


def _plain(kind: pa.DataType) -> pa.DataType:
    """Return a type without views, which are not measured by what a slice of them holds, and without dictionaries."""
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        values = _plain(kind.value_type)
        return pa.list_(values) if pa.types.is_list(kind) else pa.large_list(values)
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_plain(field.type)) for field in kind.fields])
    return {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}.get(kind, kind)


def _plainly(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return a batch with its views, few rows at a time, copied."""
    return pa.record_batch(list(map(_cast, batch.columns, schema.types)), schema=schema)


def _cast(values: Any, kind: pa.DataType) -> Any:
    """Cast a column; a dictionary by its own values first, since those may be views."""
    if isinstance(values, pa.DictionaryArray):
        values = pa.DictionaryArray.from_arrays(values.indices, values.dictionary.cast(kind))
    return values.cast(kind)


def _one(values: Any) -> Any:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
