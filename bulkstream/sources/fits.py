"""Which text fits which type of a column: one rule per type, wider than what inference takes for it.

* LONG: digits with an optional sign, within 64 bits.
* DECIMAL: digits with an optional sign and an optional point, no exponent; up to 38 digits.
* DOUBLE: the same with an optional exponent, within the range of a double.
* DATE: `yyyy-mm-dd`, if the calendar has that day.
* DATETIME: a DATE, or one with `T` or a blank, `hh:mm[:ss[.ffffff]]`, and an optional `Z` or `±hh:mm` up to 14 hours.
* STRING: everything.

An empty field is null, and nobody asks.
"""

from __future__ import annotations

import re
from datetime import date

from bulkstream.model import ColumnType

MOST_DIGITS = 38
"""Digits of the widest DECIMAL that databases commonly hold."""

MOMENT = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"([T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6})?)?"
    r"(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9]|[+-]14:00)?)?"
)

_LONGEST_LONG = 40
_LONG = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_DOUBLE = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def fits(kind: ColumnType, value: str) -> bool:
    """Whether a column of this type can take the value."""
    match kind:
        case ColumnType.LONG:
            return _LONG.fullmatch(value) is not None and len(value) <= _LONGEST_LONG and -(2**63) <= int(value) < 2**63
        case ColumnType.DECIMAL:
            return _DECIMAL.fullmatch(value) is not None and sum(map(str.isdigit, value)) <= MOST_DIGITS
        case ColumnType.DOUBLE:
            return _DOUBLE.fullmatch(value) is not None and abs(float(value)) != float("inf")
        case ColumnType.DATE:
            return (moment := MOMENT.fullmatch(value)) is not None and moment[4] is None and in_calendar(moment)
        case ColumnType.DATETIME:
            return (moment := MOMENT.fullmatch(value)) is not None and in_calendar(moment)
        case ColumnType.STRING:
            return True


def in_calendar(moment: re.Match[str]) -> bool:
    """Whether year, month and day, the first three groups of a match, are a day of the calendar."""
    try:
        date(int(moment[1]), int(moment[2]), int(moment[3]))
    except ValueError:
        return False
    return True
