"""SQLite, whose columns have no types: each value has its own.

So the whole result is looked through first, by SQLite itself: of which types a column's values are decides its type,
and nothing that comes later can be at odds with it. Both happen in one transaction, so both see the same.

| values of a column, nulls aside | arrive as |
| --- | --- |
| integers | 64-bit integers |
| reals, or reals and integers | doubles |
| texts | text; dates, if the column was declared to hold them and all its texts are |
| blobs | binary |
| numbers and texts | text |
| blobs and others | not at all |
| none | nothing but nulls |
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote

import pyarrow as pa

from bulkstream.errors import SourceMissing, SourceUnreadable, UsageError
from bulkstream.model import ColumnType
from bulkstream.sources.batches import TYPE_KEY
from bulkstream.sources.columnar.slices import BATCH_BYTES
from bulkstream.sources.databases.query import ONE_QUERY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bulkstream.sources.databases.url import DatabaseUrl

_ROWS = "SELECT * FROM temp.bulkstream_query"
_AT_ONCE = 200
"""Columns that one look at the rows takes in: SQLite returns at most 2,000 values."""
_MOST_ROWS, _MOST_VALUES = 4096, 40_000
"""Of a batch; their conversion to Arrow holds the GIL, for some milliseconds."""
_CAST = "Cast the column in the query, e.g. CAST(… AS TEXT) or hex(…)."
_DATES = frozenset({"DATE", "DATETIME", "TIMESTAMP"})

_TYPES = "ifnull(min(typeof({0})), 'null'), ifnull(max(typeof({0})), 'null')"
"""Of `blob`, `integer`, `null`, `real` and `text`, which happen to be in this order in the alphabet."""
_LENGTH = "ifnull(max(length(CAST({0} AS BLOB))), 0)"
_DAY = "date(substr({0}, 1, 10), '+0 days') IS substr({0}, 1, 10) AND substr({0}, 1, 4) >= '0001'"
"""The modifier has SQLite normalize, so that 30 February is another day."""
_TIME = (
    "{0} GLOB '????-??-??[T ]??:??*' AND time(substr({0}, 12)) IS NOT NULL"
    " AND substr({0}, 12, 2) < '24' AND substr({0}, 12) NOT GLOB '*[ z]*' AND length({0}) <= 27"
)
"""Apart from the day, since SQLite rounds to milliseconds, which may be the next day's."""
_LOOK_FOR_DATES = (
    f"total(typeof({{0}}) <> 'null' AND NOT ({_DAY} AND length({{0}}) = 10)),"
    f" total(typeof({{0}}) <> 'null' AND NOT ({_DAY} AND (length({{0}}) = 10 OR {_TIME})))"
)
_NO_DATES = "1, 1"
_STEPS = 1_000_000
"""Of SQLite's machine, some milliseconds, after which a look through a query's rows sees whether it is still wanted."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a look at all values of a column has told; nulls aside, unless they are named.

    Attributes:
        first: The first in the alphabet of the values' types, `null` among them.
        last: The last one.
        declared: As what the column was declared, in capitals.
        most_bytes: Of a text or blob.
        no_dates: How many texts are no dates.
        no_moments: How many texts are neither dates nor dates with a time.
    """

    name: str
    first: str
    last: str
    declared: str
    most_bytes: int = 0
    no_dates: float = 1
    no_moments: float = 1

    @property
    def quoted(self) -> str:
        """The column's name in SQL."""
        return '"' + self.name.replace('"', '""') + '"'

    @property
    def long(self) -> bool:
        """Whether its values may be of any length."""
        return self.last == "text" or self.first == "blob"

    @property
    def kind(self) -> pa.DataType:
        """The type in which all its values arrive; binary also where numbers may stand beside blobs."""
        if self.first == "blob":
            return pa.binary()
        if self.first == self.last == "null":
            return pa.null()
        if self.last == "text":
            return pa.string()
        return pa.float64() if self.last == "real" else pa.int64()

    @property
    def field(self) -> pa.Field:
        """The column as it arrives."""
        if self.no_moments:
            return pa.field(self.name, self.kind)
        told = ColumnType.DATETIME if self.no_dates else ColumnType.DATE
        return pa.field(self.name, self.kind, metadata={TYPE_KEY: told.encode()})

    @property
    def look(self) -> str:
        """What a second look asks for: lengths, and whether texts are dates."""
        dates = self.declared in _DATES and self.last == "text" and self.first != "blob"
        return f"{_LENGTH}, {_LOOK_FOR_DATES if dates else _NO_DATES}".format(self.quoted)


