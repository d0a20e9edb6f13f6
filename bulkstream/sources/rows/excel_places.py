"""How far do the cells of a sheet reach? Read from the parts of a workbook, without keeping them.

Each function yields, again and again, a number of rows and of columns that the cells need which it has seen; of all of
them, the greatest count. They know as much of each format as tells that, and take anything else for no cells.
"""

from __future__ import annotations

import re
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK_BYTES = 1 << 16
_LONGEST_TAG = 256
_MOST_ROW_BYTES = 16 << 20

_ROW = re.compile(rb"<(?:\w+:)?row[ \t\r\n/>]")
_CELL = re.compile(rb"<(?:\w+:)?c[ \t\r\n/>]")
_REFERENCE = re.compile(rb"[ \t\r\n]r[ \t\r\n]*=[ \t\r\n]*[\"']([A-Za-z]{0,7})([0-9]{1,10})[\"']")

_ODS_ROW = b"<table:table-row"
_ODS_CELL = re.compile(rb"<table:(?:covered-)?table-cell[ \t\r\n/>]")
_ODS_ROWS = re.compile(rb"^[^>]*number-rows-repeated=[\"']([0-9]{1,10})")
_ODS_COLUMNS = re.compile(rb"number-columns-repeated=[\"']([0-9]{1,10})")

_XLSB_ROW = 0
_XLSB_CELLS = range(1, 12)


def in_xlsx(xml: IO[bytes]) -> Iterator[tuple[int, int]]:
    """Look at references such as `XFD7` (ECMA-376, 18.3.1.4).

    A row or cell without a reference stands behind the one before it, so those are counted too.
    """
    rows = cells = 0
    rest = b""
    while read := xml.read(_BLOCK_BYTES):
        block = rest + read
        end = max(block.rfind(b"<"), len(block) - _LONGEST_TAG)
        block, rest = block[:end], block[end:]
        yield from _references(block)
        first, *others = _ROW.split(block)
        rows += len(others)
        widths = [cells + len(_CELL.findall(first)), *(len(_CELL.findall(row)) for row in others)]
        cells = widths[-1]
        yield rows, max(widths)
    yield from _references(rest)


def in_ods(xml: IO[bytes]) -> Iterator[tuple[int, int]]:
    """Count rows and cells with their repetitions (OpenDocument 1.3, 19.677); empty ones count only before others."""
    height = 0
    rest = b""
    while read := xml.read(_BLOCK_BYTES):
        *rows, rest = (rest + read).split(_ODS_ROW)
        for row in rows:
            height, width = height + _repetitions(row), _width(row)
            if width:
                yield height, width
            height = 0 if b"</table:table>" in row else height
        if len(rest) > _MOST_ROW_BYTES:
            yield 1 << 32, 1 << 32
    yield height + _repetitions(rest), _width(rest)


def in_xlsb(records: IO[bytes]) -> Iterator[tuple[int, int]]:
    """Look at the records of rows and of cells, which begin with their number ([MS-XLSB] 2.1.4 and 2.4)."""
    row = 0
    while head := records.read(1):
        kind = head[0] & 0x7F
        if head[0] & 0x80:
            kind |= _byte(records) << 7
        size = 0
        for shift in range(0, 28, 7):
            byte = _byte(records)
            size |= (byte & 0x7F) << shift
            if not byte & 0x80:
                break
        body = records.read(size)
        number = int.from_bytes(body[:4], "little") + 1
        if kind == _XLSB_ROW:
            row = number
        elif kind in _XLSB_CELLS:
            yield row, number


def _references(block: bytes) -> Iterator[tuple[int, int]]:
    found = _REFERENCE.findall(block)
    if found:
        letters, numbers = ({*part} for part in zip(*found, strict=True))
        yield max(map(int, numbers)), max(map(_column, letters))


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = 26 * number + letter - ord("A") + 1
    return number


def _repetitions(row: bytes) -> int:
    repeated = _ODS_ROWS.match(row)
    return int(repeated[1]) if repeated else 1


def _width(row: bytes) -> int:
    """Return how wide a row is up to its last cell that holds something."""
    last = row.rfind(b"value-type=")
    cells = row[: row.find(b">", last)] if last >= 0 else b""
    return len(_ODS_CELL.findall(cells)) + sum(int(count) - 1 for count in _ODS_COLUMNS.findall(cells))


def _byte(records: IO[bytes]) -> int:
    return (records.read(1) or b"\0")[0]
