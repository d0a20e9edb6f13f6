"""What typed values are as CSV, by the stated rules, one value at a time and without Arrow's own way to text.

Numbers are compared by `same`: how many digits a double is written with is free as long as it reads back as itself.
"""

from __future__ import annotations

import json
import math
from base64 import b64encode
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
from pyarrow import types

from bulkstream.model import ColumnType

EPOCH = datetime.fromisoformat("1970-01-01")
PLACES = {"s": 0, "ms": 3, "us": 6, "ns": 9}
NUMBERS = {ColumnType.LONG, ColumnType.DOUBLE, ColumnType.DECIMAL}


def value_of(value: pa.Scalar, target: ColumnType) -> str | None:
    """Return the text of a value in a column of a type, None for null."""
    value = bare(value)
    kind = value.type
    if not value.is_valid:
        return None
    if types.is_boolean(kind):
        truth = value.as_py()
        return str(int(truth)) if target in NUMBERS else str(truth).lower()
    if types.is_floating(kind):
        return None if target in NUMBERS and math.isnan(value.as_py()) else repr(float(value.as_py()))
    if types.is_timestamp(kind):
        return moment(value.value, kind, target)
    if types.is_nested(kind):
        return json.dumps(json_of(value), ensure_ascii=False, separators=(",", ":"))
    return plain(value)


def plain(value: pa.Scalar) -> str:
    """Return the text of a value that has just one."""
    kind = value.type
    if types.is_decimal(kind):
        return fixed(value.as_py(), kind.scale)
    if types.is_date(kind):
        return str(date.fromordinal(719_163 + value.value // (1 if types.is_date32(kind) else 86_400_000)))
    if types.is_time(kind):
        return clock(value.value, PLACES[kind.unit])
    if types.is_duration(kind):
        return fixed(Decimal(value.value).scaleb(-PLACES[kind.unit]), PLACES[kind.unit])
    if kind == pa.month_day_nano_interval():
        months, days, nanoseconds = value.as_py()
        return f"P{months}M{days}DT{fixed(Decimal(nanoseconds).scaleb(-9), 9)}S"
    raw = value.as_py()
    return b64encode(raw).decode() if isinstance(raw, bytes) else str(raw)


def bare(value: pa.Scalar) -> pa.Scalar:
    """Return a value without dictionary, run ends and extension."""
    while True:
        name = getattr(value.type, "extension_name", "")
        if name == "arrow.uuid":
            return pa.scalar(str(UUID(bytes=value.value.as_py())) if value.is_valid else None, pa.string())
        if name == "arrow.bool8":
            return pa.scalar(value.value.as_py() != 0 if value.is_valid else None, pa.bool_())
        if isinstance(value, pa.ExtensionScalar):
            value = value.value if value.is_valid else pa.scalar(None, value.type.storage_type)
        elif isinstance(value, pa.DictionaryScalar):
            value = value.value
        elif types.is_run_end_encoded(value.type):
            value = pa.scalar(value.as_py(), value.type.value_type)
        else:
            return value


def fixed(number: Decimal, scale: int) -> str:
    return f"{number:.{max(scale, 0)}f}" if number else f"{Decimal(0):.{max(scale, 0)}f}"


def clock(ticks: int, places: int) -> str:
    seconds, fraction = divmod(ticks, 10**places)
    text = str(EPOCH + timedelta(seconds=seconds))[11:]
    return f"{text}.{fraction:0{places}}" if places else text


def moment(ticks: int, kind: pa.TimestampType, target: ColumnType) -> str:
    places = PLACES[kind.unit]
    day, rest = divmod(ticks, 86_400 * 10**places)
    if places == 9 and target is not ColumnType.STRING:
        assert rest % 1000 == 0
        places, rest = 6, rest // 1000
    return f"{date.fromordinal(719_163 + day)} {clock(rest, places)}{'Z' if kind.tz else ''}"


def json_of(value: pa.Scalar) -> Any:
    """Return what the JSON of a value says."""
    value = bare(value)
    kind = value.type
    if not value.is_valid:
        return None
    if types.is_nested(kind):
        return nested(value)
    if types.is_boolean(kind) or types.is_integer(kind):
        return value.as_py()
    if types.is_floating(kind):
        width = np.float64 if types.is_float64(kind) else np.float32
        return None if math.isnan(value.as_py()) else width(value.as_py())
    text = value_of(value, ColumnType.STRING)
    return Decimal(text or "") if types.is_decimal(kind) or types.is_duration(kind) else text


def nested(value: pa.Scalar) -> Any:
    if types.is_map(value.type):
        return {key_of(entry[0]): json_of(entry[1]) for entry in value.values}
    if types.is_struct(value.type):
        return {field.name: json_of(value[n]) for n, field in enumerate(value.type)}
    return [json_of(item) for item in value.values]


def key_of(key: pa.Scalar) -> str:
    made = json_of(key)
    return made if isinstance(made, str) else json.dumps(made)


def same(text: str | None, value: pa.Scalar, target: ColumnType) -> bool:
    """Whether a field is what a value should be, None being null."""
    value = bare(value)
    kind = value.type
    if text is None or not value.is_valid:
        return text == value_of(value, target)
    if types.is_nested(kind):
        return alike(json.loads(text, parse_float=Decimal), json_of(value))
    if types.is_floating(kind) and math.isfinite(value.as_py()):
        width = np.float64 if types.is_float64(kind) else np.float32
        return width(text) == width(value.as_py()) and len(text) <= len("-1.7976931348623157e+308")
    return text == value_of(value, target)


def alike(said: Any, meant: Any) -> bool:
    """Whether JSON says the same, floats being compared as such."""
    if isinstance(meant, list):
        return len(said) == len(meant) and all(alike(one, two) for one, two in zip(said, meant, strict=True))
    if isinstance(meant, dict):
        return list(said) == list(meant) and all(alike(said[key], meant[key]) for key in meant)
    if isinstance(meant, np.floating):
        return bool(type(meant)(said) == meant)
    return bool(said == meant and isinstance(said, bool) == isinstance(meant, bool))


def fields_of(data: bytes) -> list[list[str | None]]:
    """Read the server's CSV byte by byte: an empty field is None, and an empty string if it is quoted."""
    rows, row, field, quoted = list[list[str | None]](), list[str | None](), bytearray(), False
    for byte in data:
        if byte == ord('"'):
            quoted = not quoted
        if byte in b",\n" and not quoted:
            row.append(_field(bytes(field)))
            field.clear()
            if byte == ord("\n"):
                rows.append(row)
                row = []
        else:
            field.append(byte)
    assert (row, bytes(field), quoted) == ([], b"", False), "the last record has no end"
    return rows


def _field(raw: bytes) -> str | None:
    if raw.startswith(b'"'):
        assert raw.endswith(b'"')
        return raw[1:-1].replace(b'""', b'"').decode()
    assert b'"' not in raw
    return raw.decode() or None
