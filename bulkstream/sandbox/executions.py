"""Executions: the life of one load of a stream.

    ACTIVE ── commit ──► COMMITTING ──► SETTLING ──► SUCCESS
       │                      └────────────┴───────► FAILED
       └── abort ──► ABORTED

COMMITTING means that the parts are being checked, SETTLING that the commit was answered and takes effect later; to
clients both are still ACTIVE. Parts are taken in the state ACTIVE only. A restart turns COMMITTING, which nobody was
told of, back into ACTIVE, and completes SETTLING.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import orjson

from bulkstream.sandbox import streams
from bulkstream.sandbox.errors import ApiFault, bad_request, conflict, not_found
from bulkstream.sandbox.streams import Method, UpdateMethod

if TYPE_CHECKING:
    import sqlite3

    from bulkstream.sandbox.bodies import Json
    from bulkstream.sandbox.streams import Stream


class State(StrEnum):
    """Where an execution is in its life."""

    ACTIVE = "ACTIVE"
    COMMITTING = "COMMITTING"
    SETTLING = "SETTLING"
    SUCCESS = "SUCCESS"
    ABORTED = "ABORTED"
    FAILED = "FAILED"

    @property
    def shown(self) -> str:
        """The word that clients see."""
        return State.ACTIVE.value if self in _OPEN else self.value

    @property
    def told(self) -> str:
        """What a client is told that came too late."""
        return "being committed" if self in _OPEN else f"closed ({self.value})"


_OPEN = (State.ACTIVE, State.COMMITTING, State.SETTLING)


@dataclass(frozen=True, slots=True)
class Execution:
    """One load of a stream.

    Attributes:
        data_id: Names the execution's data in the instance dialect; never equal to `id`.
        document: The fields that the sandbox doesn't interpret, as they were sent.
        rows: Rows that a commit brought; None before it, and with validation off.
        raw_bytes: CSV bytes that a commit brought, uncompressed; None as `rows`.
        error: Why the commit failed.
    """

    id: int
    stream_id: int
    data_id: str
    state: State
    method: Method
    document: Json
    created: float
    modified: float
    ended: float | None
    rows: int | None
    raw_bytes: int | None
    error: str | None


def insert(db: sqlite3.Connection, stream_id: int, body: Json, now: float) -> Execution:
    """Open an execution; `body` may override the stream's update method and keys.

    Raises:
        ApiFault: 404, no such stream; 400, it is a connector's or an UPSERT lacks its keys; 409, another is open.
    """
    stream = streams.get(db, stream_id)
    _check_pushable(stream)
    open_one = f"SELECT id FROM executions WHERE stream_id = ? AND state IN {tuple(map(str, _OPEN))}"  # noqa: S608 - literals
    if row := db.execute(open_one, (stream_id,)).fetchone():
        raise conflict(f"execution {row[0]} of stream {stream_id} is still open; commit or abort it first")
    method = streams.method_of(body, stream.method)
    check_keys(method, stream)
    cursor = db.execute(
        "INSERT INTO executions (stream_id, data_id, state, update_method, key_columns, document, created, modified)"
        " VALUES (?, ?, 'ACTIVE', ?, ?, ?, ?, ?)",
        (stream_id, f"d-{uuid.uuid4()}", method.update, _text(method.keys), _text(_unknown(body)), now, now),
    )
    return get(db, stream_id, cursor.lastrowid or 0)


def get(db: sqlite3.Connection, stream_id: int, execution_id: int) -> Execution:
    """Read one of a stream's executions.

    Raises:
        ApiFault: 404, there is no such stream, or no such execution of it.
    """
    query = "SELECT * FROM executions WHERE id = ? AND stream_id = ?"
    row = db.execute(query, (execution_id, stream_id)).fetchone()
    if row is None:
        streams.get(db, stream_id)
        raise not_found("execution", f"{execution_id} of stream {stream_id}")
    return _from_row(row)


def by_data(db: sqlite3.Connection, stream_id: int, data_id: str) -> Execution:
    """Read the execution whose data this is.

    Raises:
        ApiFault: 404, there is none of this stream.
    """
    query = "SELECT * FROM executions WHERE data_id = ? AND stream_id = ?"
    row = db.execute(query, (data_id, stream_id)).fetchone()
    if row is None:
        streams.get(db, stream_id)
        raise not_found("data", f"{data_id} of stream {stream_id}")
    return _from_row(row)


def current(db: sqlite3.Connection, stream_id: int) -> Execution | None:
    """Read the execution that is open, if any.

    Raises:
        ApiFault: 404, there is no such stream.
    """
    streams.get(db, stream_id)
    query = "SELECT * FROM executions WHERE stream_id = ? AND state IN ('ACTIVE', 'COMMITTING', 'SETTLING')"
    row = db.execute(query, (stream_id,)).fetchone()
    return None if row is None else _from_row(row)


def listed(db: sqlite3.Connection, stream_id: int, limit: int, offset: int) -> list[Execution]:
    """Read a page of a stream's executions, in the order of creation.

    Raises:
        ApiFault: 404, there is no such stream.
    """
    streams.get(db, stream_id)
    query = "SELECT * FROM executions WHERE stream_id = ? ORDER BY id LIMIT ? OFFSET ?"
    return [_from_row(row) for row in db.execute(query, (stream_id, limit, offset))]


def latest(db: sqlite3.Connection, stream_id: int, number: int) -> list[Execution]:
    """Read the newest executions of a stream, the newest last."""
    query = "SELECT * FROM executions WHERE stream_id = ? ORDER BY id DESC LIMIT ?"
    return [_from_row(row) for row in db.execute(query, (stream_id, number))][::-1]


def delete(db: sqlite3.Connection, execution: Execution) -> list[int]:
    """Forget an execution and its parts; rows that it committed stay.

    Returns:
        The segments whose files are not needed any more.

    Raises:
        ApiFault: 409, it is being committed.
    """
    there = get(db, execution.stream_id, execution.id)
    if there.state in {State.COMMITTING, State.SETTLING}:
        raise conflict(f"execution {there.id} is {there.state.told}")
    dropped = [row[0] for row in db.execute("SELECT id FROM segments WHERE execution_id = ?", (there.id,))]
    db.execute("DELETE FROM segments WHERE execution_id = ?", (there.id,))
    db.execute("DELETE FROM executions WHERE id = ?", (there.id,))
    return dropped


def update(db: sqlite3.Connection, execution: Execution, body: Json, now: float) -> Execution:
    """Change the update method or keys of an open execution; unknown fields are kept.

    Raises:
        ApiFault: 409, it is closed or being committed; 400, the method or its keys are wrong.
    """
    check_open(execution)
    method = streams.method_of(body, execution.method)
    check_keys(method, streams.get(db, execution.stream_id))
    document = {**execution.document, **_unknown(body)}
    db.execute(
        "UPDATE executions SET update_method = ?, key_columns = ?, document = ?, modified = ? WHERE id = ?",
        (method.update, _text(method.keys), _text(document), now, execution.id),
    )
    return get(db, execution.stream_id, execution.id)


def check_open(execution: Execution) -> None:
    """Let only an ACTIVE execution pass.

    Raises:
        ApiFault: 409, it is closed or being committed.
    """
    if execution.state is not State.ACTIVE:
        raise conflict(f"execution {execution.id} is {execution.state.told}")


def check_keys(method: Method, stream: Stream) -> None:
    """An UPSERT needs keys, and they must be columns.

    Raises:
        ApiFault: 400, there are none, or one is unknown.
    """
    if method.update is not UpdateMethod.UPSERT:
        return
    if not method.keys:
        raise bad_request("UPSERT needs keyColumnNames, from the stream or with the execution")
    if unknown := [key for key in method.keys if key not in stream.dataset.names]:
        raise bad_request(f"keyColumnNames {unknown} are not columns of dataset {stream.dataset.id}")


def _check_pushable(stream: Stream) -> None:
    transport = stream.document.get("transport")
    if isinstance(transport, dict) and transport.get("type") == "CONNECTOR":
        raise ApiFault(
            400, f"stream {stream.id} has transport type CONNECTOR: its execution is a connector's job, not an upload"
        )


def _unknown(body: Json) -> Json:
    return {name: value for name, value in body.items() if name not in {"updateMethod", "keyColumnNames"}}


def _from_row(row: sqlite3.Row) -> Execution:
    return Execution(
        id=row["id"],
        stream_id=row["stream_id"],
        data_id=row["data_id"],
        state=State(row["state"]),
        method=Method(UpdateMethod(row["update_method"]), tuple(orjson.loads(row["key_columns"]))),
        document=orjson.loads(row["document"]),
        created=row["created"],
        modified=row["modified"],
        ended=row["ended"],
        rows=row["rows"],
        raw_bytes=row["raw_bytes"],
        error=row["error"],
    )


def _text(value: object) -> str:
    return orjson.dumps(value).decode()
