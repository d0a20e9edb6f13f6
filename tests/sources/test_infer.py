"""Inference: the narrowest type that loses nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstream.model import Column, ColumnType
from bulkstream.sources.infer import infer, kind_of, widened

LONG, DOUBLE, DECIMAL, DATE, DATETIME, STRING = (
    ColumnType.LONG,
    ColumnType.DOUBLE,
    ColumnType.DECIMAL,
    ColumnType.DATE,
    ColumnType.DATETIME,
    ColumnType.STRING,
)
TYPES = st.sampled_from(list(ColumnType))


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("0", LONG),
        ("-17", LONG),
        ("9223372036854775807", LONG),
        ("-9223372036854775808", LONG),
        ("9223372036854775808", DECIMAL),
        ("1" * 38, DECIMAL),
        ("1" * 39, STRING),
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
        ("2026-11-23T24:05", STRING),
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
        (["", ""], STRING, "no value in the sample"),
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
