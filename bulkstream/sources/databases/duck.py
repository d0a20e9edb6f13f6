"""DuckDB: its rows as Arrow, a few vectors at a time.

DuckDB's types are taken where Arrow has the same; anything else is cast in the query: lists, structs and maps to JSON,
whole numbers beyond 64 bits to the text of a number, the others (times, intervals, UUIDs, enums) to their text.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import duckdb
import pyarrow as pa

from bulkstream.errors import SourceMissing, SourceUnreadable, UsageError
from bulkstream.model import ColumnType
from bulkstream.sources.batches import TYPE_KEY
from bulkstream.sources.columnar.slices import BATCH_BYTES
from bulkstream.sources.databases.casts import cast
from bulkstream.sources.databases.judge import Judge
from bulkstream.sources.databases.query import ONE_QUERY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bulkstream.sources.databases.url import DatabaseUrl

_EXACT = re.compile(
    r'BOOLEAN|U?(?:TINY|SMALL|BIG)INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL\(.*\)|VARCHAR|BLOB|DATE|"NULL"'
    r"|TIMESTAMP(?:_NS|_S|_MS| WITH TIME ZONE)?"
)
_NUMBERS = frozenset({"HUGEINT", "UHUGEINT", "BIGNUM", "VARINT"})
_NESTED = re.compile(r".*\]|(?:STRUCT|MAP|UNION)\(.*\)", re.DOTALL)
_VECTOR = 2048
"""Rows that DuckDB hands on at a time."""
_VALUE_BYTES = 16
"""Bytes that a value is taken to have, for the number of rows of a batch."""


class DuckSession:
    """Implements `Session`."""

    format = "DuckDB"
    rows: int | None = None

    def __init__(self, database: DatabaseUrl, query: str) -> None:
        """Open the file, without being able to write, and bind the query.

        Raises:
            UsageError: The query is wrong, or returns no rows.
            SourceMissing: There is no such file.
            SourceUnreadable: It can't be opened, or another process writes into it.
        """
        self._name = database.name
        self._reader: pa.RecordBatchReader | None = None
        if database.path and not Path(database.path).is_file():
            raise SourceMissing(f"{database.path}: no such file")
        try:
            self._connection = duckdb.connect(database.path or ":memory:", read_only=bool(database.path))
        except duckdb.Error as error:
            raise SourceUnreadable(f"{self._name}: {_message(error)}") from None
        try:
            self._relation = self._bound(query)
        except duckdb.Error as error:
            self.close()
            self._refuse(error)
        except UsageError:
            self.close()
            raise

    def batches(self) -> Iterator[pa.RecordBatch]:
        """See `Session`."""
        judge = Judge(self._name, self.schema)
        vectors = BATCH_BYTES // (_VECTOR * _VALUE_BYTES * len(self.schema.names))
        try:
            self._reader = self._relation.to_arrow_reader(max(1, vectors) * _VECTOR)
            for batch in self._reader:
                yield judge.passed(pa.record_batch(batch.columns, schema=self.schema))
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            if isinstance(error, SourceUnreadable):
                raise
            self._refuse(error)

    def cancel(self) -> None:
        """See `Session`."""
        self._connection.interrupt()

    def close(self) -> None:
        """See `Session`."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        self._connection.close()

    def _bound(self, query: str) -> duckdb.DuckDBPyRelation:
        """Have DuckDB look at the query, and cast what needs it."""
        statements = self._connection.extract_statements(query)
        if len(statements) != 1 or statements[0].type is not duckdb.StatementType.SELECT:
            raise UsageError("the query is not a single statement that returns rows", hint=ONE_QUERY)
        described = self._connection.sql(query)
        kinds = [str(kind) for kind in described.types]
        ways = [_cast_of(kind) for kind in kinds]
        relation = self._connection.sql(cast(query, ways))
        arriving = relation.limit(0).to_arrow_table().schema.types
        self.schema = pa.schema(map(_field, described.columns, kinds, arriving))
        return relation

    def _refuse(self, error: Exception) -> NoReturn:
        """Say in DuckDB's words what is wrong."""
        if isinstance(error, duckdb.ProgrammingError) and not isinstance(error, duckdb.InvalidInputException):
            raise UsageError(f"{self._name}: {_message(error)}", hint=ONE_QUERY) from None
        raise SourceUnreadable(f"{self._name}: the query failed: {_message(error)}") from None


def _cast_of(kind: str) -> str:
    """Return how a column of this type is cast, so that its values arrive as DuckDB has them."""
    if _EXACT.fullmatch(kind):
        return "{}"
    return "to_json({})::VARCHAR" if _NESTED.fullmatch(kind) else "{}::VARCHAR"


def _field(name: str, kind: str, arriving: pa.DataType) -> pa.Field:
    """Return the column as it arrives."""
    return pa.field(name, arriving, metadata={TYPE_KEY: ColumnType.DECIMAL.encode()} if kind in _NUMBERS else None)


def _message(error: Exception) -> str:
    """Return what DuckDB says, without the name of its error's class."""
    return re.sub(r"^(?:[A-Z][A-Za-z/ ]* Error|IO Error): ", "", str(error)).strip()
