"""What databases hold and a dataset can't: infinite dates, other calendars' years, numbers of more than 38 digits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from bulkstream.errors import SourceUnreadable
from bulkstream.model import ColumnType
from bulkstream.sources.batches import TYPE_KEY
from bulkstream.sources.fits import MOST_DIGITS

if TYPE_CHECKING:
    from collections.abc import Callable

_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896
"""The years 1 to 9999, in days since 1970."""
_A_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000}
_LAST_NS = 2**63 - 2
"""Nanoseconds beyond it mean infinity."""
_NUMBER = r"^-?[0-9]+(?:\.[0-9]+)?$"


class Judge:
    """Looks through the batches of one query, and counts their rows for messages.

    Moments are judged by their least and greatest, and numbers by their longest; only where that is doubtful, one by
    one. All of it is Arrow's work, done without the GIL.
    """

    def __init__(self, name: str, schema: pa.Schema) -> None:
        self._name = name
        self._rows = 0
        self._checks = [(n, field.name, check) for n, field in enumerate(schema) if (check := _check_of(field))]

    def passed(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the batch.

        Raises:
            SourceUnreadable: A value can't be loaded; names row, column and value, and what to write in the query.
        """
        for n, column, check in self._checks:
            wrong = check(batch.column(n))
            if wrong is not None:
                self._refuse(wrong, column, batch.column(n))
        self._rows += batch.num_rows
        return batch

    def _refuse(self, wrong: Any, column: str, values: Any) -> None:
        """Name the first wrong value, if there is one after all."""
        found = pc.index(wrong, True).as_py()
        if found < 0:
            return
        row = f"{self._name}: row {self._rows + found + 1:,}, column {column}"
        if pa.types.is_string(values.type):
            raise SourceUnreadable(
                f"{row}: {_shown(values[found].as_py())} is no DECIMAL of up to {MOST_DIGITS} digits",
                hint="Round it in the query, or cast the column there, to text or to a floating-point number.",
            )
        raise SourceUnreadable(
            f"{row}: infinity, or a year outside 1 to 9999, is no date that can be loaded",
            hint="Replace it in the query, or cast the column there to text.",
        )


def _check_of(field: pa.Field) -> Callable[[Any], Any] | None:
    """Return what finds the wrong values of a column: a mask, or None if there are none for sure."""
    if pa.types.is_date32(field.type):
        return lambda values: _outside(values.cast(pa.int32()), _FIRST_DAY, _LAST_DAY)
    if pa.types.is_timestamp(field.type):
        a_day = _A_DAY.get(field.type.unit)
        first, last = (_FIRST_DAY * a_day, (_LAST_DAY + 1) * a_day - 1) if a_day else (-_LAST_NS, _LAST_NS)
        return lambda values: _outside(values.cast(pa.int64()), first, last)
    if (field.metadata or {}).get(TYPE_KEY) == ColumnType.DECIMAL.encode():
        return _no_decimals
    return None


def _outside(values: Any, first: int, last: int) -> Any:
    found = pc.min_max(values).as_py()
    if found["min"] is None or (first <= found["min"] and found["max"] <= last):
        return None
    return pc.or_(pc.less(values, first), pc.greater(values, last))


def _no_decimals(values: Any) -> Any:
    longest = pc.max(pc.binary_length(values)).as_py() or 0
    if longest <= MOST_DIGITS and not pc.any(pc.match_substring_regex(values, "[A-Za-z]")).as_py():
        return None
    digits = pc.utf8_length(pc.replace_substring_regex(values, "[.-]", ""))
    return pc.or_(pc.invert(pc.match_substring_regex(values, _NUMBER)), pc.greater(digits, MOST_DIGITS))


def _shown(value: str, limit: int = 50) -> str:
    return value if len(value) <= limit else value[: limit - 1] + "…"
