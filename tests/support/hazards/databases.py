"""Queries, read by the databases' own clients."""

from __future__ import annotations

import csv
import io
import os
import sqlite3
import subprocess
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb

from bulkstream.model import ColumnType
from bulkstream.sources import Query
from tests.support.hazards.made import Format, Made, types_of
from tests.support.hazards.texts import long_fields, text_types, told

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.hazards.tables import Hazard
    from tests.support.postgres import Postgres

ALL = "SELECT * FROM hazard"
LITE = {"long": "INTEGER", "double": "REAL", "bool": "INTEGER", "date": "DATE", "moment": "DATETIME"}
POSTGRES = {
    "long": "bigint",
    "big": "numeric(20)",
    "decimal": "numeric(38,10)",
    "double": "double precision",
    "bool": "boolean",
    "date": "date",
    "moment": "timestamp",
    "text": "text",
}


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _create(hazard: Hazard, kinds: dict[str, str], name: str = "hazard") -> str:
    columns = [f"{_quoted(column.name)} {kinds.get(column.kind, 'TEXT')}" for column in hazard.columns]
    return f"CREATE TABLE {name} ({', '.join(columns)})"


def _lite(value: Any) -> Any:
    """Return a value as SQLite has it: numbers that are no integer of 64 bits, and times, are text."""
    is_text = isinstance(value, Decimal | date) or (isinstance(value, int) and value >= 1 << 63)
    return str(value) if is_text else value


def _sqlite(hazard: Hazard, folder: Path) -> Made:
    path = folder / "rows.db"
    with sqlite3.connect(path) as database:
        database.execute(_create(hazard, LITE))
        marks = ", ".join("?" * len(hazard.columns))
        values = [tuple(map(_lite, row)) for row in hazard.rows]
        database.executemany(f"INSERT INTO hazard VALUES ({marks})", values)
        database.commit()
        found = database.execute(ALL)
        names, rows = tuple(column[0] for column in found.description), found.fetchall()
    database.close()
    others = {"big": ColumnType.STRING, "decimal": ColumnType.STRING, "bool": ColumnType.LONG}
    return Made(
        [Query(f"sqlite:///{path}", ALL)], names, rows, types_of(hazard, **others) if rows else text_types(hazard)
    )


def _duckdb(hazard: Hazard, folder: Path) -> Made:
    path = folder / "rows.duckdb"
    with duckdb.connect(str(path)) as database:
        database.register("given", hazard.arrow)
        database.execute("CREATE TABLE hazard AS SELECT * FROM given")
        found = database.execute(ALL)
        names, rows = tuple(column[0] for column in found.description), found.fetchall()
    return Made([Query(f"duckdb:///{path}", ALL)], names, rows, types_of(hazard))


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str | date | float):
        return "'" + str(value).replace("'", "''") + "'"
    return str(value)


def _plain(value: Any) -> bool:
    return not (isinstance(value, str) and "\x00" in value)


def postgres_format(server: Postgres, programs: Path) -> Format:
    """Return the format of a server's queries; it is read by `psql`, as the server's own text."""

    def make(hazard: Hazard, folder: Path) -> Made:
        hazard = hazard.only(_plain)
        name = f"hazard_{folder.parent.name}_{folder.name}"
        rows = ", ".join(f"({', '.join(map(_literal, row))})" for row in hazard.rows)
        fill = [f"INSERT INTO {name} VALUES {rows}"] if rows else []
        server.run(_create(hazard, POSTGRES, name), *fill)
        query = f"SELECT * FROM {name}"
        copied = _copied(server, programs, query)
        with long_fields():
            names, *texts = csv.reader(io.StringIO(copied, newline=""), strict=True)
        found = [told(row or [""], meant) for row, meant in zip(texts, hazard.rows, strict=True)]
        found = [tuple(map(_valued, row, hazard.columns)) for row in found]
        return Made([Query(server.url, query)], tuple(names), found, types_of(hazard))

    return Format("PostgreSQL query", make)


def _copied(server: Postgres, programs: Path, query: str) -> str:
    copy = f"COPY ({query}) TO STDOUT (FORMAT csv, HEADER)"
    settings = {"PGTZ": "UTC", "PGDATESTYLE": "ISO", "PGCLIENTENCODING": "UTF8"}
    command = [str(programs / "psql"), "-X", "-q", "-d", server.url, "-c", copy]
    done = subprocess.run(command, check=True, capture_output=True, env={**os.environ, **settings}, timeout=60)
    return done.stdout.decode()


def _valued(text: str | None, column: Any) -> Any:
    """Return what PostgreSQL's text of a value says."""
    if text is None:
        return None
    read: dict[str, Callable[[str], Any]] = {
        "long": int,
        "big": int,
        "decimal": Decimal,
        "double": float,
        "bool": "t".__eq__,
        "date": date.fromisoformat,
        "moment": datetime.fromisoformat,
    }
    return read.get(column.kind, str)(text)


FORMATS = (Format("SQLite query", _sqlite), Format("DuckDB query", _duckdb))
