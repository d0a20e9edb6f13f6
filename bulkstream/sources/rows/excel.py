"""Sheets of workbooks: .xlsx, .xlsm, .xls, .xlsb and .ods, by calamine.

A sheet begins with its first cell that holds something, and is held in memory whole. What its cells show by a format
(percent, currency, colours) is not looked at; of a formula it has the value that was stored with it. Hidden rows and
columns are data. Of merged cells the first has the value. A blank row between others is a row of nulls; blank rows at
the end, and columns that are empty throughout, are left out.
"""

from __future__ import annotations

import io
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from bulkstream.errors import MissingExtra, SchemaError, SourceError, SourceUnreadable, UsageError
from bulkstream.model import HeaderMode
from bulkstream.sources.header import (
    HeaderDecision,
    column_names,
    could_be_name,
    decide_header,
    looks_like_header,
    seeming_header,
)

try:
    import pyarrow as pa
    import python_calamine as calamine

    from bulkstream.sources.rows.excel_cells import Cell, Kinds, array_of, text_of
    from bulkstream.sources.rows.excel_extent import check_extent
except ImportError:
    raise MissingExtra("python-calamine", "excel") from None

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bulkstream.sources.batches import Task
    from bulkstream.sources.content import Content

MOST_BYTES = 1 << 30
"""Of a workbook, which is read into memory before it is opened."""

_PIECE_BYTES = 1 << 20
_BATCH_ROWS = 4096

Row = list[Cell]


def open_excel(content: Content, *, sheet: str | None, header: HeaderMode) -> ExcelSheet:
    """Open a sheet and judge its columns from all of its cells; whoever called closes it.

    Args:
        content: The workbook.
        sheet: Its name, else its number from 1; None is the first one that is not hidden.
        header: Whether its first row has the names of the columns.

    Raises:
        SourceError: It is no workbook, is protected by a password, too large, or has no such sheet.
        SchemaError: The header can't name the columns.
    """
    file = io.BytesIO(_bytes_of(content))
    check_extent(content.name, file)
    file.seek(0)
    workbook = _calamine(content.name, partial(calamine.CalamineWorkbook.from_filelike, file))
    try:
        names = [found.name for found in workbook.sheets_metadata if found.typ is calamine.SheetTypeEnum.WorkSheet]
        chosen = _chosen(content.name, workbook, names, sheet)
        cells = _calamine(content.name, partial(workbook.get_sheet_by_name, chosen))
        if sheet is None and not cells.height:
            _check_others_empty(content.name, workbook, [name for name in names if name != chosen])
    finally:
        workbook.close()
    others = ", ".join(repr(name) for name in names if name != chosen)
    details = (("sheet", f"{chosen!r}" + (f"; others: {others}" if others else "")),)
    return ExcelSheet(content, cells, header, details)


class ExcelSheet:
    """Rows of one sheet."""

    format = "Excel"

    def __init__(self, content: Content, sheet: Any, header: HeaderMode, details: tuple[tuple[str, str], ...]) -> None:
        self.name = content.name
        self.unrepeatable = content.unrepeatable
        self.details = details
        self._content = content
        self._sheet = sheet
        self.header, self.schema, self._columns, self.rows = self._judged(header)

    def tasks(self, columns: Sequence[int]) -> Iterator[Task]:
        """Yield a task per 4,096 rows."""
        picked = [(self._columns[number], self.schema.field(number).type) for number in columns]
        schema = pa.schema([self.schema.field(number) for number in columns])
        rows = islice(self._rows(), self.header.present, self.header.present + self.rows)
        while block := list(islice(rows, _BATCH_ROWS)):
            yield partial(_batches, block, picked, schema)

    def changes(self) -> tuple[str, ...]:
        """Say what is no longer as it was."""
        changed = self._content.changed()
        return (changed,) if changed else ()

    def close(self) -> None:
        """Let go of the sheet."""
        self._sheet = None

    def _rows(self) -> Iterator[Row]:
        """Yield the rows from the first one that holds something."""
        if self._sheet is None:
            raise SourceUnreadable(f"{self.name} was closed")
        begun = False
        for row in self._sheet.iter_rows():
            begun = begun or any(cell != "" for cell in row)
            if begun:
                yield row

    def _judged(self, mode: HeaderMode) -> tuple[HeaderDecision, pa.Schema, list[int], int]:
        """Return whether there is a header, the columns with their places, and the number of rows."""
        rows = self._rows()
        first = next(rows, [])
        kinds = [Kinds() for _ in first]
        seen = filled = 1 if first else 0
        while block := list(islice(rows, _BATCH_ROWS)):
            for kind, cells in zip(kinds, zip(*block, strict=True), strict=True):
                kind.add(cells)
            last = max((n for n, row in enumerate(block, 1) if any(cell != "" for cell in row)), default=0)
            seen, filled = seen + len(block), seen + last if last else filled
        places = [n for n, kind in enumerate(kinds) if kind.types or first[n] != ""]
        texts = [text_of(first[n]) for n in places]
        decision = _decided(self.name, mode, texts)
        if not decision.present:
            _check_first_is_data(self.name, decision, texts, [kinds[n].arrow() for n in places])
            for n in places:
                kinds[n].add([first[n]])
        names = column_names(decision, texts)
        schema = pa.schema([pa.field(name, kinds[n].arrow()) for name, n in zip(names, places, strict=True)])
        return decision, schema, places, filled - decision.present


