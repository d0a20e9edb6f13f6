"""Before anything is sent: the source's columns, and whether the dataset can hold them.

source's columns ──choose──► matched with the dataset's ──► a layout, changes to the dataset's schema, or a refusal
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bulkstream.model import Check, Column
from bulkstream.sources import Slot, Tables, Types, choose, conflict_error, layout_of, matched

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkstream.settings import Upload
    from bulkstream.sources import CsvFiles, CsvPipes, Inferred, Match


MATCH_BYTES = 512 << 10
"""Bytes of text that are sampled to see whether a dataset that is there can hold it: 0.04 s of processor time."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A source whose rows have the dataset's columns.

    Attributes:
        types: The source's columns that are loaded, with the reasons for their types.
        columns: The dataset's, with what must be changed of them before anything is sent.
        match: How the two were matched; None where the dataset's columns are not known, or it is to be created.
        guessed: The dataset is to be created with types that are from a sample of the text that is loaded.
    """

    source: CsvFiles | CsvPipes | Tables
    types: Types
    columns: tuple[Column, ...]
    match: Match | None = None
    guessed: bool = False

    @property
    def empty(self) -> frozenset[str]:
        """Names of the dataset's columns that the source leaves empty."""
        layout = self.source.layout if isinstance(self.source, Tables) else ()
        return frozenset(slot.column.name for slot in layout if slot.source is None)


def fitted(
    source: CsvFiles | CsvPipes | Tables, settings: Upload, wanted: Sequence[Column] | None, dataset: str
) -> Fitted:
    """Find the source's columns, and fit them to those of a dataset of this name. Blocking.

    Args:
        source: What is to be loaded.
        settings: Which of its columns, how much of it is sampled, and whether the dataset may change.
        wanted: The dataset's columns; none where the server doesn't tell them, None where there is no dataset yet.
        dataset: Its name, for messages.

    Raises:
        SchemaError: The dataset can't hold the source's columns.
        UsageError: Columns were named that there are not.
        SourceError: The source can't be read.
    """
    if isinstance(source, Tables):
        return _tables(source, settings, wanted, dataset)
    if wanted is None:
        types = source.types(settings.sample_size)
        return Fitted(source, types, types.columns, guessed=types.guessed)
    if settings.check is Check.OFF or not wanted or not source.names:
        return Fitted(source, Types((), 0), tuple(wanted) or tuple(map(Column, source.names)))
    types = source.types(min(settings.sample_size, MATCH_BYTES))
    match = matched(choose(_judged(types, settings), ()), wanted, by_name=False)
    return Fitted(source, types, _agreed(match, settings, dataset), match)


def _tables(source: Tables, settings: Upload, wanted: Sequence[Column] | None, dataset: str) -> Fitted:
    found = source.types(settings.sample_size if wanted is None else min(settings.sample_size, MATCH_BYTES))
    chosen = choose(found.inferred if wanted is None else _judged(found, settings), settings.columns)
    types = replace(found, inferred=tuple(each.inferred for each in chosen))
    if not wanted:
        guessed = wanted is None and types.guessed
        return Fitted(source.laid_out(layout_of(chosen)), types, types.columns, guessed=guessed)
    if not found.inferred:  # not even a header, so there are no rows
        return Fitted(source.laid_out(tuple(Slot(column, None) for column in wanted)), types, tuple(wanted))
    match = matched(chosen, wanted, by_name=source.named)
    columns = _agreed(match, settings, dataset)
    return Fitted(source.laid_out(match.layout), types, columns, match)


def _judged(types: Types, settings: Upload) -> Sequence[Inferred]:
    """Return the columns; values that don't fit and will be left out with their rows are no news."""
    if settings.check is not Check.TYPES or not settings.max_bad_rows:
        return types.inferred
    return [each if each.misfits is None else replace(each, misfits={}) for each in types.inferred]


def _agreed(match: Match, settings: Upload, dataset: str) -> tuple[Column, ...]:
    """Return the dataset's columns as they are to be.

    Raises:
        SchemaError: They would have to be others, which was not allowed, or can't be.
    """
    if match.fits or (settings.evolve and match.evolvable):
        return match.columns
    raise conflict_error(match, dataset)
