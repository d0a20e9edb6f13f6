"""Which database reads a query."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from bulkstream.errors import MissingExtra, UsageError
from bulkstream.sources.databases.casts import statement
from bulkstream.sources.databases.query import ONE_QUERY, Query
from bulkstream.sources.databases.url import PASSWORD_VARIABLE, parsed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bulkstream.sources.databases.query import Session
    from bulkstream.sources.databases.url import DatabaseUrl

_NEEDED = {
    "postgresql": ("pyarrow", "adbc_driver_postgresql"),
    "sqlite": ("pyarrow",),
    "duckdb": ("pyarrow", "duckdb"),
}


def open_query(
    url: str, query: str, *, environ: Mapping[str, str], stopped: Callable[[], bool] = lambda: False
) -> Query:
    """Connect to a database and have it look at a query, which runs when its rows are read.

    Nothing in the database can be changed by the query. Blocks: call it in a thread.

    Args:
        url: `postgresql://…`, `sqlite:///…` or `duckdb:…`, without a password.
        query: One statement that returns rows.
        environ: Where a password may be. PostgreSQL's own variables, `PGPASSWORD` among them, are the process's.
        stopped: Whether nobody wants it any more, asked while it takes long: SQLite's rows are looked through first.

    Raises:
        UsageError: The URL holds a password, or no such database can be read; or the query is wrong.
        MissingExtra: What speaks to that database is not installed.
        SourceMissing: There is no such file or database.
        SourceUnreadable: The database refused.
    """
    database = parsed(url)
    query = statement(query)
    if not query:
        raise UsageError("the query is empty", hint=ONE_QUERY)
    for package in _NEEDED[database.kind]:
        _need(package)
    return Query(database.name, _session(database, query, environ, stopped))


def _session(database: DatabaseUrl, query: str, environ: Mapping[str, str], stopped: Callable[[], bool]) -> Session:
    """Import what speaks to a database only where it is needed."""
    match database.kind:
        case "postgresql":
            from bulkstream.sources.databases.postgresql import PostgresqlSession  # noqa: PLC0415

            return PostgresqlSession(database, query, password=environ.get(PASSWORD_VARIABLE, ""))
        case "sqlite":
            from bulkstream.sources.databases.sqlite import SqliteSession  # noqa: PLC0415

            return SqliteSession(database, query, stopped=stopped)
        case _:
            from bulkstream.sources.databases.duck import DuckSession  # noqa: PLC0415

            return DuckSession(database, query)


def _need(package: str) -> None:
    try:
        import_module(package)
    except ImportError:
        raise MissingExtra(package.replace("_", "-"), "databases") from None
