"""Streams: the state behind both dialects."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

import orjson

from bulkstream.sandbox import datasets
from bulkstream.sandbox.bodies import Json  # noqa: TC001 - for a constant's annotation, which stands at run time
from bulkstream.sandbox.errors import bad_request, conflict, not_found

if TYPE_CHECKING:
    import sqlite3

    from bulkstream.sandbox.datasets import Dataset, DatasetFields

TRANSPORT: Json = {"type": "API", "description": "API", "version": "1", "configurations": []}


class UpdateMethod(StrEnum):
    """What a commit does with the rows that are there."""

    REPLACE = "REPLACE"
    APPEND = "APPEND"
    UPSERT = "UPSERT"


@dataclass(frozen=True, slots=True)
class Method:
    """How an execution changes its dataset, and by which columns (UPSERT)."""

    update: UpdateMethod = UpdateMethod.REPLACE
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream and its dataset.

    Attributes:
        document: The fields that the sandbox doesn't interpret, as they were sent.
    """

    id: int
    dataset: Dataset
    method: Method
    document: Json
    created: float
    modified: float


@dataclass(frozen=True, slots=True)
class StreamFields:
    """What a client says about a stream; None leaves it as it is."""

    dataset: DatasetFields
    method: Method | None = None
    document: Json = field(default_factory=dict)


def method_of(body: Json, default: Method | None = None) -> Method:
    """Read `updateMethod` and `keyColumnNames`, either of which may be absent or null.

    Raises:
        ApiFault: 400, the method is unknown or the keys are no list of names.
    """
    default = default or Method()
    name, keys = body.get("updateMethod"), body.get("keyColumnNames")
    if name is not None and (not isinstance(name, str) or name not in set(UpdateMethod)):
        raise bad_request(f"updateMethod is {name!r}; known are {', '.join(UpdateMethod)}")
    if keys is not None and not (isinstance(keys, list) and all(isinstance(key, str) for key in keys)):
        raise bad_request("keyColumnNames must be a list of column names")
    return Method(default.update if name is None else UpdateMethod(name), default.keys if keys is None else tuple(keys))


def insert(db: sqlite3.Connection, fields: StreamFields, now: float) -> Stream:
    """Create a stream and its dataset; it takes uploads unless its transport says otherwise."""
    document = {"transport": TRANSPORT, **fields.document}
    dataset = datasets.insert(db, fields.dataset, now)
    method = fields.method or Method()
    cursor = db.execute(
        "INSERT INTO streams (dataset_id, update_method, key_columns, document, created, modified)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (dataset.id, method.update, _text(method.keys), _text(document), now, now),
    )
    return get(db, cursor.lastrowid or 0)


def get(db: sqlite3.Connection, stream_id: int) -> Stream:
    """Read one.

    Raises:
        ApiFault: 404, there is none.
    """
    row = db.execute("SELECT * FROM streams WHERE id = ?", (stream_id,)).fetchone()
    if row is None:
        raise not_found("stream", stream_id)
    return _from_row(db, row)


def listed(db: sqlite3.Connection, limit: int = -1, offset: int = 0) -> list[Stream]:
    """Read a page, or all, in the order of creation."""
    rows = db.execute("SELECT * FROM streams ORDER BY id LIMIT ? OFFSET ?", (limit, offset)).fetchall()
    return [_from_row(db, row) for row in rows]


def update(db: sqlite3.Connection, stream_id: int, fields: StreamFields, now: float) -> Stream:
    """Change what is given; the document's fields are laid over those that are there.

    Raises:
        ApiFault: 404, there is none.
    """
    stream = get(db, stream_id)
    method = fields.method or stream.method
    datasets.update(db, stream.dataset.id, fields.dataset, now)
    db.execute(
        "UPDATE streams SET update_method = ?, key_columns = ?, document = ?, modified = ? WHERE id = ?",
        (method.update, _text(method.keys), _text({**stream.document, **fields.document}), now, stream_id),
    )
    return get(db, stream_id)


def delete(db: sqlite3.Connection, stream_id: int) -> list[int]:
    """Delete a stream with its executions and their parts; its dataset stays.

    Returns:
        The segments whose files are not needed any more.

    Raises:
        ApiFault: 404, there is none; 409, one of its executions is being committed.
    """
    get(db, stream_id)
    busy = "SELECT id FROM executions WHERE stream_id = ? AND state IN ('COMMITTING', 'SETTLING')"
    if row := db.execute(busy, (stream_id,)).fetchone():
        raise conflict(f"execution {row[0]} of stream {stream_id} is being committed")
    parts = "FROM segments WHERE execution_id IN (SELECT id FROM executions WHERE stream_id = ?)"
    segments = [row[0] for row in db.execute(f"SELECT id {parts}", (stream_id,))]
    db.execute(f"DELETE {parts}", (stream_id,))
    db.execute("DELETE FROM streams WHERE id = ?", (stream_id,))
    return segments


def _from_row(db: sqlite3.Connection, row: sqlite3.Row) -> Stream:
    method = Method(UpdateMethod(row["update_method"]), tuple(orjson.loads(row["key_columns"])))
    dataset = datasets.get(db, row["dataset_id"])
    return Stream(row["id"], dataset, method, orjson.loads(row["document"]), row["created"], row["modified"])


def _text(value: object) -> str:
    return orjson.dumps(value).decode()
