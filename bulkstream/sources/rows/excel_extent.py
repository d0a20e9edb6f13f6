"""How large is a workbook once it is opened? Asked before it is, since the answer may be more than there is memory.

calamine keeps a sheet as a dense rectangle, 32 bytes per cell: two cells in opposite corners of a sheet of Excel, a
file of 5 KB, make it ask for 512 GiB, and end the process. So the places of all cells are looked at first, a piece at a
time, and how large the archive is unpacked. An .xls can't hold too much.
"""

from __future__ import annotations

import zipfile
import zlib
from typing import IO, TYPE_CHECKING

from bulkstream.errors import SourceError
from bulkstream.sources.rows.excel_places import in_ods, in_xlsb, in_xlsx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOST_CELLS = 1 << 25
"""Of one sheet, empty ones included: 1 GiB of memory before anything is in them."""

MOST_UNPACKED_BYTES = 4 << 30


def check_extent(name: str, file: IO[bytes]) -> None:
    """Refuse an archive that would unpack to too much; anything else passes.

    Raises:
        SourceError: It is too large, or a damaged archive.
    """
    archived = file.read(2) == b"PK"
    file.seek(0)
    if not archived:
        return
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            unpacked = sum(member.file_size for member in members)
            if unpacked > MOST_UNPACKED_BYTES:
                raise _too_large(name, f"would be {unpacked:,} bytes unpacked, more than {MOST_UNPACKED_BYTES:,}")
            for member in members:
                if (reader := _reader(member.filename)) is not None:
                    with archive.open(member) as data:
                        _check(name, member.filename, reader(data))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, zlib.error) as error:
        raise SourceError(f"{name} can't be read as Excel: {error}") from None


def _reader(member: str) -> Callable[[IO[bytes]], Iterator[tuple[int, int]]] | None:
    """Return what reads places from a member; None for pictures, macros, printers' settings and the like."""
    lower = member.lower()
    if lower == "content.xml":
        return in_ods
    if lower.endswith(".bin"):
        return in_xlsb if lower.startswith("xl/worksheets/") else None
    return in_xlsx if lower.endswith(".xml") else None


def _check(name: str, member: str, extents: Iterator[tuple[int, int]]) -> None:
    height = width = 0
    for rows, columns in extents:
        height, width = max(height, rows), max(width, columns)
        if height * width > MOST_CELLS:
            raise _too_large(name, f"{member} has {height:,} rows of up to {width:,} cells")


def _too_large(name: str, why: str) -> SourceError:
    return SourceError(f"{name} is too large: {why}", hint="Save the sheet as CSV, or delete what is far off in it.")