class SqliteSession:
    """Implements `Session`."""

    format = "SQLite"
    rows: int | None = None

    def __init__(self, database: DatabaseUrl, query: str, *, stopped: Callable[[], bool] = lambda: False) -> None:
        """Open the file, without being able to write, and look through the query's rows, until `stopped` says so.

        Raises:
            UsageError: The query is wrong, or returns no rows.
            SourceMissing: There is no such file.
            SourceUnreadable: SQLite refused, or a column holds blobs and something else.
        """
        self._name = database.name
        path = Path(database.path)
        if not path.is_file():
            raise SourceMissing(f"{path}: no such file")
        uri = f"file:{quote(str(path.absolute()))}?mode=ro"
        self._connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        self._connection.set_progress_handler(stopped, _STEPS)
        try:
            self._seen = self._look(query)
            self._connection.set_progress_handler(None, 0)
            self.schema = pa.schema([each.field for each in self._seen])
        except BaseException:
            self.close()
            raise

    def batches(self) -> Iterator[pa.RecordBatch]:
        """See `Session`."""
        size = self._batch_rows()
        passed = 0
        try:
            cursor = self._connection.execute(_ROWS)
            while rows := cursor.fetchmany(size):
                columns = zip(*rows, strict=True)
                yield pa.record_batch(
                    [self._array(values, each, passed) for values, each in zip(columns, self._seen, strict=True)],
                    schema=self.schema,
                )
                passed += len(rows)
        except sqlite3.Error as error:
            self._refuse(error)

    def cancel(self) -> None:
        """See `Session`."""
        self._connection.interrupt()

    def close(self) -> None:
        """See `Session`."""
        self._connection.close()

    def _look(self, query: str) -> list[_Seen]:
        """Make a view of the query, and look through its values."""
        try:
            self._connection.execute("PRAGMA schema_version")  # reads the file's header: is it a database?
        except sqlite3.Error as error:
            self._refuse(error)
        try:
            self._connection.execute(f"CREATE TEMP VIEW bulkstream_query AS\n{query}")
            described = self._connection.execute("PRAGMA temp.table_info(bulkstream_query)").fetchall()
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise UsageError(f"{self._name}: {error}", hint=ONE_QUERY) from None
        try:
            self._connection.execute("PRAGMA query_only = ON")
            self._connection.execute("BEGIN")
            return self._measured(self._typed(described))
        except sqlite3.Error as error:
            self._refuse(error)

    def _typed(self, described: Sequence[tuple[Any, ...]]) -> list[_Seen]:
        """Look at the types of all values, and count the rows."""
        names = [_Seen(name, "null", "null", declared.upper()) for _, name, declared, *_ in described]
        told = self._asked([_TYPES.format(each.quoted) for each in names])
        seen = [replace(each, first=first, last=last) for each, (first, last) in zip(names, told, strict=True)]
        for each in seen:
            if each.first == "blob" and each.last in {"integer", "real", "text"}:
                raise SourceUnreadable(f"{self._name}: column {each.name} holds blobs and other values", hint=_CAST)
        return seen

    def _measured(self, seen: list[_Seen]) -> list[_Seen]:
        """Look at texts and blobs again."""
        found = iter(self._asked([each.look for each in seen if each.long]))
        marks = ("most_bytes", "no_dates", "no_moments")
        return [replace(each, **dict(zip(marks, next(found), strict=True))) if each.long else each for each in seen]

    def _asked(self, looks: list[str]) -> list[tuple[Any, ...]]:
        """Return what each look tells, which all ask for as many values."""
        told: list[tuple[Any, ...]] = []
        for n in range(0, len(looks), _AT_ONCE):
            piece = looks[n : n + _AT_ONCE]
            self.rows, *values = self._connection.execute(
                _ROWS.replace("*", f"count(*), {', '.join(piece)}")
            ).fetchone()
            width = len(values) // len(piece)
            told += [tuple(values[at : at + width]) for at in range(0, len(values), width)]
        return told

    def _batch_rows(self) -> int:
        """Return how many rows a batch has, so that the longest rows are bounded too."""
        longest = sum(each.most_bytes + 16 for each in self._seen)
        return max(1, min(_MOST_ROWS, _MOST_VALUES // len(self._seen), BATCH_BYTES // longest))

    def _array(self, values: tuple[Any, ...], seen: _Seen, passed: int) -> Any:
        """Return the values of a column in Arrow's form."""
        try:
            return pa.array(values, seen.kind)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            if seen.kind == pa.string():  # numbers beside texts
                return pa.array([v if v is None or isinstance(v, str) else repr(v) for v in values], pa.string())
            rows = f"rows {passed + 1:,} to {passed + len(values):,}"
            raise SourceUnreadable(
                f"{self._name}: {rows}, column {seen.name}: {error}",
                hint=_CAST,
            ) from None

    def _refuse(self, error: Exception) -> NoReturn:
        """Say in SQLite's words what is wrong."""
        raise SourceUnreadable(f"{self._name}: the query failed: {error}") from None
