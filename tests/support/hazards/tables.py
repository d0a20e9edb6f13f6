"""The tables that formats must carry, each hard in one way."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

ARROW = {
    "long": pa.int64(),
    "big": pa.uint64(),
    "decimal": pa.decimal128(38, 10),
    "double": pa.float64(),
    "bool": pa.bool_(),
    "date": pa.date32(),
    "moment": pa.timestamp("us"),
    "text": pa.string(),
}
"""Kinds of columns, and the type of Arrow that each has."""


@dataclass(frozen=True)
class Column:
    """A column: its name, its kind, its values."""

    name: str
    kind: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Hazard:
    """A table that is hard in one way.

    Attributes:
        name: What is hard about it; heads a column of the matrix.
    """

    name: str
    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns."""
        return tuple(column.name for column in self.columns)

    @property
    def rows(self) -> list[tuple[Any, ...]]:
        """All values."""
        return list(zip(*(column.values for column in self.columns), strict=True))

    @property
    def arrow(self) -> pa.Table:
        """The same for Arrow."""
        arrays = [pa.array(column.values, ARROW[column.kind]) for column in self.columns]
        return pa.table(arrays, names=list(self.names))

    def without(self, *kinds: str) -> Hazard:
        """Leave columns out that a format has no type for."""
        return Hazard(self.name, tuple(each for each in self.columns if each.kind not in kinds))

    def only(self, keep: Any) -> Hazard:
        """Leave rows out that hold a value which a format has none for."""
        chosen = [n for n, row in enumerate(self.rows) if all(map(keep, row))]
        return Hazard(
            self.name, tuple(Column(c.name, c.kind, tuple(c.values[n] for n in chosen)) for c in self.columns)
        )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


_ONE = (
    Column("id", "long", (1,)),
    Column("amount", "decimal", (Decimal("-12.5000000000"),)),
    Column("ratio", "double", (2.5e-10,)),
    Column("ok", "bool", (True,)),
    Column("day", "date", (date(2024, 2, 29),)),
    Column("at", "moment", (_moment("2024-02-29 13:14:15.123456"),)),
    Column("text", "text", ("one",)),
)
_UNICODE = (
    "Grüße, Žluťoučký kůň",
    "日本語\N{IDEOGRAPHIC SPACE}漢字",
    "\N{WOMAN}\N{ZERO WIDTH JOINER}\N{PERSONAL COMPUTER} \N{REGIONAL INDICATOR SYMBOL LETTER D}",
    "e\N{COMBINING ACUTE ACCENT} is not \N{LATIN SMALL LETTER E WITH ACUTE}",
    "\N{RIGHT-TO-LEFT OVERRIDE}שלום عليكم\N{POP DIRECTIONAL FORMATTING}",
    "line\N{LINE SEPARATOR}paragraph\N{PARAGRAPH SEPARATOR}next\N{NEXT LINE}end",
    "\N{ZERO WIDTH NO-BREAK SPACE}mark first",
    "\U0010fffd last plane",
    "\N{NO-BREAK SPACE}blank\N{EM SPACE}",
    "x\x00y",
    "x\x07\x1b\x7fy",
    "plain",
)
_QUOTES = (
    *(
        '"',
        '""',
        'a "b" c',
        ",",
        "a,b",
        "x\ny",
        "x\r\ny",
        "x\ry",
        "\n",
        "\r",
        "\r\n",
        " before",
        "behind ",
        "it's",
        "'q'",
    ),
    *(
        "\\",
        "\\N",
        'a\\"b',
        "\\\\",
        "a;b",
        "a\tb",
        "a|b",
        "NULL",
        "null",
        "#x",
        "=1+1",
        "-",
        '"a","b"\n',
        "007",
        "true",
    ),
)

EMPTY = Hazard("no rows", tuple(Column(each.name, each.kind, ()) for each in _ONE))
ONE_ROW = Hazard("one row", _ONE)
NULLS = Hazard(
    "nulls",
    (
        *(Column(each.name, each.kind, (each.values[0], None, None, each.values[0])) for each in _ONE[:-1]),
        Column("nothing", "text", (None, None, None, None)),
        Column("text", "text", ("", None, "", "x")),
    ),
)
ONE_COLUMN = Hazard("nulls alone", (Column("text", "text", (None, "a", None, None, "b", None)),))
UNICODE = Hazard(
    "Unicode", (Column("größe", "long", tuple(range(len(_UNICODE)))), Column("名前 \N{BUS}", "text", _UNICODE))
)
QUOTES = Hazard(
    "quotes, line breaks",
    (
        Column("id", "long", tuple(range(len(_QUOTES)))),
        Column('say "x", y', "text", _QUOTES),
        Column("two\nlines", "text", tuple(reversed(_QUOTES))),
    ),
)
NUMBERS = Hazard(
    "extreme values",
    (
        Column("long", "long", (2**63 - 1, -(2**63), 0)),
        Column("big", "big", (2**64 - 1, 0, 2**63)),
        Column("decimal", "decimal", (Decimal("9" * 28 + "." + "9" * 10), Decimal("-1e-10"), Decimal("0.0000000000"))),
        Column("double", "double", (1.7976931348623157e308, 5e-324, -1.2345678901234567e-200)),
        Column("date", "date", (date(1, 1, 1), date(9999, 12, 31), date(2000, 2, 29))),
        Column(
            "moment",
            "moment",
            tuple(map(_moment, ("0001-01-01", "9999-12-31T23:59:59.999999", "1969-12-31T23:59:59.5"))),
        ),
    ),
)
WIDE = Hazard(
    "1,000 columns",
    tuple(
        Column(f"c{n:04}", "text" if n % 2 else "long", (f"{n}, a", None) if n % 2 else (n, -n)) for n in range(1000)
    ),
)
LONG_TEXT = Hazard(
    "1 MB in a field", (Column("id", "long", (1, 2, 3)), Column("text", "text", ("a", 'ü"x",\n' * 150_000, "b")))
)

NOTHING = Hazard("nothing but nulls", tuple(Column(each.name, each.kind, (None, None)) for each in _ONE))
"""What a dataset that was made for one row must take as well."""

HAZARDS = (EMPTY, ONE_ROW, NULLS, ONE_COLUMN, UNICODE, QUOTES, NUMBERS, WIDE, LONG_TEXT)
"""The columns of the matrix, in its order."""
