"""Which type of column holds the values of which Arrow type.

A rule here looks at the type alone, never at values, so that a column has the same type however much of it was read.
What stands in no rule has no text that could be read back: unions, and binary unless Base64 is wanted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulkstream.errors import MissingExtra, SchemaError
from bulkstream.model import Binary, ColumnType
from bulkstream.sources.fits import MOST_DIGITS

try:
    import pyarrow as pa
    from pyarrow import types
except ImportError:
    raise MissingExtra("pyarrow", "arrow") from None

if TYPE_CHECKING:
    from collections.abc import Callable

_SHOWN = 60

_RULES: tuple[tuple[Callable[[pa.DataType], bool], ColumnType], ...] = (
    (types.is_uint64, ColumnType.DECIMAL),
    (types.is_integer, ColumnType.LONG),
    (types.is_floating, ColumnType.DOUBLE),
    (lambda kind: types.is_decimal(kind) and digits(kind) <= MOST_DIGITS, ColumnType.DECIMAL),
    (types.is_duration, ColumnType.DECIMAL),
    (types.is_date, ColumnType.DATE),
    (types.is_timestamp, ColumnType.DATETIME),
)
"""The first that holds of a type decides; of all others the column is STRING."""


def column_type(kind: pa.DataType) -> ColumnType:
    """Return the type of column that holds all values of an Arrow type."""
    bare = stored(kind)
    return next((type_ for holds, type_ in _RULES if holds(bare)), ColumnType.STRING)


def reason_of(kind: pa.DataType) -> str:
    """Return in one sentence why a column has its type."""
    shown, bare = str(kind), stored(kind)
    if len(shown) > _SHOWN:
        shown = shown[: _SHOWN - 1] + "…"
    return f"Arrow {shown}{_form(bare)}"


def require_text(name: str, kind: pa.DataType, binary: Binary) -> None:
    """Make sure that values of a type can be written as text.

    Raises:
        SchemaError: They can't: the type is, or has in it, a union, or binary that shall be refused.
    """
    for part in _parts(kind):
        if is_bytes(part) and binary is Binary.REFUSE:
            raise SchemaError(
                f"column {name!r} holds binary values (Arrow {part}), which CSV can't hold",
                hint="Say --binary base64 to load them as Base64 text, or leave the column out with --columns.",
            )
        if not (is_bytes(part) or _is_known(part)):
            raise SchemaError(
                f"column {name!r} has a type that can't be written as CSV: Arrow {part}",
                hint="Leave the column out with --columns, or convert it before it is loaded.",
            )


def stored(kind: pa.DataType) -> pa.DataType:
    """Return the type of the values themselves: without dictionary, run ends and extension."""
    while True:
        if is_uuid(kind):
            return pa.string()
        if is_bool8(kind):
            return pa.bool_()
        if isinstance(kind, pa.BaseExtensionType):
            kind = kind.storage_type
        elif types.is_dictionary(kind) or types.is_run_end_encoded(kind):
            kind = kind.value_type
        else:
            return kind


def digits(kind: pa.DataType) -> int:
    """Return the most digits that a decimal's values have when written out, with a zero before the point."""
    return int(max(kind.precision, kind.scale + 1) - min(kind.scale, 0))


def is_text(kind: pa.DataType) -> bool:
    """Whether values are strings, whatever their layout."""
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def is_bytes(kind: pa.DataType) -> bool:
    """Whether values are bytes without a meaning as text."""
    layouts = (types.is_binary, types.is_large_binary, types.is_fixed_size_binary, types.is_binary_view)
    return any(holds(kind) for holds in layouts)


def is_listed(kind: pa.DataType) -> bool:
    """Whether values are lists, whatever their layout; maps are not."""
    views = types.is_list_view(kind) or types.is_large_list_view(kind)
    return bool(views or types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def is_nested(kind: pa.DataType) -> bool:
    """Whether values are written as JSON."""
    return is_listed(kind) or types.is_struct(kind) or types.is_map(kind)


def is_uuid(kind: pa.DataType) -> bool:
    """Whether values are UUIDs, stored as 16 bytes."""
    return getattr(kind, "extension_name", "") == "arrow.uuid"


def is_bool8(kind: pa.DataType) -> bool:
    """Whether values are truth values, stored as whole numbers."""
    return getattr(kind, "extension_name", "") == "arrow.bool8"


def is_interval(kind: pa.DataType) -> bool:
    """Whether values are months, days and nanoseconds."""
    return bool(kind == pa.month_day_nano_interval())


def _form(bare: pa.DataType) -> str:
    if is_nested(bare):
        return ", as JSON"
    if is_bytes(bare):
        return ", as Base64"
    if types.is_duration(bare):
        return ", in seconds"
    return ", in UTC" if types.is_timestamp(bare) and bare.tz else ""


def _parts(kind: pa.DataType) -> list[pa.DataType]:
    """Return the type of the values and, of nested ones, those of everything in them."""
    bare = stored(kind)
    if types.is_map(bare):
        return [bare, *_parts(bare.key_type), *_parts(bare.item_type)]
    if types.is_struct(bare):
        return [bare, *(part for field in bare for part in _parts(field.type))]
    return [bare, *_parts(bare.value_type)] if is_listed(bare) else [bare]


def _is_known(kind: pa.DataType) -> bool:
    plain = (types.is_null, types.is_boolean, types.is_time, is_text, is_nested, is_interval)
    return any(holds(kind) for holds in plain) or any(holds(kind) for holds, _ in _RULES) or types.is_decimal(kind)
