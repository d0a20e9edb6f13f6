"""JSON Lines: one object per line, its keys as columns, its values as they are written.

The columns come from a sample, by `json_columns`. Rows are read in blocks of lines, each of them a task; of the ways
to read a block, the first that succeeds is taken:

1. Where the sample has only strings and whole numbers, Arrow reads them as such.
2. Otherwise all values become strings, by `json_text`, and Arrow reads those; that takes three times as long.
3. What neither understands is read line by line in Python, by `json_line`, which is exact, slow, and has the words for
   what is wrong.

`python -m benchmarks.json_lines` measures them: 130, 50 and 5 to 10 MB/s on one core.

The first two need no GIL, and give what the third gives; a test holds them to it. No value is lost in silence: a key
that the sample did not have, a value that does not fit its column's type and a line that is no object are errors.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from bulkstream.errors import MissingExtra, SourceError, SourceUnreadable
from bulkstream.sources.rows.json_line import Value, values_of
from bulkstream.sources.rows.lines import Block, LineBlocks

try:
    import pyarrow as pa
    from pyarrow import json as arrow_json

    from bulkstream.sources.rows.json_columns import JsonColumn, sampled_columns
    from bulkstream.sources.rows.json_fit import Misfit, column_of, fitted
    from bulkstream.sources.rows.json_text import values_as_text
    from bulkstream.sources.text_field import text_field
except ImportError:
    raise MissingExtra("pyarrow", "arrow") from None

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bulkstream.model import ColumnType
    from bulkstream.sources.batches import Task
    from bulkstream.sources.content import Content

MOST_LINE_BYTES = 256 << 20
_MOST_VECTOR_BYTES = 64 << 20
_SHOWN = 40
_WIDER = "Give the column a wider type with --schema, or judge it from more of the file with a larger sample_size."
_NAMED = "Judge the columns from more of the file with a larger sample_size, or name the key in --schema."


def open_jsonl(
    content: Content,
    *,
    sample_bytes: int,
    expected: Sequence[str] = (),
    types: Mapping[str, ColumnType] | None = None,
    most_line_bytes: int = MOST_LINE_BYTES,
) -> JsonLines:
    """Open JSON Lines, and judge their columns from a sample; whoever called closes them.

    Args:
        content: The text, in UTF-8.
        sample_bytes: How much of its beginning is looked at, in whole lines.
        expected: Keys that the user has chosen. They are columns also where the sample lacks them, and then keys that
            neither has are left out on purpose; without, such a key is an error.
        types: Types that the user has told, by key.
        most_line_bytes: A longer line is an error.

    Raises:
        SourceError: A line of the sample is not what it must be.
    """
    blocks = LineBlocks(content.stream(), content.name, most_bytes=most_line_bytes)
    sample: list[Block] = []
    try:
        whole = False
        while not whole and sum(len(block.data) for block in sample) < sample_bytes:
            block = next(blocks, None)
            whole = block is None
            sample += [] if block is None else [block]
        columns, rows = sampled_columns(sample, expected, types or {})
    except BaseException:
        blocks.close()
        raise
    if rows and not columns:
        blocks.close()
        raise SourceError(f"{content.name}: its objects are empty, so there are no columns")
    schema = pa.schema([text_field(column.told, all_seen=whole) for column in columns])
    jsonl = JsonLines(content, columns, schema, rows=rows, ignore=bool(expected), most_line_bytes=most_line_bytes)
    if content.unrepeatable:
        jsonl.begin(sample, blocks)
    else:
        blocks.close()
    return jsonl


class JsonLines:
    """Rows of one file of JSON Lines."""

    format = "JSON Lines"
    rows = None

    def __init__(
        self,
        content: Content,
        columns: tuple[JsonColumn, ...],
        schema: pa.Schema,
        *,
        rows: int,
        ignore: bool,
        most_line_bytes: int,
    ) -> None:
        self.name = content.name
        self.unrepeatable = content.unrepeatable
        self.columns = columns
        self.schema = schema
        self.details = (("columns judged from", f"the first {rows:,} lines"),)
        self._content = content
        self._reader = _Reader(columns, self.schema, ignore=ignore)
        self._most_line_bytes = most_line_bytes
        self._begun: Iterator[Block] | None = None
        self._open: list[LineBlocks] = []

    def begin(self, read: list[Block], rest: LineBlocks) -> None:
        """Go on from what was read of a content that gives its bytes only once."""
        self._open.append(rest)
        self._begun = chain(read, rest)

    def tasks(self, columns: Sequence[int]) -> Iterator[Task]:
        """Yield a task per block of lines; the blocks are read as the tasks are asked for."""
        for block in self._blocks():
            yield partial(self._reader.batches, block, tuple(columns))

    def changes(self) -> tuple[str, ...]:
        """Say what is no longer as it was."""
        changed = self._content.changed()
        return (changed,) if changed else ()

    def close(self) -> None:
        """Close what is open; a task that is being asked for ends with an error."""
        while self._open:
            self._open.pop().close()

    def _blocks(self) -> Iterator[Block]:
        if not self.unrepeatable:
            blocks = LineBlocks(self._content.stream(), self.name, most_bytes=self._most_line_bytes)
            self._open.append(blocks)
            return blocks
        begun, self._begun = self._begun, None
        if begun is None:
            raise SourceUnreadable(f"{self.name} can't be read again: {self.unrepeatable}")
        return begun


class _Reader:
    """Reads blocks into batches; several threads may use it at once."""

    def __init__(self, columns: Sequence[JsonColumn], schema: pa.Schema, *, ignore: bool) -> None:
        self._columns = columns
        self._numbers = {column.name: number for number, column in enumerate(columns)}
        self._schema = schema
        self._text = pa.schema([pa.field(column.name, pa.string()) for column in columns])
        self._native = pa.schema([pa.field(field.name, field.type) for field in schema])
        self._plain = all(column.plain for column in columns)
        self._unknown = "ignore" if ignore else "error"

    def batches(self, block: Block, picked: tuple[int, ...]) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a block, unless it has none.

        Raises:
            SourceError: A line or a value is not what it must be.
        """
        arrays = self._directly(block, picked) or self._as_text(block, picked) or self._line_by_line(block, picked)
        schema = pa.schema([self._schema.field(number) for number in picked])
        if arrays and len(arrays[0]):
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    def _directly(self, block: Block, picked: tuple[int, ...]) -> list[Any] | None:
        if not self._plain:
            return None
        with suppress(pa.ArrowInvalid, Misfit):
            table = _parsed(block.data, self._native, self._unknown)
            return self._fitted(table, block, picked)
        return None

    def _as_text(self, block: Block, picked: tuple[int, ...]) -> list[Any] | None:
        if len(block.data) > _MOST_VECTOR_BYTES:
            return None
        with suppress(pa.ArrowInvalid, Misfit):
            _parsed(block.data, pa.schema([]), "ignore")  # it is JSON, also inside arrays and objects
            text = values_as_text(block.data)
            if text is not None:
                return self._fitted(_parsed(text, self._text, self._unknown), block, picked)
        return None

    def _fitted(self, table: pa.Table, block: Block, picked: tuple[int, ...]) -> list[Any] | None:
        """Return the columns in question if each value fits, and each line was taken for a row."""
        if table.num_rows != block.rows():
            return None
        arrays = []
        for number in picked:
            array = _whole(table.column(number))
            array.validate(full=True)  # Arrow's reader takes any bytes for UTF-8
            known = array.type == pa.int64()
            arrays.append(array if known else column_of(array, self._columns[number].type))
        return arrays

    def _line_by_line(self, block: Block, picked: tuple[int, ...]) -> list[Any]:
        """Read it as `json_line` does, which raises an error for the first line that is wrong."""
        rows = [self._row(line, frozenset(picked)) for line in block.lines()]
        texts = [pa.array([row.get(number) for row in rows], pa.string()) for number in picked]
        return [column_of(text, self._columns[number].type) for text, number in zip(texts, picked, strict=True)]

    def _row(self, line: Block, picked: frozenset[int]) -> dict[int, str]:
        row = {}
        for key, value in values_of(line).items():
            number = self._numbers.get(key)
            if number is None:
                self._refuse_key(line, key)
            elif value is not None and number in picked:
                row[number] = self._text_of(line, number, value)
        return row

    def _text_of(self, line: Block, number: int, value: Value) -> str:
        column = self._columns[number]
        text = fitted(column.type, value.text)
        if text is None:
            shown = value.text if len(value.text) <= _SHOWN else value.text[: _SHOWN - 1] + "…"
            why = f"line {line.line:,}: {column.name}: {shown!r} is no {column.type}"
            raise SourceError(why, place=line.place, hint=_WIDER)
        return text

    def _refuse_key(self, line: Block, key: str) -> None:
        if self._unknown == "error":
            why = f"line {line.line:,}: the key {key!r} is none of the sampled lines'"
            raise SourceError(why, place=line.place, hint=_NAMED)


def _parsed(data: bytes, schema: pa.Schema, unknown: str) -> pa.Table:
    return arrow_json.read_json(
        pa.BufferReader(data),
        read_options=arrow_json.ReadOptions(use_threads=False, block_size=len(data) + 1),
        parse_options=arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior=unknown),
    )


def _whole(column: pa.ChunkedArray) -> Any:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
