"""Rows of PostgreSQL arrive as the server itself writes them, in bounded pieces, and nothing is left open."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from bulkstream.errors import SourceMissing, SourceUnreadable, UsageError
from bulkstream.sources.batches import TYPE_KEY
from bulkstream.sources.columnar.slices import BATCH_BYTES
from bulkstream.sources.databases import open_query
from tests.support.postgres import PASSWORD
from tests.support.reading import Reader, batches_of, rows_of

if TYPE_CHECKING:
    from tests.support.postgres import Postgres


def rows(server: Postgres, query: str) -> list[tuple[Any, ...]]:
    return rows_of(open_query(server.url, query, environ={}))


EXACT: dict[str, list[str]] = {
    "bool": ["true", "false"],
    "int2": ["-32768", "32767"],
    "int4": ["-2147483648", "0"],
    "int8": ["-9223372036854775808", "9223372036854775807"],
    "float4": ["0.1", "-1e38", "1"],
    "float8": ["0.1", "1e-300", "-1.7976931348623157e308", "123456789.123456789"],
    "numeric": ["1.50", "-0.000000000000000001", "12345678901234567890123456789012345678", "0", "1e20", "10000.0001"],
    "numeric(20,4)": ["1.5", "-9999999999999999.9999"],
    "text": ["plain", "", 'Grüße, "x"\nzwei\r\n☃ 🎉', "a,b;c\td"],
    "varchar(20)": ["", "ü"],
    "name": ["x"],
    "bytea": ["\\x", "\\x00ff22"],
    "date": ["0001-01-01", "1970-01-01", "2024-02-29", "9999-12-31"],
    "timestamp": ["0001-01-01 00:00:00", "2024-02-29 13:14:15.123456", "9999-12-31 23:59:59.999999"],
    "timestamptz": ["2024-07-01 12:00:00+02", "1883-11-18 12:00:00-04:56:02"],
    "json": ['{"a": [1, null]}'],
    "jsonb": ['{"a":[1,null]}'],
    "money": ["12.34", "-1000000.00"],
    "oid": ["4294967295"],
    "time": ["00:00", "12:13:14.5", "24:00"],
    "timetz": ["12:13:14+02"],
    "interval": ["1 year 2 mons -3 days 04:05:06.7", "0", "300000 hours"],
    "uuid": ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"],
    "inet": ["10.0.0.1", "::1/64"],
    "cidr": ["10.0.0.0/8"],
    "macaddr": ["08:00:2b:01:02:03"],
    "int4range": ["[1,5)", "empty"],
    "daterange": ["[2024-01-01,2024-02-01)"],
    "point": ["(1,2.5)"],
    "bit(3)": ["101"],
    "xml": ["<a>ü</a>"],
    "tsvector": ["a fat"],
    "regclass": ["pg_class"],
    "xid": ["4294967295"],
    "mood": ["sad", "o'k"],
    "positive": ["7"],
}
"""Values of types, as the server reads them."""


def told(value: Any) -> Any:
    """Return a value as the server's text of it, in ISO style and UTC."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    return str(value).removesuffix(":00") if isinstance(value, datetime) and value.tzinfo else str(value)


@pytest.fixture(scope="module")
def made(postgres: Postgres) -> Postgres:
    postgres.run(
        "CREATE TYPE mood AS ENUM ('sad', 'o''k')",
        "CREATE DOMAIN positive AS int CHECK (VALUE > 0)",
        "CREATE TYPE pair AS (a int, b text)",
        "CREATE TABLE kept (a int)",
        "CREATE SEQUENCE numbers",
        "CREATE FUNCTION put() RETURNS int LANGUAGE sql AS 'INSERT INTO kept VALUES (1) RETURNING a'",
    )
    return postgres


@pytest.mark.parametrize("kind", EXACT)
def test_values_arrive_as_the_server_writes_them(made: Postgres, kind: str) -> None:
    """Every type's values equal the server's own text of them, nulls included."""
    listed = ", ".join("('" + value.replace("'", "''") + "')" for value in EXACT[kind])
    source = f"(VALUES {listed}, (NULL)) AS listed(v)"
    as_text = "v::numeric::text" if kind == "money" else "v::text"

    got = [value for (value,) in rows(made, f"SELECT v::{kind} AS x FROM {source}")]

    query = f"SELECT {as_text} FROM (SELECT v::{kind} AS v FROM {source}) AS typed"
    wanted = [text for (text,) in made.ask(query, "SET datestyle = 'ISO'", "SET timezone = 'UTC'")]
    if kind.startswith("float"):
        numbers = pa.array([None if text is None else float(text) for text in wanted])
        assert pa.array(got).equals(numbers.cast(pa.float32()).cast(pa.float64()) if kind == "float4" else numbers)
    else:
        assert [None if value is None else told(value) for value in got] == wanted


