"""The tables that hold a sandbox's state, and how their database is opened.

A segment is one file of whole CSV records. It belongs either to an execution, as one of its parts, or to a dataset,
at a position. A commit moves segments from the one to the other in a single transaction, and that is all it does to
the data: files are never rewritten (an UPSERT writes a new one).
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

TABLES = """
CREATE TABLE IF NOT EXISTS secrets (name TEXT PRIMARY KEY, value BLOB NOT NULL);

CREATE TABLE IF NOT EXISTS datasets (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    columns TEXT,             -- JSON list of {type, name}; NULL until a schema is given
    rows INTEGER,             -- NULL until somebody counts them (validation off)
    created REAL NOT NULL,
    updated REAL NOT NULL
);

CREATE TABLE IF NOT EXISTS streams (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    dataset_id TEXT NOT NULL REFERENCES datasets (id),
    update_method TEXT NOT NULL,
    key_columns TEXT NOT NULL,  -- JSON list of names
    document TEXT NOT NULL,     -- JSON object: the other fields, known and unknown, as they were sent
    created REAL NOT NULL,
    modified REAL NOT NULL
);

CREATE TABLE IF NOT EXISTS executions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    stream_id INTEGER NOT NULL REFERENCES streams (id) ON DELETE CASCADE,
    data_id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    update_method TEXT NOT NULL,
    key_columns TEXT NOT NULL,
    document TEXT NOT NULL,
    created REAL NOT NULL,
    modified REAL NOT NULL,
    ended REAL,
    rows INTEGER,
    raw_bytes INTEGER,
    error TEXT
);
CREATE INDEX IF NOT EXISTS executions_of_stream ON executions (stream_id, id);

CREATE TABLE IF NOT EXISTS segments (
    id INTEGER PRIMARY KEY,   -- names the file
    execution_id INTEGER,
    part_id INTEGER,
    dataset_id TEXT,
    position INTEGER,
    gzip INTEGER NOT NULL,
    sent_bytes INTEGER NOT NULL,
    checked INTEGER NOT NULL DEFAULT 0,
    rows INTEGER,
    raw_bytes INTEGER,
    columns INTEGER,          -- fields of each record, as checked or as the schema was before it changed
    problem TEXT
);
CREATE UNIQUE INDEX IF NOT EXISTS parts ON segments (execution_id, part_id) WHERE execution_id IS NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS contents ON segments (dataset_id, position) WHERE dataset_id IS NOT NULL;

-- Execution ids begin elsewhere than stream ids, so that a client which confuses them is found out.
INSERT INTO sqlite_sequence (name, seq) SELECT 'executions', 1000
    WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'executions');
"""


def connect(path: Path, *, temporary: bool) -> sqlite3.Connection:
    """Open the database, with its tables, in WAL mode.

    With `synchronous = NORMAL` a committed transaction survives a killed process, and a power cut leaves a consistent,
    perhaps slightly older, database. A temporary one never waits for the disk. Transactions are begun and ended
    explicitly.
    """
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    db.row_factory = sqlite3.Row
    db.execute(f"PRAGMA synchronous = {'OFF' if temporary else 'NORMAL'}")
    db.execute("PRAGMA journal_mode = WAL").fetchone()
    db.execute("PRAGMA wal_autocheckpoint = 0")  # the store says when
    db.execute("PRAGMA foreign_keys = ON")
    db.executescript(TABLES)
    return db
