"""Python values as columns of Arrow: of which kind they are, and whether later ones are of that kind too."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from enum import Enum
from numbers import Integral, Real
from typing import Any
from uuid import UUID

import orjson
import pyarrow as pa

from bulkstream.model import ColumnType
from bulkstream.sources.batches import TYPE_KEY
from bulkstream.sources.fits import MOST_DIGITS


class Kind(Enum):
    """What a column holds."""

    NOTHING = "nothing"
    BOOL = "a truth value"
    LONG = "a whole number of 64 bits"
    DECIMAL = "a decimal number"
    DOUBLE = "a number"
    DATE = "a date"
    LOCAL = "a time without time zone"
    INSTANT = "a time with time zone"
    TEXT = "text"
    BINARY = "bytes"


TYPES = {
    Kind.NOTHING: pa.null(),
    Kind.BOOL: pa.bool_(),
    Kind.LONG: pa.int64(),
    Kind.DECIMAL: pa.string(),
    Kind.DOUBLE: pa.float64(),
    Kind.DATE: pa.date32(),
    Kind.LOCAL: pa.timestamp("us"),
    Kind.INSTANT: pa.timestamp("us", "UTC"),
    Kind.TEXT: pa.string(),
    Kind.BINARY: pa.binary(),
}
"""As what each arrives."""

_WIDER = (
    (Kind.LONG, {Kind.LONG}),
    (Kind.DECIMAL, {Kind.LONG, Kind.DECIMAL}),
    (Kind.DOUBLE, {Kind.LONG, Kind.DECIMAL, Kind.DOUBLE}),
    (Kind.LOCAL, {Kind.DATE, Kind.LOCAL}),
)
"""Kinds that take in others."""

_OF_TYPES = {
    ColumnType.LONG: Kind.LONG,
    ColumnType.DECIMAL: Kind.DECIMAL,
    ColumnType.DOUBLE: Kind.DOUBLE,
    ColumnType.DATE: Kind.DATE,
    ColumnType.DATETIME: Kind.LOCAL,
    ColumnType.STRING: Kind.TEXT,
}
"""What a column of the dataset holds."""

_PLAIN = frozenset({Kind.BOOL, Kind.LONG, Kind.DECIMAL, Kind.DATE})
"""Kinds whose values are the same text, whether they are made text here or where a column is rendered."""


def field_of(name: str, kind: Kind) -> pa.Field:
    """Return the column of a kind."""
    metadata = {TYPE_KEY: ColumnType.DECIMAL.encode()} if kind is Kind.DECIMAL else None
    return pa.field(name, TYPES[kind], metadata=metadata)


def common_kind(values: Sequence[Any]) -> Kind:
    """Return the kind that holds all of some values; text where they are of several sorts.

    Raises:
        TypeError: No kind holds one of them, or bytes stand beside others.
    """
    found = {kind_of(value) for value in values if value is not None}
    if len(found) <= 1:
        return next(iter(found), Kind.NOTHING)
    if Kind.BINARY in found:
        raise TypeError("bytes and other values")
    return next((kind for kind, taken in _WIDER if found <= taken), Kind.TEXT)


def kind_for(found: Kind, type_: ColumnType | None) -> Kind:
    """Return the kind of a column that goes into one of the dataset's: what that holds, if it takes in what was found.

    So a column of whole numbers in the first rows may have fractions later, if the dataset's is of DOUBLE.
    """
    if type_ is None or found is Kind.BINARY:
        return found
    held = _OF_TYPES[type_]
    takes = found is Kind.NOTHING or (held is Kind.TEXT and found in _PLAIN) or _takes(held, found)
    return held if takes else found


def _takes(wider: Kind, kind: Kind) -> bool:
    return any(each is wider and kind in taken for each, taken in _WIDER)


def kind_of(value: Any) -> Kind:  # noqa: PLR0911 - a table
    """Return the kind of one value.

    Raises:
        TypeError: It has none.
    """
    match value:
        case str():
            return Kind.TEXT
        case bool():
            return Kind.BOOL
        case Integral():
            return Kind.LONG if -(2**63) <= int(value) < 2**63 else Kind.DECIMAL
        case float() | Real():
            return Kind.DOUBLE
        case Decimal():
            return Kind.DECIMAL
        case dt.datetime():
            return Kind.LOCAL if value.tzinfo is None else Kind.INSTANT
        case dt.date():
            return Kind.DATE
        case bytes() | bytearray() | memoryview():
            return Kind.BINARY
        case _:
            text_of_value(value)
            return Kind.TEXT


def array_of(values: Sequence[Any], kind: Kind) -> Any:
    """Return the values as Arrow has them.

    Raises:
        ValueError: One of them is not of the kind, or can't be loaded.
    """
    if set(map(type, values)) <= _AS_THEY_ARE.get(kind, frozenset()):
        with suppress(pa.ArrowException, OverflowError, UnicodeError):  # one by one, they tell what is wrong
            return pa.array(values, TYPES[kind])
    return pa.array([None if value is None else converted(value, kind) for value in values], TYPES[kind])


def converted(value: Any, kind: Kind) -> Any:
    """Return one value, not None, as its column has it.

    Raises:
        ValueError: It is not of the kind, or can't be loaded; says in which way.
    """
    try:
        if kind is Kind.TEXT and not isinstance(value, bytes | bytearray | memoryview):
            return text_of_value(value)
        found = kind_of(value)
        if kind is Kind.NOTHING:
            raise ValueError("stands in a column that was empty in the first rows")
        if found is not kind and not _takes(kind, found):
            raise ValueError(f"is not {kind.value}")
        return _CONVERTED.get(kind, _same)(value)
    except (TypeError, ArithmeticError, UnicodeError) as error:
        raise ValueError(str(error)) from error


def text_of_value(value: Any) -> str:  # noqa: PLR0911 - a table
    """Return a value as text: JSON for what has members, ISO 8601 for times.

    Raises:
        TypeError: It is of none of the sorts that can be loaded.
    """
    match value:
        case str():
            value.encode()
            return value
        case bool():
            return "true" if value else "false"
        case Decimal():
            return format(value, "f")
        case dt.date() | dt.time():
            return value.isoformat()
        case Enum():
            return text_of_value(value.value)
        case Integral():
            return str(int(value))
        case float() | Real():
            return repr(float(value))
        case UUID() | dt.timedelta():
            return str(value)
        case Mapping() | list() | tuple() | set() | frozenset():
            plain = dict(value) if isinstance(value, Mapping) else list(value)
            return orjson.dumps(plain, default=_in_json, option=orjson.OPT_NON_STR_KEYS).decode()
        case _:
            raise TypeError(f"a {type(value).__name__} can't be loaded")


def _decimal(value: Any) -> str:
    text = text_of_value(value)
    if sum(map(str.isdigit, text)) > MOST_DIGITS or not text.lstrip("-")[:1].isdigit():
        raise ValueError(f"is no decimal number of up to {MOST_DIGITS} digits")
    return text


def _double(value: Any) -> float:
    if isinstance(value, Integral) and int(float(value)) != value:
        raise ValueError("would be rounded in a column of floating-point numbers")
    return float(value)


def _local(value: Any) -> dt.datetime:
    return value if isinstance(value, dt.datetime) else dt.datetime(value.year, value.month, value.day)  # noqa: DTZ001


def _same(value: Any) -> Any:
    return value


def _in_json(value: Any) -> Any:
    """Write what JSON has no form for."""
    if isinstance(value, set | frozenset | Mapping):
        return dict(value) if isinstance(value, Mapping) else list(value)
    return text_of_value(value)


_AS_THEY_ARE = {
    Kind.BOOL: frozenset({bool, type(None)}),
    Kind.LONG: frozenset({int, type(None)}),
    Kind.DOUBLE: frozenset({float, type(None)}),
    Kind.DATE: frozenset({dt.date, type(None)}),
    Kind.TEXT: frozenset({str, type(None)}),
    Kind.BINARY: frozenset({bytes, type(None)}),
}
"""Types whose values Arrow takes as they are, many at a time."""

_CONVERTED: dict[Kind, Callable[[Any], Any]] = {
    Kind.LONG: int,
    Kind.DECIMAL: _decimal,
    Kind.DOUBLE: _double,
    Kind.LOCAL: _local,
    Kind.BINARY: bytes,
}