def test_arrays_and_rows_are_json(made: Postgres) -> None:
    """What is nested keeps its structure: dimensions, nulls, names."""
    query = (
        "SELECT ARRAY[[1,2],[3,NULL]], ARRAY['a\"b', NULL], ARRAY[]::int[], ROW(1, 'x')::pair, ROW(1, 'x'),"
        " ARRAY[ROW(1, 'x')::pair], ARRAY['10.0.0.1'::inet], ARRAY['sad'::mood], NULL::int[], ARRAY[1.50]"
    )

    names = [f"c{n}" for n in range(10)]
    aliased = f"SELECT * FROM ({query}) AS q({', '.join(names)})"
    assert rows(made, aliased) == [
        (
            "[[1,2],[3,null]]",
            '["a\\"b",null]',
            "[]",
            '{"a":1,"b":"x"}',
            '{"f1":1,"f2":"x"}',
            '[{"a":1,"b":"x"}]',
            '["10.0.0.1"]',
            '["sad"]',
            None,
            "[1.50]",
        )
    ]


def test_types_are_told(made: Postgres) -> None:
    """Columns have the types of the query's, and numbers beyond Arrow's are marked."""
    query = open_query(
        made.url, "SELECT 1 AS a, 1.5 AS b, now() AS c, 'x' AS d, 1::money AS e, '1'::oid AS f", environ={}
    )

    assert query.schema.equals(
        pa.schema([
            pa.field("a", pa.int32()),
            pa.field("b", pa.string(), metadata={TYPE_KEY: b"DECIMAL"}),
            pa.field("c", pa.timestamp("us", "UTC")),
            pa.field("d", pa.string()),
            pa.field("e", pa.string(), metadata={TYPE_KEY: b"DECIMAL"}),
            pa.field("f", pa.int64()),
        ]),
        check_metadata=True,
    )  # fmt: skip
    assert (query.format, query.rows, query.name) == ("PostgreSQL", None, made.as_user("").replace("@", ""))
    assert query.unrepeatable
    query.close()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("'infinity'::date", "infinity"),
        ("'-infinity'::timestamp", "infinity"),
        ("'infinity'::timestamptz", "infinity"),
        ("'0044-03-15 BC'::date", "a year outside 1 to 9999"),
        ("'10000-01-01'::timestamp", "a year outside 1 to 9999"),
        ("'NaN'::numeric", "nan is no DECIMAL"),
        ("'-Infinity'::numeric", "-inf is no DECIMAL"),
        ("1e38::numeric", "is no DECIMAL of up to 38 digits"),
        ("0.000000000000000000000000000000000000001", "is no DECIMAL of up to 38 digits"),
    ],
)
def test_what_no_dataset_holds_is_refused_with_its_row(made: Postgres, value: str, shown: str) -> None:
    """A value that would have to be changed in silence ends the load, and the message says where it is."""
    query = f"SELECT CASE WHEN n = 300001 THEN {value} END AS x FROM generate_series(1, 300010) AS n"

    with pytest.raises(SourceUnreadable, match=f"row 300,001, column x: .*{shown}") as caught:
        rows(made, query)

    assert "query" in caught.value.hint


def test_numbers_of_38_digits_pass(made: Postgres) -> None:
    """The limit is not too narrow: a sign and a point are no digits."""
    value = "-1234567890123456789.1234567890123456789"

    assert rows(made, f"SELECT {value} AS x") == [(value,)]


def test_wide_long_and_empty_results(made: Postgres) -> None:
    """A thousand columns, a field of a megabyte, one row and none."""
    columns = ", ".join(f"n * {k} AS c{k}" for k in range(1000))
    empty = open_query(made.url, "SELECT 1 AS a, '1 day'::interval AS b WHERE false", environ={})

    assert rows(made, f"SELECT {columns} FROM generate_series(1, 3) AS n")[2] == tuple(3 * k for k in range(1000))
    assert rows(made, "SELECT repeat('ü', 500000) AS x") == [("ü" * 500_000,)]
    assert empty.schema.names == ["a", "b"]
    assert list(batches_of(empty)) == []


def test_batches_are_small_and_in_order(made: Postgres) -> None:
    """However many rows there are, only some MiB of them are in memory, in the order of the query."""
    query = open_query(
        made.url,
        "SELECT n, repeat('x', 200) AS x, n * interval '1 s' AS i FROM generate_series(1, 100000) AS n ORDER BY n DESC",
        environ={},
    )

    got = list(batches_of(query, [2, 0]))

    assert max(batch.nbytes for batch in got) <= BATCH_BYTES
    assert got[0].schema.names == ["i", "n"]
    assert [n for batch in got for n in batch.column(1).to_pylist()] == list(range(100_000, 0, -1))


