"""Rows of DuckDB arrive as DuckDB itself writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pytest

from bulkstream.errors import SourceMissing, SourceUnreadable, UsageError
from bulkstream.sources.batches import TYPE_KEY
from bulkstream.sources.columnar.slices import BATCH_BYTES
from bulkstream.sources.databases import open_query
from tests.support.reading import Reader, batches_of, rows_of

if TYPE_CHECKING:
    from pathlib import Path

    from bulkstream.sources.databases.query import Query

TEXTS = {
    "HUGEINT": ["99999999999999999999999999999999999999", "-1"],
    "UHUGEINT": ["5"],
    "UUID": ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"],
    "INTERVAL": ["3 months 2 days 01:02:03.5"],
    "TIME": ["12:13:14.5", "24:00:00"],
    "TIMETZ": ["12:13:14+02"],
    "BIT": ["0101"],
    "ENUM('sad', 'ok')": ["sad", "ok"],
    "VARCHAR": ['Grüße, "x"\nzwei', ""],
    "JSON": ['{"a": [1, null]}'],
}
"""Values of types that arrive as text."""

OTHERS = {
    "BOOLEAN": pa.bool_(),
    "UTINYINT": pa.uint8(),
    "BIGINT": pa.int64(),
    "UBIGINT": pa.uint64(),
    "DOUBLE": pa.float64(),
    "DECIMAL(18, 3)": pa.decimal128(18, 3),
    "BLOB": pa.binary(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us"),
    "TIMESTAMP_NS": pa.timestamp("ns"),
}
"""Types that arrive as Arrow's own."""


def opened(query: str, url: str = "duckdb:") -> Query:
    return open_query(url, query, environ={})


@pytest.mark.parametrize("kind", TEXTS)
def test_values_arrive_as_duckdb_writes_them(kind: str) -> None:
    """What Arrow has no exact type for is text, nulls included."""
    source = ", ".join("('" + value.replace("'", "''") + "')" for value in TEXTS[kind])
    query = opened(f"SELECT v::{kind} AS x FROM (VALUES {source}, (NULL)) AS listed(v); -- the end")

    assert query.schema.field(0).type == pa.string()
    assert [value for (value,) in rows_of(query)] == [*TEXTS[kind], None]


@pytest.mark.parametrize("kind", OTHERS)
def test_other_types_are_arrows(kind: str) -> None:
    """Nothing is cast that need not be."""
    query = opened(f"SELECT NULL::{kind} AS x")

    assert query.schema.field(0).type == OTHERS[kind]
    assert query.schema.field(0).metadata is None
    assert rows_of(query) == [(None,)]


def test_nested_values_are_json() -> None:
    """Names, numbers beyond 64 bits, dates inside: as DuckDB writes JSON."""
    query = opened(
        "SELECT [1, NULL] AS a, {'x': 99999999999999999999::HUGEINT, 'd': DATE '2024-02-29'} AS b, MAP {'k': [1]} AS c,"
        " array_value(1, 2) AS d, union_value(n := 1) AS e, 7::HUGEINT AS f"
    )

    assert query.schema.field("f").metadata == {TYPE_KEY: b"DECIMAL"}
    assert rows_of(query) == [
        ("[1,null]", '{"x":99999999999999999999,"d":"2024-02-29"}', '{"k":[1]}', "[1,2]", '{"n":1}', "7")
    ]


@pytest.mark.parametrize(
    "value",
    [
        "DATE 'infinity'",
        "TIMESTAMP '-infinity'",
        "'infinity'::TIMESTAMPTZ",
        "'infinity'::TIMESTAMP_NS",
        "'-infinity'::TIMESTAMP_NS",
        "170141183460469231731687303715884105727::HUGEINT",
        "DATE '10000-01-01'",
    ],
)
def test_what_no_dataset_holds_is_refused_with_its_row(value: str) -> None:
    """A value that would have to be changed in silence ends the load."""
    with pytest.raises(SourceUnreadable, match="row 100,001, column x: "):
        rows_of(opened(f"SELECT CASE WHEN range = 100000 THEN {value} END AS x FROM range(100010)"))


