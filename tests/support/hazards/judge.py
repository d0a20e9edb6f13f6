"""Whether a field that was read back is what a value should be, by the stated rules."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from bulkstream.model import ColumnType
from tests.support.reference_csv import same

NUMBERS = {ColumnType.LONG, ColumnType.DOUBLE, ColumnType.DECIMAL}


def is_said(text: str | None, value: Any, target: ColumnType) -> bool:
    """Whether a field, None being null, says a value in a column of a type."""
    if isinstance(value, pa.Scalar):
        return same(text, value, target)
    if text is None or value is None:
        return text is value
    if isinstance(value, bool):
        return text == (str(int(value)) if target in NUMBERS else str(value).lower())
    if isinstance(value, int | float | Decimal):
        return _is_number(text, value, target)
    return _is_moment(text, value, target) if isinstance(value, datetime) else text == str(value)


def _is_number(text: str, value: Any, target: ColumnType) -> bool:
    if isinstance(value, float) or target is ColumnType.DOUBLE:
        return float(text) == float(value)
    return text == str(value) if isinstance(value, int) else "E" not in text.upper() and Decimal(text) == value


def _is_moment(text: str, value: datetime, target: ColumnType) -> bool:
    if target is ColumnType.DATE:
        return text == str(value.date())
    return text[10:11] == " " and datetime.fromisoformat(text) == value
