"""Does a file begin with a header, and do files and stream agree on their columns?

Without a header setting, and where the stream's columns are known, the first record is a header if it repeats their
names in their order; case and surrounding blanks don't count. If it does not, but could be one and could not be
data (a column that is no STRING holds no value of its type), nothing is guessed: that is an error.

Where no columns are known, the first record is a header if all its fields are filled, no two are alike and none
reads as a value: a number, a date, a time, anything with a digit and no letter (`007`, `1,000`, `23.11.2026`, `5 %`),
or a word that stands for a value, such as `true`, `NaN` and `null`. A table of nothing but text can't be told from
its header by anything else, and files are far more often written with a header than without; what was decided is
said in the report of the load. A first record that is none by this rule, but has a text above a column of numbers or
dates, is an error: that is how a header looks that has a name twice, a year among its names, or none for an index.

What was decided from the first file holds for all. A file that would have been judged otherwise is an error, unless
the user has said what is true.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bulkstream.errors import HeaderMismatch, SchemaError, SourceError
from bulkstream.model import Column, ColumnType, HeaderMode
from bulkstream.sources.infer import Inferred, infer, kind_of
from bulkstream.sources.matching.names import folded

Fields = Sequence[str]

_FIELD = re.compile(r'(?:"((?:[^"]++|"")*+)"|((?:[^",\r\n][^,\r\n]*+)?))(,|\Z)')
_LETTER = re.compile(r"[^\W\d]")
_DIGIT = re.compile(r"\d")
_MOST_NAMES = 5
_VALUE_WORDS = frozenset({"true", "false", "nan", "inf", "infinity", "null", "none", "n/a", "\\n"})


@dataclass(frozen=True, slots=True)
class HeaderDecision:
    """Whether the files begin with a header, and in one sentence why that is believed.

    Attributes:
        told: The user has said so.
        expected: Columns by which the other files are judged, where they are known.
        by_name: The header names the dataset's columns, but not all of them, others too, or in another order.
    """

    present: bool
    reason: str
    told: bool = False
    expected: tuple[Column, ...] = ()
    by_name: bool = False


def parse_record(raw: bytes) -> list[str]:
    """Split one CSV record, without its line end, into fields.

    The `csv` module reads alike, but takes an empty line for no record instead of one empty field, refuses a field
    beyond 128 KiB unless a limit of the whole process is raised, and would pass over what stands behind a line break
    outside quotes: all of a file whose lines end in CR alone.

    Raises:
        SourceError: It is not UTF-8, or not one record by RFC 4180, or ends in CR.
    """
    try:
        fields = _split(raw.decode("utf-8").removesuffix("\r"))
    except UnicodeDecodeError as error:
        raise SourceError(f"the first record is not UTF-8: {error.reason} at byte {error.start}") from None
    check_line_end(raw)
    return fields


def check_line_end(first: bytes) -> None:
    """Refuse lines that end in CR CR LF, a slip on Windows: each last value would end in CR, and be text.

    Raises:
        SourceError: The first record, without its line end, ends in CR.
    """
    if first.endswith(b"\r"):
        raise SourceError("lines end in CR CR LF", hint="Take the CRs out first, for example with: tr -d '\\r'")


def looks_like_header(first: Fields) -> bool:
    """Whether a record could be a header: filled, distinct fields, none of which reads as a value."""
    names = {folded(field) for field in first}
    return bool(first) and "" not in names and len(names) == len(first) and not any(map(_reads_as_value, first))


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
            return HeaderDecision(present=True, reason="the first record is a header, as told", told=True)
        case HeaderMode.NO:
            return HeaderDecision(present=False, reason="no header, as told", told=True)
        case HeaderMode.AUTO:
            if looks_like_header(first):
                return HeaderDecision(present=True, reason="the first record is a header: distinct names, no values")
            return HeaderDecision(present=False, reason="no header: the first record holds values, or not only names")


def check_same_header(decision: HeaderDecision, firsts: Sequence[tuple[str, Fields]]) -> None:
    """Check that all files agree: on their header if they have one, else that none has, and on the number of fields.

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
        if not decision.present and not decision.told and _could_be_header(fields, decision.expected):
            raise HeaderMismatch(
                f"{path} seems to begin with a header ({', '.join(map(repr, fields[:3]))}, …), {model_path} does not",
                hint="Say --header no if that is data; else load files with and without header one by one.",
            )


