"""Which columns of a source are loaded, under which names: the setting `columns`.

An entry is `NAME`, or `NEW=NAME` for a column that is to have another name. An entry that is, as a whole, the name of
a column means that column, whatever it holds; else it is split at that `=` behind which the name of a column follows.
On the command line entries stand in one text, separated by commas; one that holds a comma or a quote is quoted as in
CSV: `id,"price, net",total=amount`. Upper and lower case and surrounding blanks don't count, unless names differ in
nothing else.
"""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bulkstream.errors import UsageError
from bulkstream.sources.matching.names import Names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bulkstream.sources.infer import Inferred


@dataclass(frozen=True, slots=True)
class Chosen:
    """A column of the source that is loaded.

    Attributes:
        inferred: Its type and why, under the name that it is loaded by.
        source: Number of the input's column, from 0.
    """

    inferred: Inferred
    source: int

    @property
    def name(self) -> str:
        """The name that it is loaded by."""
        return self.inferred.column.name


def entries_of(text: str) -> tuple[str, ...]:
    """Split the text of `--columns` into entries.

    Raises:
        UsageError: A quote is not closed, or an entry is empty.
    """
    try:
        records = list(csv.reader([text], strict=True, skipinitialspace=True))
    except csv.Error as error:
        raise UsageError(f"--columns {text!r} can't be read: {error}", hint='Write NAME,"NA,ME",NEW=NAME.') from None
    entries = tuple(entry.strip() for record in records for entry in record)
    if not entries or "" in entries:
        raise UsageError(f"--columns {text!r} has an empty entry", hint='Write NAME,"NA,ME",NEW=NAME.')
    return entries


def choose(inferred: Sequence[Inferred], wanted: Sequence[str]) -> tuple[Chosen, ...]:
    """Return the columns that are wanted, in that order; all of them if nothing is said.

    Raises:
        UsageError: An entry names no column, more than one, or one that was named before; or two get the same name.
    """
    if not wanted:
        return tuple(Chosen(each, number) for number, each in enumerate(inferred))
    names = Names([each.column.name for each in inferred])
    chosen: list[Chosen] = []
    for entry in wanted:
        new, number = _meant(entry, names)
        column = replace(inferred[number].column, name=new or inferred[number].column.name)
        chosen.append(Chosen(replace(inferred[number], column=column), number))
    _check_distinct(chosen, names)
    return tuple(chosen)


def _meant(entry: str, names: Names) -> tuple[str, int]:
    """Return the new name, empty to keep the old one, and the column's number."""
    readings = [("", entry)] if names.numbers(entry) else list(_renamings(entry))
    found = [(new, names.numbers(name)) for new, name in readings if names.numbers(name)]
    if not found:
        name = readings[0][1].strip() if readings else entry
        raise UsageError(f"the source has no column {name!r}", hint=names.close_to(name))
    new, numbers = found[0]
    if len(found) > 1:
        raise UsageError(f"{entry!r} can be read in {len(found)} ways", hint="Rename the column in the source.")
    if len(numbers) > 1:
        raise UsageError(f"{entry!r} names {len(numbers)} columns", hint="Rename all but one in the source.")
    return new, numbers[0]


def _renamings(entry: str) -> Iterator[tuple[str, str]]:
    """Yield the ways to read an entry as `NEW=NAME`."""
    for at, char in enumerate(entry):
        if char == "=" and (new := entry[:at].strip()):
            yield new, entry[at + 1 :]


def _check_distinct(chosen: Sequence[Chosen], names: Names) -> None:
    sources, new = Counter(each.source for each in chosen), Counter(each.name for each in chosen)
    for each in chosen:
        if sources[each.source] > 1:
            raise UsageError(f"column {names.names[each.source]!r} is named twice", hint="Name each column once.")
        if new[each.name] > 1:
            raise UsageError(f"two columns would be named {each.name!r}", hint="Give one of them another name.")
