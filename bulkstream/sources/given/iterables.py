"""Iterables of rows, of Arrow batches, or of pieces of CSV: what they hold is told by their first item.

An iterable is read once, in sequence. Whoever ends the load closes what was made of it, which closes a generator too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NoReturn

from bulkstream.errors import MissingExtra, SourceError, SourceUnreadable, UsageError
from bulkstream.sources.given.byte_pieces import UNREPEATABLE, BytesContent
from bulkstream.sources.given.items import Items
from bulkstream.sources.given.turns import Turns
from bulkstream.sources.matching.names import folded

try:
    import pyarrow as pa

    from bulkstream.sources.columnar.slices import BATCH_BYTES, sliced
    from bulkstream.sources.given.row_values import array_of, common_kind, field_of, kind_for
except ImportError:
    raise MissingExtra("pyarrow", "arrow") from None

if TYPE_CHECKING:
    from bulkstream.model import ColumnType
    from bulkstream.sources.batches import Task
    from bulkstream.sources.given.row_values import Kind

SAMPLE_ROWS = 1000
"""Rows that decide the types of columns."""

_BATCH_ROWS = 1000
_ROWS_HINT = "Give dicts, or tuples with the names of their columns, or Arrow batches, or bytes of CSV."


def open_rows(
    iterable: Iterable[Any],
    *,
    columns: Sequence[str] | None = None,
    types: Mapping[str, ColumnType] | None = None,
    sample_rows: int = SAMPLE_ROWS,
) -> Rows | BatchRows | BytesContent:
    """Look at the beginning of an iterable; blocks until it is there. An asynchronous one is given as an `AsyncFeed`.

    Args:
        iterable: Of mappings, of tuples or lists, of Arrow batches, or of bytes.
        columns: Names, in order; without them those of the mappings in the sample, as they appear, or of named tuples.
        types: Types of the dataset's columns, by their names folded: a column holds what its type there holds, also
            where the sample has less.
        sample_rows: Rows that decide the types.

    Raises:
        UsageError: It is empty without `columns`, or holds something else.
    """
    items = iterable if isinstance(iterable, Items) else Items(iterable)
    try:
        first = items.peek()
        if isinstance(first, bytes | bytearray | memoryview):
            return BytesContent(items)
        if isinstance(first, pa.RecordBatch):
            return BatchRows(items, first.schema)
        sample = list(islice(items, sample_rows))
        return Rows(items, sample, _names(sample, columns), types or {})
    except BaseException:
        items.close()
        raise


class _Once:
    """What `Batches` of an iterable have in common."""

    details: tuple[tuple[str, str], ...] = ()
    format = "iterable"
    name = "the iterable"
    rows: int | None = None
    schema: pa.Schema
    unrepeatable = UNREPEATABLE

    def __init__(self, items: Items) -> None:
        self._items = items
        self._begun = False

    def tasks(self, columns: Sequence[int]) -> Iterator[Task]:
        """See `Batches`; there is one task.

        Raises:
            SourceUnreadable: The rows were asked for before.
        """
        if self._begun:
            raise SourceUnreadable(UNREPEATABLE)
        self._begun = True
        yield lambda: self._read(list(columns))

    def changes(self) -> tuple[str, ...]:
        """See `Batches`; nobody knows."""
        return ()

    def close(self) -> None:
        """Close the iterable; may be called again."""
        self._items.close()

    def _read(self, columns: list[int]) -> Iterator[pa.RecordBatch]:
        """Yield the rows, then close the iterable."""
        try:
            for batch in self._batches():
                yield from sliced(batch.select(columns))
        finally:
            self.close()

    def _batches(self) -> Iterator[pa.RecordBatch]:
        raise NotImplementedError


class BatchRows(_Once):
    """Implements `Batches` over an iterable of Arrow batches, all with the columns of the first."""

    def __init__(self, items: Items, schema: pa.Schema) -> None:
        super().__init__(items)
        self.schema = schema

    def _batches(self) -> Iterator[pa.RecordBatch]:
        """Yield them as they come."""
        for number, batch in enumerate(self._items, start=1):
            if not isinstance(batch, pa.RecordBatch) or batch.schema != self.schema:
                raise SourceError(f"item {number:,} of the iterable is no Arrow batch with the columns of the first")
            yield batch


class Rows(_Once):
    """Implements `Batches` over an iterable of rows of Python values."""

    def __init__(
        self, items: Items, sample: Sequence[Any], names: Sequence[str], types: Mapping[str, ColumnType]
    ) -> None:
        """Decide on the types.

        Raises:
            SourceError: A row of the sample is none, or holds what can't be loaded.
        """
        super().__init__(items)
        self._names = tuple(names)
        self._known = frozenset(names)
        self._passed = 0
        self._sample = sample
        rows = [self._row(row, number) for number, row in enumerate(sample, start=1)]
        values = list(zip(*rows, strict=True)) or [()] * len(names)
        found = [self._kind(name, column) for name, column in zip(names, values, strict=True)]
        self._kinds = [kind_for(kind, types.get(folded(name))) for name, kind in zip(names, found, strict=True)]
        self.schema = pa.schema(list(map(field_of, names, self._kinds)))

    def _kind(self, name: str, values: Sequence[Any]) -> Kind:
        try:
            return common_kind(values)
        except TypeError as error:
            raise SourceError(f"column {name}: {error}", hint="Convert its values, e.g. to text.") from error

    def _batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows, some at a time."""
        block, size, turns = list[tuple[Any, ...]](), 0, Turns()
        for number, item in enumerate(chain(self._sample, self._items), start=1):
            row = self._row(item, number)
            block.append(row)
            turns()
            size += sum(len(value) for value in row if isinstance(value, str | bytes))
            if len(block) >= _BATCH_ROWS or size >= BATCH_BYTES:
                yield self._batch(block)
                block, size = [], 0
        if block:
            yield self._batch(block)

    def _batch(self, block: list[tuple[Any, ...]]) -> pa.RecordBatch:
        arrays = []
        for name, kind, values in zip(self._names, self._kinds, zip(*block, strict=True), strict=True):
            try:
                arrays.append(array_of(values, kind))
            except ValueError:
                self._refuse(name, kind, values)
        self._passed += len(block)
        return pa.record_batch(arrays, schema=self.schema)

    def _refuse(self, name: str, kind: Kind, values: Sequence[Any]) -> NoReturn:
        """Name the first value that does not fit."""
        for number, value in enumerate(values, start=self._passed + 1):
            try:
                array_of([value], kind)
            except ValueError as error:
                hint = "Convert it; a wider type in the dataset, or in `schema` for a new one, takes more."
                raise SourceError(f"row {number:,}, column {name}: {_shown(value)}: {error}", hint=hint) from error
        raise AssertionError(name)

    def _row(self, row: Any, number: int) -> tuple[Any, ...]:
        """Return a row's values in the order of the columns."""
        if isinstance(row, Mapping):
            if not row.keys() <= self._known:
                unknown = next(key for key in row if key not in self._known)
                raise SourceError(f"row {number:,} has a column {unknown!r}, which the others don't have")
            return tuple(map(row.get, self._names))
        if not isinstance(row, tuple | list):
            raise SourceError(f"row {number:,} is a {type(row).__name__}", hint=_ROWS_HINT)
        if len(row) != len(self._names):
            raise SourceError(f"row {number:,} has {len(row)} values for {len(self._names)} columns")
        return tuple(row)


def _names(sample: Sequence[Any], columns: Sequence[str] | None) -> Sequence[str]:
    """Return the columns' names: as given, or as the rows name them."""
    if columns is not None:
        return columns
    if not sample:
        raise UsageError("the iterable is empty, and nobody has named its columns", hint=_ROWS_HINT)
    if isinstance(sample[0], Mapping):
        names = list(dict.fromkeys(key for row in sample if isinstance(row, Mapping) for key in row))
    else:
        names = list(getattr(sample[0], "_fields", ()))
    if not names or not all(isinstance(name, str) for name in names):
        raise UsageError(f"nobody has named the columns of a {type(sample[0]).__name__}", hint=_ROWS_HINT)
    return names


def _shown(value: Any, limit: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
