"""Inference: the narrowest type that loses nothing."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstream.model import Column, ColumnType
from bulkstream.sources.infer import BLOCK_RECORDS, infer, kind_of, widened

LONG, DOUBLE, DECIMAL, DATE, DATETIME, STRING = (
    ColumnType.LONG,
    ColumnType.DOUBLE,
    ColumnType.DECIMAL,
    ColumnType.DATE,
    ColumnType.DATETIME,
    ColumnType.STRING,
)
TYPES = st.sampled_from(list(ColumnType))
LIMIT = timedelta(hours=14)


def whole_minutes(offset: timedelta) -> timedelta:
    return timedelta(minutes=offset // timedelta(minutes=1))


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("0", LONG),
        ("-17", LONG),
        ("9223372036854775807", LONG),
        ("-9223372036854775808", LONG),
        ("9223372036854775808", DECIMAL),
        ("1" * 38, DECIMAL),
        ("-" + "1" * 38, DECIMAL),
        ("1" * 39, STRING),
        ("1" * 10_000, STRING),
        ("1" * 20 + "." + "1" * 18, DECIMAL),
        ("1" * 20 + "." + "1" * 19, DOUBLE),
        ("13309.60", DECIMAL),
        ("-0.5", DECIMAL),
        ("0." + "1" * 38, DOUBLE),
        ("1e5", DOUBLE),
        ("-1.5E-7", DOUBLE),
        ("2026-11-23", DATE),
        ("2024-02-29", DATE),
        ("2026-02-29", STRING),
        ("2026-11-23T14:05", DATETIME),
        ("2026-11-23 14:05:59.123456", DATETIME),
        ("2026-11-23T14:05:59Z", DATETIME),
        ("2026-11-23T14:05:59+01:00", DATETIME),
        ("2026-11-23T14:05:59-13:30", DATETIME),
        ("2026-11-23T14:05:59+14:00", DATETIME),
        ("2026-11-23T14:05:59+14:01", STRING),
        ("2026-11-23T14:05:59+01:75", STRING),
        ("2026-11-23T14:05:59+0100", STRING),
        ("2026-11-23 14:05:59.1234567", STRING),
        ("2026-11-23T24:05", STRING),
        ("0000-01-01", STRING),
        ("2026-11-23\n", STRING),
        ("007", STRING),
        ("+1", STRING),
        ("1,000", STRING),
        (" 1", STRING),
        (".5", STRING),
        ("1.", STRING),
        ("-", STRING),
        ("NaN", STRING),
        ("true", STRING),
        ("23.11.2026", STRING),
        ("٣", STRING),
        ("\uff11\uff12", STRING),
    ],
)
def test_one_value_has_the_narrowest_type_that_keeps_it(value: str, kind: ColumnType) -> None:
    """Leading zeros, signs, blanks and digits beyond 64 bits are never lost to a number."""
    assert kind_of(value) is kind


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1))
def test_integers_of_64_bits_are_longs(numbers: list[int]) -> None:
    """Any column of such integers is a LONG."""
    assert infer(["n"], [[str(number)] for number in numbers])[0].column.type is LONG


@given(st.dates(), st.datetimes())
def test_iso_dates_and_times_are_recognized(day: object, moment: object) -> None:
    """Whatever Python writes as ISO 8601 reads as DATE or DATETIME."""
    assert kind_of(str(day)) is DATE
    assert kind_of(str(moment)) is DATETIME


@given(TYPES, TYPES, TYPES)
def test_widening_is_a_join(a: ColumnType, b: ColumnType, c: ColumnType) -> None:
    """The order in which values are seen doesn't matter, nor how often."""
    assert widened(a, a) is a
    assert widened(a, b) is widened(b, a)
    assert widened(widened(a, b), c) is widened(a, widened(b, c))


@pytest.mark.parametrize(
    ("values", "kind", "reason"),
    [
        (["1", "2.5", ""], DECIMAL, "'1' is LONG, '2.5' is DECIMAL"),
        (["1", "2e9"], DOUBLE, "'2e9' is DOUBLE"),
        (["2026-01-01", "2026-01-01 10:00"], DATETIME, "is DATETIME"),
        (["2026-01-01", "1"], STRING, "'2026-01-01' is DATE, '1' is LONG"),
        (["1", "n/a", "2"], STRING, "'n/a' is neither a number nor a date"),
        (["12345678901234567", "1e5"], STRING, "'12345678901234567' might be rounded as DOUBLE"),
        (["9007199254740992", "1e5"], DOUBLE, "'1e5' is DOUBLE"),
        (["1" * 30, "0." + "1" * 8], DECIMAL, "are DECIMAL"),
        (["0." + "1" * 20, "1" * 19 + ".5"], DOUBLE, "whole parts and fractions together need 39 digits"),
        (["1" * 38, "0.5"], STRING, "might be rounded as DOUBLE"),
        (["1", "2\n3"], STRING, r"'2\n3' is neither a number nor a date"),
        (["", ""], STRING, "no value in the sample"),
        (["1", ""], LONG, "'1' is LONG"),
        (["1", "2"], LONG, "all 2 sampled values are LONG, e.g. '1'"),
    ],
)
def test_a_column_has_the_type_that_holds_all_its_values_and_says_why(
    values: list[str], kind: ColumnType, reason: str
) -> None:
    """The reason names the value that decided."""
    found = infer(["c"], [[value] for value in values])[0]

    assert found.column == Column("c", kind)
    assert reason in found.reason
    assert found.nulls == values.count("")


def test_no_records_make_strings() -> None:
    """A header alone says nothing of types."""
    assert [each.column.type for each in infer(["a", "b"], [])] == [STRING, STRING]


@given(
    st.lists(st.sampled_from(["", "0", "-7", "1.5", "2e3", "2026-01-01", "2026-01-01 10:00", "x", "1\n2", "9" * 20]))
)
def test_a_block_is_judged_as_its_values_are(values: list[str]) -> None:
    """Looking at many values at once, or at one after the other, comes to the same kinds."""
    kinds = [kind_of(value) for value in values if value]

    found = infer(["c"], ([value] for value in values))[0].column.type

    joined = reduce(widened, kinds) if kinds else STRING
    assert found is (STRING if joined is DOUBLE and "9" * 20 in values else joined)


def test_what_decides_may_stand_anywhere_in_a_long_sample() -> None:
    """Values are counted and judged over all blocks, and a text in the last record is seen."""
    rows = [[str(number), "", str(number)] for number in range(5 * BLOCK_RECORDS)]

    long, empty, text = infer(["a", "b", "c"], iter([*rows, ["1.5", "", "n/a"]]))

    assert (long.column.type, long.reason) == (DECIMAL, "'0' is LONG, '1.5' is DECIMAL")
    assert (empty.column.type, empty.nulls) == (STRING, 5 * BLOCK_RECORDS + 1)
    assert (text.column.type, text.reason) == (STRING, "'n/a' is neither a number nor a date")


@given(st.datetimes(timezones=st.builds(timezone, st.timedeltas(-LIMIT, LIMIT).map(whole_minutes))))
def test_times_with_an_offset_are_recognized(moment: datetime) -> None:
    """Every offset that is in use on earth is read as Python writes it."""
    assert kind_of(moment.isoformat()) is DATETIME