def check_first_is_data(decision: HeaderDecision, inferred: Sequence[Inferred], records: Sequence[Fields]) -> None:
    """Check that a first record which nobody has said to be data does not look like a header by what is below it.

    Args:
        decision: What was decided by the first record alone.
        inferred: The columns, as all the records show them.
        records: Sampled records, the first one first.

    Raises:
        HeaderMismatch: In some column a name stands above values that are all numbers, or all dates.
    """
    if decision.present or decision.told or decision.expected or len(records) < 2:  # noqa: PLR2004 - one is not below another
        return
    first, below = records[0], records[1:]
    at = [n for n, (each, field) in enumerate(zip(inferred, first, strict=True)) if _hides_type(each, field)]
    if not at:
        return
    rest = infer([first[n] for n in at], ([record[n] for n in at] for record in below))
    if odd := next((each.column for each in rest if each.column.type is not ColumnType.STRING), None):
        raise seeming_header(first, odd.name, odd.type)


def seeming_header(first: Fields, name: str, kind: object, *, place: str = "") -> HeaderMismatch:
    """Say of which name in a first record that values below it show it to be a header, and in which input."""
    return HeaderMismatch(
        f"{place and f'{place}: '}the first record seems to be a header, but is none by the rule ({_why_none(first)}): "
        f"{name!r} stands above values that are {kind}",
        hint="Say --header no if it is data; if it is a header, --header yes, and --schema where it names no columns.",
    )


def could_be_name(field: str) -> bool:
    """Whether a field reads as a name, and not as a value or as its lack."""
    return bool(_LETTER.search(field)) and not _reads_as_value(field)


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
    theirs = [column.name for column in expected]
    names, wanted = [folded(field) for field in first], [folded(name) for name in theirs]
    if mode is not HeaderMode.NO and names == wanted:
        reason = "the first record is a header: the names of the dataset's columns"
        return HeaderDecision(present=True, reason=reason, told=mode is HeaderMode.YES)
    if mode is HeaderMode.YES and _named_but_for_gaps(names, wanted):
        reason = "the first record is a header, as told; columns that it has no name for go by their place"
        return HeaderDecision(present=True, reason=reason, told=True)
    by_name = _is_told_by_name(first, expected) if mode is HeaderMode.YES else names_columns(first, theirs)
    if mode is not HeaderMode.NO and by_name:
        reason = "the first record is a header: it names columns of the dataset"
        return HeaderDecision(present=True, reason=reason, told=mode is HeaderMode.YES, by_name=True)
    if len(first) != len(expected):
        raise HeaderMismatch(
            f"the files have {len(first)} fields, the dataset has {len(expected)} columns",
            hint=_hint(mode, first, expected),
        )
    if mode is HeaderMode.NO:
        return HeaderDecision(present=False, reason="no header, as told", told=True)
    if mode is HeaderMode.YES:
        reason = "the first record is a header, as told; its names are others"
        return HeaderDecision(present=True, reason=reason, told=True)
    if _could_be_header(first, expected):
        difference = _difference([column.name for column in expected], first)
        raise HeaderMismatch(
            f"the first record is neither the dataset's columns nor data: {difference}",
            hint="Say --header yes if it is a header nevertheless, --header no if it is data.",
        )
    reason = "no header: the first record is not the names of the dataset's columns"
    return HeaderDecision(present=False, reason=reason, expected=tuple(expected))


def names_columns(first: Fields, theirs: Sequence[str]) -> bool:
    """Whether a first record is a header that names a dataset's columns: all of them, in any order, or most of them.

    If there are others or not all of them, it must look like a header, and name all or be at least half the dataset's.
    """
    names, wanted = [folded(name) for name in first], {folded(name) for name in theirs}
    if sorted(names) == sorted(map(folded, theirs)):
        return True
    known = sum(name in wanted for name in names)
    return looks_like_header(first) and (2 * known >= len(names) or wanted <= {*names})


