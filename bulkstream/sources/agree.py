"""From the heads of files and pipes to what holds for all of them: a header or none, and the names of the columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from bulkstream.errors import SourceError
from bulkstream.sources.header import HeaderDecision, check_same_header, column_names, decide_header, parse_record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkstream.model import Column, HeaderMode


class Head(Protocol):
    """How a file or a pipe begins.

    Attributes:
        name: For messages.
        first: The first record's bytes without mark and line end.
        empty: Whether there is no record at all.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - see the class

    @property
    def first(self) -> bytes: ...  # noqa: D102 - see the class

    @property
    def empty(self) -> bool: ...  # noqa: D102 - see the class


@dataclass(frozen=True, slots=True)
class Agreement:
    """What holds for all files and pipes of a source.

    Attributes:
        header: Whether they begin with a header, and why that is believed.
        names: Of the columns; empty if there is no record at all.
    """

    header: HeaderDecision
    names: tuple[str, ...]


def agreed(heads: Sequence[Head], header: HeaderMode, expected: Sequence[Column] | None) -> Agreement:
    """Decide from the first record of the first that has one, and hold the others to it.

    Raises:
        HeaderMismatch: They don't agree with each other, or with the expected columns.
        SourceError: A first record is no CSV in UTF-8.
        SchemaError: The header can't name columns.
    """
    firsts = [(head.name, _fields(head)) for head in heads if not head.empty]
    first = firsts[0][1] if firsts else []
    decision = decide_header(header, first, expected)
    check_same_header(decision, firsts)
    names = [column.name for column in expected] if expected else column_names(decision, first)
    return Agreement(decision, tuple(names))


def _fields(head: Head) -> list[str]:
    """Parse the first record, saying where it stands if that fails."""
    try:
        return parse_record(head.first)
    except SourceError as error:
        raise SourceError(f"{head.name}: {error}", hint=error.hint) from None
