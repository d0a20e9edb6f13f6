"""Rows of SQLite arrive without loss, although its columns have no types."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from bulkstream.errors import SourceMissing, SourceUnreadable, UsageError
from bulkstream.settings import Upload
from bulkstream.sources import Inputs
from bulkstream.sources.batches import TYPE_KEY
from bulkstream.sources.columnar.slices import BATCH_BYTES
from bulkstream.sources.databases import open_query, sqlite
from bulkstream.sources.query import Query as Named
from tests.support.reading import Reader, batches_of, rows_of

if TYPE_CHECKING:
    from pathlib import Path

    from bulkstream.sources.databases.query import Query

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)"


def database(path: Path, declared: str, rows: list[tuple[Any, ...]]) -> str:
    """Make a database with a table `t`, and return its URL."""
    connection = sqlite3.connect(path / "d b.sqlite")
    connection.execute(f"CREATE TABLE t ({declared})")
    if rows:
        connection.executemany(f"INSERT INTO t VALUES ({', '.join('?' * len(rows[0]))})", rows)
    connection.commit()
    connection.close()
    return f"sqlite:///{path}/d%20b.sqlite"


def opened(url: str, query: str = "SELECT * FROM t") -> Query:
    return open_query(url, query, environ={})


def test_types_are_those_of_the_values(tmp_path: Path) -> None:
    """A column has the type that holds all its values, whatever it was declared as."""
    rows = [
        (2**63 - 1, 0.1, 'Grüße, "x"\n🎉', b"\0\xff", 1, 3, None, ""),
        (-(2**63), 1e300, "", b"", 2.5, "x", None, None),
        (None, None, None, None, None, 0.1, None, None),
    ]
    query = opened(database(tmp_path, "a, b, c, d, e, f, g INT, h", rows))

    assert query.schema.types == [
        pa.int64(), pa.float64(), pa.string(), pa.binary(), pa.float64(), pa.string(), pa.null(), pa.string(),
    ]  # fmt: skip
    assert query.rows == 3
    assert rows_of(query) == [
        (2**63 - 1, 0.1, 'Grüße, "x"\n🎉', b"\0\xff", 1.0, "3", None, ""),
        (-(2**63), 1e300, "", b"", 2.5, "x", None, None),
        (None, None, None, None, None, "0.1", None, None),
    ]


def test_no_values_show_no_type(tmp_path: Path) -> None:
    """Where there are no rows, or nothing but nulls, a column is of no type, which fits any."""
    url = database(tmp_path, "a INTEGER, b TEXT, c DATE", [(None, None, None)])

    assert opened(url).schema.types == [pa.null()] * 3
    assert opened(url, "SELECT * FROM t WHERE false").schema.types == [pa.null()] * 3


def test_a_value_of_another_type_in_the_last_row_is_kept(tmp_path: Path) -> None:
    """Types come from all rows, not from the first ones: 20,000 numbers, and a text."""
    rows = [*((n, n) for n in range(20_000)), ("n/a", 0.5)]

    got = rows_of(opened(database(tmp_path, "a, b", rows)))

    assert got[-1] == ("n/a", 0.5)
    assert got[7] == ("7", 7.0)
    assert len(got) == 20_001


@pytest.mark.parametrize(
    ("declared", "values", "kind"),
    [
        ("DATE", ["2024-02-29", None], b"DATE"),
        ("date", ["2024-02-29", "2023-02-29"], None),
        ("DATE", ["0000-01-01"], None),
        ("DATETIME", ["2024-02-29 13:14:15", "2024-02-29T13:14", "2024-02-29 00:00:00.123"], b"DATETIME"),
        ("TIMESTAMP", ["2024-02-29 13:14:15Z", "2024-02-29"], b"DATETIME"),
        ("TIMESTAMP", ["2024-02-29 23:59:59.999999", "9999-12-31T23:59:59.999999"], b"DATETIME"),
        ("TIMESTAMP", ["2024-02-29 24:00:00"], None),
        ("TIMESTAMP", ["2024-02-29 12:61:00"], None),
        ("TIMESTAMP", ["2024-02-29 13:14:15 "], None),
        ("TIMESTAMP", ["2024-02-29 13:14:15 or so"], None),
        ("TIMESTAMP", [None], None),
        ("TEXT", ["2024-02-29"], None),
    ],
)
def test_declared_dates_are_dates_if_all_of_them_are(
    tmp_path: Path, declared: str, values: list[str | None], kind: bytes | None
) -> None:
    """What a column was declared to be is believed as far as its values bear it out."""
    query = opened(database(tmp_path, f"a {declared}", [(value,) for value in values]))

    assert (query.schema.field(0).metadata or {}).get(TYPE_KEY) == kind
    assert [value for (value,) in rows_of(query)] == values


def test_what_has_no_common_type_is_refused(tmp_path: Path) -> None:
    """Blobs beside texts, and whole numbers that a double would round beside reals."""
    url = database(tmp_path, "a, b", [(b"x", 2**53 + 1), ("x", 0.5)])

    with pytest.raises(SourceUnreadable, match="column a holds blobs and other values"):
        opened(url)
    with pytest.raises(SourceUnreadable, match=r"rows 1 to 2, column b.*9007199254740993"):
        rows_of(opened(url, "SELECT b FROM t"))
    assert rows_of(opened(url, "SELECT CAST(b AS TEXT) FROM t")) == [("9007199254740993",), ("0.5",)]


def test_text_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    """It is not replaced by something else."""
    url = database(tmp_path, "a", [])

    with pytest.raises(SourceUnreadable, match="UTF-8"):
        rows_of(opened(url, "SELECT CAST(x'ff41' AS TEXT) AS x"))


def test_wide_long_and_empty_results(tmp_path: Path) -> None:
    """A thousand columns, a field of a megabyte, columns without rows, names that are alike."""
    url = database(tmp_path, "a INT", [(1,)])
    columns = ", ".join(f"{n} AS c{n}" for n in range(1000))
    empty = opened(url, "SELECT a, a FROM t WHERE false")

    assert rows_of(opened(url, f"SELECT {columns}")) == [tuple(range(1000))]
    assert rows_of(opened(url, "SELECT printf('%.*c', 1000000, 'x') AS x FROM t")) == [("x" * 1_000_000,)]
    assert (len(empty.schema), empty.rows, rows_of(empty)) == (2, 0, [])


def test_batches_are_small_and_in_order(tmp_path: Path) -> None:
    """Rows that are long in one place only don't make large batches either."""
    rows = [(n, "x" * (1_000_000 if n % 1000 == 999 else 10)) for n in range(5000)]
    query = opened(database(tmp_path, "a, b", rows), "SELECT * FROM t ORDER BY a DESC -- backwards")

    got = list(batches_of(query, [1, 0]))

    assert max(batch.nbytes for batch in got) <= BATCH_BYTES
    assert [n for batch in got for n in batch.column("a").to_pylist()] == list(range(4999, -1, -1))


