"""CSV values as their column's type means them, so that two ways of writing one value compare equal.

* LONG, DECIMAL: numbers are equal if they are so exactly: `1.50` and `1.5`, `1e3` and `1000`, `-0` and `0`.
* DOUBLE: if their nearest 64-bit floating point numbers are, since that is all such a column holds.
* DATE, DATETIME: by the moment, to the microsecond; one without a zone is UTC, one without a time midnight.
* STRING: character by character. An empty field, quoted or not, is null and equals only another one.

A value that isn't of its column's type is compared as text.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Context
from math import isfinite
from typing import TYPE_CHECKING

from bulkstream.model import ColumnType

if TYPE_CHECKING:
    from collections.abc import Callable

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,6})?")
_DIGITS = 10_000


def normalizer(kind: ColumnType) -> Callable[[str], str] | None:
    """Return what turns all ways of writing one value of a type into one; None where there is only one way."""
    match kind:
        case ColumnType.STRING:
            return None
        case ColumnType.LONG | ColumnType.DECIMAL:
            return _exact
        case ColumnType.DOUBLE:
            return _double
        case ColumnType.DATE | ColumnType.DATETIME:
            return _moment


def _exact(value: str) -> str:
    if len(value) > _DIGITS or not _NUMBER.fullmatch(value):
        return value
    # Far more digits than a value has, so that nothing is rounded.
    context = Context(prec=2 * _DIGITS, rounding=ROUND_HALF_EVEN)
    number = context.create_decimal(value)
    return str(context.normalize(number)) if number else "0"


def _double(value: str) -> str:
    if not _NUMBER.fullmatch(value):
        return value
    number = float(value)
    return repr(number + 0.0) if isfinite(number) else value  # adding zero makes -0.0 of 0.0 disappear


def _moment(value: str) -> str:
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        return value
