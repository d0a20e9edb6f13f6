"""UPSERT: lays new records over old ones by their keys.

The last of the new records with a key wins. It takes the place of the old record with that key; records with new
keys follow at the end, in the order in which their keys first appeared. Further old records with a replaced key (an
APPEND may have left some) disappear. Keys are compared by the values of their fields, so quoting makes no difference.

The new records wait in a temporary SQLite database, so that memory doesn't grow with the data.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from bulkstream.sandbox.blocks import blocks
from bulkstream.sandbox.check import Check
from bulkstream.sandbox.pad import padded
from bulkstream.sandbox.records import BadRecord, Record, records

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from bulkstream.sandbox.segments import Segment

_TABLE = "CREATE TABLE incoming (seq INTEGER PRIMARY KEY, key TEXT UNIQUE, raw BLOB, used INTEGER DEFAULT 0)"
_PUT = "INSERT INTO incoming (key, raw) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET raw = excluded.raw"


@dataclass(frozen=True, slots=True)
class Source:
    """A segment's file.

    Attributes:
        limit: Most bytes of CSV in a compressed one; a plain one was measured when it came.
        lacking: Fields that its records lack, since its dataset got more columns after it came.
    """

    path: Path
    gzip: bool
    limit: int | None = None
    lacking: int = 0

    @classmethod
    def of(cls, segment: Segment, path: Path, limit: int, columns: int) -> Source:
        """The source of a segment, as a schema of so many columns has it."""
        return cls(path, segment.gzip, limit, max(0, columns - (segment.columns or columns)))

    def blocks(self) -> Iterator[bytes]:
        """Its CSV, in blocks.

        Raises:
            BrokenGzip: It can't be decompressed.
            TooLarge: It holds more than it may.
        """
        stored = blocks(self.path, gzip=self.gzip, limit=self.limit if self.gzip else None)
        return padded(stored, self.lacking) if self.lacking else stored


@dataclass(frozen=True, slots=True)
class Layout:
    """How records of both sides look.

    Attributes:
        columns: Fields of each.
        keys: Indexes of the key fields.
        longest: Most bytes of one.
    """

    columns: int
    keys: tuple[int, ...]
    longest: int


def merge(old: Iterable[Source], new: Iterable[Source], layout: Layout, target: Path) -> Check:
    """Write the merged records to a new file; blocking.

    Args:
        old: The dataset's contents, in order.
        new: The execution's parts, in order.
        layout: Of the records.
        target: The file to write, plain CSV. A database of the same name, with `.keys`, exists meanwhile.

    Raises:
        BadRecord: A record can't be parsed or has another number of fields.
        BrokenGzip: A part can't be decompressed.
        TooLarge: A part holds more than it may.
    """
    scratch = target.with_suffix(".keys")
    try:
        with closing(sqlite3.connect(scratch, isolation_level=None)) as db, target.open("wb", 1 << 20) as file:
            for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -65536"):
                db.execute(f"PRAGMA {pragma}")
            db.execute(_TABLE)
            db.execute("BEGIN")
            db.executemany(_PUT, ((_key(record, layout), record.raw) for record in _all(new, layout)))
            rows = _write(file, _merged(db, old, layout))
            raw_bytes = file.tell()
    finally:
        scratch.unlink(missing_ok=True)
    return Check(rows, raw_bytes, layout.columns)


def _merged(db: sqlite3.Connection, old: Iterable[Source], layout: Layout) -> Iterator[bytes]:
    for record in _all(old, layout):
        found = db.execute("SELECT seq, raw, used FROM incoming WHERE key = ?", (_key(record, layout),)).fetchone()
        if found is None:
            yield record.raw
        elif not found[2]:
            db.execute("UPDATE incoming SET used = 1 WHERE seq = ?", (found[0],))
            yield found[1]
    for row in db.execute("SELECT raw FROM incoming WHERE used = 0 ORDER BY seq"):
        yield row[0]


def _write(file: BinaryIO, lines: Iterator[bytes]) -> int:
    rows = 0
    for raw in lines:
        rows += 1
        file.write(raw if raw.endswith(b"\n") else raw + b"\n")
    return rows


def _all(sources: Iterable[Source], layout: Layout) -> Iterator[Record]:
    for source in sources:
        for number, record in enumerate(records(source.blocks(), longest=layout.longest), 1):
            if len(record.fields) != layout.columns:
                raise BadRecord(number, f"{len(record.fields)} fields, the schema has {layout.columns}")
            yield record


def _key(record: Record, layout: Layout) -> str:
    """One text for the key's fields; lengths keep ("a", "bc") apart from ("ab", "c")."""
    return "".join(f"{len(record.fields[index])}:{record.fields[index]}" for index in layout.keys)
