"""CSV files on local disks as one source: their records in order, without byte order marks and headers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bulkstream.errors import SourceError
from bulkstream.model import Column, HeaderMode
from bulkstream.sources.files import CsvFile, FileSegment
from bulkstream.sources.head import read_head
from bulkstream.sources.header import HeaderDecision, check_same_header, column_names, decide_header, parse_record
from bulkstream.sources.infer import Inferred, infer
from bulkstream.sources.locate import locate
from bulkstream.sources.sample import sample

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Sequence

    from bulkstream.sources.head import FileHead


@dataclass(frozen=True, slots=True)
class CsvFiles:
    """Files that agree on their columns.

    Attributes:
        files: In the order of the load.
        header: Whether they begin with a header, and why that is believed.
        names: Of the columns; empty if the files are.
    """

    files: tuple[CsvFile, ...]
    header: HeaderDecision
    names: tuple[str, ...]

    @property
    def total_bytes(self) -> int:
        """Data bytes of all files."""
        return sum(file.data_bytes for file in self.files)

    def segments(self) -> Iterator[FileSegment]:
        """Yield the files that hold data."""
        return (FileSegment(file) for file in self.files if file.data_bytes)

    def changes(self) -> tuple[str, ...]:
        """Compare every file with how it was found."""
        return tuple(change for file in self.files if (change := file.changed()))


@dataclass(frozen=True, slots=True)
class Types:
    """Columns of a source as a sample of its records shows them.

    Attributes:
        inferred: Name and type of each column, with the reason for the type.
        sampled: How many records that is from.
    """

    inferred: tuple[Inferred, ...]
    sampled: int

    @property
    def columns(self) -> tuple[Column, ...]:
        """Names and types."""
        return tuple(each.column for each in self.inferred)


def open_csv(
    names: Iterable[str | os.PathLike[str]],
    *,
    header: HeaderMode = HeaderMode.AUTO,
    expected: Sequence[Column] | None = None,
) -> CsvFiles:
    """Look at the head of all files: do they exist, do they agree, where does their data begin?

    Blocking: call it in a thread. Nothing stays open.

    Args:
        names: Paths and glob patterns.
        header: Whether files begin with a header.
        expected: The stream's columns, where they are known.

    Raises:
        SourceMissing: A file does not exist, or a pattern matches none.
        HeaderMismatch: Files don't agree with each other, or with the expected columns.
        SourceError: A file is no CSV in UTF-8, or can't be read.
    """
    heads = [read_head(path) for path in locate(names)]
    firsts = [(str(head.path), _fields(head)) for head in heads if not head.empty]
    first = firsts[0][1] if firsts else []
    decision = decide_header(header, first, expected)
    check_same_header(decision, firsts)
    titles = [column.name for column in expected] if expected else column_names(decision, first)
    return CsvFiles(tuple(_file(head, decision) for head in heads), decision, tuple(titles))


def sampled_types(source: CsvFiles, budget: int) -> Types:
    """Infer types from a sample of at most `budget` bytes. Blocking: call it in a thread.

    Records that have not as many fields as there are columns are left out; the server will judge them.

    Raises:
        SourceUnreadable: A file can't be read.
    """
    records = sample(source.files, fields=len(source.names), budget=budget)
    return Types(infer(source.names, [each for each in records if len(each) == len(source.names)]), len(records))


def _fields(head: FileHead) -> list[str]:
    """Parse the first record of a file, naming the file where that fails."""
    try:
        return parse_record(head.first)
    except SourceError as error:
        raise SourceError(f"{head.path}: {error}", hint=error.hint) from None


def _file(head: FileHead, decision: HeaderDecision) -> CsvFile:
    skipped = head.first_end if decision.present and not head.empty else head.bom_bytes
    return CsvFile(head.path, min(skipped, head.state.size), head.state)
