"""Does a file begin with a header, and do files and stream agree on their columns?

Without a header setting, and where the stream's columns are known, the first record is a header if it repeats their
names in their order; case and surrounding blanks don't count. If it does not, but could be one and could not be
data (a column that is no STRING holds no value of its type), nothing is guessed: that is an error.

Where no columns are known, the first record is a header if all its fields are filled, no two are alike and none
reads as a number, a date or a time. A table of nothing but text can't be told from its header by anything else, and
files are far more often written with a header than without; what was decided is said in the report of the load.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bulkstream.errors import HeaderMismatch, SchemaError, SourceError
from bulkstream.model import Column, ColumnType, HeaderMode
from bulkstream.sources.infer import kind_of

Fields = Sequence[str]


@dataclass(frozen=True, slots=True)
class HeaderDecision:
    """Whether the files begin with a header, and in one sentence why that is believed."""

    present: bool
    reason: str


def parse_record(raw: bytes) -> list[str]:
    """Split one CSV record, without its line end, into fields.

    Raises:
        SourceError: It is not UTF-8, or not CSV by RFC 4180.
    """
    try:
        text = raw.decode("utf-8")
        return next(csv.reader(io.StringIO(text, newline=""), strict=True), [])
    except UnicodeDecodeError as error:
        raise SourceError(f"the first record is not UTF-8: {error.reason} at byte {error.start}") from None
    except csv.Error as error:
        raise SourceError(f"the first record is not CSV: {error}") from None


def looks_like_header(first: Fields) -> bool:
    """Whether a record could be a header: filled, distinct fields, none of which reads as a number or a time."""
    names = {_name(field) for field in first}
    return (
        bool(first)
        and "" not in names
        and len(names) == len(first)
        and all(kind_of(field.strip()) is ColumnType.STRING for field in first)
    )


def decide_header(mode: HeaderMode, first: Fields, expected: Sequence[Column] | None) -> HeaderDecision:
    """Decide from the first record of the first file.

    Args:
        mode: What the user said.
        first: Its fields; empty if there is no record at all.
        expected: The columns that the files must have, where they are known.

    Raises:
        HeaderMismatch: The number, order or types of the fields are not those of the expected columns.
    """
    if not first:
        return HeaderDecision(present=False, reason="the source is empty")
    if expected:
        return _against(mode, first, expected)
    match mode:
        case HeaderMode.YES:
            return HeaderDecision(present=True, reason="the first record is a header, as told")
        case HeaderMode.NO:
            return HeaderDecision(present=False, reason="no header, as told")
        case HeaderMode.AUTO:
            if looks_like_header(first):
                return HeaderDecision(present=True, reason="the first record is a header: distinct names, no values")
            return HeaderDecision(present=False, reason="no header: the first record holds values, or not only names")


def check_same_header(decision: HeaderDecision, firsts: Sequence[tuple[str, Fields]]) -> None:
    """Check that all files agree: on their header if they have one, else on their number of fields.

    Args:
        decision: What holds for all files.
        firsts: Path and first record of each file that is not empty.

    Raises:
        HeaderMismatch: Two files differ; both are named.
    """
    for path, fields in firsts[1:]:
        model_path, model = firsts[0]
        if decision.present and list(fields) != list(model):
            raise HeaderMismatch(
                f"{path} has other columns than {model_path}: {_difference(model, fields)}",
                hint="Files that are loaded together need the same header.",
            )
        if len(fields) != len(model):
            raise HeaderMismatch(f"{path} has {len(fields)} fields in its first record, {model_path} has {len(model)}")


def column_names(decision: HeaderDecision, first: Fields) -> list[str]:
    """Return the names of a new dataset's columns: the header's, or `Column 1` and so on.

    Raises:
        SchemaError: A name in the header is empty, or stands there twice.
    """
    if not decision.present:
        return [f"Column {number}" for number in range(1, len(first) + 1)]
    names = [field.strip() for field in first]
    wrong = [f"column {number} has no name" for number, name in enumerate(names, 1) if not name]
    wrong += sorted({f"{name!r} stands there twice" for name in names if name and names.count(name) > 1})
    if wrong:
        raise SchemaError("the header can't name columns: " + ", ".join(wrong), hint="Name the columns with --schema.")
    return names


def _against(mode: HeaderMode, first: Fields, expected: Sequence[Column]) -> HeaderDecision:
    """Decide where the columns are known."""
    if len(first) != len(expected):
        raise HeaderMismatch(f"the files have {len(first)} fields, the dataset has {len(expected)} columns")
    names, wanted = [_name(field) for field in first], [_name(column.name) for column in expected]
    if mode is HeaderMode.NO:
        return HeaderDecision(present=False, reason="no header, as told")
    if names == wanted:
        return HeaderDecision(present=True, reason="the first record is a header: the names of the dataset's columns")
    difference = _difference([column.name for column in expected], first)
    if sorted(names) == sorted(wanted):
        raise HeaderMismatch(
            f"the files have the dataset's columns in another order: {difference}",
            hint="Write the columns in the dataset's order.",
        )
    if mode is HeaderMode.YES:
        return HeaderDecision(present=True, reason="the first record is a header, as told; its names are others")
    if looks_like_header(first) and any(column.type is not ColumnType.STRING for column in expected):
        raise HeaderMismatch(
            f"the first record is neither the dataset's columns nor data: {difference}",
            hint="Say --header yes if it is a header nevertheless, --header no if it is data.",
        )
    return HeaderDecision(present=False, reason="no header: the first record is not the names of the dataset's columns")


def _name(field: str) -> str:
    return field.strip().casefold()


def _difference(ours: Iterable[str], theirs: Fields) -> str:
    """Say where two lists of names differ first."""
    ours = list(ours)
    if sorted(ours) == sorted(theirs):
        position = next(n for n, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b)
        return f"column {position + 1} is {theirs[position]!r} instead of {ours[position]!r}"
    missing = [name for name in ours if name not in theirs]
    extra = [name for name in theirs if name not in ours]
    told = [
        f"{word} {', '.join(map(repr, names[:5]))}" for word, names in (("missing", missing), ("new", extra)) if names
    ]
    return "; ".join(told) or f"{len(theirs)} columns instead of {len(ours)}"
