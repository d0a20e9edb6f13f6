"""URLs of databases are taken apart, and never hold a password."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from bulkstream.errors import UsageError
from bulkstream.sources.databases.casts import cast, statement
from bulkstream.sources.databases.url import parsed


@pytest.mark.parametrize(
    ("url", "kind", "name", "path"),
    [
        (
            "postgresql://me@db.example:5433/sales?sslmode=require",
            "postgresql",
            "postgresql://db.example:5433/sales",
            "",
        ),
        ("postgres://db/sales", "postgresql", "postgresql://db/sales", ""),
        ("postgresql://a,b/sales", "postgresql", "postgresql://a,b/sales", ""),
        ("postgresql:///sales?host=/run/postgresql", "postgresql", "postgresql:///sales", ""),
        ("postgresql://", "postgresql", "postgresql://", ""),
        ("sqlite:///data/my%20file.db", "sqlite", "sqlite:data/my file.db", "data/my file.db"),
        ("sqlite:////srv/file.db", "sqlite", "sqlite:/srv/file.db", "/srv/file.db"),
        ("duckdb:///file.db", "duckdb", "duckdb:file.db", "file.db"),
        ("duckdb:", "duckdb", "duckdb", ""),
    ],
)
def test_urls_are_taken_apart(url: str, kind: str, name: str, path: str) -> None:
    """Neither users nor parameters are in what messages show."""
    found = parsed(url)

    assert (found.kind, found.name, found.path) == (kind, name, path)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:s3cret@db/sales",
        "postgresql://me:@db/sales",
        "postgresql://me@db/sales?password=s3cret",
        "postgresql://me@db/sales?sslmode=require&PassWord=s3cret",
        "postgresql://me@db/sales?sslpassword=s3cret",
        "postgresql://me:s3/cret@db/sales",
        "postgresql://me:s3#cret@db/sales",
        "postgresql://me:s3?cret@db/sales",
        "sqlite://me:s3cret@host/file",
        "mysql://me:s3cret@db/sales",
        "postgresql://me:s3cret@[db/sales",
    ],
)
def test_passwords_in_urls_are_refused_and_not_repeated(url: str) -> None:
    """Command lines are seen by others; so are error messages."""
    with pytest.raises(UsageError) as caught:
        parsed(url)

    assert not any(piece in f"{caught.value} {caught.value.hint}" for piece in ("s3", "cret"))


@pytest.mark.parametrize("url", ["mysql://db/sales", "sales.db", "", "sqlite:", "sqlite:///", "duckdb://host/file.db"])
def test_other_urls_are_refused_with_an_example(url: str) -> None:
    """What can be written is in the hint."""
    with pytest.raises(UsageError) as caught:
        parsed(url)

    assert "://" in caught.value.hint


def test_a_password_is_added_for_the_driver_alone() -> None:
    """It is quoted, and what the URL says itself stays."""
    made = parsed("postgresql://me@db/sales?connect_timeout=5").with_password(
        "a&b c/ü", connect_timeout="30", keepalives="1"
    )

    assert parse_qs(urlsplit(made).query) == {"connect_timeout": ["5"], "keepalives": ["1"], "password": ["a&b c/ü"]}


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("SELECT 1", "SELECT 1"),
        (" SELECT 1 ; ; \n", " SELECT 1"),
        ("SELECT 1 -- one", "SELECT 1"),
        ("SELECT 1; /* ; */ -- one\n;", "SELECT 1"),
        ("-- first\nSELECT '-- ;'", "-- first\nSELECT '-- ;'"),
        ("SELECT 'it''s --';", "SELECT 'it''s --'"),
        (r"SELECT E'\'--';", r"SELECT E'\'--'"),
        ('SELECT "a--;" FROM b;', 'SELECT "a--;" FROM b'),
        ("SELECT $x$ -- ; $x$;", "SELECT $x$ -- ; $x$"),
        ("SELECT a->>'b' /* c */ FROM d", "SELECT a->>'b' /* c */ FROM d"),
        ("-- nothing\n;", ""),
    ],
)
def test_what_is_behind_a_statement_is_left_out(query: str, left: str) -> None:
    """Comments and semicolons go, what looks like them inside of texts stays."""
    assert statement(query) == left


def test_casts_name_columns_by_their_place() -> None:
    """So that names that are alike, or empty, do no harm."""
    assert cast("SELECT 1, 2", ["{}", "{}"]) == "SELECT 1, 2"
    assert cast("SELECT 1, 2", ["{}", "{}::text"]) == "SELECT q.c0, q.c1::text FROM (\nSELECT 1, 2\n) AS q(c0, c1)"
