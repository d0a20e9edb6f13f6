"""Before anything is sent: the source's columns, and whether the dataset can hold them.

source's columns ──choose──► matched with the dataset's ──► a layout, changes to the dataset's schema, or a refusal
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bulkstream.model import Check
from bulkstream.sources import Tables, Types, choose, conflict_error, layout_of, matched

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkstream.model import Column
    from bulkstream.settings import Upload
    from bulkstream.sources import CsvFiles, CsvPipes, Match


@dataclass(frozen=True, slots=True)
class Fitted:
    """A source whose rows have the dataset's columns.

    Attributes:
        types: The source's columns that are loaded, with the reasons for their types.
        columns: The dataset's, with what must be changed of them before anything is sent.
        match: How the two were matched; None for a dataset that is to be created.
    """

    source: CsvFiles | CsvPipes | Tables
    types: Types
    columns: tuple[Column, ...]
    match: Match | None = None


def fitted(source: CsvFiles | CsvPipes | Tables, settings: Upload, wanted: Sequence[Column], dataset: str) -> Fitted:
    """Find the source's columns, and fit them to those of a dataset of this name, if they are known. Blocking.

    Raises:
        SchemaError: The dataset can't hold the source's columns.
        UsageError: Columns were named that there are not.
        SourceError: The source can't be read.
    """
    found = source.types(settings.sample_size)
    chosen = choose(found.inferred, settings.columns)
    types = Types(tuple(each.inferred for each in chosen), found.sampled)
    if not wanted:
        if isinstance(source, Tables):
            source = source.laid_out(layout_of(chosen))
        return Fitted(source, types, types.columns)
    if not isinstance(source, Tables):
        if settings.check is Check.OFF or not found.inferred:
            return Fitted(source, types, tuple(wanted))
        match = matched(chosen, wanted, by_name=False)
        return Fitted(source, types, _agreed(match, settings, dataset), match)
    match = matched(chosen, wanted, by_name=source.named)
    columns = _agreed(match, settings, dataset)
    return Fitted(source.laid_out(match.layout), types, columns, match)


def _agreed(match: Match, settings: Upload, dataset: str) -> tuple[Column, ...]:
    """Return the dataset's columns as they are to be.

    Raises:
        SchemaError: They would have to be others, which was not allowed, or can't be.
    """
    if match.fits or (settings.evolve and match.evolvable):
        return match.columns
    raise conflict_error(match, dataset)
