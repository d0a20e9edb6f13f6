"""Dates, times, durations and intervals as text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from bulkstream.model import ColumnType
from bulkstream.sources.render.decimals import at_scale, decimal_text
from bulkstream.sources.render.misfit import Misfit, first, first_outside

_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896
"""1 January 0001 and 31 December 9999, counted from 1 January 1970."""

_DAY_S = 86_400
_PLACES = {"s": 0, "ms": 3, "us": 6, "ns": 9}
_INTERVAL = np.dtype([("months", "<i4"), ("days", "<i4"), ("nanoseconds", "<i8")])

_FINER_HINT = "Round it to microseconds, or make the column STRING, in the dataset or with --schema, to keep it."
_RANGE_HINT = "Repair the value, or leave the column out with --columns."


def timestamp_text(array: Any, target: ColumnType) -> Any:
    """Return timestamps without a zone, or strings in UTC with `Z`; of whole microseconds unless the target is STRING.

    Raises:
        Misfit: A value is finer than a microsecond, or outside the years 1 to 9999.
    """
    unit, zone = array.type.unit, array.type.tz
    ticks = array.view(pa.int64())
    per_second = 10 ** _PLACES[unit]
    _require_calendar(ticks, _DAY_S * per_second)
    naive = ticks.view(pa.timestamp(unit))
    if unit == "ns" and target is not ColumnType.STRING:
        naive = _in_microseconds(naive)
    return pc.binary_join_element_wise(naive.cast(pa.string()), "Z", "") if zone else naive


def date_text(array: Any, _target: ColumnType) -> Any:
    """Return dates as they are.

    Raises:
        Misfit: A value is outside the years 1 to 9999.
    """
    if types.is_date32(array.type):
        _require_calendar(array.view(pa.int32()), 1)
    else:
        _require_calendar(array.view(pa.int64()), 1000 * _DAY_S)
    return array


def time_text(array: Any, _target: ColumnType) -> Any:
    """Return times of the day as they are.

    Raises:
        Misfit: A value is no time of the day.
    """
    ticks = array.view(pa.int32() if types.is_time32(array.type) else pa.int64())
    if (row := first_outside(ticks, 0, _DAY_S * 10 ** _PLACES[array.type.unit] - 1)) is not None:
        raise Misfit(row, f"{ticks[row]} {array.type.unit} is no time of the day", _RANGE_HINT)
    return array


def duration_text(array: Any, target: ColumnType) -> Any:
    """Return durations as decimals, or strings of these, in seconds."""
    return _seconds(array.view(pa.int64()), _PLACES[array.type.unit], target)


def interval_text(array: Any, _target: ColumnType) -> Any:
    """Return intervals as ISO 8601 has them, always with months, days and seconds, e.g. `P14M3DT1.500000000S`."""
    if not len(array):
        return pa.array([], pa.string())
    values = np.frombuffer(array.buffers()[1], _INTERVAL)[array.offset : array.offset + len(array)]
    months, days = (pa.array(np.ascontiguousarray(values[name])).cast(pa.string()) for name in ("months", "days"))
    nanoseconds = pa.array(np.ascontiguousarray(values["nanoseconds"]))
    seconds = _seconds(nanoseconds, _PLACES["ns"], ColumnType.STRING).cast(pa.string())
    joined = pc.binary_join_element_wise("P", months, "M", days, "DT", seconds, "S", "")
    return pc.if_else(array.is_valid(), joined, pa.scalar(None, pa.string()))


def _require_calendar(ticks: Any, per_day: int) -> None:
    least, most = _FIRST_DAY * per_day, (_LAST_DAY + 1) * per_day - 1
    bounds = np.iinfo(ticks.type.to_pandas_dtype())
    if (row := first_outside(ticks, max(least, bounds.min), min(most, bounds.max))) is not None:
        raise Misfit(row, "the date is outside the years 1 to 9999", _RANGE_HINT)


def _in_microseconds(array: Any) -> Any:
    try:
        return array.cast(pa.timestamp("us"))
    except pa.ArrowInvalid:
        ticks = array.view(pa.int64())
        row = first(pc.not_equal(pc.multiply(pc.divide(ticks, 1000), 1000), ticks))
        if row is None:
            raise
        raise Misfit(row, f"{array[row].cast(pa.string())} is finer than a microsecond", _FINER_HINT) from None


def _seconds(ticks: Any, places: int, target: ColumnType) -> Any:
    return decimal_text(at_scale(ticks.cast(pa.decimal128(19, 0)), places), target)
