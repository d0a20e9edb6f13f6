"""Arrow arrays as Arrow's CSV writer must be given them, so that every value is written as the server reads it.

Most types are left as they are, since Arrow writes them well. These are its ways that are mended here:

* A decimal below 0.000001 gets an exponent, which DECIMAL does not take; so does one with a negative scale.
* A time with a zone is written in that zone, as `+0100`, and slowly; here in UTC, with `Z`.
* Nanoseconds are written with 9 digits, where DATETIME takes 6.
* Dates outside the years 1 to 9999 get more digits, a sign, or a text that says so; here they are errors.
* NaN and infinities are written as words. In a column of numbers NaN is null and an infinity an error.
* Text is not looked at: what is not UTF-8 is an error here.
* Views, nested types, extensions, durations as numbers and intervals are not written at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from bulkstream.model import ColumnType
from bulkstream.sources.render import arrow_types as kinds
from bulkstream.sources.render.bytes_text import base64_text, uuid_text
from bulkstream.sources.render.decimals import decimal_text
from bulkstream.sources.render.misfit import Misfit, first
from bulkstream.sources.render.moments import date_text, duration_text, interval_text, time_text, timestamp_text

if TYPE_CHECKING:
    from collections.abc import Callable

_NUMBERS = frozenset({ColumnType.LONG, ColumnType.DOUBLE, ColumnType.DECIMAL})


def written(array: Any, target: ColumnType) -> Any:
    """Return an array that Arrow's CSV writer writes as a column of the target's type takes it.

    Raises:
        Misfit: A value has no such form.
    """
    array = plain(array)
    return next((write for holds, write in _WRITERS if holds(array.type)), _as_it_is)(array, target)


def text(array: Any) -> Any:
    """Return an array of strings, as in a column that is STRING.

    Raises:
        Misfit: As `written`.
    """
    return written(array, ColumnType.STRING).cast(pa.string())


def plain(array: Any) -> Any:
    """Return the same values without views of strings, dictionaries, run ends and extensions."""
    kind = array.type
    while True:
        if kinds.is_uuid(kind):
            array = uuid_text(array.storage)
        elif kinds.is_bool8(kind):
            array = pc.not_equal(array.storage, 0)
        elif isinstance(kind, pa.BaseExtensionType):
            array = array.storage
        elif types.is_run_end_encoded(kind):
            array = pc.run_end_decode(array)
        elif types.is_dictionary(kind):
            array = pa.DictionaryArray.from_arrays(array.indices, plain(array.dictionary)).dictionary_decode()
        elif types.is_string_view(kind):
            array = array.cast(pa.string())
        elif kinds.is_bytes(kind):
            array = base64_text(array.cast(pa.large_binary()))
        else:
            return array
        kind = array.type


def _as_it_is(array: Any, _target: ColumnType) -> Any:
    return array


def _string(array: Any, _target: ColumnType) -> Any:
    if _is_ascii(array):
        return array
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        raw = array.cast(pa.large_binary() if types.is_large_string(array.type) else pa.binary())
        wrong = (n for n, value in enumerate(raw) if value.is_valid and not _is_utf8(value.as_buffer()))
        if (row := next(wrong, None)) is None:
            raise
        raise Misfit(row, "the text is not UTF-8", "Repair the text, or leave the column out with --columns.") from None
    return array


def _is_ascii(array: Any) -> bool:
    """Whether no byte is beyond ASCII: told in a twentieth of the time that Arrow needs to look for UTF-8."""
    _, ends, data = array.buffers()
    if not len(array) or data is None:
        return True
    kind = np.int64 if types.is_large_string(array.type) else np.int32
    begin, end = np.frombuffer(ends, kind)[[array.offset, array.offset + len(array)]]
    return bool(np.frombuffer(data, np.uint8)[begin:end].max(initial=0) < 0x80)  # noqa: PLR2004 - as ASCII ends there


def _is_utf8(value: pa.Buffer) -> bool:
    try:
        str(value, "utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _truth(array: Any, target: ColumnType) -> Any:
    return array.cast(pa.int8()) if target in _NUMBERS else array


def _number(array: Any, target: ColumnType) -> Any:
    if types.is_float16(array.type):
        array = array.cast(pa.float32())
    if target not in _NUMBERS:
        return array
    if (row := first(pc.is_inf(array))) is not None:
        hint = "Repair the value, or make its column STRING, in the dataset or with --schema, to load the word."
        raise Misfit(row, f"{array[row]} is no number", hint)
    nan = pc.is_nan(array)
    return pc.if_else(nan, pa.scalar(None, array.type), array) if pc.any(nan).as_py() else array


def _nested(array: Any, _target: ColumnType) -> Any:
    from bulkstream.sources.render.nested import json_text  # noqa: PLC0415 - which is written in terms of this module

    return json_text(array)


_WRITERS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[Any, ColumnType], Any]], ...] = (
    (kinds.is_text, _string),
    (types.is_boolean, _truth),
    (types.is_floating, _number),
    (types.is_decimal, decimal_text),
    (types.is_timestamp, timestamp_text),
    (types.is_date, date_text),
    (types.is_time, time_text),
    (types.is_duration, duration_text),
    (kinds.is_interval, interval_text),
    (kinds.is_nested, _nested),
)
"""What writes the types that are not left as they are."""
