"""Which columns JSON Lines have, and of which types: judged from the lines of a sample.

A column's type is that of `infer` for its numbers, as they are written, and for strings that read as dates. Any other
string, `"007"` and `"12"` included, is text because JSON says so; booleans, arrays and objects are sent as text. A
mixture is a STRING.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bulkstream.model import Column, ColumnType
from bulkstream.sources.infer import Inferred, infer, kind_of
from bulkstream.sources.rows.json_line import Form, Value, values_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bulkstream.sources.rows.lines import Block

_MOMENTS = frozenset({ColumnType.DATE, ColumnType.DATETIME})
_SHOWN = 24


@dataclass(frozen=True, slots=True)
class JsonColumn:
    """A key of the objects.

    Attributes:
        told: The column that its values make, and why.
        plain: The sample has only strings, or only whole numbers, so that Arrow can be asked for them directly.
    """

    told: Inferred
    plain: bool

    @property
    def name(self) -> str:
        """The key."""
        return self.told.column.name

    @property
    def type(self) -> ColumnType:
        """Type of all its values."""
        return self.told.column.type


@dataclass(slots=True)
class _Evidence:
    """What a sample holds of one key."""

    filled: int = 0
    texts: list[str] = field(default_factory=list)
    forms: set[Form] = field(default_factory=set)
    why_text: str = ""

    def add(self, value: Value) -> None:
        self.filled += 1
        self.forms.add(value.form)
        if self.why_text:
            return
        if value.form is Form.NUMBER or (value.form is Form.TEXT and kind_of(value.text) in _MOMENTS):
            self.texts.append(value.text)
            return
        self.why_text = _why_text(value)
        self.texts.clear()

    def judged(self, name: str, rows: int) -> Inferred:
        nulls = rows - self.filled
        if self.why_text:
            return Inferred(Column(name), self.why_text, nulls)
        (found,) = infer([name], ([text] for text in self.texts))
        return Inferred(found.column, found.reason, nulls, misfits=None if self.filled else {})


def sampled_columns(
    blocks: Iterable[Block], expected: Sequence[str], types: Mapping[str, ColumnType]
) -> tuple[tuple[JsonColumn, ...], int]:
    """Judge the keys of all lines in the order of their first appearance, then what is expected besides.

    Args:
        blocks: The sample.
        expected: Keys that are columns in any case.
        types: Types that are known, and need no judging.

    Returns:
        The columns, and the number of lines.

    Raises:
        SourceError: A line is not what it must be.
    """
    seen: dict[str, _Evidence] = {}
    rows = 0
    for line in (line for block in blocks for line in block.lines()):
        rows += 1
        for key, value in values_of(line).items():
            evidence = seen.setdefault(key, _Evidence())
            if value is not None:
                evidence.add(value)
    for name in expected:
        seen.setdefault(name, _Evidence())
    return tuple(_column(name, evidence, rows, types.get(name)) for name, evidence in seen.items()), rows


def _column(name: str, evidence: _Evidence, rows: int, known: ColumnType | None) -> JsonColumn:
    told = evidence.judged(name, rows)
    if known is not None:
        told = Inferred(Column(name, known), f"{known}, as told", told.nulls)
    strings = told.column.type in {ColumnType.STRING, *_MOMENTS} and evidence.forms <= {Form.TEXT}
    return JsonColumn(told, plain=strings or told.column.type is ColumnType.LONG)


def _why_text(value: Value) -> str:
    shown = value.text if len(value.text) <= _SHOWN else value.text[: _SHOWN - 1] + "…"
    match value.form:
        case Form.BOOLEAN:
            return f"{shown} is a boolean"
        case Form.NESTED:
            return f"{shown!r} is an array or an object"
        case _ if kind_of(value.text) is ColumnType.STRING:
            return f"{shown!r} is neither a number nor a date"
        case _:
            return f"{shown!r} is a string, not a number"
