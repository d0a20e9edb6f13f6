"""How the columns of a source fit those of a dataset that exists. Everything here is pure.

Columns belong together by their names, as in `columns.py`; where a source has no names, by their order.

Whether a type fits is asked of the sampled values where the source is text, since that is sent as it is: a column of
`12` and `7` fits LONG, DECIMAL, DOUBLE and STRING, one of `007` all these too, whatever type a new dataset would get.
Where the source has types of its own, they fit without a change:

    LONG      LONG, DECIMAL, DOUBLE, STRING
    DECIMAL   DECIMAL, STRING
    DOUBLE    DOUBLE, STRING
    DATE      DATE, DATETIME, STRING
    DATETIME  DATETIME, STRING
    STRING    STRING

A sampled whole number beyond 2^53 doesn't fit DOUBLE, which might round it; a LONG that is known by its type alone
does, since a dataset whose column is DOUBLE was made for that. A column with no values fits everything.

What an evolved dataset gets: columns that it lacks, at its end; types that hold old and new values, LONG to DECIMAL,
DATE to DATETIME, anything to STRING; and null in those of its columns that the source lacks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import zip_longest
from typing import TYPE_CHECKING

from bulkstream.model import Column, ColumnType
from bulkstream.sources.layout import Layout, Slot
from bulkstream.sources.matching.pairing import paired

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkstream.sources.infer import Inferred
    from bulkstream.sources.matching.columns import Chosen

_TAKES = {
    ColumnType.LONG: {ColumnType.LONG, ColumnType.DECIMAL, ColumnType.DOUBLE, ColumnType.STRING},
    ColumnType.DECIMAL: {ColumnType.DECIMAL, ColumnType.STRING},
    ColumnType.DOUBLE: {ColumnType.DOUBLE, ColumnType.STRING},
    ColumnType.DATE: {ColumnType.DATE, ColumnType.DATETIME, ColumnType.STRING},
    ColumnType.DATETIME: {ColumnType.DATETIME, ColumnType.STRING},
    ColumnType.STRING: {ColumnType.STRING},
}
_WIDER: dict[ColumnType, tuple[ColumnType, ...]] = {
    ColumnType.LONG: (ColumnType.DECIMAL,),
    ColumnType.DATE: (ColumnType.DATETIME,),
}
"""What a type may become before it becomes STRING, with no value that it holds changed."""


class Difference(StrEnum):
    """How a column of source and dataset differ."""

    NEW = "new"
    """The dataset lacks it."""
    WIDER = "wider"
    """The dataset's type can't hold the source's values; another can."""
    MISSING = "missing"
    """The source lacks it."""
    UNNAMED = "unnamed"
    """The source has more or fewer columns, and no names that tell which."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A column that differs.

    Attributes:
        theirs: The dataset's column, None if it has none.
        ours: The source's, None if it has none.
        example: A value that shows it, empty if there is none to show.
        evolved: What the dataset's column would become.
    """

    difference: Difference
    theirs: Column | None
    ours: Inferred | None
    example: str = ""
    evolved: Column | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """How a source fits a dataset.

    Attributes:
        layout: What fills which column of the dataset, evolved as the findings ask for.
        findings: What differs, the dataset's columns in their order, then the source's; empty if all fits.
    """

    layout: Layout
    findings: tuple[Finding, ...]

    @property
    def fits(self) -> bool:
        """Whether the dataset can take the source as it is."""
        return not self.findings

    @property
    def evolvable(self) -> bool:
        """Whether the dataset can be changed so that it takes the source."""
        return all(each.difference is not Difference.UNNAMED for each in self.findings)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The dataset's columns once it is evolved."""
        return tuple(slot.column for slot in self.layout)

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the dataset's columns that the source lacks."""
        return tuple(slot.column.name for slot in self.layout if slot.source is None)

    @property
    def changes_dataset(self) -> bool:
        """Whether the dataset has to be changed: a column that the source lacks alone changes nothing."""
        return any(each.evolved for each in self.findings)

    @property
    def told(self) -> tuple[str, ...]:
        """What evolving does, one sentence each."""
        return tuple(map(_told, self.findings))


def matched(ours: Sequence[Chosen], theirs: Sequence[Column], *, by_name: bool) -> Match:
    """Decide how the columns of a source fit those of a dataset.

    Raises:
        SchemaError: It can't be told by their names which column is which.
    """
    if not by_name:
        return _by_order(ours, theirs)
    mapping = paired([each.name for each in ours], [column.name for column in theirs])
    pairs = [(column, None if at is None else ours[at]) for column, at in zip(theirs, mapping.sources, strict=True)]
    slots, findings = _compared(pairs)
    for each in (ours[at] for at in mapping.extra):
        slots.append(Slot(each.inferred.column, each.source))
        findings.append(Finding(Difference.NEW, None, each.inferred, evolved=each.inferred.column))
    return Match(tuple(slots), tuple(findings))


def layout_of(ours: Sequence[Chosen]) -> Layout:
    """Return the layout of a dataset that is made for a source."""
    return tuple(Slot(each.inferred.column, each.source) for each in ours)


def as_it_is(layout: Layout, fields: int) -> bool:
    """Whether a layout changes nothing about records of so many fields, so that their bytes can be sent."""
    return [slot.source for slot in layout] == list(range(fields))


def unfit_value(ours: Inferred, kind: ColumnType) -> str | None:
    """Return what shows that a type can't hold a column, perhaps nothing but an empty text; None if it can."""
    if kind is ColumnType.STRING:
        return None
    if ours.misfits is not None:
        return ours.misfits.get(kind)
    return None if kind in _TAKES[ours.column.type] else ""


def _by_order(ours: Sequence[Chosen], theirs: Sequence[Column]) -> Match:
    slots, findings = _compared(list(zip(theirs, ours, strict=False)))
    for column, each in zip_longest(theirs[len(ours) :], ours[len(theirs) :]):
        slots += [Slot(column, None)] if column else []
        findings.append(Finding(Difference.UNNAMED, column, each.inferred if each else None))
    return Match(tuple(slots), tuple(findings))


def _compared(pairs: Sequence[tuple[Column, Chosen | None]]) -> tuple[list[Slot], list[Finding]]:
    slots, findings = list[Slot](), list[Finding]()
    for column, each in pairs:
        if each is None:
            slots.append(Slot(column, None))
            findings.append(Finding(Difference.MISSING, column, None))
            continue
        held = replace(column, type=_holding(column.type, each.inferred))
        slots.append(Slot(held, each.source))
        if held != column:
            example = unfit_value(each.inferred, column.type) or ""
            findings.append(Finding(Difference.WIDER, column, each.inferred, example, held))
    return slots, findings


def _holding(kind: ColumnType, ours: Inferred) -> ColumnType:
    """Return the narrowest type that holds all of a column of this type, and ours."""
    kinds = (kind, *_WIDER.get(kind, ()))
    return next((each for each in kinds if unfit_value(ours, each) is None), ColumnType.STRING)


def _told(finding: Finding) -> str:
    match finding:
        case Finding(Difference.NEW, evolved=Column(name, kind)):
            return f"column {name!r} is added, {kind}; rows that are there have no value in it"
        case Finding(Difference.WIDER, theirs=Column(name, kind), evolved=Column(type=wider)):
            shown = f", to hold {finding.example!r}" if finding.example else ""
            return f"column {name!r} becomes {wider} instead of {kind}{shown}"
        case Finding(Difference.MISSING, theirs=Column(name)):
            return f"column {name!r} is not in the source, and stays empty"
        case _:
            return "columns without names can't be added"