def _hint(mode: HeaderMode, first: Fields, expected: Sequence[Column]) -> str:
    """Say what may help where a first record has another number of fields than the dataset has columns."""
    if list(first) == [""]:
        return "The first line is empty; remove it."
    if mode is HeaderMode.AUTO and looks_like_header(first) and _is_told_by_name(first, expected):
        return "If the first record is a header, say --header yes: then columns are matched by their names."
    return ""


def _is_told_by_name(first: Fields, expected: Sequence[Column]) -> bool:
    """Whether of what is said to be a header a name is the dataset's; if none is, its order counts."""
    return not {folded(column.name) for column in expected}.isdisjoint(map(folded, first))


def _named_but_for_gaps(names: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether names are those wanted, in their order, but for those that are empty or not a single column's."""
    pairs = list(zip(names, wanted, strict=False))
    same = all(name == want for name, want in pairs if name and names.count(name) == 1)
    return same and len(names) == len(wanted) and len({*names} - {""}) < len(names)


def _could_be_header(fields: Fields, expected: Sequence[Column]) -> bool:
    """Whether a record repeats the expected names, or looks like a header and can't be data of those columns."""
    if expected and [folded(field) for field in fields] == [folded(column.name) for column in expected]:
        return True
    only_text = bool(expected) and all(column.type is ColumnType.STRING for column in expected)
    return looks_like_header(fields) and not only_text


def _split(text: str) -> list[str]:
    """Split a record, in time linear in its length."""
    fields: list[str] = []
    at, more = 0, True
    while more:
        match = _FIELD.match(text, at)
        if match is None:
            raise SourceError(f"the first record is not CSV: field {len(fields) + 1} {_fault(text[at : at + 1])}")
        fields.append(match[2] if match[1] is None else match[1].replace('""', '"'))
        at, more = match.end(), match[3] == ","
    return fields


def _fault(opening: str) -> str:
    if opening == '"':
        return "has text behind its closing quote, or none closes it"
    return "has a line break outside quotes; perhaps lines end in CR alone, or a quote is missing"


def _reads_as_value(field: str) -> bool:
    """Whether a field is rather a value than a name."""
    value = field.strip()
    if _DIGIT.search(value) and not _LETTER.search(value):
        return True
    return kind_of(value) is not ColumnType.STRING or value.lstrip("+-").casefold() in _VALUE_WORDS


def _hides_type(column: Inferred, field: str) -> bool:
    """Whether a column may be a STRING only because of its first field, which could be a name."""
    return column.column.type is ColumnType.STRING and could_be_name(field)


def _why_none(first: Fields) -> str:
    """Say why a record does not look like a header."""
    for number, field in enumerate(first, 1):
        if not field.strip():
            return f"field {number} is empty"
        if _reads_as_value(field):
            return f"field {number}, {field!r}, reads as a value"
    names = [folded(field) for field in first]
    twice = next((field for field in first if names.count(folded(field)) > 1), "")
    return f"{twice!r} stands there twice"


def _difference(ours: Fields, theirs: Fields) -> str:
    """Say how two lists of names differ, and only the first place if it is by their order or their case."""
    a, b = [folded(field) for field in ours], [folded(field) for field in theirs]
    if sorted(a) == sorted(b):
        pairs = zip(a, b, strict=True) if a != b else zip(ours, theirs, strict=True)
        at = next(n for n, (x, y) in enumerate(pairs) if x != y)
        return f"column {at + 1} is {theirs[at]!r} instead of {ours[at]!r}"
    missing, extra = _absent(ours, set(b)), _absent(theirs, set(a))
    told = [f"{word} {names}" for word, names in (("missing", missing), ("new", extra)) if names]
    return "; ".join(told) or f"{len(theirs)} columns instead of {len(ours)}"


def _absent(fields: Fields, names: set[str]) -> str:
    absent = [field for field in fields if folded(field) not in names]
    more = f" and {len(absent) - _MOST_NAMES} more" if len(absent) > _MOST_NAMES else ""
    return ", ".join(map(repr, absent[:_MOST_NAMES])) + more
