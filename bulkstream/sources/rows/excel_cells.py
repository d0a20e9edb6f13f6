"""Columns of a sheet: their types by their cells, and their cells as Arrow's values.

Excel knows numbers, which are doubles, text, booleans and moments. A column of nothing but whole numbers is a LONG, of
other numbers a DOUBLE, of moments a DATE if all are midnights and else a DATETIME; anything else is a STRING, and
nothing at all is of no type. What is empty is null: cells without value, empty text, and cells that show an error such
as `#N/A`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence

Cell = int | float | str | bool | time | date | datetime | timedelta

_MOST_WHOLE = 2**53
_NUMBERS = frozenset({int, float})
_MOMENTS = frozenset({date, datetime})


@dataclass(slots=True)
class Kinds:
    """What the cells of one column are.

    Attributes:
        types: Of the cells that are not empty.
        whole: All numbers are whole, and no larger than a double holds exactly.
        midnights: All moments are midnights.
    """

    types: set[type] = field(default_factory=set)
    whole: bool = True
    midnights: bool = True

    def add(self, cells: Sequence[Cell]) -> None:
        """Look at some more cells."""
        filled = [cell for cell in cells if cell != ""]
        types = set(map(type, filled))
        self.types |= types
        if self.whole and types & _NUMBERS:
            self.whole = all(_is_whole(cell) for cell in filled if isinstance(cell, float))
        if self.midnights and datetime in types:
            self.midnights = all(cell.time() == time() for cell in filled if isinstance(cell, datetime))

    def arrow(self) -> pa.DataType:
        """Return the type that holds all the cells."""
        if self.types and self.types <= _NUMBERS:
            return pa.int64() if self.whole else pa.float64()
        if self.types and self.types <= _MOMENTS:
            return pa.date32() if self.midnights else pa.timestamp("us")
        return pa.string() if self.types else pa.null()


def array_of(cells: Sequence[Cell], kind: pa.DataType) -> pa.Array:
    """Return cells, which have been looked at, as an array of their column's type."""
    if pa.types.is_string(kind):
        return pa.array([None if cell == "" else text_of(cell) for cell in cells], kind)
    if pa.types.is_integer(kind):
        return pa.array([None if cell == "" else int(cell) for cell in cells], kind)  # type: ignore[arg-type]
    if pa.types.is_date(kind):
        return pa.array([cell.date() if isinstance(cell, datetime) else cell or None for cell in cells], kind)
    if pa.types.is_timestamp(kind):
        return pa.array([_moment(cell) for cell in cells], kind)
    return pa.array([None if cell == "" else cell for cell in cells], kind)


def text_of(cell: Cell) -> str:
    """Return a cell as text: whole numbers without point, moments by ISO 8601, durations as hours, minutes, seconds."""
    match cell:
        case str():
            return cell
        case bool():
            return "true" if cell else "false"
        case float():
            return str(int(cell)) if _is_whole(cell) else repr(cell)
        case date() | time():
            return cell.isoformat().removesuffix("T00:00:00")
        case timedelta():
            return _duration(cell)
        case _:
            return str(cell)


def _is_whole(number: float) -> bool:
    return number.is_integer() and abs(number) <= _MOST_WHOLE


def _moment(cell: Cell) -> datetime | None:
    if isinstance(cell, datetime):
        return cell
    return datetime(cell.year, cell.month, cell.day) if isinstance(cell, date) else None  # noqa: DTZ001 - Excel has no zones


def _duration(span: timedelta) -> str:
    sign, micros = ("-" if span < timedelta() else ""), abs(span) // timedelta(microseconds=1)
    seconds, micros = divmod(micros, 1_000_000)
    fraction = f".{micros:06}".rstrip("0") if micros else ""
    return f"{sign}{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}{fraction}"
