"""CSV files on local disks as one source: their records in order, without byte order marks and headers."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bulkstream.errors import SourceError, SourceUnreadable
from bulkstream.model import Column, HeaderMode
from bulkstream.sources.head import FileState, read_head
from bulkstream.sources.header import HeaderDecision, check_same_header, column_names, decide_header, parse_record
from bulkstream.sources.infer import infer
from bulkstream.sources.locate import locate
from bulkstream.sources.sample import sample

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from io import FileIO
    from pathlib import Path

    from bulkstream.sources.head import FileHead
    from bulkstream.sources.infer import Inferred


@dataclass(frozen=True, slots=True)
class CsvFile:
    """One file of a source: where its data begins, and how it was found."""

    path: Path
    start: int
    state: FileState

    @property
    def data_bytes(self) -> int:
        """Bytes behind mark and header."""
        return max(0, self.state.size - self.start)

    def changed(self) -> str | None:
        """Say how the file differs from when it was opened, or None if it doesn't."""
        try:
            now = FileState.of(self.path)
        except OSError as error:
            return f"{self.path} is gone: {error.strerror}"
        if now.size != self.state.size:
            return f"{self.path} had {self.state.size:,} bytes and now has {now.size:,}"
        if now != self.state:
            return f"{self.path} was modified or replaced during the load"
        return None


class FileSegment:
    """The data of one file; the file is opened at the first read.

    Attributes:
        name: The path as text.
        offset: Where the next byte stands in the file.
        remaining: Bytes still to be read.
    """

    def __init__(self, file: CsvFile) -> None:
        self.name = str(file.path)
        self._path = file.path
        self.offset = file.start
        self.remaining = file.data_bytes
        self._handle: FileIO | None = None

    def __repr__(self) -> str:
        return f"FileSegment({self.name!r}, {self.remaining} bytes from {self.offset})"

    def readinto(self, view: memoryview) -> int:
        """Read into `view`, never beyond the size that the file had when the source was opened."""
        try:
            size = self._opened().readinto(view[: self.remaining])
        except OSError as error:
            raise SourceUnreadable(f"{self.name}: {error.strerror}") from error
        self.offset += size
        self.remaining -= size
        return size

    def close(self) -> None:
        """Close the file if it is open."""
        if self._handle is not None:
            self._handle.close()

    def _opened(self) -> FileIO:
        if self._handle is None:
            self._handle = self._path.open("rb", buffering=0)
            self._handle.seek(self.offset)
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(self._handle.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
        return self._handle


@dataclass(frozen=True, slots=True)
class CsvFiles:
    """Files that agree on their columns.

    Attributes:
        files: In the order of the load.
        header: Whether they begin with a header, and why that is believed.
        inferred: Name and type of each column, with the reason for the type.
        sampled: How many records the types were inferred from.
    """

    files: tuple[CsvFile, ...]
    header: HeaderDecision
    inferred: tuple[Inferred, ...]
    sampled: int

    @property
    def columns(self) -> tuple[Column, ...]:
        """Names and inferred types."""
        return tuple(each.column for each in self.inferred)

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


def open_csv(
    names: Iterable[str | os.PathLike[str]],
    *,
    header: HeaderMode = HeaderMode.AUTO,
    expected: Sequence[Column] | None = None,
    sample_bytes: int,
) -> CsvFiles:
    """Look at all files: do they exist, do they agree, where does their data begin, what types do they hold?

    Blocking: call it in a thread. Nothing stays open.

    Args:
        names: Paths and glob patterns.
        header: Whether files begin with a header.
        expected: The stream's columns, where they are known.
        sample_bytes: Budget of the sample for the types.

    Raises:
        SourceMissing: A file does not exist, or a pattern matches none.
        HeaderMismatch: Files don't agree with each other, or with the expected columns.
        SourceError: A file is no CSV in UTF-8, or can't be read.
    """
    heads = [read_head(path) for path in locate(names)]
    filled = [head for head in heads if not head.empty]
    firsts = [_fields(head) for head in filled]
    first = firsts[0] if firsts else []
    decision = decide_header(header, first, expected)
    check_same_header(decision, [(str(head.path), fields) for head, fields in zip(filled, firsts, strict=True)])
    records = sample(filled, fields=len(first), budget=sample_bytes)
    rows = [record for record in records if not (decision.present and record == first)]
    titles = [column.name for column in expected] if expected else column_names(decision, first)
    return CsvFiles(tuple(_file(head, decision) for head in heads), decision, _types(titles, rows), len(rows))


def _fields(head: FileHead) -> list[str]:
    """Parse the first record of a file, naming the file where that fails."""
    try:
        return parse_record(head.first)
    except SourceError as error:
        raise SourceError(f"{head.path}: {error}") from None


def _types(names: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[Inferred, ...]:
    """Infer from those records that have as many fields as there are names; the server judges the others."""
    return infer(names, [row for row in rows if len(row) == len(names)])


def _file(head: FileHead, decision: HeaderDecision) -> CsvFile:
    skipped = head.first_end if decision.present and not head.empty else head.bom_bytes
    return CsvFile(head.path, min(skipped, head.state.size), head.state)
