"""Rows one by one: JSON Lines read by `json`, workbooks read by openpyxl, iterables as they are."""

from __future__ import annotations

import gzip
import io
import json
import re
import zipfile
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import openpyxl
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from bulkstream.model import ColumnType
from tests.support.hazards.made import Format, Made, types_of
from tests.support.hazards.texts import text_types

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.hazards.tables import Hazard

CELL_CHARACTERS = 32_767
SHEET_BEGINS = datetime(1900, 3, 1)  # noqa: DTZ001 - a cell's time is a wall clock's; before it, Excel's days are off
SHEET_ENDS = datetime(9999, 12, 31, 23, 59, 59)  # noqa: DTZ001 - the same
DOUBLE_WHOLE = 2**53
LARGEST = 1e308


def _json(value: Any) -> str:
    """Write a value as JSON; decimals with all their digits, dates as text."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    return json.dumps(str(value) if isinstance(value, date) else value, ensure_ascii=False)


def _json_lines(hazard: Hazard) -> bytes:
    lines = [
        "{" + ", ".join(f"{_json(name)}: {_json(value)}" for name, value in zip(hazard.names, row, strict=True)) + "}\n"
        for row in hazard.rows
    ]
    return "".join(lines).encode()


def _json_made(hazard: Hazard, path: Path, data: bytes) -> Made:
    found = [json.loads(line, parse_float=Decimal) for line in data.decode().split("\n") if line]
    names = tuple(found[0]) if found else hazard.names
    return Made(path, names, [tuple(each[name] for name in names) for each in found], text_types(hazard))


def _jsonl(hazard: Hazard, folder: Path) -> Made:
    path = folder / "rows.jsonl"
    path.write_bytes(_json_lines(hazard))
    return _json_made(hazard, path, path.read_bytes())


def _jsonl_gz(hazard: Hazard, folder: Path) -> Made:
    path = folder / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(_json_lines(hazard)))
    return _json_made(hazard, path, gzip.decompress(path.read_bytes()))


def _in_cell(value: Any) -> bool:
    if isinstance(value, datetime):
        return SHEET_BEGINS <= value <= SHEET_ENDS
    if isinstance(value, date):
        return value >= SHEET_BEGINS.date()
    if isinstance(value, int):
        return abs(value) <= DOUBLE_WHOLE
    if isinstance(value, str):
        return not ILLEGAL_CHARACTERS_RE.search(value)
    return not isinstance(value, float) or abs(value) < LARGEST


def _excel(hazard: Hazard, folder: Path) -> Made:
    """Write a sheet of what cells can hold, and read it with openpyxl; empty text is an empty cell."""
    if hazard.name == "extreme values":
        hazard = type(hazard)(hazard.name, tuple(_clipped(column) for column in hazard.columns))
    if hazard.name == "1 MB in a field":
        (identity, text) = hazard.columns
        values = tuple(value[:CELL_CHARACTERS] for value in text.values)
        hazard = type(hazard)(hazard.name, (identity, type(text)(text.name, text.kind, values)))
    hazard = hazard.only(_in_cell)
    path, book = folder / "rows.xlsx", openpyxl.Workbook()
    for number, row in enumerate((hazard.names, *hazard.rows), 1):
        for place, value in enumerate(row, 1):
            _fill(book.worksheets[0].cell(number, place), value)
    book.save(made := io.BytesIO())
    path.write_bytes(_with_blanks(made))
    names, *rows = openpyxl.load_workbook(path, data_only=True).worksheets[0].iter_rows(values_only=True)
    types = {"big": ColumnType.LONG, "decimal": ColumnType.DOUBLE}
    found = [tuple(None if value == "" else value for value in row) for row in rows]
    return Made(path, tuple(map(str, names)), found, types_of(hazard, **types) if rows else text_types(hazard))


def _with_blanks(book: io.BytesIO) -> bytes:
    """Say of texts of nothing but blanks that these count, as Excel does and openpyxl forgets."""
    made = io.BytesIO()
    with zipfile.ZipFile(book) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, re.sub(rb"<t>(\s+)</t>", rb'<t xml:space="preserve">\1</t>', old.read(name)))
    return made.getvalue()


def _clipped(column: Any) -> Any:
    values = tuple(value if _in_cell(value) else None for value in column.values)
    return type(column)(column.name, column.kind, values)


def _fill(cell: Any, value: Any) -> None:
    """Write a cell; text that looks like a formula is none."""
    cell.value = value
    if isinstance(value, str):
        cell.data_type = "s"


def _dicts(hazard: Hazard, _: Path) -> Made:
    rows = [dict(zip(hazard.names, row, strict=True)) for row in hazard.rows]
    return Made(iter(rows), hazard.names, hazard.rows, text_types(hazard))


FORMATS = (
    Format("JSON Lines", _jsonl),
    Format("JSON Lines, gz", _jsonl_gz),
    Format("Excel", _excel),
    Format("iterable of dicts", _dicts),
)
