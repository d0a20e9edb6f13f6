"""What is told from masks alone: never that a value fits which doesn't, and of common values that they do."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bulkstream.model import ColumnType
from bulkstream.sources.fits import fits
from bulkstream.stages.plain import Doubt, doubtful

LONG, DOUBLE, DECIMAL, DATE, DATETIME, STRING = (
    ColumnType.LONG,
    ColumnType.DOUBLE,
    ColumnType.DECIMAL,
    ColumnType.DATE,
    ColumnType.DATETIME,
    ColumnType.STRING,
)
VALUE = st.one_of(
    st.just(""),
    st.from_regex(r"[+-]?[0-9]{0,21}(\.[0-9]{0,20})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
    st.from_regex(r"[+.-]{0,2}[0-9]{0,2}[+.-]{0,2}[0-9]{0,2}", fullmatch=True),
    st.integers(-(2**64), 2**64).map(str),
    st.dates().map(str),
    st.datetimes().map(str),
    st.from_regex(
        r"[0-2][0-9]{3}-[0-3][0-9]-[0-3][0-9]([T ][0-2][0-9]:[0-6][0-9](:[0-6][0-9](\.[0-9]{1,7})?)?Z?)?",
        fullmatch=True,
    ),
    st.text(alphabet='0123456789-+.:TZe ,"\n\ré', max_size=8),
    st.text(alphabet="0x", min_size=60, max_size=200),
)


def written(value: str, *, quoted: bool = False) -> str:
    """Write a field, in quotes if it needs them or shall have them."""
    if quoted or any(char in value for char in ',"\r\n'):
        return '"' + value.replace('"', '""') + '"'
    return value


def table(kinds: list[ColumnType]) -> st.SearchStrategy[tuple[list[ColumnType], list[list[str]]]]:
    """Rows for columns of these types."""
    row = st.lists(VALUE, min_size=len(kinds), max_size=len(kinds))
    return st.tuples(st.just(kinds), st.lists(row, min_size=1, max_size=30))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from(list(ColumnType)), min_size=1, max_size=4).flatmap(table),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
@example(([LONG, LONG], [["1" * 18, ""], ["", "-" + "1" * 17]]), "\n", False)
@example(([LONG, DATE], [["x" * 200, "2024-02-30"]]), "\n", False)
def test_a_column_with_a_misfit_is_doubtful(
    made: tuple[list[ColumnType], list[list[str]]], end: str, quoted: bool
) -> None:
    """Wherever it stands, and whatever stands around it."""
    kinds, rows = made
    columns = zip(kinds, zip(*rows, strict=True), strict=True)
    misfits = [{value for value in column if value and not fits(kind, value)} for kind, column in columns]
    wrong = [number for number, values in enumerate(misfits) if values]
    data = "".join(",".join(written(value, quoted=quoted) for value in row) + end for row in rows).encode()

    found = doubtful(memoryview(data), kinds)

    assert set(wrong) <= {doubt.column for doubt in found}
    for doubt in (doubt for doubt in found if doubt.fields is not None):
        fields = [written(row[doubt.column], quoted=quoted) for row in rows]
        told = [data[a:b].decode().removesuffix("\r") for a, b in doubt.fields or ()]
        odd = {written(value, quoted=quoted) for value in misfits[doubt.column]}
        assert odd <= set(told) <= {field.removesuffix("\r") for field in fields}


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (LONG, "0 -1 +1 007 123456789012345678"),
        (DECIMAL, "0 -1 1.5 -0.05 1. 12345678901234567890.12345678901"),
        (DOUBLE, "0 -1.5 17"),
        (DATETIME, "2024-01-31 2024-02-28T23:59 1999-12-31T00:00:00 2024-05-06T07:08:09.123456Z 2024-05-06T07:08Z"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("quoted", [False, True])
def test_common_values_are_plain(kind: ColumnType, values: str, end: str, quoted: bool) -> None:
    """Or everything would be looked at twice."""
    rows = [[value, "text, more", value, ""] for value in values.split()]
    data = "".join(",".join(written(value, quoted=quoted) for value in row) + end for row in rows).encode()

    assert doubtful(memoryview(data), [kind, STRING, kind, kind]) == []


def test_every_day_but_29_february_is_plain() -> None:
    """And no day that there is not."""
    days = [f"2024-{month:02}-{day:02}" for month in range(100) for day in range(100)]

    assert plain_of(DATE, days) == [day for day in days if fits(DATE, day) and day != "2024-02-29"]


def test_every_minute_is_plain() -> None:
    """And no minute that there is not."""
    times = [f"2024-01-01 {hour:02}:{minute:02}" for hour in range(100) for minute in range(100)]

    assert plain_of(DATETIME, times) == [time for time in times if fits(DATETIME, time)]


def plain_of(kind: ColumnType, values: list[str]) -> list[str]:
    """Return those that are plain, each being a column of one record."""
    doubts = doubtful(memoryview((",".join(values) + "\n").encode()), [kind] * len(values))
    left = {doubt.column for doubt in doubts}
    return [value for number, value in enumerate(values) if number not in left]


@given(st.integers(0, 300), st.integers(0, 300), st.sampled_from([LONG, DECIMAL, DATE, DATETIME]))
def test_fields_of_any_length_keep_columns_apart(before: int, behind: int, kind: ColumnType) -> None:
    """Separators are found over many words of a mask, and a text beside a number is no misfit."""
    good = {LONG: "12", DECIMAL: "1.5", DATE: "2024-01-01", DATETIME: "2024-01-01T00:00"}[kind]
    rows = ["x" * before + f",{good}," + "y" * behind + f",{good}\n", f",{good},,\n"] * 3

    assert doubtful(memoryview("".join(rows).encode()), [STRING, kind, STRING, kind]) == []


def test_what_does_not_end_with_a_record_is_left_to_others() -> None:
    """As is what is too long, and nothing is looked at where there is only text."""
    assert doubtful(memoryview(b"1"), [LONG]) == [Doubt(0)]
    assert doubtful(memoryview(b"1\n" * (1 << 19) + b"1\n"), [LONG]) == [Doubt(0)]
    assert doubtful(memoryview(b"x\n"), [STRING]) == []
