"""The journal's tables, and how they are opened."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import fields
from typing import TYPE_CHECKING

from bulkstream.errors import JournalDamaged, JournalEmpty
from bulkstream.model import Receipt

if TYPE_CHECKING:
    from pathlib import Path

APPLICATION_ID = 0x62756C6B
"""Marks the file as ours (`bulk`)."""

VERSION = 1

RECEIPT = tuple(field.name for field in fields(Receipt))
"""Columns of a part: those of its receipt. All are numbers, but for the rejects, which are JSON."""

_NUMBERS = ", ".join(f"{name} INTEGER NOT NULL" for name in RECEIPT[1:-1])

_SCHEMA = f"""
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
CREATE TABLE run (plan TEXT NOT NULL);
CREATE TABLE parts (number INTEGER PRIMARY KEY, {_NUMBERS}, {RECEIPT[-1]} TEXT NOT NULL);
CREATE TABLE steps (id INTEGER PRIMARY KEY, at REAL NOT NULL, step TEXT NOT NULL, detail TEXT NOT NULL);
"""

ADD_PART = f"INSERT OR REPLACE INTO parts VALUES ({', '.join('?' * len(RECEIPT))})"  # noqa: S608 - our own names
ADD_STEP = "INSERT INTO steps (at, step, detail) VALUES (?, ?, ?)"


def made(path: Path, plan: str) -> sqlite3.Connection:
    """Make a journal that holds the plan; it is durable when this returns.

    Raises:
        OSError: The folder can't be written.
        sqlite3.Error: As the former.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    db = opened(path)
    try:
        db.executescript(f"BEGIN; {_SCHEMA}")
        db.execute("INSERT INTO run VALUES (?)", (plan,))
        db.execute("COMMIT")
        _sync_folder(path.parent)
    except BaseException:
        db.close()
        raise
    return db


def opened(path: Path) -> sqlite3.Connection:
    """Open a journal for writing; each transaction is on the disk when it has ended.

    Raises:
        sqlite3.Error: It can't be opened.
    """
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL").fetchall()
        db.execute("PRAGMA synchronous = FULL")
    except BaseException:
        db.close()
        raise
    return db


def check(db: sqlite3.Connection, path: Path) -> None:
    """Refuse what is no journal of this version.

    Raises:
        JournalEmpty: It was never begun.
        JournalDamaged: It is not.
    """
    mark, version = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
    if not mark and not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise JournalEmpty(path)
    if mark != APPLICATION_ID:
        raise JournalDamaged(path, "it is not a journal of bulkstream")
    if version != VERSION:
        raise JournalDamaged(path, f"it has version {version}, and this bulkstream reads version {VERSION}")


def _sync_folder(folder: Path) -> None:
    """Make the entries of a folder durable, its own included."""
    for each in (folder, folder.parent):
        descriptor = os.open(each, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
