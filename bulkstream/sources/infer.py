"""Types of columns, from sampled values. Nothing is guessed that could lose a digit or a zero.

The kind of one value:

* LONG: digits with an optional minus, no leading zero, within 64 bits with sign.
* DECIMAL: plain digits with a point, or an integer beyond 64 bits; up to 38 digits.
* DOUBLE: a number with an exponent, or with more than 38 digits behind a point.
* DATE: `2026-11-23`, if the calendar has that day.
* DATETIME: such a date, `T` or a blank, `hh:mm[:ss[.fraction]]`, and an optional `Z` or `±hh:mm`.
* STRING: everything else; so also `007`, `+1`, `1,000`, ` 1`, `.5`, `NaN`, `true` and `23.11.2026`.

A column has the kind that holds all its values: LONG widens to DECIMAL and DOUBLE, DECIMAL to DOUBLE, DATE to
DATETIME, any other mixture to STRING. Empty fields say nothing; a column of nothing else is a STRING.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from functools import reduce
from itertools import islice
from typing import TYPE_CHECKING

from bulkstream.model import Column, ColumnType

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST_DIGITS = 38
"""Digits of the widest DECIMAL that databases commonly hold."""

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+")
_EXPONENT = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?[eE][+-]?[0-9]+")
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_TIME = re.compile(r"[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,9})?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?")

_WIDER: dict[frozenset[ColumnType], ColumnType] = {
    frozenset({ColumnType.LONG, ColumnType.DECIMAL}): ColumnType.DECIMAL,
    frozenset({ColumnType.LONG, ColumnType.DOUBLE}): ColumnType.DOUBLE,
    frozenset({ColumnType.DECIMAL, ColumnType.DOUBLE}): ColumnType.DOUBLE,
    frozenset({ColumnType.DATE, ColumnType.DATETIME}): ColumnType.DATETIME,
}
"""Two kinds that differ, and the one that holds both; STRING holds whatever is not here."""


@dataclass(frozen=True, slots=True)
class Inferred:
    """A column, and why it has its type.

    Attributes:
        reason: One sentence, with the value that decided.
        nulls: Empty fields among the sampled ones.
    """

    column: Column
    reason: str
    nulls: int


def infer(names: Sequence[str], records: Iterable[Sequence[str]]) -> tuple[Inferred, ...]:
    """Infer a type for each column from records that have as many fields as there are names."""
    columns = list(zip(*records, strict=True)) or [()] * len(names)
    return tuple(_inferred(name, values) for name, values in zip(names, columns, strict=True))


def kind_of(value: str) -> ColumnType:
    """Return the narrowest type that holds a value without loss."""
    first = value[:1]
    if not (first.isdigit() or first == "-"):
        return ColumnType.STRING
    if _INTEGER.fullmatch(value):
        return _integer(value)
    if _DECIMAL.fullmatch(value):
        return ColumnType.DECIMAL if sum(c.isdigit() for c in value) <= MOST_DIGITS else ColumnType.DOUBLE
    if _EXPONENT.fullmatch(value):
        return ColumnType.DOUBLE
    return _moment(value)


def widened(one: ColumnType, other: ColumnType) -> ColumnType:
    """Return the type that holds values of both."""
    return one if one is other else _WIDER.get(frozenset({one, other}), ColumnType.STRING)


def _integer(value: str) -> ColumnType:
    if -(2**63) <= int(value[: MOST_DIGITS + 2]) < 2**63 and len(value) <= MOST_DIGITS:
        return ColumnType.LONG
    return ColumnType.DECIMAL if len(value.lstrip("-")) <= MOST_DIGITS else ColumnType.STRING


def _moment(value: str) -> ColumnType:
    match = _DATE.match(value)
    if match is None:
        return ColumnType.STRING
    try:
        date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        return ColumnType.STRING
    rest = value[match.end() :]
    if not rest:
        return ColumnType.DATE
    return ColumnType.DATETIME if _TIME.fullmatch(rest) else ColumnType.STRING


def _inferred(name: str, values: Sequence[str]) -> Inferred:
    """Decide for one column; each distinct value is looked at once."""
    nulls = sum(not value for value in values)
    examples: dict[ColumnType, str] = {}
    for value in dict.fromkeys(values):
        if value:
            examples.setdefault(kind_of(value), value)
            if ColumnType.STRING in examples:
                break
    kind = reduce(widened, examples) if examples else ColumnType.STRING
    return Inferred(Column(name, kind), _reason(kind, examples, len(values) - nulls), nulls)


def _reason(kind: ColumnType, examples: dict[ColumnType, str], filled: int) -> str:
    if not examples:
        return "no value in the sample"
    if kind is ColumnType.STRING and ColumnType.STRING in examples:
        return f"{_shown(examples[ColumnType.STRING])} is neither a number nor a date"
    shown = ", ".join(f"{_shown(value)} is {type_}" for type_, value in islice(examples.items(), 3))
    return f"all {filled:,} sampled values are {kind}, e.g. {_shown(examples[kind])}" if len(examples) == 1 else shown


def _shown(value: str) -> str:
    return repr(value if len(value) <= 24 else value[:23] + "…")  # noqa: PLR2004 - room in a table
