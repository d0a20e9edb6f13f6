"""Headers: never a row lost as a header, never a header loaded as a row, without somebody having said so."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstream.errors import HeaderMismatch, SchemaError, SourceError
from bulkstream.model import Column, ColumnType, HeaderMode
from bulkstream.sources.header import (
    HeaderDecision,
    check_first_is_data,
    check_same_header,
    column_names,
    decide_header,
    looks_like_header,
    parse_record,
)
from bulkstream.sources.infer import infer

AUTO, YES, NO = HeaderMode.AUTO, HeaderMode.YES, HeaderMode.NO
EXPECTED = (Column("Order ID", ColumnType.LONG), Column("Text"))
TEXTS = (Column("a"), Column("b"))
HEADER, NONE = HeaderDecision(present=True, reason=""), HeaderDecision(present=False, reason="", told=True)
VALUES = [
    "007",
    "+1",
    "1,000",
    ".5",
    "5 %",
    "$3",
    "12:30",
    "23.11.2026",
    "2026-11-23T10:00Z",
    "1e5",
    "-inf",
    "NaN",
    "\\N",
]


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
        (YES, ["", "text"], EXPECTED, True),
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
        (AUTO, ["order", "words"], "neither the dataset's columns nor data"),
        (AUTO, ["1"], "1 fields, the dataset has 2 columns"),
        (NO, ["1", "2", "3"], "3 fields, the dataset has 2 columns"),
    ],
)
def test_what_contradicts_the_dataset_is_an_error(mode: HeaderMode, first: list[str], words: str) -> None:
    """A header that is not the dataset's would be loaded as data."""
    with pytest.raises(HeaderMismatch, match=words):
        decide_header(mode, first, EXPECTED)


@given(st.lists(st.text(max_size=5), max_size=5), st.integers())
def test_a_record_with_a_number_is_no_header(texts: list[str], number: int) -> None:
    """A row of data with a number in it is never taken for a header by itself."""
    assert not looks_like_header([*texts, str(number)])


@pytest.mark.parametrize("value", [*VALUES, "TRUE", "null", "n/a", " 12 ", "٣"])
def test_a_record_with_a_value_is_no_header(value: str) -> None:
    """What stays text in a column, so that nothing is lost, is still no name: that row would be dropped."""
    assert not looks_like_header(["city", value])


@pytest.mark.parametrize("name", ["1st quarter", "_1", "price ($)", "%", "Größe", "e5", "名前"])
def test_names_with_signs_and_digits_are_names(name: str) -> None:
    """A header is not loaded as data because of a digit in a name."""
    assert looks_like_header(["city", name])


@pytest.mark.parametrize("expected", [None, EXPECTED, TEXTS])
def test_a_header_in_a_later_file_is_not_loaded_as_data(expected: tuple[Column, ...] | None) -> None:
    """The first file has no header; what would have been one there is one in the second file too."""
    header = [column.name for column in expected or EXPECTED]
    decision = decide_header(AUTO, ["1", "x"], expected)

    check_same_header(decision, [("a.csv", ["1", "x"]), ("b.csv", ["2", "y"])])
    with pytest.raises(HeaderMismatch, match=r"b\.csv seems to begin with a header .*, a\.csv does not"):
        check_same_header(decision, [("a.csv", ["1", "x"]), ("b.csv", header)])


def test_text_in_a_later_file_may_be_data_of_text_columns() -> None:
    """Where all columns hold text and the names are known, other text is no header."""
    decision = decide_header(AUTO, ["x", ""], TEXTS)

    check_same_header(decision, [("a.csv", ["x", ""]), ("b.csv", ["y", "z"])])


@pytest.mark.parametrize("expected", [None, EXPECTED])
def test_whoever_says_that_there_is_no_header_is_believed(expected: tuple[Column, ...] | None) -> None:
    """With `--header no`, names are data in every file."""
    decision = decide_header(NO, ["1", "x"], expected)

    check_same_header(decision, [("a.csv", ["1", "x"]), ("b.csv", ["Order ID", "Text"])])


@pytest.mark.parametrize(
    ("mode", "first", "by_name"),
    [
        (AUTO, ["text", "order id"], True),
        (YES, ["Text", "Order ID"], True),
        (AUTO, ["Text", "more"], True),
        (AUTO, ["Order ID", "Text", "more"], True),
        (AUTO, ["ORDER ID", " text "], False),
        (YES, ["a", "b"], False),
    ],
)
def test_a_header_may_name_the_columns_otherwise(mode: HeaderMode, first: list[str], by_name: bool) -> None:
    """Columns in another order, more or fewer of them, are found by their names."""
    decision = decide_header(mode, first, EXPECTED)

    assert (decision.present, decision.by_name) == (True, by_name)


def test_half_of_the_names_make_a_header() -> None:
    """One known name among many is no reason to take data for a header."""
    wide = [Column(name) for name in ("a", "b", "c", "d", "e")]

    with pytest.raises(HeaderMismatch, match="neither the dataset's columns nor data"):
        decide_header(AUTO, ["a", "x", "y", "z", "u"], [Column("n", ColumnType.LONG), *wide[1:]])


def test_many_differences_are_cut_short() -> None:
    """A message about a wide table stays readable."""
    firsts = [("a.csv", ["id"]), ("b.csv", ["id", *"abcdefg"])]

    with pytest.raises(HeaderMismatch, match=r"new 'a', 'b', 'c', 'd', 'e' and 2 more$"):
        check_same_header(HEADER, firsts)


