r"""Pieces of delimited text as Arrow columns of text: exactly the values that stand there.

Theory of operation. Arrow parses without the GIL, but is lenient where nothing may pass unseen, so its results are
looked at; and where anything is odd, the piece is read again record by record (`tokens.py`).

* It takes a blank line for a row of nulls. Rows of nulls are looked for, and where there are some, blank lines are.
* It closes a quoted field at the end of its input. A row of a value that no UTF-8 can hold is put behind the piece:
  where it does not come out as the last row, a quote has swallowed it.
* It ends records at CR, LF and CRLF alike. Those that are data are replaced by a byte that is never in UTF-8, and put
  back into the values.
* It has no null that is written by an escape. So `\N`, where it is a whole field, becomes another such value.

An unquoted empty field is null, a quoted one an empty string; where a backslash is the escape, an unquoted `\N` is null
as well, as MySQL and Hive write it. Nothing is trimmed.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from bulkstream.errors import BadRow, MissingExtra, SourceError, UnclosedQuote
from bulkstream.model import Place, Reject
from bulkstream.sources.text.dialect import LineEnd, TextDialect
from bulkstream.sources.text.pieces import Piece
from bulkstream.sources.text.tokens import Span, Tokens

try:
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv as arrow_csv
except ImportError:
    raise MissingExtra("pyarrow", "arrow") from None

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt

    from bulkstream.sources.text.pieces import Bytes, Pieces

    OnBad = Callable[[Reject], None]
    Offsets = npt.NDArray[np.intp]

_STAND_IN = 0xFF
_SENTINEL = b"\xfe\xff\xfe\xff"
_NULL = b"\xfe\xfe"
_CR, _LF = ord("\r"), ord("\n")
_NOWHERE = np.empty(0, np.intp)
_BACKSLASH, _N = ord("\\"), ord("N")


def refuse(reject: Reject) -> NoReturn:
    """Let no row be left out.

    Raises:
        BadRow: Always.
    """
    raise BadRow(reject, hint="Repair the row; --max-bad-rows is only for CSV that is sent as it is.")


@dataclass(frozen=True, slots=True)
class _Parsed:
    """Columns as bytes.

    Attributes:
        back: What stands in the values, and what is meant by it.
    """

    table: pa.Table
    back: tuple[tuple[bytes, bytes], ...]


class Parser:
    """Parses the pieces of one text in one thread."""

    def __init__(self, dialect: TextDialect, width: int, columns: Sequence[int], on_bad: OnBad) -> None:
        """Parse records of `width` fields into some columns, by their numbers.

        `on_bad` is called with each bad row, in their order; if it returns, the row is left out.
        """
        self._dialect = dialect
        self._width = width
        self._columns = list(columns)
        self._on_bad = on_bad
        self._tokens = Tokens(dialect)
        self._row_behind = _SENTINEL + dialect.delimiter.encode() * (width - 1) + b"\n"
        self._end, self._other = (_CR, _LF) if dialect.ends is LineEnd.CR else (_LF, _CR)
        self.schema = pa.schema([pa.field(str(number), pa.string()) for number in self._columns])

    @property
    def room(self) -> int:
        """Bytes needed behind each piece."""
        return len(self._row_behind) + 1

    def batches(self, pieces: Pieces) -> Iterator[pa.RecordBatch]:
        """Yield a batch for each piece.

        Raises:
            BadRow: A record has not as many fields as there are columns, or is not UTF-8.
            UnclosedQuote: The text ends inside a quoted field.
            SourceError: The stream can't be read.
        """
        while (piece := pieces.next()) is not None:
            batch = self._quickly(piece)
            if batch is None:
                again = pieces.recut()
                batch = self._quickly(again) if again.size != piece.size else None
                batch = self._sifted(again, pieces.name) if batch is None else batch
            if batch.num_rows:
                yield batch

    def _quickly(self, piece: Piece) -> pa.RecordBatch | None:
        """Parse a piece as Arrow does; None if anything about it is odd."""
        parsed = self._parsed(piece) if _is_utf8(piece.data) else None
        return None if parsed is None or self._has_blanks(parsed, piece) else self._batch(parsed)

    def _parsed(self, piece: Piece) -> _Parsed | None:
        """Parse a piece, which is as it was afterwards; None if its rows or its end are not as they should be."""
        data = np.frombuffer(piece.buffer, np.uint8)
        foreign, nulls = self._foreign_ends(data[: piece.size]), self._escaped_nulls(data[: piece.size])
        behind = bytes(piece.buffer[piece.size :])
        tail = self._row_behind if data[piece.size - 1] == self._end else bytes([self._end]) + self._row_behind
        data[foreign] = _STAND_IN
        data[nulls], data[nulls + 1] = _NULL
        piece.buffer[piece.size : piece.size + len(tail)] = tail
        try:
            table = self._read(piece.buffer[: piece.size + len(tail)])
        finally:
            piece.buffer[piece.size :] = behind
            data[foreign] = self._other
            data[nulls], data[nulls + 1] = _BACKSLASH, _N
        if table is None or table.column(0)[table.num_rows - 1].as_py() != _SENTINEL:
            return None
        back = [(bytes([_STAND_IN]), bytes([self._other]))] if foreign.size else []
        back += [(_NULL, b"N")] if nulls.size else []
        return _Parsed(table.slice(0, table.num_rows - 1), tuple(back))

    def _read(self, data: memoryview) -> pa.Table | None:
        """Read the needed columns, and the first one for the row behind, as bytes."""
        names = [str(number) for number in range(self._width)]
        needed = dict.fromkeys(["0", *map(str, self._columns)])
        try:
            return arrow_csv.read_csv(
                pa.BufferReader(pa.py_buffer(data)),
                read_options=arrow_csv.ReadOptions(column_names=names, block_size=len(data) + 1, use_threads=False),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=self._dialect.delimiter,
                    quote_char=self._dialect.quote or False,
                    double_quote=self._dialect.doubled,
                    escape_char=self._dialect.escape or False,
                    newlines_in_values=True,
                    ignore_empty_lines=False,
                ),
                convert_options=arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.binary()),
                    include_columns=list(needed),
                    null_values=["", _NULL],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            )
        except pa.ArrowInvalid:
            return None

    def _batch(self, parsed: _Parsed) -> pa.RecordBatch:
        """Make text of the columns: UTF-8 is what the piece was, so it need not be looked at again."""
        arrays = []
        for number in self._columns:
            values = parsed.table.column(str(number)).combine_chunks()
            for stand_in, meant in parsed.back:
                values = pc.replace_substring(values, stand_in, meant)
            arrays.append(values.view(pa.string()))
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _foreign_ends(self, data: Bytes) -> Offsets:
        """Return where there are line ends that are data: CRs without LF, or LFs where records end in CR."""
        found = np.flatnonzero(data == self._other)
        if self._other == _LF or not found.size:
            return found
        before_others = data[np.minimum(found + 1, len(data) - 1)] != _LF
        return np.compress(before_others, found)

    def _escaped_nulls(self, data: Bytes) -> Offsets:
        r"""Return where there is `\N` between what may be delimiters or line ends; Arrow knows which are."""
        found = np.flatnonzero(data == _BACKSLASH) if self._dialect.escape == "\\" else _NOWHERE
        found = found[found + 1 < len(data)]
        around = [ord(self._dialect.delimiter), _CR, _LF]
        alone = (data[found + 1] == _N) & ((found == 0) | np.isin(data[found - 1], around))
        alone &= (found + 2 == len(data)) | np.isin(data[np.minimum(found + 2, len(data) - 1)], around)
        return np.compress(alone, found)

    def _has_blanks(self, parsed: _Parsed, piece: Piece) -> bool:
        """Whether there may be blank lines, where those are bad rows."""
        columns = parsed.table.columns
        if self._width == 1 or any(column.null_count == 0 for column in columns):
            return False
        empty = reduce(pc.and_, map(pc.is_null, columns))
        return bool(pc.any(empty).as_py()) and self._blank_lines(piece.data)

    def _blank_lines(self, data: memoryview) -> bool:
        """Whether a line end follows another, or begins the piece."""
        raw = bytes(data)
        end = bytes([self._end])
        return raw.startswith((end, b"\r\n")) or end * 2 in raw or b"\n\r\n" in raw

    def _sifted(self, piece: Piece, name: str) -> pa.RecordBatch:
        """Read a piece record by record, and parse the good ones."""
        raw = bytes(piece.data)
        good, rows = bytearray(), 0
        line, counted = piece.line, 0
        for span in self._tokens.spans(raw):
            line += raw.count(self._end, counted, span.start)
            counted = span.start
            if reason := self._fault(span, raw):
                self._on_bad(Reject(name, line, piece.offset + span.start, reason, raw[span.start : span.end]))
                continue
            if span.open:
                raise UnclosedQuote(
                    "this record opens a quoted field that the text never closes",
                    place=Place(name, piece.offset + span.start),
                    hint="Check the quotes around that place; perhaps there are none at all (--dialect quote=none).",
                )
            good += raw[span.start : span.end]
            rows += 1
            if not span.ended and raw[-1] == self._end:  # which is escaped, and no line end
                good.append(self._end)
        return self._again(good, rows, Place(name, piece.offset))

    def _fault(self, span: Span, raw: bytes) -> str:
        """Say what is wrong with a record, empty if nothing is."""
        if span.open:
            return ""
        try:
            raw[span.start : span.end].decode("utf-8")
        except UnicodeDecodeError as error:
            at = span.start + error.start
            return f"invalid UTF-8: byte 0x{raw[at]:02x} at offset {error.start:,} of the row"
        if span.fields == self._width:
            return ""
        if span.fields == 1 and not raw[span.start : span.end].strip(b"\r\n"):
            return "blank line"
        return f"{span.fields:,} field{'s' if span.fields > 1 else ''} instead of {self._width:,}"

    def _again(self, good: bytearray, rows: int, place: Place) -> pa.RecordBatch:
        """Parse what is left of a piece without its bad rows."""
        if not rows:
            return pa.RecordBatch.from_pylist([], schema=self.schema)
        buffer = memoryview(good + bytes(self.room))
        parsed = self._parsed(Piece(buffer, len(good), place.offset, line=0, last=False))
        if parsed is None or parsed.table.num_rows != rows:
            raise SourceError(f"records can't be told apart by {self._dialect}", place=place)
        return self._batch(parsed)


def _is_utf8(data: memoryview) -> bool:
    """Whether the bytes are UTF-8, by Arrow, which does not hold the GIL."""
    offsets = pa.py_buffer(struct.pack("<qq", 0, len(data)))
    text = pa.Array.from_buffers(pa.large_string(), 1, [None, offsets, pa.py_buffer(data)])
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True
