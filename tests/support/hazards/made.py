"""What is made of a hazard, and what a cell that is no plain success says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bulkstream.model import ColumnType
from tests.support.hazards.tables import Hazard

TYPES = {
    "long": ColumnType.LONG,
    "big": ColumnType.DECIMAL,
    "decimal": ColumnType.DECIMAL,
    "double": ColumnType.DOUBLE,
    "bool": ColumnType.STRING,
    "date": ColumnType.DATE,
    "moment": ColumnType.DATETIME,
    "text": ColumnType.STRING,
}
"""What each kind of column becomes, unless a format says otherwise."""


@dataclass(frozen=True)
class Made:
    """A source of one format.

    Attributes:
        source: What is given to `upload`.
        names: Of the columns, as the format's own reader gives them.
        rows: As the same gives them: Python's values, or scalars of Arrow.
        types: Of the dataset's columns.
        options: For `upload`.
    """

    source: Any
    names: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    types: tuple[ColumnType, ...]
    options: dict[str, Any] = field(default_factory=dict)


Make = Callable[[Hazard, Path], Made]


@dataclass(frozen=True)
class Format:
    """A row of the matrix: a name, and what makes a source of a hazard in a folder of its own."""

    name: str
    make: Make


def types_of(hazard: Hazard, **others: ColumnType) -> tuple[ColumnType, ...]:
    """Return the types that a hazard's columns become."""
    return tuple((TYPES | others)[column.kind] for column in hazard.columns)


@dataclass(frozen=True)
class Limited:
    """The format can't hold all of the hazard; it was loaded with what it can hold."""

    why: str


@dataclass(frozen=True)
class Refused:
    """The load is refused, before anything is sent, with an error that says why."""

    why: str
    error: str


Exceptional = Limited | Refused
