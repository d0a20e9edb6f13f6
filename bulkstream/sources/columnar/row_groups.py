"""Row groups of Parquet: how large they are in memory, and which of them make a task.

What a footer says of sizes is before decoding; in memory, values that a dictionary holds once are there once per row.
So a file's width is estimated from its first row group: exactly for what has a fixed width, for text from its bytes and
from the longest value that the statistics show.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bulkstream.errors import MissingExtra
from bulkstream.sources.columnar.slices import TASK_BYTES

try:
    from pyarrow import types
except ImportError:
    raise MissingExtra("pyarrow", "arrow") from None

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    from pyarrow import parquet as pq

_TEXT_OVERHEAD = 16
_UNKNOWN_TEXT = 256
"""Bytes that a value of a dictionary is taken to have if no statistics show one."""

_MOST_PIECES = 64
"""Files of a task at most, so that tiny ones are opened by several threads."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Row groups of one file, next to each other.

    Attributes:
        file: Number of the file.
        groups: Numbers of the row groups.
        rows: How many they have.
        width: Bytes of a row in memory, estimated.
        stored: Bytes to be read.
    """

    file: int
    groups: tuple[int, ...]
    rows: int
    width: float
    stored: int


def leaves_of(schema: pa.Schema) -> list[list[pa.DataType]]:
    """Return, per column, the types of what Parquet stores as columns: the leaves of nested types, in order."""
    return [list(_leaves(field.type)) for field in schema]


def numbers_of(leaves: Sequence[Sequence[pa.DataType]], columns: Sequence[int]) -> list[int]:
    """Return the numbers of the leaves of some columns."""
    begins = [0]
    for kinds in leaves:
        begins.append(begins[-1] + len(kinds))
    return [number for column in columns for number in range(begins[column], begins[column + 1])]


def pieces_of(
    file: int, footer: pq.FileMetaData, leaves: Sequence[Sequence[pa.DataType]], columns: Sequence[int]
) -> Iterator[tuple[Piece, int]]:
    """Yield a file's row groups that have rows, each with its size in memory."""
    kinds = [kind for column in columns for kind in leaves[column]]
    first: tuple[float, float, float] | None = None
    for n in range(footer.num_row_groups):
        group = footer.row_group(n)
        if group.num_rows:
            first = first or _measured(group, numbers_of(leaves, columns), kinds)
            scale = group.total_byte_size / group.num_rows / first[2]
            width = first[0] * max(1.0, scale)
            stored = int(first[1] * scale * group.num_rows)
            yield Piece(file, (n,), group.num_rows, width, stored), int(width * group.num_rows)


def tasks_of(pieces: Iterator[tuple[Piece, int]]) -> Iterator[tuple[Piece, ...]]:
    """Put neighbours together until they are worth a task."""
    held, size = list[Piece](), 0
    for piece, more in pieces:
        held = _added(held, piece)
        size += more
        if size >= TASK_BYTES or len(held) >= _MOST_PIECES:
            yield tuple(held)
            held, size = [], 0
    if held:
        yield tuple(held)


def _added(held: list[Piece], piece: Piece) -> list[Piece]:
    last = held[-1] if held else None
    if last is None or last.file != piece.file:
        return [*held, piece]
    width, stored = max(last.width, piece.width), last.stored + piece.stored
    return [*held[:-1], Piece(piece.file, last.groups + piece.groups, last.rows + piece.rows, width, stored)]


def _measured(group: Any, numbers: Sequence[int], kinds: Sequence[pa.DataType]) -> tuple[float, float, float]:
    """Return the bytes of a row in memory, in the file, and as the footer counts them, for all columns."""
    width, stored = 0.0, 0
    for number, kind in zip(numbers, kinds, strict=True):
        chunk = group.column(number)
        stored += chunk.total_compressed_size
        width += _width(chunk, kind) * chunk.num_values
    rows = group.num_rows
    return width / rows, stored / rows, max(group.total_byte_size, 1) / rows


def _width(chunk: Any, kind: pa.DataType) -> float:
    """Return the bytes of a value in memory."""
    if chunk.physical_type != "BYTE_ARRAY":
        return _fixed_width(kind)
    mean: float = chunk.total_uncompressed_size / max(chunk.num_values, 1)
    longest = _longest(chunk) if chunk.has_dictionary_page else 0
    return _TEXT_OVERHEAD + max(mean, longest)


def _fixed_width(kind: pa.DataType) -> float:
    try:
        return float(max(kind.bit_width, 1)) / 8
    except ValueError:  # none, as that of null
        return 1


def _longest(chunk: Any) -> int:
    statistics = chunk.statistics
    if statistics is None or not statistics.has_min_max:
        return _UNKNOWN_TEXT
    shown = (statistics.min_raw, statistics.max_raw)
    return max((len(value) for value in shown if isinstance(value, bytes | str)), default=_UNKNOWN_TEXT)


def _leaves(kind: pa.DataType) -> Iterator[pa.DataType]:
    if hasattr(kind, "storage_type"):
        yield from _leaves(kind.storage_type)
    elif types.is_dictionary(kind) or not types.is_nested(kind):
        yield kind
    else:
        for n in range(kind.num_fields):
            yield from _leaves(kind.field(n).type)
