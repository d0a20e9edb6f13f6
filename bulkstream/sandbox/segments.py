"""Segments: files of whole CSV records, as parts of executions and as the contents of datasets."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from bulkstream.sandbox import executions
from bulkstream.sandbox.errors import bad_request, conflict

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator

    from bulkstream.sandbox.check import Check

_NAMED_GAPS = 10


@dataclass(frozen=True, slots=True)
class Segment:
    """A file, and what is known of it.

    Attributes:
        columns: Fields of each record; None if it has none, or nobody knows.
    """

    id: int
    gzip: bool
    sent_bytes: int
    columns: int | None = None


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a part belongs."""

    stream_id: int
    execution_id: int
    part_id: int


@dataclass(frozen=True, slots=True)
class Taken:
    """A part was taken on.

    Attributes:
        replaced: The segment that had its place, whose file is not needed any more.
        columns: Fields that its records must have; None without a schema.
    """

    replaced: int | None
    columns: int | None


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over segments; None where one of them is unknown."""

    rows: int | None
    raw_bytes: int | None


def add_part(db: sqlite3.Connection, slot: Slot, segment: Segment, *, overwrite: bool) -> Taken:
    """Take a received part on.

    Raises:
        ApiFault: 409, the execution is closed or being committed, or the part is there and may not be replaced.
    """
    executions.check_open(executions.get(db, slot.stream_id, slot.execution_id))
    query = "SELECT id FROM segments WHERE execution_id = ? AND part_id = ?"
    there = db.execute(query, (slot.execution_id, slot.part_id)).fetchone()
    if there is not None:
        if not overwrite:
            raise conflict(f"part {slot.part_id} of execution {slot.execution_id} was already uploaded")
        db.execute("DELETE FROM segments WHERE id = ?", (there[0],))
    db.execute(
        "INSERT INTO segments (id, execution_id, part_id, gzip, sent_bytes) VALUES (?, ?, ?, ?, ?)",
        (segment.id, slot.execution_id, slot.part_id, segment.gzip, segment.sent_bytes),
    )
    return Taken(None if there is None else int(there[0]), _columns(db, slot.stream_id))


def note_checks(db: sqlite3.Connection, found: Iterable[tuple[int, Check]]) -> None:
    """Keep what checks of segments found; a segment that is gone is nobody's loss."""
    db.executemany(
        "UPDATE segments SET checked = 1, rows = ?, raw_bytes = ?, columns = ?, problem = ? WHERE id = ?",
        ((check.rows, check.raw_bytes, check.columns, check.problem, segment_id) for segment_id, check in found),
    )


def of_execution(db: sqlite3.Connection, execution_id: int) -> list[Segment]:
    """The parts, in the order of their ids."""
    return _segments(db, "execution_id = ? ORDER BY part_id", execution_id)


def of_dataset(db: sqlite3.Connection, dataset_id: str) -> list[Segment]:
    """The contents, in their order."""
    return _segments(db, "dataset_id = ? ORDER BY position", dataset_id)


def unchecked(db: sqlite3.Connection, *, execution_id: int = -1, dataset_id: str = "") -> list[Segment]:
    """Those of an execution or of a dataset that nobody has looked into."""
    if dataset_id:
        return _segments(db, "dataset_id = ? AND checked = 0", dataset_id)
    return _segments(db, "execution_id = ? AND checked = 0", execution_id)


def check_contiguous(db: sqlite3.Connection, execution_id: int) -> None:
    """Part ids must run from 0 or 1 without a gap.

    Raises:
        ApiFault: 400, naming those that are missing.
    """
    query = "SELECT count(*), min(part_id), max(part_id) FROM segments WHERE execution_id = ?"
    number, first, last = db.execute(query, (execution_id,)).fetchone()
    if number == 0 or (first <= 1 and last - first + 1 == number):
        return
    rows = db.execute("SELECT part_id FROM segments WHERE execution_id = ? ORDER BY part_id", (execution_id,))
    missing = list(islice(_gaps(row[0] for row in rows), _NAMED_GAPS + 1))
    named = ", ".join(map(str, missing[:_NAMED_GAPS])) + (", …" if len(missing) > _NAMED_GAPS else "")
    raise bad_request(f"too many non-consecutive part ids: execution {execution_id} lacks part {named}")


