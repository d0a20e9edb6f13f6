"""What doesn't fit between a source and a dataset, as a table for people, and as an error."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bulkstream.errors import SchemaError
from bulkstream.sources.matching.match import Difference

if TYPE_CHECKING:
    from bulkstream.sources.matching.match import Finding, Match

_MOST_ROWS = 20
_WIDTH = 32


class Row(NamedTuple):
    """A line of the table.

    Attributes:
        column: Its name.
        theirs: The dataset's type, or that it has none.
        ours: The source's.
        value: One that shows it, or empty.
    """

    column: str
    theirs: str
    ours: str
    value: str


_HEAD = Row("column", "dataset", "source", "value")
_NONE = "-"


def conflict_table(match: Match) -> tuple[Row, ...]:
    """Return a row for each column that differs."""
    return tuple(map(_row, match.findings))


def conflict_error(match: Match, dataset: str) -> SchemaError:
    """Return the error that tells what doesn't fit a dataset of this name, and what helps."""
    count = len(match.findings)
    what = f"{count} column{'s' if count > 1 else ''} of the source and of dataset {dataset!r} don't fit"
    return SchemaError(f"{what}:\n{as_text(conflict_table(match))}", hint=_hint(match))


def as_text(rows: tuple[Row, ...]) -> str:
    """Return rows with a head, aligned, with two blanks in front of each line."""
    shown = [Row(*map(_shown, row)) for row in rows[:_MOST_ROWS]]
    widths = [max(map(len, cells)) for cells in zip(_HEAD, *shown, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (_HEAD, *shown)]
    more = [f"and {len(rows) - _MOST_ROWS} more"] if len(rows) > _MOST_ROWS else []
    return "\n".join(f"  {line}".rstrip() for line in (*lines, *more))


def _row(finding: Finding) -> Row:
    column = finding.theirs or (finding.ours and finding.ours.column)
    theirs = str(finding.theirs.type) if finding.theirs else _NONE
    ours = str(finding.ours.column.type) if finding.ours else _NONE
    return Row(column.name if column else _NONE, theirs, ours, repr(finding.example) if finding.example else "")


def _shown(cell: str) -> str:
    """Return a cell in printable characters, so that a name can't break the table, and no longer than it may be."""
    plain = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in cell)
    return plain if len(plain) <= _WIDTH else plain[: _WIDTH - 1] + "…"


def _hint(match: Match) -> str:
    differences = {each.difference for each in match.findings}
    if Difference.UNNAMED in differences:
        return "The source has no column names: write a header, or name the columns with --columns NEW=NAME."
    advice = ["--evolve " + " and ".join(_evolving(differences))]
    if Difference.NEW in differences:
        advice.append("--columns leaves columns out")
    if {Difference.NEW, Difference.MISSING} <= differences:
        advice.append("--columns NEW=NAME gives them the dataset's names")
    return "; ".join(advice) + "."


def _evolving(differences: set[Difference]) -> list[str]:
    told = {
        Difference.NEW: "adds columns to the dataset",
        Difference.WIDER: "changes the dataset's types",
        Difference.MISSING: "leaves columns empty that the source lacks",
    }
    return [told[each] for each in told if each in differences]
