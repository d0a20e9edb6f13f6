"""Types of columns, from sampled values. No digit of a whole number, and no leading zero, is lost to a guess.

The kind of one value:

* LONG: digits with an optional minus, no leading zero, within 64 bits with sign.
* DECIMAL: plain digits with a point, or an integer beyond 64 bits; up to 38 digits.
* DOUBLE: a number with an exponent, or with a point and more than 38 digits.
* DATE: `2026-11-23`, if the calendar has that day.
* DATETIME: such a date, `T` or a blank, `hh:mm[:ss[.ffffff]]`, and an optional `Z` or `±hh:mm` up to 14 hours.
* STRING: everything else; so also `007`, `+1`, `1,000`, ` 1`, `.5`, `NaN`, `true` and `23.11.2026`.

A column has the kind that holds all its values: LONG widens to DECIMAL and DOUBLE, DECIMAL to DOUBLE, DATE to
DATETIME, any other mixture to STRING. A DECIMAL column whose longest whole part and longest fraction together pass
38 digits is a DOUBLE; a DOUBLE column with a whole number beyond 2^53, which a double may round, is a STRING.
Empty fields say nothing; a column of nothing else is a STRING.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import reduce
from itertools import islice
from typing import TYPE_CHECKING

from bulkstream.model import Column, ColumnType
from bulkstream.sources.fits import MOMENT, MOST_DIGITS, fits, in_calendar

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

BLOCK_RECORDS = 1024
"""Records looked at in one go: transposing all of a sample at once would hold the GIL for tens of milliseconds."""

_SAFE_LONG_DIGITS = 18
_EXACT_IN_DOUBLE = 2**53
_DIGITS_OF_LARGE = 16
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")

_RUNS = {
    ColumnType.LONG: re.compile(r"(?:-?(?:0|[1-9][0-9]{0,17})\n)++"),
    ColumnType.DECIMAL: re.compile(r"(?:-?(?:0|[1-9][0-9]{0,17})\.[0-9]{1,18}\n)++"),
}
"""Many values of one kind, a line feed behind each: a match per block takes a quarter of a match per value."""

_WIDER: dict[frozenset[ColumnType], ColumnType] = {
    frozenset({ColumnType.LONG, ColumnType.DECIMAL}): ColumnType.DECIMAL,
    frozenset({ColumnType.LONG, ColumnType.DOUBLE}): ColumnType.DOUBLE,
    frozenset({ColumnType.DECIMAL, ColumnType.DOUBLE}): ColumnType.DOUBLE,
    frozenset({ColumnType.DATE, ColumnType.DATETIME}): ColumnType.DATETIME,
}
"""Two kinds that differ, and the one that holds both; STRING holds whatever is not here."""

_CHOOSY = frozenset(ColumnType) - {ColumnType.STRING}
_HOLDING = {
    ColumnType.LONG: frozenset({ColumnType.LONG, ColumnType.DECIMAL, ColumnType.DOUBLE}),
    ColumnType.DECIMAL: frozenset({ColumnType.DECIMAL, ColumnType.DOUBLE}),
    ColumnType.DOUBLE: frozenset({ColumnType.DOUBLE}),
    ColumnType.DATE: frozenset({ColumnType.DATE, ColumnType.DATETIME}),
    ColumnType.DATETIME: frozenset({ColumnType.DATETIME}),
}
"""Types that hold each value of a kind, large ones as DOUBLE apart."""

_EXACT = _HOLDING.keys() - {ColumnType.DOUBLE}
"""Kinds whose values need no second look; a DOUBLE may be out of range, and a text may fit after all, as `007` does."""


@dataclass(frozen=True, slots=True)
class Inferred:
    """A column, and why it has its type.

    Attributes:
        reason: One sentence, with the value that decided.
        nulls: Empty fields among the sampled ones.
        misfits: Of sampled text, the types that can't hold it, each with the first value that shows it (`unfit`); None
            where the type is known, and not guessed from a sample.
    """

    column: Column
    reason: str
    nulls: int
    misfits: Mapping[ColumnType, str] | None = field(default=None, compare=False)

    @property
    def silent(self) -> bool:
        """Whether there is no value that could say anything about its type; so any type fits."""
        return self.misfits is not None and not self.misfits


def infer(names: Sequence[str], records: Iterable[Sequence[str]]) -> tuple[Inferred, ...]:
    """Infer a type for each column from records that have as many fields as there are names."""
    columns = [_Evidence() for _ in names]
    rest = iter(records)
    while block := list(islice(rest, BLOCK_RECORDS)):
        for column, values in zip(columns, zip(*block, strict=True), strict=True):
            column.add(values)
    return tuple(column.judged(name) for name, column in zip(names, columns, strict=True))


def kind_of(value: str) -> ColumnType:
    """Return the narrowest type that holds a value; a DOUBLE may round its last digits."""
    if number := _NUMBER.fullmatch(value):
        return _kind_of_number(number)
    moment = MOMENT.fullmatch(value)
    if moment is None or not in_calendar(moment):
        return ColumnType.STRING
    return ColumnType.DATETIME if moment[4] else ColumnType.DATE


def widened(one: ColumnType, other: ColumnType) -> ColumnType:
    """Return the type that holds values of both."""
    return one if one is other else _WIDER.get(frozenset({one, other}), ColumnType.STRING)


def unfit(kind: ColumnType, value: str) -> bool:
    """Whether a column of this type can't hold a value, or not exactly: a whole number beyond 2^53 as DOUBLE."""
    return not fits(kind, value) or (kind is ColumnType.DOUBLE and _beyond_double(value))


