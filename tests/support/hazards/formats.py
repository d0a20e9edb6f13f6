"""All formats, and where they can't carry a hazard as it is."""

from __future__ import annotations

from tests.support.hazards import columnar, databases, records, texts
from tests.support.hazards.made import Exceptional, Limited, Refused
from tests.support.hazards.tables import EMPTY, LONG_TEXT, NULLS, NUMBERS, UNICODE

AGAIN = "then no rows, then nulls"
"""Heads the column of loads into the dataset that was made for one row."""

FORMATS = (*texts.FORMATS, *columnar.FORMATS, *records.FORMATS, *databases.FORMATS)

_NO_COLUMNS = Refused("no columns", "the source is empty, so it shows no columns")

_NO_ROW = Refused("no row", "the iterable is empty")

EXCEPTIONS: dict[tuple[str, str], Exceptional] = {
    (texts.CP1252, UNICODE.name): Limited("of the characters it has"),
    ("ORC", NUMBERS.name): Limited("without 64-bit numbers without sign, and moments that pyarrow can't read"),
    ("pandas frame", NULLS.name): Limited("integers are doubles, as pandas has them"),
    ("pandas frame", EMPTY.name): Limited("dates and decimals are text, as pandas has no type for them"),
    ("JSON Lines", EMPTY.name): _NO_COLUMNS,
    ("JSON Lines, gz", EMPTY.name): _NO_COLUMNS,
    ("Excel", NULLS.name): Limited("empty text is null"),
    ("Excel", UNICODE.name): Limited("without control characters"),
    ("Excel", NUMBERS.name): Limited("within 2^53, from 1900 on"),
    ("Excel", LONG_TEXT.name): Limited("32,767 characters, a cell's most"),
    ("SQLite query", NUMBERS.name): Limited("what passes 64 bits, and decimals, as text"),
    ("iterable of dicts", EMPTY.name): _NO_ROW,
    ("iterable of dicts", AGAIN): _NO_ROW,
    ("pandas frame", AGAIN): Refused(
        "integers are doubles", "don't fit:\n  column  dataset  source  value\n  id      LONG     DOUBLE"
    ),
    ("PostgreSQL query", UNICODE.name): Limited("without NUL"),
}
"""Cells that are no plain success."""
