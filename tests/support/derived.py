"""Sources that are no CSV as the server takes it, and the rows that they hold."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import zipfile
from typing import TYPE_CHECKING

import openpyxl
import orjson
import pyarrow as pa
import pyarrow.ipc
import pyarrow.orc
import pyarrow.parquet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Make = Callable[[Path, int], str]

HEADER = "id,text\n"


def text_of(number: int) -> str:
    return f'row {number}, "{number % 7}"\n{"x" * (number % 50)}'


def table(count: int, first: int = 0) -> pa.Table:
    """Return rows whose text needs quotes."""
    numbers = range(first, first + count)
    texts = [text_of(n) for n in numbers]
    return pa.table({"id": pa.array(numbers, pa.int64()), "text": pa.array(texts, pa.string())})


def expected(count: int, first: int = 0) -> bytes:
    """Return the same rows as the server's CSV."""
    return b"".join(_lines(count, first))


def parsed(data: bytes) -> list[list[str]]:
    """Return the fields of CSV, whether quoted or not."""
    return list(csv.reader(io.StringIO(data.decode(), newline="")))


def _lines(count: int, first: int = 0) -> Iterator[bytes]:
    for n in range(first, first + count):
        quoted = text_of(n).replace('"', '""')
        yield f'{n},"{quoted}"\n'.encode()


def _gzip(folder: Path, count: int) -> str:
    (folder / "a.csv.gz").write_bytes(gzip.compress(HEADER.encode() + expected(count)))
    return "a.csv.gz"


def _two_gzips(folder: Path, count: int) -> str:
    """The first file ends without a line feed, which the load has to add."""
    half = count // 2
    (folder / "a.csv.gz").write_bytes(gzip.compress(HEADER.encode() + expected(half).removesuffix(b"\n")))
    (folder / "b.csv.gz").write_bytes(gzip.compress(HEADER.encode() + expected(count - half, half)))
    return "*.csv.gz"


def _semicolons(folder: Path, count: int) -> str:
    lines = ["id;text\n", *(line.decode().replace(",", ";", 1) for line in _lines(count))]
    (folder / "a.csv").write_text("".join(lines), "utf-8", newline="")
    return "a.csv"


def _parquet(folder: Path, count: int) -> str:
    pyarrow.parquet.write_table(table(count), folder / "a.parquet", row_group_size=100)
    return "a.parquet"


def _parquets(folder: Path, count: int) -> str:
    half = count // 2
    pyarrow.parquet.write_table(table(half), folder / "a.parquet", row_group_size=70)
    pyarrow.parquet.write_table(table(count - half, half), folder / "b.parquet", row_group_size=130)
    return "*.parquet"


def _parquet_folder(folder: Path, count: int) -> str:
    (folder / "table").mkdir()
    _parquets(folder / "table", count)
    return "table"


def _arrow(folder: Path, count: int) -> str:
    with pyarrow.ipc.new_file(folder / "a.arrow", table(0).schema) as writer:
        writer.write_table(table(count), max_chunksize=100)
    return "a.arrow"


def _orc(folder: Path, count: int) -> str:
    pyarrow.orc.write_table(table(count), folder / "a.orc")
    return "a.orc"


def _json_lines(folder: Path, count: int) -> str:
    lines = (orjson.dumps({"id": n, "text": text_of(n)}) + b"\n" for n in range(count))
    (folder / "a.jsonl").write_bytes(b"".join(lines))
    return "a.jsonl"


def _excel(folder: Path, count: int) -> str:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("rows")
    sheet.append(["id", "text"])
    for n in range(count):
        sheet.append([n, text_of(n)])
    book.save(folder / "a.xlsx")
    return "a.xlsx"


def _zip(folder: Path, count: int) -> str:
    half = count // 2
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", HEADER.encode() + expected(half))
        archive.writestr("b.csv", HEADER.encode() + expected(count - half, half))
    (folder / "a.zip").write_bytes(made.getvalue())
    return "a.zip"


def _utf16(folder: Path, count: int) -> str:
    text = HEADER + expected(count).decode()
    (folder / "a.csv.bz2").write_bytes(bz2.compress(text.encode("utf-16")))
    return "a.csv.bz2"


MAKERS: dict[str, Make] = {
    "gzip": _gzip,
    "two gzips": _two_gzips,
    "semicolons": _semicolons,
    "utf-16 in bzip2": _utf16,
    "parquet": _parquet,
    "parquet files": _parquets,
    "parquet folder": _parquet_folder,
    "arrow": _arrow,
    "orc": _orc,
    "json lines": _json_lines,
    "excel": _excel,
    "zip": _zip,
}
"""What writes a source with so many rows into a folder, and returns what names it there."""