def problem_of(db: sqlite3.Connection, execution_id: int, columns: int | None) -> str | None:
    """Why the checked parts can't be committed, or None.

    Args:
        db: The database.
        execution_id: Whose parts.
        columns: Fields that each record must have; None takes the first part's.
    """
    query = (
        "SELECT part_id, problem FROM segments WHERE execution_id = ? AND problem IS NOT NULL ORDER BY part_id LIMIT 1"
    )
    if row := db.execute(query, (execution_id,)).fetchone():
        return f"part {row[0]}: {row[1]}"
    if columns is None:
        query = "SELECT columns FROM segments WHERE execution_id = ? AND columns IS NOT NULL ORDER BY part_id LIMIT 1"
        row = db.execute(query, (execution_id,)).fetchone()
        columns = None if row is None else row[0]
    query = "SELECT part_id, columns FROM segments WHERE execution_id = ? AND columns != ? ORDER BY part_id LIMIT 1"
    if row := db.execute(query, (execution_id, columns)).fetchone():
        return f"part {row[0]}: record 1 has {row[1]} fields, the schema has {columns}"
    return None


def drop_parts(db: sqlite3.Connection, execution_id: int) -> list[int]:
    """Forget an execution's parts, and return them."""
    dropped = [row[0] for row in db.execute("SELECT id FROM segments WHERE execution_id = ?", (execution_id,))]
    db.execute("DELETE FROM segments WHERE execution_id = ?", (execution_id,))
    return dropped


def drop_part(db: sqlite3.Connection, execution_id: int, part_id: int) -> list[int]:
    """Forget one part, if it is there, and return its segment."""
    where = "WHERE execution_id = ? AND part_id = ?"
    dropped = [row[0] for row in db.execute(f"SELECT id FROM segments {where}", (execution_id, part_id))]  # noqa: S608 - literals
    db.execute(f"DELETE FROM segments {where}", (execution_id, part_id))  # noqa: S608 - literals
    return dropped


def drop_contents(db: sqlite3.Connection, dataset_id: str) -> list[int]:
    """Forget a dataset's contents, and return them."""
    dropped = [row[0] for row in db.execute("SELECT id FROM segments WHERE dataset_id = ?", (dataset_id,))]
    db.execute("DELETE FROM segments WHERE dataset_id = ?", (dataset_id,))
    return dropped


def move_parts(db: sqlite3.Connection, execution_id: int, dataset_id: str) -> None:
    """Put an execution's parts at the end of a dataset's contents."""
    last = db.execute("SELECT max(position) FROM segments WHERE dataset_id = ?", (dataset_id,)).fetchone()[0]
    db.execute(
        "UPDATE segments SET dataset_id = ?, position = ? + part_id, execution_id = NULL, part_id = NULL"
        " WHERE execution_id = ?",
        (dataset_id, 0 if last is None else last + 1, execution_id),
    )


def put_contents(db: sqlite3.Connection, dataset_id: str, segment: Segment, check: Check) -> None:
    """Make one segment the whole of an emptied dataset's contents."""
    query = "INSERT INTO segments (id, dataset_id, position, gzip, sent_bytes) VALUES (?, ?, 0, ?, ?)"
    db.execute(query, (segment.id, dataset_id, segment.gzip, segment.sent_bytes))
    note_checks(db, [(segment.id, check)])


def totals(db: sqlite3.Connection, execution_id: int) -> Totals:
    """Sum up the parts of an execution."""
    sums = "count(*), count(rows), sum(rows), count(raw_bytes), sum(raw_bytes)"
    row = db.execute(f"SELECT {sums} FROM segments WHERE execution_id = ?", (execution_id,)).fetchone()  # noqa: S608 - literals
    number, counted, rows, measured, raw_bytes = row
    return Totals((rows or 0) if counted == number else None, (raw_bytes or 0) if measured == number else None)


def _segments(db: sqlite3.Connection, where: str, key: str | int) -> list[Segment]:
    query = f"SELECT id, gzip, sent_bytes, columns FROM segments WHERE {where}"  # noqa: S608 - literals
    return [Segment(row[0], bool(row[1]), row[2], row[3]) for row in db.execute(query, (key,))]


def _gaps(part_ids: Iterator[int]) -> Iterator[int]:
    """The ids from 1 up to the last one that are not there (0 may be there or not)."""
    expected = 1
    for part_id in part_ids:
        yield from range(expected, part_id)
        expected = max(expected, part_id + 1)


def _columns(db: sqlite3.Connection, stream_id: int) -> int | None:
    query = "SELECT json_array_length(columns) FROM datasets WHERE id = (SELECT dataset_id FROM streams WHERE id = ?)"
    columns: int | None = db.execute(query, (stream_id,)).fetchone()[0]
    return columns
