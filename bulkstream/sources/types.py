"""The columns of a source with their types, as a sample of its records shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bulkstream.sources.header import check_first_is_data
from bulkstream.sources.infer import Inferred, infer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkstream.model import Column
    from bulkstream.sources.header import HeaderDecision


@dataclass(frozen=True, slots=True)
class Types:
    """Columns of a source.

    Attributes:
        inferred: Name and type of each column, with the reason for the type.
        sampled: How many records that is from; 0 where the source has types of its own.
        whole: There are no others: nothing was guessed.
    """

    inferred: tuple[Inferred, ...]
    sampled: int
    whole: bool = True

    @property
    def guessed(self) -> bool:
        """Whether a record that nobody has looked at may hold what its column can't."""
        return self.sampled > 0 and not self.whole

    @property
    def columns(self) -> tuple[Column, ...]:
        """Names and types."""
        return tuple(each.column for each in self.inferred)


def types_of(names: Sequence[str], records: Sequence[Sequence[str]], header: HeaderDecision, *, whole: bool) -> Types:
    """Infer types; records that have not as many fields as there are names are left out, whoever checks rows judges.

    Raises:
        HeaderMismatch: The first record was taken for data, but is more likely a header.
    """
    fitting = [each for each in records if len(each) == len(names)]
    inferred = infer(names, fitting)
    check_first_is_data(header, inferred, fitting)
    return Types(inferred, len(records), whole)
