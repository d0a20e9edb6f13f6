"""Headers: never a row lost as a header, never a header loaded as a row, without somebody having said so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstream.errors import HeaderMismatch, SchemaError, SourceError
from bulkstream.model import Column, ColumnType, HeaderMode
from bulkstream.sources.header import (
    HeaderDecision,
    check_same_header,
    column_names,
    decide_header,
    looks_like_header,
    parse_record,
)

AUTO, YES, NO = HeaderMode.AUTO, HeaderMode.YES, HeaderMode.NO
EXPECTED = (Column("Order ID", ColumnType.LONG), Column("Text"))
TEXTS = (Column("a"), Column("b"))
HEADER, NONE = HeaderDecision(present=True, reason=""), HeaderDecision(present=False, reason="")


@pytest.mark.parametrize(
    ("mode", "first", "expected", "present"),
    [
        (AUTO, ["id", "name"], None, True),
        (AUTO, ["id", "Id"], None, False),
        (AUTO, ["id", ""], None, False),
        (AUTO, ["id", "5"], None, False),
        (AUTO, ["id", "2026-11-23"], None, False),
        (AUTO, [], None, False),
        (YES, ["1", "2"], None, True),
        (NO, ["id", "name"], None, False),
        (AUTO, [" order id", "TEXT"], EXPECTED, True),
        (AUTO, ["1", "x"], EXPECTED, False),
        (AUTO, ["x", "y"], TEXTS, False),
        (YES, ["x", "y"], EXPECTED, True),
        (NO, ["Order ID", "Text"], EXPECTED, False),
    ],
)
def test_decision(mode: HeaderMode, first: list[str], expected: tuple[Column, ...] | None, present: bool) -> None:
    """The rule of the module, case by case; every decision has its reason."""
    decision = decide_header(mode, first, expected)

    assert decision.present is present
    assert decision.reason


@pytest.mark.parametrize(
    ("mode", "first", "words"),
    [
        (AUTO, ["Text", "Order ID"], "another order: column 1 is 'Text' instead of 'Order ID'"),
        (YES, ["Text", "Order ID"], "another order"),
        (AUTO, ["order", "words"], "neither the dataset's columns nor data"),
        (AUTO, ["1"], "1 fields, the dataset has 2 columns"),
        (NO, ["1", "2", "3"], "3 fields, the dataset has 2 columns"),
    ],
)
def test_what_contradicts_the_dataset_is_an_error(mode: HeaderMode, first: list[str], words: str) -> None:
    """Columns in another order, or a header that is not the dataset's, would load wrong data."""
    with pytest.raises(HeaderMismatch, match=words):
        decide_header(mode, first, EXPECTED)


@given(st.lists(st.text(max_size=5), max_size=5), st.integers())
def test_a_record_with_a_number_is_no_header(texts: list[str], number: int) -> None:
    """A row of data with a number in it is never taken for a header by itself."""
    assert not looks_like_header([*texts, str(number)])


def test_files_with_other_headers_are_named() -> None:
    """Both files and the difference stand in the message."""
    firsts = [("a.csv", ["id", "name"]), ("b.csv", ["id", "name"]), ("c.csv", ["id", "title"])]

    with pytest.raises(HeaderMismatch, match=r"c\.csv has other columns than a\.csv: missing 'name'; new 'title'"):
        check_same_header(HEADER, firsts)
    check_same_header(NONE, firsts)


def test_files_without_header_need_the_same_number_of_fields() -> None:
    """A file with another width belongs to another table."""
    with pytest.raises(HeaderMismatch, match=r"b\.csv has 3 fields in its first record, a\.csv has 2"):
        check_same_header(NONE, [("a.csv", ["1", "2"]), ("b.csv", ["1", "2", "3"])])


def test_names_come_from_the_header_or_are_counted() -> None:
    """A dataset's columns always have names."""
    assert column_names(HEADER, [" id ", "name"]) == ["id", "name"]
    assert column_names(NONE, ["1", "2"]) == ["Column 1", "Column 2"]
    with pytest.raises(SchemaError, match="column 2 has no name, 'a' stands there twice"):
        column_names(HEADER, ["a", "", "a"])


def test_a_first_record_is_parsed_as_csv() -> None:
    """Quotes, commas and line breaks in names are those of RFC 4180."""
    assert parse_record('a,"b ""x"", y","c\nd",é'.encode()) == ["a", 'b "x", y', "c\nd", "é"]
    assert parse_record(b"") == []


@pytest.mark.parametrize(("raw", "words"), [(b"a,\xff", "not UTF-8"), (b'"a"b,c', "not CSV")])
def test_a_first_record_that_is_no_csv_is_an_error(raw: bytes, words: str) -> None:
    """What can't be read is said, not guessed."""
    with pytest.raises(SourceError, match=words):
        parse_record(raw)