@pytest.mark.parametrize(
    ("mode", "first", "is_hinted"),
    [(AUTO, ["text", "a", "b"], True), (NO, ["text", "a", "b"], False), (AUTO, ["a", "b", "c"], False),
     (AUTO, ["text", "1", "2"], False)],
)  # fmt: skip
def test_what_may_be_a_header_is_told_where_fields_are_too_many(
    mode: HeaderMode, first: list[str], is_hinted: bool
) -> None:
    """By names its columns may fit, if somebody says that these are names."""
    with pytest.raises(HeaderMismatch, match="3 fields, the dataset has 2 columns") as caught:
        decide_header(mode, first, EXPECTED)

    assert ("--header yes" in caught.value.hint) is is_hinted


def test_an_empty_first_line_is_told() -> None:
    """A blank line above the header would make the header a row."""
    with pytest.raises(HeaderMismatch, match="1 fields, the dataset has 2 columns") as caught:
        decide_header(AUTO, parse_record(b""), EXPECTED)

    assert caught.value.hint == "The first line is empty; remove it."


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


@pytest.mark.parametrize(
    ("first", "by_name"),
    [
        (["", "Text"], False),
        (["Order ID", ""], False),
        (["x", "x"], False),
        (["Text", ""], True),
        (["Text", "x"], True),
    ],
)
def test_a_header_with_gaps_goes_by_place_where_its_names_do(first: list[str], by_name: bool) -> None:
    """So `--schema` names what it can't; names in other places still are not loaded by place."""
    assert decide_header(YES, first, EXPECTED).by_name is by_name


def test_names_come_from_the_header_or_are_counted() -> None:
    """A dataset's columns always have names."""
    assert column_names(HEADER, [" id ", "name"]) == ["id", "name"]
    assert column_names(NONE, ["1", "2"]) == ["Column 1", "Column 2"]
    with pytest.raises(SchemaError, match="column 2 has no name, 'a' stands there twice"):
        column_names(HEADER, ["a", "", "a"])


def test_a_first_record_is_parsed_as_csv() -> None:
    """Quotes, commas and line breaks in names are those of RFC 4180."""
    assert parse_record('a,"b ""x"", y","c\nd",é'.encode()) == ["a", 'b "x", y', "c\nd", "é"]
    assert parse_record(b"") == [""]
    assert parse_record(b',"",') == ["", "", ""]
    assert parse_record(b'5" pipe,a') == ['5" pipe', "a"]


def test_a_first_record_may_hold_a_long_field() -> None:
    """The limit of the csv module, 128 KiB a field, is not the limit of a load."""
    assert parse_record(b'1,"' + b"x" * 1_000_000 + b'"') == ["1", "x" * 1_000_000]


@given(st.lists(st.text(st.characters(codec="utf-8")), min_size=1), st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
def test_what_the_csv_module_writes_is_read_back(fields: list[str], quoting: int) -> None:
    """Any record by RFC 4180 is parsed into its fields."""
    out = io.StringIO()
    csv.writer(out, quoting=quoting).writerow(fields)  # type: ignore[arg-type]

    assert parse_record(out.getvalue().removesuffix("\r\n").encode()) == fields


@given(st.text(st.sampled_from('a," \r\n'), min_size=1))
def test_parsing_agrees_with_the_csv_module(text: str) -> None:
    """Either both read the same single record, or the text is refused."""
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error:
        rows = []
    try:
        fields = parse_record(text.encode())
    except SourceError:
        assert len(rows) != 1 or text.endswith(("\n", "\r"))
    else:
        assert rows == [fields]


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"a,\xff", "not UTF-8"),
        (b'"a"b,c', "not CSV: field 1 has text behind its closing quote"),
        (b'a,"b', "not CSV: field 2 .* none closes it"),
        (b"id,name\r1,x\r2,y\r", "field 2 has a line break outside quotes; perhaps lines end in CR alone"),
        (b"a,b\r", "lines end in CR CR LF"),
        (b'a"b,c\n1,2"', "field 2 has a line break outside quotes; .* or a quote is missing"),
    ],
)
def test_a_first_record_that_is_no_csv_is_an_error(raw: bytes, words: str) -> None:
    """What can't be read is said, not guessed."""
    with pytest.raises(SourceError, match=words):
        parse_record(raw)


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([["", "state", "pop"], ["0", "Ohio", "5"]], r"field 1 is empty\): 'pop' stands above values that are LONG"),
        ([["state", "pop", "pop"], ["Ohio", "", "5.5"]], r"'pop' stands there twice\): 'pop' .* DECIMAL"),
        ([["day", "1929"], ["2026-11-23", "5"]], r"field 2, '1929', reads as a value\): 'day' .* DATE"),
    ],
)
def test_a_name_above_numbers_is_not_loaded_as_data(records: list[list[str]], words: str) -> None:
    """A header with a gap, a name twice or a year in it would be a row otherwise, and all columns text."""
    inferred = infer(["Column 1", "Column 2", "Column 3"][: len(records[0])], records)

    with pytest.raises(HeaderMismatch, match=words):
        check_first_is_data(decide_header(AUTO, records[0], None), inferred, records)
    check_first_is_data(decide_header(NO, records[0], None), inferred, records)


@pytest.mark.parametrize(
    "records",
    [
        [["1", "n/a"], ["2", "5"]],
        [["1", "-"], ["2", "5"]],
        [["x", ""], ["y", "5"]],
        [["", "x"], ["5", "y"]],
        [["1", "x"], ["2", ""]],
        [["1", "x"]],
    ],
)
def test_a_row_that_fits_its_columns_is_data(records: list[list[str]]) -> None:
    """So is one that lacks a value, or says so, and one with nothing below it."""
    check_first_is_data(decide_header(AUTO, records[0], None), infer(["a", "b"], records), records)
