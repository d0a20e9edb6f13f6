"""Which columns of a source and of a dataset belong together, by their names alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bulkstream.errors import SchemaError
from bulkstream.sources.matching.names import Names

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Pairing:
    """Which names belong together.

    Attributes:
        sources: For each of the dataset's columns the number of ours, from 0; None where we have none.
        extra: Numbers of ours that the dataset lacks.
    """

    sources: tuple[int | None, ...]
    extra: tuple[int, ...]

    @property
    def identical(self) -> bool:
        """Whether they are the same in the same order, so that a header's records can be sent as they are."""
        return not self.extra and self.sources == tuple(range(len(self.sources)))


def paired(ours: Sequence[str], theirs: Sequence[str]) -> Pairing:
    """Decide by their names alone which columns belong together.

    Raises:
        SchemaError: Two of ours could be the same one of theirs, or one could be two of theirs.
    """
    names = Names(ours)
    found = {column: names.numbers(column) for column in theirs}
    if unclear := next((column for column, numbers in found.items() if len(numbers) > 1), None):
        alike = " and ".join(repr(ours[number]) for number in found[unclear])
        raise SchemaError(f"{alike} could both be the dataset's column {unclear!r}", hint="Choose with --columns.")
    sources = tuple(next(iter(found[column]), None) for column in theirs)
    taken = [number for number in sources if number is not None]
    if len(set(taken)) != len(taken):
        number = next(number for number in taken if taken.count(number) > 1)
        alike = " and ".join(repr(column) for column, at in zip(theirs, sources, strict=True) if at == number)
        raise SchemaError(f"column {ours[number]!r} could be the dataset's {alike}", hint="Choose with --columns.")
    return Pairing(sources, tuple(number for number in range(len(ours)) if number not in set(taken)))
