"""Inputs that are not plain CSV on local disks, as one source."""

from __future__ import annotations

from collections import ChainMap
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import TYPE_CHECKING

from bulkstream.cores import usable_cores
from bulkstream.errors import HeaderMismatch
from bulkstream.model import Column, ColumnType
from bulkstream.sources.ahead import MOST_BYTES, Ahead
from bulkstream.sources.ahead_segment import AheadSegment
from bulkstream.sources.infer import Inferred, widened
from bulkstream.sources.layout import Layout, Slot
from bulkstream.sources.matching.names import Names, folded
from bulkstream.sources.places.beginning import ROOM_BYTES
from bulkstream.sources.side_by_side import side_by_side
from bulkstream.sources.types import Types

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from bulkstream.sources.ahead import Keyed
    from bulkstream.sources.content import Blob
    from bulkstream.sources.table import Fact, Table

MOST_SAMPLED = 16
"""Tables of text that types are inferred from; they are taken at even distances."""
LIKELY_RATIO = 4
"""Bytes of CSV that come of a byte of packed text or of Parquet, about."""
MOST_NAMES = 5
"""Names that a message lists."""
THREAD_BYTES = 24 << 20
"""Bytes that a thread may hold of what it decodes and renders."""
REMOTE_THREADS = 8
"""Threads where bytes come over a network: most of them wait."""


@dataclass(frozen=True, slots=True)
class Recall:
    """What it takes to open a source again, and to see whether it is still the same.

    Attributes:
        names: Paths and URLs.
        blobs: What they stood for.
        spooled: Those that are copies of pipes, made for this load.
        passing: Names of what another process can't open: objects of the program that loads them.
    """

    names: tuple[str, ...] = ()
    blobs: tuple[Blob, ...] = ()
    spooled: tuple[Path, ...] = ()
    passing: tuple[str, ...] = ()

    @property
    def unrepeatable(self) -> str:
        """Say why another process can't read it; empty if it can."""
        return "; ".join(f"{name} was in the memory of the process that has loaded it" for name in self.passing)