def _decided(name: str, mode: HeaderMode, texts: list[str]) -> HeaderDecision:
    """Decide about the header; a first row that would be one if it had no gaps is not taken for data by guess.

    Raises:
        SchemaError: It is such a row.
    """
    decision = decide_header(mode, texts, None)
    gaps = [n for n, text in enumerate(texts, 1) if not text]
    if mode is HeaderMode.AUTO and gaps and looks_like_header([text for text in texts if text]):
        raise SchemaError(
            f"{name}: its first row seems to be a header, but has no name for column {gaps[0]}",
            hint="Fill the cell, remove titles above the header, or say --header no if that row is data.",
        )
    return decision


def _check_first_is_data(name: str, decision: HeaderDecision, texts: list[str], below: list[pa.DataType]) -> None:
    """Check that a first row which nobody has said to be data has no name above numbers or moments.

    Raises:
        HeaderMismatch: It has.
    """
    typed = zip(texts, below, strict=True)
    odd = next(((text, kind) for text, kind in typed if not pa.types.is_string(kind) and could_be_name(text)), None)
    if odd and not decision.told:
        raise seeming_header(texts, odd[0], "dates" if pa.types.is_temporal(odd[1]) else "numbers", place=name)


def _batches(block: list[Row], picked: list[tuple[int, pa.DataType]], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    columns = list(zip(*block, strict=True))
    yield pa.RecordBatch.from_arrays([array_of(columns[n], kind) for n, kind in picked], schema=schema)


def _bytes_of(content: Content) -> bytes:
    pieces, size = [], 0
    with content.stream() as stream:
        while piece := stream.read(_PIECE_BYTES):
            pieces.append(piece)
            size += len(piece)
            if size > MOST_BYTES:
                raise SourceError(f"{content.name} is larger than {MOST_BYTES:,} bytes", hint="Save the sheet as CSV.")
    return b"".join(pieces)


def _chosen(name: str, workbook: Any, names: list[str], sheet: str | None) -> str:
    """Return the name of the sheet that was asked for."""
    if not names:
        raise SourceError(f"{name} has no sheet with cells")
    if sheet is None:
        shown = {m.name for m in workbook.sheets_metadata if m.visible is calamine.SheetVisibleEnum.Visible}
        return next((found for found in names if found in shown), names[0])
    if sheet in names:
        return sheet
    if sheet.isascii() and sheet.isdigit() and 1 <= int(sheet) <= len(names):
        return names[int(sheet) - 1]
    there = ", ".join(f"{number} {found!r}" for number, found in enumerate(names, 1))
    raise UsageError(f"{name} has no sheet {sheet!r}", hint=f"There are: {there}.")


def _check_others_empty(name: str, workbook: Any, others: list[str]) -> None:
    """Look for the table in other sheets than the first, which is empty: nobody has said that nothing is to be loaded.

    Raises:
        SourceError: There are cells in one.
    """
    filled = [each for each in others if _calamine(name, partial(workbook.get_sheet_by_name, each)).height]
    if filled:
        there = ", ".join(map(repr, filled))
        raise SourceError(f"{name}: its first sheet is empty, {there} not", hint="Name one with --sheet.")


def _calamine(name: str, call: Any) -> Any:
    """Do what calamine may refuse, or fail at.

    Raises:
        SourceError: The workbook can't be read.
    """
    try:
        return call()
    except calamine.PasswordError:
        raise SourceError(f"{name} is protected by a password", hint="Save it without one.") from None
    except (calamine.CalamineError, ValueError, OSError) as error:
        raise SourceError(f"{name} can't be read as Excel: {error}") from None
    except BaseException as error:
        if type(error).__name__ == "PanicException":  # what Rust's panics are in Python, of no class to be imported
            raise SourceError(f"{name} can't be read as Excel: calamine failed: {error}") from None
        raise
