"""Datasets: a schema, a number of rows, and a list of immutable segments."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson

from bulkstream.sandbox.errors import bad_request, not_found

if TYPE_CHECKING:
    import sqlite3

    from bulkstream.sandbox.bodies import Json

COLUMN_TYPES = frozenset({"STRING", "DECIMAL", "LONG", "DOUBLE", "DATE", "DATETIME"})

Columns: TypeAlias = tuple[tuple[str, str], ...]
"""A schema: pairs of name and type, in the order of the fields in a record."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset without its rows.

    Attributes:
        columns: None until a schema is given.
        rows: None while nobody has counted them (validation off).
    """

    id: str
    name: str
    description: str
    columns: Columns | None
    rows: int | None
    created: float
    updated: float

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, none without a schema."""
        return tuple(name for name, _ in self.columns or ())


@dataclass(frozen=True, slots=True)
class DatasetFields:
    """What a client may say about a dataset; None leaves a field as it is."""

    name: str | None = None
    description: str | None = None
    columns: Columns | None = None


def fields_of(body: Json) -> DatasetFields:
    """Read name, description and schema from a JSON object.

    Raises:
        ApiFault: 400, one of them has the wrong form.
    """
    return DatasetFields(_text(body, "name"), _text(body, "description"), columns_of(body.get("schema")))


def columns_of(schema: object) -> Columns | None:
    """Read `{"columns": [{"name", "type"}]}`; nothing, or no columns at all, is no schema.

    Raises:
        ApiFault: 400, the schema has another form, an unknown type, or a name twice.
    """
    if schema is None:
        return None
    listed = schema.get("columns") if isinstance(schema, dict) else None
    if not isinstance(listed, list):
        raise bad_request('a schema has the form {"columns": [{"name": …, "type": …}]}')
    columns = tuple(_column(entry) for entry in listed)
    names = [name for name, _ in columns]
    if len(set(names)) != len(names):
        raise bad_request(f"a column name appears twice: {sorted({n for n in names if names.count(n) > 1})}")
    return columns or None


def insert(db: sqlite3.Connection, fields: DatasetFields, now: float) -> Dataset:
    """Create an empty dataset."""
    dataset_id = str(uuid.uuid4())
    values = (dataset_id, fields.name or "", fields.description or "", _dumped(fields.columns), 0, now, now)
    db.execute("INSERT INTO datasets VALUES (?, ?, ?, ?, ?, ?, ?)", values)
    return get(db, dataset_id)


def get(db: sqlite3.Connection, dataset_id: str) -> Dataset:
    """Read one.

    Raises:
        ApiFault: 404, there is none.
    """
    row = db.execute("SELECT * FROM datasets WHERE id = ?", (dataset_id,)).fetchone()
    if row is None:
        raise not_found("dataset", dataset_id)
    return from_row(row)


def listed(db: sqlite3.Connection, limit: int, offset: int, name_like: str) -> list[Dataset]:
    """Read a page, in the order of creation; `name_like` is part of the name, in any case."""
    query = "SELECT * FROM datasets WHERE instr(lower(name), lower(?)) > 0 ORDER BY rowid LIMIT ? OFFSET ?"
    return [from_row(row) for row in db.execute(query, (name_like, limit, offset))]


def update(db: sqlite3.Connection, dataset_id: str, fields: DatasetFields, now: float) -> Dataset:
    """Change what is given. Rows that are there keep their fields, whatever the schema becomes.

    Raises:
        ApiFault: 404, there is none.
    """
    there = get(db, dataset_id)
    if fields.columns is not None and there.columns is not None:
        query = "UPDATE segments SET columns = ? WHERE dataset_id = ? AND checked = 0 AND columns IS NULL"
        db.execute(query, (len(there.columns), dataset_id))
    db.execute(
        "UPDATE datasets SET name = coalesce(?, name), description = coalesce(?, description),"
        " columns = coalesce(?, columns), updated = ? WHERE id = ?",
        (fields.name, fields.description, _dumped(fields.columns), now, dataset_id),
    )
    return get(db, dataset_id)


def count_rows(db: sqlite3.Connection, dataset_id: str) -> Dataset:
    """Sum up the rows of a dataset's segments, and keep the sum; None if a segment's are not known."""
    query = "SELECT CASE WHEN count(*) = count(rows) THEN coalesce(sum(rows), 0) END FROM segments WHERE dataset_id = ?"
    rows = db.execute(query, (dataset_id,)).fetchone()[0]
    db.execute("UPDATE datasets SET rows = ? WHERE id = ?", (rows, dataset_id))
    return get(db, dataset_id)


def from_row(row: sqlite3.Row) -> Dataset:
    """Build one from a row of its table."""
    columns = None if row["columns"] is None else tuple((c[0], c[1]) for c in orjson.loads(row["columns"]))
    return Dataset(row["id"], row["name"], row["description"], columns, row["rows"], row["created"], row["updated"])


def schema_json(columns: Columns | None) -> Json:
    """A schema as both dialects show it."""
    return {"columns": [{"type": kind, "name": name} for name, kind in columns or ()]}


def _dumped(columns: Columns | None) -> str | None:
    return None if columns is None else orjson.dumps(columns).decode()


def _column(entry: Any) -> tuple[str, str]:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise bad_request("every column needs a name")
    kind = entry.get("type", "STRING")
    if kind not in COLUMN_TYPES:
        raise bad_request(f"column {entry['name']!r} has type {kind!r}; known are {', '.join(sorted(COLUMN_TYPES))}")
    return entry["name"], kind


def _text(body: Json, name: str) -> str | None:
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise bad_request(f"{name} must be text")
    return value
