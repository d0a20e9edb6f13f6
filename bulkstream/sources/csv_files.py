"""CSV files on local disks as one source: their records in order, without byte order marks and headers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bulkstream.errors import SourceUnreadable
from bulkstream.model import HeaderMode
from bulkstream.sources.agree import agreed
from bulkstream.sources.files import CsvFile, FileSegment
from bulkstream.sources.head import read_head
from bulkstream.sources.locate import is_pipe, locate
from bulkstream.sources.sample import sample
from bulkstream.sources.types import types_of

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from bulkstream.model import Column
    from bulkstream.sources.head import FileHead
    from bulkstream.sources.header import HeaderDecision
    from bulkstream.sources.types import Types


@dataclass(frozen=True, slots=True)
class CsvFiles:
    """Files that agree on their columns.

    Attributes:
        files: In the order of the load.
        header: Whether they begin with a header, and why that is believed.
        names: Of the columns; empty if the files are.
        spooled: Those that are copies of pipes, made for this load.
    """

    files: tuple[CsvFile, ...]
    header: HeaderDecision
    names: tuple[str, ...]
    spooled: tuple[Path, ...] = ()

    @property
    def ahead_bytes(self) -> int:
        """None."""
        return 0

    @property
    def rows(self) -> None:
        """Nobody has counted them."""

    @property
    def total_bytes(self) -> int:
        """Data bytes of all files."""
        return sum(file.data_bytes for file in self.files)

    @property
    def unrepeatable(self) -> str:
        """Nothing: files can be read again."""
        return ""

    @property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """What a dry run tells of it."""
        return (("format", "CSV, UTF-8, as the server takes it"),)

    @property
    def reason(self) -> str:
        """Say whether there is a header, and why that is believed."""
        return self.header.reason

    @property
    def label(self) -> str:
        """Say in short what there is."""
        return str(self.files[0].path) if len(self.files) == 1 else f"{len(self.files)} files"

    def segments(self) -> Iterator[FileSegment]:
        """Yield the files that hold data."""
        return (FileSegment(file) for file in self.files if file.data_bytes)

    def changes(self) -> tuple[str, ...]:
        """Compare every file with how it was found."""
        return tuple(change for file in self.files if (change := file.changed()))

    def types(self, budget: int) -> Types:
        """Infer types from records all over the files, `budget` bytes at most. Blocking.

        Raises:
            SourceUnreadable: A file can't be read.
            HeaderMismatch: What was taken for data is more likely a header.
        """
        records = sample(self.files, fields=len(self.names), budget=budget)
        whole = sum(file.state.size for file in self.files) <= budget
        return types_of(self.names, records, self.header, whole=whole)

    @property
    def well_formed(self) -> bool:
        """False: rows may have too few fields, or too many."""
        return False

    def close(self) -> None:
        """Do nothing: a file is open only while its segment is read."""


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
    paths = locate(names)
    if pipe := next((path for path in paths if is_pipe(path)), None):
        raise SourceUnreadable(
            f"{pipe} is a pipe, and here the source is read more than once",
            hint="Write the data to a file and name that.",
        )
    heads = [read_head(path) for path in paths]
    found = agreed(heads, header, expected)
    return CsvFiles(tuple(data_file(head, found.header) for head in heads), found.header, found.names)


def data_file(head: FileHead, header: HeaderDecision) -> CsvFile:
    """Return what stands in a file behind mark and header."""
    if not header.present or head.empty:
        return CsvFile(head.path, min(head.bom_bytes, head.state.size), head.state)
    lines = 1 + head.first.count(b"\n")
    return CsvFile(head.path, min(head.first_end, head.state.size), head.state, 1 + lines)