@dataclass(frozen=True, slots=True)
class Tables:
    """Tables that agree on their columns.

    Attributes:
        tables: In the order of the load.
        reason: How the columns were found, in one sentence.
        layout: The dataset's columns, and the numbers of those of the first table that fill them.
        recall: What it takes to open them again.
    """

    tables: tuple[Table, ...]
    reason: str
    layout: Layout
    recall: Recall = Recall()
    _reading: list[Ahead] = field(default_factory=list, repr=False, compare=False)

    @property
    def ahead_bytes(self) -> int:
        """What is read ahead, what each thread works on, and what is kept of remote objects."""
        return MOST_BYTES + self._threads * THREAD_BYTES + (ROOM_BYTES if self._remote else 0)

    @property
    def total_bytes(self) -> None:
        """Nobody knows how many they will be as CSV."""

    @property
    def likely_bytes(self) -> int:
        """Guess the bytes as CSV by those of the files, to choose a size of parts."""
        return LIKELY_RATIO * sum(blob.size for blob in self.recall.blobs)

    @property
    def rows(self) -> int | None:
        """Rows, where all tables know how many they have."""
        counts = [table.rows for table in self.tables]
        return None if None in counts else sum(count or 0 for count in counts)

    @property
    def unrepeatable(self) -> str:
        """Name what can't be read again."""
        return "; ".join(dict.fromkeys(filter(None, (table.unrepeatable for table in self.tables))))

    @property
    def mute(self) -> tuple[str, ...]:
        """Name what came to its end without a byte."""
        return tuple(table.name for table in self.tables if table.mute)

    @property
    def well_formed(self) -> bool:
        """Whether no row can have another number of fields than there are columns."""
        return all(table.well_formed for table in self.tables)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the dataset's columns."""
        return tuple(slot.column.name for slot in self.layout)

    @property
    def own_names(self) -> tuple[str, ...]:
        """Names of the tables' columns, in the order of the first."""
        return self.tables[0].names if self.tables else ()

    @property
    def named(self) -> bool:
        """Whether the tables name their columns themselves."""
        return bool(self.tables) and self.tables[0].named

    @property
    def label(self) -> str:
        """Say in short what there is."""
        if len(self.tables) == 1:
            return self.tables[0].name
        return f"{len(self.tables)} inputs"

    @property
    def facts(self) -> tuple[Fact, ...]:
        """What a dry run tells of all tables."""
        found: dict[str, list[str]] = {}
        for table in self.tables:
            for label, value in table.facts:
                found.setdefault(label, []).append(value)
        inputs = [("inputs", _few([table.name for table in self.tables]))] if len(self.tables) > 1 else []
        return (*inputs, *((label, _all(values)) for label, values in found.items()))

    def laid_out(self, layout: Layout) -> Tables:
        """Return the same tables for a dataset with these columns.

        Raises:
            SchemaError: Values of one of them can't be written as CSV.
        """
        for table in self.tables:
            table.check(self._own(table, layout))
        return replace(self, layout=layout)

    def types(self, budget: int) -> Types:
        """Return the columns of the tables with their types, in the order of the first table. Blocking.

        Raises:
            SourceError: A table can't be read.
        """
        chosen = _spread([each for each in self.tables if each.rows != 0] or self.tables)
        share = max(budget // len(self.tables), budget // MOST_SAMPLED)
        found = [table.types(share) for table in chosen]
        columns = [
            [types.inferred[n] for n in _order(self.own_names, table)]
            for table, types in zip(chosen, found, strict=True)
        ]
        whole = len(chosen) == len(self.tables) and all(types.whole for types in found)
        return Types(
            tuple(map(_together, self.own_names, zip(*columns, strict=True))),
            sum(types.sampled for types in found),
            whole=whole,
        )

    def segments(self) -> Iterator[AheadSegment]:
        """Yield a segment for each table; their rows are made ahead of their being read."""
        if not self.layout:
            return
        ahead = Ahead(self._pieces(), threads=self._threads)
        self._reading.append(ahead)
        for key, table in enumerate(self.tables):
            yield AheadSegment(ahead, key, name=table.name, first_line=table.first_line)

    def changes(self) -> tuple[str, ...]:
        """Compare every input with how it was found."""
        told = side_by_side(lambda table: table.changes(), self.tables, alone=lambda table: not table.remote)
        return tuple(change for changes in told for change in changes)

    def close(self) -> None:
        """End all reading ahead, and what a thread waits for; what was read to its end can be read once more."""
        interrupted = [ahead for ahead in self._reading if not ahead.ended]
        for ahead in self._reading:
            ahead.stop()
        for table in self.tables if interrupted else ():
            table.close()
        for ahead in self._reading:
            ahead.close()

    @property
    def _threads(self) -> int:
        return REMOTE_THREADS if self._remote else usable_cores()

    @property
    def _remote(self) -> bool:
        return any(table.remote for table in self.tables)

    def _pieces(self) -> Iterator[Keyed]:
        for key, table in enumerate(self.tables):
            for piece in table.pieces(self._own(table, self.layout)):
                yield key, piece

    def _own(self, table: Table, layout: Layout) -> Layout:
        """Return the layout that counts a table's own columns."""
        order = _order(self.own_names, table)
        return tuple(Slot(slot.column, None if slot.source is None else order[slot.source]) for slot in layout)


def together(tables: Sequence[Table], reason: str) -> Tables:
    """Make one source of tables that have the same columns, perhaps in another order.

    Raises:
        HeaderMismatch: They haven't.
    """
    model = tables[0]
    for table in tables[1:]:
        _order(model.names, table)
    layout = tuple(Slot(Column(name), number) for number, name in enumerate(model.names))
    return Tables(tuple(tables), reason, layout)


def _order(names: Sequence[str], table: Table) -> list[int]:
    """Return the number of the table's column for each name.

    Raises:
        HeaderMismatch: It has other columns.
    """
    if tuple(names) == table.names or (not table.named and len(names) == len(table.names)):
        return list(range(len(names)))
    theirs = Names(table.names)
    found = [theirs.numbers(name) for name in names]
    missing = [name for name, numbers in zip(names, found, strict=True) if not numbers]
    if missing or len(names) != len(table.names):
        wanted = {folded(name) for name in names}
        more = [name for name in table.names if folded(name) not in wanted]
        told = [
            f"{word} {', '.join(map(repr, some[:5]))}" for word, some in (("missing", missing), ("new", more)) if some
        ]
        raise HeaderMismatch(
            f"{table.name} has other columns: {'; '.join(told) or f'{len(table.names)} instead of {len(names)}'}",
            hint="What is loaded together needs the same columns.",
        )
    order = [numbers[0] for numbers in found]
    if len(set(order)) < len(order):
        number = next(number for number in order if order.count(number) > 1)
        alike = " and ".join(repr(name) for name, at in zip(names, order, strict=True) if at == number)
        raise HeaderMismatch(f"{table.name} has a single column for {alike}", hint="Rename them in all inputs.")
    return order


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more


def _all(values: Sequence[str]) -> str:
    """Say what several tables have under one label: their sum if they are counts."""
    if len(values) > 1 and all(value.replace(",", "").isdecimal() for value in values):
        return f"{sum(int(value.replace(',', '')) for value in values):,}"
    return _few(list(dict.fromkeys(values)))


def _spread(tables: Sequence[Table]) -> Sequence[Table]:
    """Return all tables with types of their own, and a few of those of text."""
    step = max(1, len(tables) // MOST_SAMPLED)
    return [table for n, table in enumerate(tables) if n % step == 0 or table.well_formed]


def _together(name: str, found: Sequence[Inferred]) -> Inferred:
    """Return the column that holds what several tables have under one name; those without a value have no say."""
    telling = [each for each in found if not each.silent] or found
    nulls, misfits = sum(each.nulls for each in found), _misfits(telling)
    kinds = dict.fromkeys(each.column.type for each in telling)
    if len(kinds) == 1:
        return replace(telling[0], column=replace(telling[0].column, name=name), nulls=nulls, misfits=misfits)
    kind, reason = reduce(widened, kinds), f"the inputs have {', '.join(kinds)}"
    if value := next((each.misfits[kind] for each in telling if each.misfits and kind in each.misfits), ""):
        kind, reason = ColumnType.STRING, f"{reason}, and {value!r} might be rounded as {kind}"
    return Inferred(Column(name, kind), reason, nulls, misfits)


def _misfits(found: Sequence[Inferred]) -> Mapping[ColumnType, str] | None:
    """Return what shows which types can't hold what several tables have; None where a type is known, not sampled."""
    known = [each.misfits for each in found if each.misfits is not None]
    return dict(ChainMap(*map(dict, known))) if len(known) == len(found) else None
