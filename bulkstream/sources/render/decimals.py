"""Decimals in plain digits. Arrow gives an exponent to those below 0.000001, zero included, or of a negative scale."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

if TYPE_CHECKING:
    from bulkstream.model import ColumnType

_PLAIN_SCALE = 6
_DIGITS_IN_64_BITS = 18


def decimal_text(array: Any, _target: ColumnType) -> Any:
    """Return decimals of types that Arrow writes without exponents as such, all others as strings.

    Whether they are strings depends on the type alone, so that values are written alike in every batch.
    """
    scale = array.type.scale
    if 0 <= scale <= _PLAIN_SCALE:
        return _narrow(array)
    if not types.is_decimal256(array.type):
        array = array.cast(pa.decimal128(array.type.precision, scale))
    whole = at_scale(array, 0)
    if scale < 0:
        digits = whole.cast(pa.string())
        return pc.if_else(pc.equal(digits, "0"), digits, pc.binary_join_element_wise(digits, "0" * -scale, ""))
    if _has_below(whole, 10 ** (scale - _PLAIN_SCALE)):
        return _with_point(whole, scale)
    return array.cast(pa.string())


def at_scale(array: Any, scale: int) -> Any:
    """Return decimals of the same digits with the point elsewhere."""
    wide = types.is_decimal256(array.type)
    kind = pa.decimal256(76, scale) if wide else pa.decimal128(38, scale)
    buffers = array.buffers()
    return pa.Array.from_buffers(kind, len(array), buffers, array.null_count, array.offset)


def _narrow(array: Any) -> Any:
    """Return decimals of 128 bits as such of 64 where they fit: these are written in 5/6 of the time."""
    if not types.is_decimal128(array.type) or array.type.precision > _DIGITS_IN_64_BITS or not hasattr(pa, "decimal64"):
        return array
    try:
        return array.cast(pa.decimal64(array.type.precision, array.type.scale))
    except pa.ArrowInvalid:  # more digits than the type says, which Arrow writes all the same
        return array


def _has_below(whole: Any, limit: int) -> bool:
    if len(str(limit)) > whole.type.precision:
        return True
    return bool(pc.any(pc.less(pc.abs(whole), pa.scalar(Decimal(limit), whole.type))).as_py())


def _with_point(whole: Any, scale: int) -> Any:
    digits = pc.utf8_lpad(pc.abs(whole).cast(pa.string()), scale + 1, "0")
    digits = pc.binary_replace_slice(digits, -scale, -scale, ".")
    sign = pc.if_else(pc.less(whole, pa.scalar(Decimal(0), whole.type)), "-", "")
    return pc.binary_join_element_wise(sign, digits, "")
