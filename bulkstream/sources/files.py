"""One CSV file of a source: where its data is, how it is read, and whether it has changed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bulkstream.errors import SourceUnreadable
from bulkstream.sources.head import FileState
from bulkstream.sources.regular import open_regular

if TYPE_CHECKING:
    from io import FileIO
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class CsvFile:
    """One file of a source: where its data begins (byte, and line from 1), and how it was found."""

    path: Path
    start: int
    state: FileState
    first_line: int = 1

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
        first_line: Line of the file on which the data begins.
        derived: False: they are the file's own.
    """

    derived = False

    def __init__(self, file: CsvFile) -> None:
        self.name = str(file.path)
        self._path = file.path
        self.offset = file.start
        self.remaining = file.data_bytes
        self.first_line = file.first_line
        self._handle: FileIO | None = None

    def __repr__(self) -> str:
        return f"FileSegment({self.name!r}, {self.remaining} bytes from {self.offset})"

    def readinto(self, view: memoryview) -> int:
        """Read into `view`, never beyond the size that the file had when the source was opened."""
        try:
            size = self._opened().readinto(view[: self.remaining])
        except SourceUnreadable:
            raise
        except OSError as error:
            raise SourceUnreadable(f"{self.name}: {error.strerror}") from error
        self.offset += size
        self.remaining -= size
        return size

    def skip(self, count: int) -> None:
        """Move on; a file that is not open yet will be opened there."""
        self.offset += count
        self.remaining -= count
        if self._handle is not None:
            self._handle.seek(self.offset)

    def close(self) -> None:
        """Close the file if it is open."""
        if self._handle is not None:
            self._handle.close()

    def _opened(self) -> FileIO:
        if self._handle is None:
            self._handle = open_regular(self._path)
            self._handle.seek(self.offset)
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(self._handle.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
        return self._handle
