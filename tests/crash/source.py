"""What is loaded: files that are easily cut in the wrong place."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet

if TYPE_CHECKING:
    import random
    from pathlib import Path

    Row = tuple[int, str]
    """A number, and a text whose quotes are doubled."""

PART_BYTES = 1024
HEADER = "id,text\n"
COLUMNS = [{"type": "LONG", "name": "id"}, {"type": "STRING", "name": "text"}]
BASE = b"0,there before\n"
"""Rows that the dataset holds before the load."""

KINDS = {"CSV": "*.csv", "gzip": "*.csv.gz", "Parquet": "*.parquet"}
"""Patterns of the files of each kind; all kinds hold the same rows."""

TEXTS = ("plain", 'a ""quote""', "a, comma", "a\nline break", "two\r\nof them\n", "\u00e4\u00f6\u00fc \u20ac", "")


def write_files(folder: Path, draw: random.Random, parts: int) -> bytes:
    """Write three files of each kind, of at least so many parts together; return the rows that the dataset is to have.

    The second file of text ends without a line feed, which the load has to add.
    """
    drawn = [_rows(draw, parts * PART_BYTES // 3 + 1) for _ in range(3)]
    for name, rows in zip("abc", drawn, strict=True):
        text = HEADER + _text(rows)
        data = (text.removesuffix("\n") if name == "b" else text).encode()
        (folder / f"{name}.csv").write_bytes(data)
        (folder / f"{name}.csv.gz").write_bytes(gzip.compress(data))
        _write_parquet(folder / f"{name}.parquet", rows)
    return "".join(map(_text, drawn)).encode()


def _rows(draw: random.Random, size: int) -> list[Row]:
    rows: list[Row] = []
    written = 0
    while written < size:
        text = " ".join(draw.choices(TEXTS, k=draw.randint(1, 12)))
        rows.append((draw.randrange(10**9), text))
        written += len(_text(rows[-1:]))
    return rows


def _text(rows: list[Row]) -> str:
    return "".join(f'{number},"{text}"\n' for number, text in rows)


def _write_parquet(path: Path, rows: list[Row]) -> None:
    numbers, texts = zip(*rows, strict=True)
    columns = [pa.array(numbers, pa.int64()), pa.array([text.replace('""', '"') for text in texts], pa.string())]
    pyarrow.parquet.write_table(pa.table(columns, ["id", "text"]), path, row_group_size=100)