def test_wide_long_and_empty_results() -> None:
    """A thousand columns, a field of a megabyte, columns without rows, names that are alike."""
    columns = ", ".join(f"{n} AS c{n}" for n in range(1000))
    empty = opened("SELECT 1 AS a, 2 AS a, INTERVAL 1 DAY AS a WHERE false")

    assert rows_of(opened(f"SELECT {columns}")) == [tuple(range(1000))]
    assert rows_of(opened("SELECT repeat('ü', 500000) AS x")) == [("ü" * 500_000,)]
    assert (empty.schema.names, list(batches_of(empty))) == (["a", "a", "a"], [])


def test_batches_are_small_and_in_order(tmp_path: Path) -> None:
    """Also of a file, and of rows that are long."""
    with duckdb.connect(str(tmp_path / "file.db")) as made:
        made.execute("CREATE TABLE t AS SELECT range AS n, repeat('x', 2000) AS x FROM range(20000)")
    query = opened("SELECT *, INTERVAL 1 DAY FROM t ORDER BY n DESC", f"duckdb:///{tmp_path}/file.db")

    got = list(batches_of(query, [1, 0]))

    assert max(batch.nbytes for batch in got) <= BATCH_BYTES
    assert [n for batch in got for n in batch.column(1).to_pylist()] == list(range(19_999, -1, -1))


@pytest.mark.parametrize(
    "query",
    ["SELEC 1", "SELECT nope", "SELECT 1; SELECT 2", "CREATE TABLE u (a INT)", "COPY (SELECT 1) TO 'out.csv'", ";"],
)
def test_wrong_queries_are_a_wrong_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, query: str) -> None:
    """Also those that would write, into the database or elsewhere."""
    monkeypatch.chdir(tmp_path)

    with pytest.raises(UsageError):
        opened(query)
    assert list(tmp_path.iterdir()) == []


def test_a_query_that_fails_halfway_fails() -> None:
    """Rows that came before don't make it a success."""
    with pytest.raises(SourceUnreadable, match="the query failed: Could not convert"):
        rows_of(opened("SELECT if(range = 100000, 'x', '1')::INT AS x FROM range(100010)"))


def test_files_are_looked_for_and_looked_at(tmp_path: Path) -> None:
    """None is made where none is, and no other file is taken for a database."""
    (tmp_path / "other").write_text("a,b\n" * 10_000)

    with pytest.raises(SourceMissing, match="no such file"):
        opened("SELECT 1", f"duckdb:///{tmp_path}/none.db")
    with pytest.raises(SourceUnreadable, match="not a valid DuckDB database"):
        opened("SELECT 1", f"duckdb:///{tmp_path}/other")


def test_files_can_be_queried_without_a_database(tmp_path: Path) -> None:
    """As DuckDB does."""
    (tmp_path / "a.csv").write_text("a,b\n1,x\n")

    assert rows_of(opened(f"SELECT * FROM read_csv('{tmp_path}/a.csv')")) == [(1, "x")]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT sum(a.range * b.range) AS x FROM range(10000000) a, range(10000000) b",
        "SELECT * FROM range(10000000000)",
    ],
)
def test_closing_ends_a_query_that_works(query: str) -> None:
    """One that has given no row yet, and one that gives them without end."""
    running = opened(query)
    reader = Reader(running)

    running.close()
    running.close()

    assert reader.ended(within_s=5)
    assert "was ended while it was read" in str(reader.error)


def test_closing_what_was_not_read_to_its_end() -> None:
    """Whoever stops in the middle leaves nothing running."""
    query: Any = opened("SELECT * FROM range(10000000000)")
    (task,) = query.tasks([0])
    reading = task()
    next(reading)

    reading.close()

    with pytest.raises(SourceUnreadable, match="second time"):
        list(batches_of(query))
