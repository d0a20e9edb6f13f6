"""Do values as they are written fit the type that a sample gave their column? Arrow judges most, Python the doubtful.

There is one rule per type, `fitted`. For each type a pattern knows most values that fit, and Arrow matches it without
the GIL. A number with an exponent fits a DECIMAL too, written out in full.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from bulkstream.model import ColumnType
from bulkstream.sources.fits import MOST_DIGITS
from bulkstream.sources.infer import kind_of

_DAY = (
    r"[12][0-9]{3}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    r"|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
)
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6})?)?"
_USUAL = {
    ColumnType.LONG: r"^-?(?:0|[1-9][0-9]{0,17})$",
    ColumnType.DECIMAL: r"^-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,20})?$",
    ColumnType.DOUBLE: r"^-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,20})?(?:[eE][+-]?[0-9]{1,2})?$",
    ColumnType.DATE: f"^{_DAY}$",
    ColumnType.DATETIME: f"^{_DAY}(?:[T ]{_TIME}Z?)?$",
}
"""Patterns of values that fit for sure, in RE2's syntax, whose `$` is the very end."""

_HOLDS = {
    ColumnType.LONG: {ColumnType.LONG},
    ColumnType.DECIMAL: {ColumnType.LONG, ColumnType.DECIMAL},
    ColumnType.DOUBLE: {ColumnType.LONG, ColumnType.DECIMAL, ColumnType.DOUBLE},
    ColumnType.DATE: {ColumnType.DATE},
    ColumnType.DATETIME: {ColumnType.DATE, ColumnType.DATETIME},
}
_EXACT_IN_DOUBLE = 2**53


class Misfit(Exception):
    """A value does not fit the type of its column: a signal to look closer, which is never shown."""


def column_of(values: Any, kind: ColumnType) -> Any:
    """Return an array of text as the column's array: int64 for a LONG, else text that fits.

    Raises:
        Misfit: A value does not fit.
    """
    if kind is ColumnType.STRING:
        return values
    usual = pc.fill_null(pc.match_substring_regex(values, _USUAL[kind]), fill_value=True)
    if not pc.all(usual, min_count=0).as_py():
        doubtful = pc.invert(usual)
        left = values.filter(doubtful).to_pylist()
        fits = {value: fitted(kind, value) for value in set(left)}
        if None in fits.values():
            raise Misfit
        values = pc.replace_with_mask(values, doubtful, pa.array([fits[value] for value in left], values.type))
    return pc.cast(values, pa.int64()) if kind is ColumnType.LONG else values


def fitted(kind: ColumnType, value: str) -> str | None:
    """Return the text that a column of this type takes for a value, or None if it doesn't fit."""
    if kind is ColumnType.STRING:
        return value
    found = kind_of(value)
    if kind is ColumnType.DECIMAL and found is ColumnType.DOUBLE:
        return _in_full(value)
    if found not in _HOLDS[kind]:
        return None
    if kind is ColumnType.DOUBLE:
        rounded = found is not ColumnType.DOUBLE and "." not in value and abs(int(value)) > _EXACT_IN_DOUBLE
        return None if rounded or abs(float(value)) == float("inf") else value
    return value


def _in_full(value: str) -> str | None:
    """Write a number without exponent, if it has no more digits than a DECIMAL can hold."""
    try:
        number = Decimal(value)
    except InvalidOperation:  # an exponent beyond what the module knows
        return None
    if not number.is_finite() or abs(number.adjusted()) > MOST_DIGITS:
        return None
    plain = f"{number:f}"
    return plain if kind_of(plain) in _HOLDS[ColumnType.DECIMAL] else None