@pytest.mark.parametrize(
    "query",
    ["SELECT put()", "SELECT nextval('numbers')", "SELECT set_config('transaction_read_only', 'off', true), put()"],
)
def test_a_query_changes_nothing(made: Postgres, query: str) -> None:
    """The database takes the query for one that reads only, and refuses what writes."""
    with pytest.raises((SourceUnreadable, UsageError), match="read-"):
        rows(made, query)

    assert made.ask("SELECT count(*) FROM kept") == [(0,)]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELEC 1", r'syntax error at or near "SELEC"\nLINE 1: SELEC 1\n        \^'),
        ("SELECT nope", 'column "nope" does not exist\nLINE 1'),
        ("SELECT 1; SELECT 2", "multiple commands"),
        ("INSERT INTO kept VALUES (1)", "returns no rows"),
        ("INSERT INTO kept VALUES (1) RETURNING a", "."),
        ("CREATE TABLE made (a int)", "returns no rows"),
        ("SELECT $1::int", "no parameter"),
        (" ; -- nothing", "the query is empty"),
    ],
)
def test_wrong_queries_are_a_wrong_use(made: Postgres, query: str, said: str) -> None:
    """The server's words and the place are told, and nothing of how the query was wrapped."""
    with pytest.raises(UsageError, match=said):
        rows(made, query)


def test_semicolons_and_comments_behind_a_query_are_harmless(made: Postgres) -> None:
    """As they are in a file of SQL."""
    assert rows(made, "SELECT '--;' AS a, '1 day'::interval AS b; -- the end;\n/* really */ ;\n") == [("--;", "1 day")]


def test_a_query_that_fails_halfway_fails(made: Postgres) -> None:
    """Rows that came before don't make it a success."""
    with pytest.raises(SourceUnreadable, match="the query failed: division by zero"):
        rows(made, "SELECT 1 / (100000 - n) FROM generate_series(1, 200000) AS n")


def test_who_can_not_connect_is_told_why(made: Postgres) -> None:
    """No server, no database, no or a wrong password: each says so, none shows a password."""
    free = made.port + 1 if made.port < 65_535 else made.port - 1
    with pytest.raises(SourceUnreadable, match="no connection"):
        open_query(f"postgresql://bulk@127.0.0.1:{free}/postgres?connect_timeout=5", "SELECT 1", environ={})
    with pytest.raises(SourceMissing, match='database "nowhere" does not exist'):
        open_query(made.as_user("bulk", "nowhere"), "SELECT 1", environ={})
    with pytest.raises(SourceUnreadable, match="password") as caught:
        open_query(made.as_user("guarded"), "SELECT 1", environ={"BULKSTREAM_DB_PASSWORD": "wr0ng-one"})
    assert "wr0ng-one" not in str(caught.value)
    assert "PGPASSWORD" in caught.value.hint


def test_a_password_comes_from_the_environment(made: Postgres) -> None:
    """Whatever characters it has."""
    query = open_query(
        made.as_user("guarded"), "SELECT current_user::text AS x", environ={"BULKSTREAM_DB_PASSWORD": PASSWORD}
    )

    assert [batch.to_pylist() for batch in batches_of(query)] == [[{"x": "guarded"}]]


def test_rows_are_read_once(made: Postgres) -> None:
    """Asking again is an error, not another answer."""
    query = open_query(made.url, "SELECT 1 AS x", environ={})
    list(batches_of(query))

    with pytest.raises(SourceUnreadable, match="second time"):
        list(batches_of(query))


def connections(server: Postgres) -> int:
    ((count,),) = server.ask("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'bulkstream'")
    return int(count)


def gone(server: Postgres) -> bool:
    """Whether all connections are gone; the server takes a moment to notice."""
    for _ in range(500):
        if connections(server) == 0:
            return True
        server.ask("SELECT 1 FROM pg_sleep(0.01)")
    return False


def test_closing_ends_a_query_that_waits(made: Postgres) -> None:
    """A query that would take an hour ends at once, its reader learns why, and the server is rid of it."""
    query = open_query(made.url, "SELECT 1 AS x FROM pg_sleep(3600)", environ={})
    reader = Reader(query)
    active = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'bulkstream' AND wait_event = 'PgSleep'"
    while made.ask(active) == [(0,)]:
        made.ask("SELECT 1 FROM pg_sleep(0.01)")
    query.close()

    assert reader.ended(within_s=5)
    assert "was ended while it was read" in str(reader.error)
    assert gone(made)


def test_closing_between_two_batches_ends_the_query(made: Postgres) -> None:
    """A reader that has stopped to ask leaves nothing open, and gets no more."""
    query = open_query(made.url, "SELECT n, repeat('x', 100) AS x FROM generate_series(1, 3000000) AS n", environ={})
    reading = batches_of(query)
    next(reading)

    query.close()
    query.close()

    with pytest.raises(SourceUnreadable, match="was ended"):
        list(reading)
    assert gone(made)


def test_a_reader_that_stops_closes(made: Postgres) -> None:
    """Closing the iterator of a task is enough; so is closing what was never read."""
    query = open_query(made.url, "SELECT n FROM generate_series(1, 3000000) AS n", environ={})
    unread = open_query(made.url, "SELECT 1", environ={})
    (task,) = query.tasks([0])
    reading = task()
    next(reading)

    reading.close()  # type: ignore[attr-defined]
    unread.close()

    assert gone(made)
