"""Values and their columns' types: one rule, and Arrow's way to it."""

from __future__ import annotations

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from bulkstream.model import Column, ColumnType
from bulkstream.sources.fits import fits
from bulkstream.sources.infer import kind_of, widened
from bulkstream.stages.fit import ValueJudge

TYPES = list(ColumnType)
VALUE = st.one_of(
    st.from_regex(r"[+-]?[0-9]{0,21}(\.[0-9]{0,20})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
    st.integers(-(2**64), 2**64).map(str),
    st.dates().map(str),
    st.from_regex(
        r"[0-9]{4}-[0-3][0-9]-[0-3][0-9]([T ][0-2][0-9]:[0-6][0-9](:[0-6][0-9](\.[0-9]{1,7})?)?Z?)?", fullmatch=True
    ),
    st.text(alphabet='0123456789-+.:TZe ,"\n\rxé', max_size=8),
)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (
            ColumnType.LONG,
            "0 -1 +1 007 9223372036854775807 -9223372036854775808",
            "9223372036854775808 1.0 1e3 0x1F - x",
        ),
        (ColumnType.DECIMAL, "1 -1.5 +.5 5. 12345678901234567890.123456789012345678", "1e3 . NaN 1,5 " + "1" * 39),
        (ColumnType.DOUBLE, "1 1.5 1e3 -1E-300 .5e1", "NaN inf 1e 1e999 e1"),
        (
            ColumnType.DATE,
            "2024-02-29 2000-02-29 1999-12-31 0001-01-01",
            "2023-02-29 1900-02-29 2024-04-31 2024-1-1 0000-01-01",
        ),
        (
            ColumnType.DATETIME,
            "2024-02-29 2024-02-29T23:59 2024-02-29T00:00:00.5+14:00",
            "2024-02-30T00:00 2024-02-29T24:00",
        ),
    ],
)
def test_rules_are_these(kind: ColumnType, good: str, bad: str) -> None:
    """Each type takes what is documented, and nothing else."""
    assert [value for value in good.split() if not fits(kind, value)] == []
    assert [value for value in bad.split() if fits(kind, value)] == []


@settings(max_examples=300, deadline=None)
@given(VALUE, VALUE)
def test_what_is_inferred_from_values_takes_them(one: str, other: str) -> None:
    """A column whose type was inferred has no misfits among the values that it was inferred from."""
    kind = widened(kind_of(one), kind_of(other))
    assume("e" not in (one + other).lower())  # numbers beyond a double's range are inferred as DOUBLE, and don't fit

    assert fits(kind, one)
    assert fits(kind, other)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(TYPES), min_size=1, max_size=3).flatmap(
        lambda kinds: st.tuples(
            st.just(kinds), st.lists(st.lists(VALUE, min_size=len(kinds), max_size=len(kinds)), min_size=1, max_size=8)
        )
    ),
    st.sampled_from(["\n", "\r\n"]),
)
@example(([ColumnType.LONG, ColumnType.STRING], [["1", 'a"b'], ["x", "a\rb"]]), "\n")
@example(([ColumnType.LONG], [["1234567890123456789"], ["9223372036854775808"], [""]]), "\n")
def test_arrow_finds_the_misfits_that_the_rule_does(made: tuple[list[ColumnType], list[list[str]]], end: str) -> None:
    """Rows are judged by `fits`, whichever way their values have taken, and the first misfit is told."""
    kinds, rows = made
    columns = tuple(Column(f"c{n}", kind) for n, kind in enumerate(kinds))
    expected = {}
    for row, values in enumerate(rows):
        misfits = [n for n, value in enumerate(values) if value and not fits(kinds[n], value)]
        if misfits:
            expected[row] = f"c{misfits[0]}: "
    data = "".join(",".join(map(written, values)) + end for values in rows).encode()

    faults = ValueJudge(columns).faults(memoryview(data), len(rows))

    assert {row: reason[: reason.index(" ") + 1] for row, reason in sorted(faults.items())} == expected


@pytest.mark.parametrize(
    ("kind", "odd", "bad"),
    [
        (ColumnType.LONG, ["1234567890123456789"], "1.5"),
        (ColumnType.DECIMAL, [".5", "+.5"], "1e3"),
        (ColumnType.DOUBLE, ["1e3", "-1E-300"], "NaN"),
        (ColumnType.DATE, ["2024-02-29", "0800-12-24"], "2023-02-29"),
        (ColumnType.DATETIME, ["2024-02-29T00:00:00.5+14:00"], "2024-02-29T24:00"),
    ],
)
@pytest.mark.parametrize("times", [1, 500])
def test_odd_values_fit_however_many_there_are(kind: ColumnType, odd: list[str], bad: str, times: int) -> None:
    """A few are judged one by one, many by Arrow; and the one that does not fit is found among them."""
    rows = [f"text,{value},,7\n" for value in odd * times]
    judge = ValueJudge((Column("a"), Column("b", kind), Column("c", kind), Column("d", ColumnType.LONG)))

    good = judge.faults(memoryview("".join(rows).encode()), len(rows))
    wrong = judge.faults(memoryview("".join([*rows, f"text,{bad},,7\n"]).encode()), len(rows) + 1)

    assert good == {}
    assert wrong == {len(rows): f"b: {bad!r} is no {kind}"}


def written(value: str) -> str:
    """Write a field; an odd one unquoted where that is allowed."""
    if any(char in value for char in ',"\n') or value.endswith("\r"):
        return '"' + value.replace('"', '""') + '"'
    return value
