"""CSV in all packings, encodings and dialects, read by Python's own `csv`, `gzip`, `zipfile` and the like."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from bulkstream.model import ColumnType
from tests.support.hazards.made import Format, Made, types_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.support.hazards.tables import Hazard

Rows = list[tuple[Any, ...]]
LONGEST_FIELD = 16 << 20


@dataclass(frozen=True)
class Way:
    """How text is written, and read by Python.

    Attributes:
        options: What `upload` has to be told.
    """

    encoding: str = "utf-8"
    delimiter: str = ","
    escape: str | None = None
    end: str = "\n"
    options: dict[str, Any] = field(default_factory=dict)

    def said(self, value: Any) -> str:
        """Write a value: text is quoted, null is nothing."""
        if value is None:
            return ""
        if isinstance(value, bool):
            return str(value).lower()
        if not isinstance(value, str):
            return f"{value:f}" if isinstance(value, Decimal) else str(value)
        if self.escape is None:
            return '"' + value.replace('"', '""') + '"'
        return '"' + value.replace(self.escape, 2 * self.escape).replace('"', f'{self.escape}"') + '"'

    def written(self, rows: Sequence[tuple[Any, ...]]) -> bytes:
        """Write rows."""
        return "".join(self.delimiter.join(map(self.said, row)) + self.end for row in rows).encode(self.encoding)

    def read(self, data: bytes) -> list[list[str]]:
        """Read rows with Python's `csv`, which takes a blank line for no fields."""
        text = io.StringIO(data.decode(self.encoding), newline="")
        kind: Any = {"delimiter": self.delimiter, "escapechar": self.escape, "doublequote": self.escape is None}
        with long_fields():
            return [row or [""] for row in csv.reader(text, strict=True, **kind)]

    def holds(self, value: Any) -> bool:
        """Whether the encoding has all characters of a value."""
        try:
            self.said(value).encode(self.encoding)
        except UnicodeEncodeError:
            return False
        return True


@contextmanager
def long_fields() -> Iterator[None]:
    """Let `csv` read fields beyond 128 KiB; the limit is one of the process."""
    before = csv.field_size_limit(LONGEST_FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def told(read: list[str], meant: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a row that `csv` has read; it can't tell a null from an empty string, what was written can."""
    return tuple(None if text == "" and value is None else text for text, value in zip(read, meant, strict=True))


def text_made(hazard: Hazard, folder: Path, ending: str, way: Way, pack: Pack | None = None) -> Made:
    """Write a hazard as text, and read it with Python."""
    hazard = _encodable(hazard, way)
    plain = way.written([hazard.names, *hazard.rows])
    path = folder / f"rows{ending}"
    path.write_bytes(plain if pack is None else pack.pack(plain))
    names, *rows = way.read(path.read_bytes() if pack is None else pack.unpack(path.read_bytes()))
    found = [told(row, meant) for row, meant in zip(rows, hazard.rows, strict=True)]
    return Made(path, tuple(names), found, text_types(hazard), way.options)


def _encodable(hazard: Hazard, way: Way) -> Hazard:
    columns = tuple(each for each in hazard.columns if way.holds(each.name))
    return type(hazard)(hazard.name, columns).only(way.holds)


def text_types(hazard: Hazard) -> tuple[ColumnType, ...]:
    """Return the types of text: without values there is nothing to infer from."""
    return types_of(hazard) if hazard.rows else tuple(ColumnType.STRING for _ in hazard.columns)


@dataclass(frozen=True)
class Pack:
    """A way to pack, and Python's own to unpack."""

    pack: Callable[[bytes], bytes]
    unpack: Callable[[bytes], bytes]


def _arrow_pack(codec: str) -> Pack:
    def pack(data: bytes) -> bytes:
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, codec) as stream:
            stream.write(data)
        return bytes(sink.getvalue())

    def unpack(data: bytes) -> bytes:
        with pa.CompressedInputStream(pa.BufferReader(data), codec) as stream:
            return bytes(stream.read())

    return Pack(pack, unpack)


PACKS = {
    "gz": Pack(gzip.compress, gzip.decompress),
    "zst": _arrow_pack("zstd"),
    "bz2": Pack(bz2.compress, bz2.decompress),
    "xz": Pack(lzma.compress, lzma.decompress),
    "lz4": _arrow_pack("lz4"),
}


def zipped(hazard: Hazard, folder: Path, members: int) -> Made:
    """Write a zip archive, of one file or of several with a share of the rows each."""
    way, path = Way(), folder / "rows.zip"
    size = -(-len(hazard.rows) // members) or 1
    parts = [hazard.rows[begin : begin + size] for begin in range(0, size * members, size)]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, part in enumerate(parts):
            archive.writestr(f"{number}.csv", way.written([hazard.names, *part]))
    with zipfile.ZipFile(path) as archive:
        tables = [way.read(archive.read(name)) for name in archive.namelist()]
    rows = [row for _, *rows in tables for row in rows]
    found = [told(row, meant) for row, meant in zip(rows, hazard.rows, strict=True)]
    return Made(path, tuple(tables[0][0]), found, text_types(hazard))


def _plain(name: str, way: Way, ending: str = ".csv") -> Format:
    return Format(name, lambda hazard, folder: text_made(hazard, folder, ending, way))


def _packed(ending: str, pack: Pack) -> Format:
    return Format(f"CSV, {ending}", lambda hazard, folder: text_made(hazard, folder, f".csv.{ending}", Way(), pack))


CP1252 = "CSV, `--encoding cp1252`"

FORMATS = (
    _plain("CSV", Way()),
    *(_packed(ending, pack) for ending, pack in PACKS.items()),
    Format("CSV, zip of one", lambda hazard, folder: zipped(hazard, folder, 1)),
    Format("CSV, zip of three", lambda hazard, folder: zipped(hazard, folder, 3)),
    _plain("CSV, UTF-16", Way("utf-16")),
    _plain(CP1252, Way("cp1252", options={"encoding": "cp1252"})),
    _plain("CSV, semicolons", Way(delimiter=";")),
    _plain("CSV, tabs", Way(delimiter="\t"), ".tsv"),
    _plain("CSV, `--dialect 'escape=\\ doubled=no'`", Way(escape="\\", options={"dialect": "escape=\\ doubled=no"})),
    _plain("CSV, lines end in CR", Way(end="\r")),
)
