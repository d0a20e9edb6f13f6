"""Several files as one input: the columns that all of them have, and where they contradict each other."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from bulkstream.errors import HeaderMismatch, MissingExtra

try:
    import pyarrow as pa
    from pyarrow import types
except ImportError:
    raise MissingExtra("pyarrow", "arrow") from None

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SHOWN = 20

Conflict = tuple[str, str, str, str]
"""File, column, its type there, and its type in the files before."""


def one_schema(schemas: Sequence[pa.Schema], names: Sequence[str]) -> pa.Schema:
    """Return the columns of files that are read as one input, in the order of the first.

    All must have columns of the same names; where names occur twice, in the same order. Types may differ only where
    one holds all values of both, unchanged: other lengths of integers, other precision of decimals of one scale, other
    layouts of text or binary values, and columns of nothing but null.

    Raises:
        HeaderMismatch: They don't agree; the message is a table of where.
    """
    united = schemas[0]
    conflicts = list[Conflict]()
    for schema, name in zip(schemas[1:], names[1:], strict=True):
        if schema != united:
            united, found = _with(united, schema, name)
            conflicts += found
    if conflicts:
        raise HeaderMismatch(
            f"{_files(conflicts)} of {len(names):,} files have other columns than {names[0]}:\n{_table(conflicts)}",
            hint="Load them apart, or write them again with the same columns and types.",
        )
    return united


def places(schema: pa.Schema, united: pa.Schema) -> list[int]:
    """Return where in a file each column of the whole stands."""
    if schema.names == united.names:
        return list(range(len(united)))
    return [schema.get_field_index(name) for name in united.names]


def common_type(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """Return the type that holds all values of both unchanged; None if there is none."""
    one, other = _value_type(one), _value_type(other)
    if one == other or types.is_null(other):
        return one
    if types.is_null(one) or all(map(_is_text, (one, other))) or all(map(_is_binary, (one, other))):
        return other if types.is_null(one) else one
    if types.is_integer(one) and types.is_integer(other):
        return _integer(one, other)
    if types.is_decimal(one) and types.is_decimal(other) and one.scale == other.scale:
        return max(one, other, key=lambda kind: (kind.precision, kind.bit_width))
    return None


def _with(united: pa.Schema, schema: pa.Schema, name: str) -> tuple[pa.Schema, list[Conflict]]:
    """Take one more file's columns in."""
    repeated = len(set(united.names)) < len(united)
    if sorted(schema.names) != sorted(united.names) or (repeated and schema.names != united.names):
        return united, list(_other_names(united, schema, name))
    fields, conflicts = list[pa.Field](), list[Conflict]()
    for field, place in zip(united, places(schema, united), strict=True):
        theirs = schema.field(place)
        kind = field.type if field.type == theirs.type else common_type(field.type, theirs.type)
        if kind is None:
            conflicts.append((name, field.name, str(theirs.type), str(field.type)))
        fields.append(pa.field(field.name, kind or field.type, nullable=field.nullable or theirs.nullable))
    return pa.schema(fields), conflicts


def _other_names(united: pa.Schema, schema: pa.Schema, name: str) -> Iterator[Conflict]:
    ours, theirs = Counter(united.names), Counter(schema.names)
    for column in dict.fromkeys([*ours, *theirs]):
        if ours[column] != theirs[column]:
            yield name, column, _shown(schema, column), _shown(united, column)
    if ours == theirs:
        n = next(n for n, column in enumerate(united.names) if schema.names[n] != column)
        yield name, schema.names[n], f"column {n + 1}", f"another column {n + 1}, and names occur twice"


def _shown(schema: pa.Schema, column: str) -> str:
    found = [str(field.type) for field in schema if field.name == column]
    return " and ".join(found) or "missing"


def _integer(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if types.is_signed_integer(one) == types.is_signed_integer(other):
        return max(one, other, key=lambda kind: kind.bit_width)
    return None if pa.uint64() in {one, other} else pa.int64()


def _value_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if types.is_dictionary(kind) else kind


def _is_text(kind: pa.DataType) -> bool:
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _is_binary(kind: pa.DataType) -> bool:
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind))


def _files(conflicts: Sequence[Conflict]) -> int:
    return len({name for name, *_ in conflicts})


def _table(conflicts: Sequence[Conflict]) -> str:
    rows = [("file", "column", "its type there", "before"), *conflicts[:_SHOWN]]
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines + [f"… and {len(conflicts) - _SHOWN:,} more"] * (len(conflicts) > _SHOWN))
