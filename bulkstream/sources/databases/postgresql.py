"""PostgreSQL by ADBC: binary COPY straight into Arrow, some MiB at a time.

The driver's types are taken where they are exact: booleans, numbers, text, bytea, dates and timestamps. Anything else
is cast in the query, by the server: arrays and rows to JSON, money to numeric, the others to their text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NoReturn

import adbc_driver_manager
import pyarrow as pa
from adbc_driver_postgresql import StatementOptions
from adbc_driver_postgresql import dbapi as postgresql

from bulkstream.errors import SourceMissing, SourceUnreadable, UsageError
from bulkstream.model import ColumnType
from bulkstream.sources.batches import TYPE_KEY
from bulkstream.sources.columnar.slices import BATCH_BYTES
from bulkstream.sources.databases.casts import cast
from bulkstream.sources.databases.judge import Judge
from bulkstream.sources.databases.query import ONE_QUERY
from bulkstream.sources.databases.url import PASSWORD_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bulkstream.sources.databases.url import DatabaseUrl

_BEFORE = (
    "SET TRANSACTION READ ONLY",
    "SET LOCAL datestyle = 'ISO'",  # its other half, how dates in the query are read, stays
    "SET LOCAL intervalstyle = 'postgres'",
)
_CONNECTION = {
    "fallback_application_name": "bulkstream",
    "connect_timeout": "30",
    "keepalives_idle": "60",
    "keepalives_interval": "15",
}
"""Parameters where the URL has none; a server that is gone is noticed by the last two."""

_EXACT = frozenset(
    {"bool", "int2", "int4", "int8", "float4", "float8", "numeric", "date", "timestamp", "timestamptz"}
    | {"text", "varchar", "bpchar", "name", "char", "bytea", "json", "jsonb"}
)
_CASTS = {"money": "{}::numeric", "oid": "{}::int8"}
_TYPE = b"POSTGRESQL:type"
_MESSAGE = re.compile(r"(?:ERROR|FATAL|PANIC):\s+(.*?)\s*(?:\n\nQuery was: .*)?\Z", re.DOTALL)
_WRONG_QUERY = re.compile(r"42(?!501)|0A000|25006")
"""SQLSTATEs of what is wrong with the query itself, missing permission aside (source: PostgreSQL, appendix A)."""


class PostgresqlSession:
    """Implements `Session`."""

    format = "PostgreSQL"
    rows: int | None = None

    def __init__(self, database: DatabaseUrl, query: str, *, password: str) -> None:
        """Connect, and have the server describe the query.

        Raises:
            UsageError: The query is wrong, or returns no rows.
            SourceMissing: The server has no such database.
            SourceUnreadable: The server refused, or could not be reached.
        """
        self._name = database.name
        self._password = password
        self._reader: pa.RecordBatchReader | None = None
        try:
            self._connection = postgresql.connect(database.with_password(password, **_CONNECTION), autocommit=True)
        except adbc_driver_manager.Error as error:
            self._refuse_connection(error)
        self._cursor = self._connection.cursor()
        try:
            described = self._cursor.adbc_execute_schema(query)
            casts = [_cast_of(field) for field in described]
            self._query = cast(query, casts)
            self.schema = pa.schema(map(_field, described, casts))
        except adbc_driver_manager.Error as error:
            self.close()
            self._refuse(error)
        if not self.schema.names:
            self.close()
            raise UsageError("the query returns no rows", hint=ONE_QUERY)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """See `Session`."""
        judge = Judge(self._name, self.schema)
        try:
            self._reader = self._begun()
            for batch in self._reader:
                columns = list(map(_plain, batch.columns, self.schema.types))
                yield judge.passed(pa.record_batch(columns, schema=self.schema))
        except (adbc_driver_manager.Error, pa.ArrowException, OSError) as error:
            if isinstance(error, SourceUnreadable):
                raise
            self._refuse(error)

    def cancel(self) -> None:
        """See `Session`."""
        self._cursor.adbc_cancel()

    def close(self) -> None:
        """See `Session`; what was read in part only is ended first, since the driver would read on to its end."""
        if self._reader is not None:
            self.cancel()
            self._reader.close()
            self._reader = None
        self._cursor.close()
        self._connection.close()

    def _begun(self) -> pa.RecordBatchReader:
        """Begin a transaction, which nobody commits, and run the query in it."""
        self._connection.adbc_connection.set_autocommit(False)
        for statement in _BEFORE:
            self._cursor.execute(statement)
        size = {StatementOptions.BATCH_SIZE_HINT_BYTES.value: str(BATCH_BYTES)}
        self._cursor.adbc_statement.set_options(**size)
        self._cursor.execute(self._query)
        return self._cursor.fetch_record_batch()

    def _refuse(self, error: Exception) -> NoReturn:
        """Say in the server's words what is wrong."""
        message = self._message(error)
        if _WRONG_QUERY.match(getattr(error, "sqlstate", None) or ""):
            raise UsageError(f"{self._name}: {message}", hint=ONE_QUERY) from None
        raise SourceUnreadable(f"{self._name}: the query failed: {message}") from None

    def _refuse_connection(self, error: Exception) -> NoReturn:
        message = self._message(error)
        if re.fullmatch(r'database ".*" does not exist', message):
            raise SourceMissing(f"{self._name}: {message}") from None
        hint = ""
        if "password" in message:
            hint = f"Set {PASSWORD_VARIABLE} or PGPASSWORD, or use ~/.pgpass or PGSERVICE."
        raise SourceUnreadable(f"{self._name}: no connection: {message}", hint=hint) from None

    def _message(self, error: Exception) -> str:
        """Return what the server says of an error, or what the driver does; never with the password."""
        text = str(error)
        found = _MESSAGE.search(text)
        text = found[1] if found else text.rpartition("[libpq] ")[2].strip()
        return text.replace(self._password, "…") if self._password else text


def _cast_of(field: pa.Field) -> str:
    """Return how a column is cast, so that its values arrive as the server has them."""
    name = field.metadata[_TYPE].decode()
    if name in _EXACT:
        return "{}"
    if pa.types.is_nested(field.type):
        return "to_json({})"
    return _CASTS.get(name, "{}::text")


def _field(described: pa.Field, way: str) -> pa.Field:
    """Return the column as it arrives."""
    name, kind = described.metadata[_TYPE].decode(), described.type
    if name == "numeric" or way == "{}::numeric":
        return pa.field(described.name, pa.string(), metadata={TYPE_KEY: ColumnType.DECIMAL.encode()})
    if way == "{}::int8":
        return pa.field(described.name, pa.int64())
    exact = way == "{}" and not isinstance(kind, pa.BaseExtensionType)
    return pa.field(described.name, kind if exact else pa.string())


def _plain(values: Any, kind: pa.DataType) -> Any:
    """Take off the driver's names for text: JSON, numbers."""
    stored = values.storage if isinstance(values, pa.ExtensionArray) else values
    return stored.cast(kind)