@pytest.mark.parametrize(
    "query", ["SELEC 1", "SELECT nope FROM t", "SELECT 1; SELECT 2", "DELETE FROM t", "SELECT ?", "-- no"]
)
def test_wrong_queries_are_a_wrong_use(tmp_path: Path, query: str) -> None:
    """Also those that would write."""
    url = database(tmp_path, "a", [(1,)])

    with pytest.raises(UsageError):
        opened(url, query)
    assert rows_of(opened(url)) == [(1,)]


def test_files_are_looked_for_and_looked_at(tmp_path: Path) -> None:
    """None is made where none is, and no other file is taken for a database."""
    (tmp_path / "other").write_text("a,b\n" * 1000)

    with pytest.raises(SourceMissing, match="no such file"):
        opened(f"sqlite:///{tmp_path}/none.db", "SELECT 1")
    with pytest.raises(SourceUnreadable, match="not a database"):
        opened(f"sqlite:///{tmp_path}/other", "SELECT 1")
    assert os.listdir(tmp_path) == ["other"]  # noqa: PTH208 - the names


def test_what_others_write_meanwhile_is_not_seen(tmp_path: Path) -> None:
    """Rows are read as they were looked at, so that their types hold."""
    url = database(tmp_path, "a", [(n,) for n in range(10)])
    writer = sqlite3.connect(tmp_path / "d b.sqlite")
    writer.execute("PRAGMA journal_mode = WAL")
    query = opened(url)

    writer.execute("INSERT INTO t VALUES ('late')")
    writer.commit()
    writer.close()

    assert len(rows_of(query)) == 10


def test_closing_ends_a_query_that_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement that is busy inside SQLite, and gives no row, is interrupted."""
    query, begun = opened(database(tmp_path, "a", [(0,)])), threading.Event()
    monkeypatch.setattr(sqlite, "_ROWS", f"{ENDLESS} SELECT count(*) FROM n")
    query._session._connection.set_progress_handler(begun.set, 1000)  # type: ignore[attr-defined]
    reader = Reader(query)
    begun.wait()

    query.close()
    query.close()

    assert reader.ended(within_s=5)
    assert "was ended while it was read" in str(reader.error)


def test_closing_ends_the_look_through_a_query_s_rows(tmp_path: Path) -> None:
    """Which comes first, and takes as long as the query does: a cancelled load must not wait for it."""
    inputs = Inputs([Named(database(tmp_path, "a", [(0,)]), f"{ENDLESS} SELECT x FROM n")])
    inputs.find()
    with ThreadPoolExecutor(1) as threads:
        opening = threads.submit(inputs.open, Upload())
        while not inputs._opening.locked():
            time.sleep(0.001)
        inputs.close()

        with pytest.raises(SourceUnreadable, match="interrupted"):
            opening.result(5)
