"""The head of a CSV file: byte order mark, first record, and the state in which the file was found."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bulkstream.errors import RecordTooLong, SourceError, SourceUnreadable
from bulkstream.model import Place
from bulkstream.sources.regular import open_regular

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

HEAD_BYTES = 64 << 10
LONGEST_FIRST_RECORD = 16 << 20
"""A first record beyond this is no header, but a file with no line ends or an unclosed quote."""

UTF8_BOM = b"\xef\xbb\xbf"
_FOREIGN = {
    b"\xff\xfe": "UTF-16 text; leave --encoding out",
    b"\xfe\xff": "UTF-16 text; leave --encoding out",
    b"\x1f\x8b": "gzip data, which has to be unpacked first",
    b"\x28\xb5\x2f\xfd": "zstd data, which has to be unpacked first",
    b"PK\x03\x04": "a zip archive or an Excel file; leave --format out",
    b"PAR1": "a Parquet file; leave --format out",
}
"""First bytes of what is no CSV, and what to do about it."""
LONGEST_MAGIC = max(map(len, _FOREIGN))


@dataclass(frozen=True, slots=True)
class FileState:
    """What tells whether a file is still the one that was opened."""

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> FileState:
        """Read it from the file system.

        Raises:
            OSError: The file is gone, or may not be looked at.
        """
        found = path.stat()
        return cls(found.st_size, found.st_mtime_ns, found.st_ino)


@dataclass(frozen=True, slots=True)
class FileHead:
    """A file as it was found.

    Attributes:
        bom_bytes: Length of the byte order mark, 0 or 3.
        first: The first record's bytes without mark and line end; empty in an empty file.
        first_end: Offset behind the first record and its line end.
    """

    path: Path
    state: FileState
    bom_bytes: int
    first: bytes
    first_end: int

    @property
    def name(self) -> str:
        """For messages."""
        return str(self.path)

    @property
    def empty(self) -> bool:
        """Whether the file holds no record at all."""
        return self.state.size <= self.bom_bytes


def read_head(path: Path) -> FileHead:
    """Look at the beginning of a file.

    Raises:
        SourceUnreadable: The system refused, or this is no file.
        SourceError: The file is no UTF-8 text, by its first bytes.
        RecordTooLong: The first record is longer than 16 MiB.
    """
    try:
        with open_regular(path) as file:
            return _head(path, file)
    except SourceUnreadable:
        raise
    except OSError as error:
        raise SourceUnreadable(f"{path}: {error.strerror}") from error


def record_end(data: bytes, start: int = 0) -> int:
    """Return the offset behind the line feed that ends the first record from `start`, or -1 if none does."""
    at, quotes = start, 0
    while (line_feed := data.find(b"\n", at)) >= 0:
        quotes += data.count(b'"', at, line_feed)
        at = line_feed + 1
        if quotes % 2 == 0:
            return at
    return -1


def _head(path: Path, file: BinaryIO) -> FileHead:
    found = os.fstat(file.fileno())
    data = file.read(HEAD_BYTES)
    if data and not found.st_size:
        raise SourceUnreadable(f"{path} holds data, but its size is said to be 0", hint="Copy it to a file first.")
    refuse_foreign(str(path), data)
    bom = len(UTF8_BOM) if data.startswith(UTF8_BOM) else 0
    while (end := record_end(data, bom)) < 0 and (more := file.read(len(data))):
        data += more
        if len(data) > LONGEST_FIRST_RECORD:
            raise first_too_long(str(path), bom)
    end = len(data) if end < 0 else end
    state = FileState(found.st_size, found.st_mtime_ns, found.st_ino)
    return FileHead(path, state, bom, without_end(data[bom:end]), end)


def without_end(record: bytes | bytearray) -> bytes:
    """Return a record without its line end."""
    return bytes(record).removesuffix(b"\n").removesuffix(b"\r")


def refuse_foreign(name: str, data: bytes) -> None:
    """Look whether the first bytes are those of something else.

    Raises:
        SourceError: They are.
    """
    for magic, what in _FOREIGN.items():
        if data.startswith(magic):
            raise SourceError(f"{name} is not CSV but {what}")


def first_too_long(name: str, start: int) -> RecordTooLong:
    """Say that the first record goes on and on."""
    return RecordTooLong(
        f"the first record is longer than {LONGEST_FIRST_RECORD:,} bytes",
        place=Place(name, start),
        hint="Perhaps a quote is never closed, or lines end in CR alone.",
    )
