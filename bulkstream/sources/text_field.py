"""Columns of an Arrow schema whose values are text that is to be sent as it is, and the type that it has.

A format that has numbers and dates as text, such as JSON, loses something when they become Arrow's: trailing zeros,
digits, the zone of a time. So their text is kept, and the field's metadata tell which type of the server it fits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from bulkstream.model import ColumnType
from bulkstream.sources.batches import TYPE_KEY

if TYPE_CHECKING:
    from bulkstream.sources.infer import Inferred

_REASON = b"bulkstream:reason"
_SILENT = b"bulkstream:silent"


def text_field(told: Inferred, *, all_seen: bool = False) -> pa.Field:
    """Make the field of a column: int64 for a LONG, and text for any other type.

    Args:
        told: Its name and type.
        all_seen: That was judged from all of its values, so that one which has none fits any type.
    """
    metadata = {TYPE_KEY: str(told.column.type).encode(), _REASON: told.reason.encode()}
    if all_seen and told.silent:
        metadata[_SILENT] = b""
    kind = pa.int64() if told.column.type is ColumnType.LONG else pa.string()
    return pa.field(told.column.name, kind, metadata=metadata)


def told_type(field: pa.Field) -> tuple[ColumnType, str] | None:
    """Return the type that a field's values fit, and why it is that one, if whoever made it has told so."""
    metadata = field.metadata or {}
    if TYPE_KEY not in metadata:
        return None
    return ColumnType(metadata[TYPE_KEY].decode()), metadata.get(_REASON, b"as its source tells").decode()


def is_silent(field: pa.Field) -> bool:
    """Whether a column is known to hold nothing but nulls."""
    return pa.types.is_null(field.type) or _SILENT in (field.metadata or {})