class _Evidence:
    """What has been seen of one column; each distinct value is looked at once, none after a text that fits nothing.

    Attributes:
        examples: The first value of each kind, in the order of their appearance.
        misfits: The first value that each type can't hold.
        distinct: Values that were looked at.
    """

    __slots__ = ("distinct", "examples", "filled", "misfits", "nulls")

    def __init__(self) -> None:
        self.examples: dict[ColumnType, str] = {}
        self.misfits: dict[ColumnType, str] = {}
        self.distinct: set[str] = {""}
        self.filled = self.nulls = 0

    def add(self, values: Sequence[str]) -> None:
        nulls = values.count("")
        self.nulls += nulls
        self.filled += len(values) - nulls
        if ColumnType.STRING in self.examples and len(self.misfits) == len(_CHOOSY):
            return
        fresh = [value for value in dict.fromkeys(values) if value not in self.distinct]
        self.distinct.update(fresh)
        if (kind := _kind_of_all(fresh)) is not None:
            self._note(kind, fresh[0])
            return
        for value in fresh:
            self._note(kind_of(value), value)

    def _note(self, kind: ColumnType, value: str) -> None:
        if kind not in self.examples:
            self.examples[kind] = value
            for other in _CHOOSY - _HOLDING.get(kind, _CHOOSY):
                self.misfits.setdefault(other, value)
        if kind not in _EXACT:
            for other in _CHOOSY - self.misfits.keys():
                if unfit(other, value):
                    self.misfits[other] = value

    def judged(self, name: str) -> Inferred:
        self.distinct.discard("")
        kind = reduce(widened, self.examples) if self.examples else ColumnType.STRING
        held, why = _held(kind, self.distinct)
        if large := min((value for value in self.distinct if _beyond_double(value)), default=""):
            self.misfits.setdefault(ColumnType.DOUBLE, large)
        reason = why or _reason(kind, self.examples, self.filled)
        return Inferred(Column(name, held), reason, self.nulls, self.misfits)


def _kind_of_all(values: Sequence[str]) -> ColumnType | None:
    """Return the kind that all values are plainly of, or None if they must be looked at one by one."""
    text = "\n".join([*values, ""])
    if text.count("\n") != len(values):  # a line feed inside a value must not pass for an end
        return None
    return next((kind for kind, run in _RUNS.items() if run.fullmatch(text)), None)


def _kind_of_number(number: re.Match[str]) -> ColumnType:
    value = number[0]
    if number[3]:
        return ColumnType.DOUBLE
    digits = len(value) - value.startswith("-") - (number[2] is not None)
    if number[2]:
        return ColumnType.DECIMAL if digits <= MOST_DIGITS else ColumnType.DOUBLE
    if digits <= _SAFE_LONG_DIGITS:
        return ColumnType.LONG
    if digits > MOST_DIGITS:
        return ColumnType.STRING
    return ColumnType.LONG if -(2**63) <= int(value) < 2**63 else ColumnType.DECIMAL


def _held(kind: ColumnType, values: Collection[str]) -> tuple[ColumnType, str]:
    """Return the type that holds values together which its kind holds one by one, and why if it is another."""
    why = ""
    if kind is ColumnType.DECIMAL and (needed := _digits_needed(values)) > MOST_DIGITS:
        kind, why = ColumnType.DOUBLE, f"whole parts and fractions together need {needed} digits"
    if kind is ColumnType.DOUBLE and (large := min(filter(_beyond_double, values), default="")):
        kind, why = ColumnType.STRING, f"{_shown(large)} might be rounded as DOUBLE"
    return kind, why


def _digits_needed(values: Iterable[str]) -> int:
    whole = fraction = 0
    for value in values:
        before, _, after = value.partition(".")
        whole = max(whole, len(before) - before.startswith("-"))
        fraction = max(fraction, len(after))
    return whole + fraction


def _beyond_double(value: str) -> bool:
    digits = value.lstrip("+-") if len(value) >= _DIGITS_OF_LARGE else ""
    return digits.isdecimal() and (len(digits) > MOST_DIGITS or int(digits) > _EXACT_IN_DOUBLE)


def _reason(kind: ColumnType, examples: dict[ColumnType, str], filled: int) -> str:
    if not examples:
        return "no value in the sample"
    if kind is ColumnType.STRING and ColumnType.STRING in examples:
        return f"{_shown(examples[ColumnType.STRING])} is neither a number nor a date"
    shown = ", ".join(f"{_shown(value)} is {type_}" for type_, value in islice(examples.items(), 3))
    if len(examples) > 1 or filled == 1:
        return shown
    return f"all {filled:,} sampled values are {kind}, e.g. {_shown(examples[kind])}"


def _shown(value: str) -> str:
    return repr(value if len(value) <= 24 else value[:23] + "…")  # noqa: PLR2004 - room in a table
