"""Do values fit the types of their columns? Judged many at a time; only doubtful ones come to Python.

There is one rule per type, `sources/fits.py`. Most columns are done when bit masks have told that all their values
plainly fit (`plain.py`), or all but a few, which the rule judges one by one. The others are parsed by Arrow: for each
type a pattern knows most values that fit, and Arrow matches it without the GIL; of what the pattern leaves over, each
distinct value is judged by the rule. An empty field is null and fits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bulkstream.errors import MissingExtra
from bulkstream.model import Column, ColumnType
from bulkstream.sources.fits import fits
from bulkstream.stages.plain import Doubt, doubtful

try:
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv as arrow_csv
except ImportError:
    raise MissingExtra("pyarrow", "arrow") from None

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_SHOWN = 40

_DAY = (
    r"[12][0-9]{3}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    r"|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
)
_USUAL = {
    ColumnType.LONG: r"^[+-]?[0-9]{1,18}$",
    ColumnType.DECIMAL: r"^[+-]?[0-9]{1,19}(?:\.[0-9]{0,19})?$",
    ColumnType.DOUBLE: r"^[+-]?[0-9]{1,30}(?:\.[0-9]{0,30})?(?:[eE][+-]?[0-9]{1,2})?$",
    ColumnType.DATE: f"^{_DAY}$",
    ColumnType.DATETIME: (f"^{_DAY}(?:[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\\.[0-9]{{1,6}})?)?Z?)?$"),
}
"""Patterns of values that fit for sure, in RE2's syntax, whose `$` is the very end."""


@dataclass(frozen=True, slots=True)
class ValueJudge:
    """Judges the values of rows by the types of their columns."""

    columns: Sequence[Column]

    def faults(self, data: memoryview, rows: int) -> Mapping[int, str]:
        """Return what is wrong with which of `rows` whole records, counted from 0: the first value that doesn't fit."""
        if not rows:
            return {}
        doubts = doubtful(data, [column.type for column in self.columns])
        typed = [(each.column, self.columns[each.column]) for each in doubts if not self._settled(each, data)]
        if not typed:
            return {}
        table = _parsed(data, len(self.columns), [n for n, _ in typed])
        if table is None or table.num_rows != rows:
            return self._one_by_one(data, typed)
        faults: dict[int, str] = {}
        for n, column in reversed(typed):
            for row, value in _misfits(table.column(str(n)).combine_chunks(), column.type):
                faults[row] = _reason(column, value)
        return faults

    def _settled(self, doubt: Doubt, data: memoryview) -> bool:
        """Whether the few values of a column that are not plain fit nevertheless."""
        kind = self.columns[doubt.column].type
        values = [_value(bytes(data[a:b]), last=data[b] == ord("\n")) for a, b in doubt.fields or ()]
        return doubt.fields is not None and all(not value or fits(kind, value) for value in values)

    def _one_by_one(self, data: memoryview, typed: Sequence[tuple[int, Column]]) -> dict[int, str]:
        """Judge records whose ends Arrow sees elsewhere: those with a lone CR, or a quote inside an unquoted field."""
        faults = {}
        for row, fields in enumerate(_split(bytes(data))):
            for n, column in typed:
                if fields[n] and not fits(column.type, fields[n]):
                    faults[row] = _reason(column, fields[n])
                    break
        return faults


def _parsed(data: memoryview, width: int, typed: Sequence[int]) -> pa.Table | None:
    """Read records into columns of text, named by their numbers; None if Arrow finds other records in them."""
    names = [str(n) for n in range(width)]
    try:
        return arrow_csv.read_csv(
            pa.BufferReader(pa.py_buffer(data)),
            read_options=arrow_csv.ReadOptions(column_names=names, block_size=len(data) + 1, use_threads=False),
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                include_columns=[str(n) for n in typed],
                strings_can_be_null=False,
                check_utf8=False,
            ),
        )
    except pa.ArrowInvalid:
        return None


def _misfits(values: Any, kind: ColumnType) -> Iterator[tuple[int, str]]:
    """Yield the values that don't fit, with their rows."""
    usual = pc.or_(pc.match_substring_regex(values, _USUAL[kind]), pc.equal(values, ""))
    if pc.all(usual).as_py():
        return
    left = values.filter(pc.invert(usual))
    if kind is ColumnType.LONG and _in_64_bits(left):
        return
    wrong = [value for value in pc.unique(left).to_pylist() if not fits(kind, value)]
    if wrong:
        found = pc.is_in(values, value_set=pa.array(wrong, values.type))
        rows = pc.indices_nonzero(found)
        yield from zip(rows.to_pylist(), values.take(rows).to_pylist(), strict=True)


def _in_64_bits(values: Any) -> bool:
    """Whether long whole numbers, such as ids of 19 digits, are all within 64 bits."""
    if not pc.all(pc.match_substring_regex(values, "^-?[0-9]{19,40}$")).as_py():
        return False
    try:
        pc.cast(values, pa.int64())
    except pa.ArrowInvalid:
        return False
    return True


def _split(data: bytes) -> Iterator[list[str]]:
    """Yield the fields of records as the scanner sees them: commas and line feeds inside an odd quote are text."""
    fields, begin, quoted = list[str](), 0, False
    for at, byte in enumerate(data):
        if byte == ord('"'):
            quoted = not quoted
        elif byte in b",\n" and not quoted:
            fields.append(_value(data[begin:at], last=byte == ord("\n")))
            begin = at + 1
            if byte == ord("\n"):
                yield fields
                fields = []
    if begin < len(data) or fields:
        yield [*fields, _value(data[begin:], last=True)]


def _value(raw: bytes, *, last: bool) -> str:
    text = (raw.removesuffix(b"\r") if last else raw).decode("utf-8")
    quoted = len(text) > 1 and text[0] == text[-1] == '"'
    return text[1:-1].replace('""', '"') if quoted else text


def _reason(column: Column, value: str) -> str:
    shown = value if len(value) <= _SHOWN else value[: _SHOWN - 1] + "…"
    return f"{column.name}: {shown!r} is no {column.type}"
