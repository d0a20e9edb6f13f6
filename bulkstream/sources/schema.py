"""Schema files, and the comparison of two schemas in words."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import orjson

from bulkstream.errors import SchemaError
from bulkstream.model import Column, ColumnType

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def read_schema(path: Path) -> tuple[Column, ...]:
    """Read columns from a file: TOML with `[[columns]]`, or JSON.

    JSON may be a list of `{"name", "type"}`, or hold that under `columns` or `schema.columns`, as Domo's API shows
    it. Types are those of `ColumnType`, in any case; a column without one is a STRING.

    Raises:
        SchemaError: The file can't be read, or a column in it makes no sense.
    """
    try:
        text = path.read_text("utf-8-sig")  # editors on Windows write a byte order mark
        document = tomllib.loads(text) if path.suffix.lower() == ".toml" else orjson.loads(text)
    except (OSError, ValueError) as error:
        raise SchemaError(f"{path} can't be read: {error}") from None
    columns = _columns_in(document)
    if not columns:
        raise SchemaError(f"{path} holds no columns", hint='Write {"columns": [{"name": "id", "type": "LONG"}]}.')
    read = tuple(_column(path, number, column) for number, column in enumerate(columns, 1))
    _check_distinct(path, read)
    return read


def write_schema(columns: Sequence[Column]) -> bytes:
    """Return columns as JSON that `read_schema` reads."""
    document = {"columns": [{"name": column.name, "type": str(column.type)} for column in columns]}
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def compare(ours: Sequence[Column], theirs: Sequence[Column]) -> tuple[str, ...]:
    """Say in which names and types, column by column, a schema differs from another."""
    if len(ours) != len(theirs):
        return (f"{len(ours)} columns instead of {len(theirs)}",)
    names, wanted = [column.name for column in ours], [column.name for column in theirs]
    if names != wanted and sorted(names) == sorted(wanted):
        at = next(n for n, (a, b) in enumerate(zip(names, wanted, strict=True)) if a != b)
        return (f"the same columns in another order: column {at + 1} is {names[at]!r} instead of {wanted[at]!r}",)
    return tuple(
        f"column {number} is {a.name!r} {a.type} instead of {b.name!r} {b.type}"
        for number, (a, b) in enumerate(zip(ours, theirs, strict=True), 1)
        if a != b
    )


def _columns_in(document: Any) -> list[Any]:
    while isinstance(document, dict):
        document = document.get("columns", document.get("schema"))
    return document if isinstance(document, list) else []


def _column(path: Path, number: int, column: Any) -> Column:
    name = column.get("name") if isinstance(column, dict) else None
    if not isinstance(name, str) or not name:
        raise SchemaError(f"{path}: column {number} has no name")
    kind = str(column.get("type", ColumnType.STRING)).upper()
    if kind not in ColumnType.__members__:
        raise SchemaError(f"{path}: column {number}, {name!r}: {kind} is no type; there are {', '.join(ColumnType)}")
    return Column(name, ColumnType(kind))


def _check_distinct(path: Path, columns: Sequence[Column]) -> None:
    names = [column.name for column in columns]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SchemaError(f"{path}: {', '.join(map(repr, twice))} stands there twice")
