"""A file on a local disk as a blob."""

from __future__ import annotations

import os
from io import RawIOBase
from typing import TYPE_CHECKING

from bulkstream.errors import SourceUnreadable
from bulkstream.sources.content import Fingerprint
from bulkstream.sources.files import CsvFile
from bulkstream.sources.fingerprint import digest_of
from bulkstream.sources.head import FileState
from bulkstream.sources.regular import check_regular, open_regular

if TYPE_CHECKING:
    from io import FileIO
    from pathlib import Path

    from typing_extensions import Buffer


class LocalBlob:
    """A file, as it was found when this was made.

    Attributes:
        name: The path as text.
        unrepeatable: Empty, as a file can be read again.
        path: The path.
    """

    unrepeatable = ""

    def __init__(self, path: Path) -> None:
        """Look at a file without opening it.

        Raises:
            SourceUnreadable: The system refused, or it is no file.
        """
        try:
            found = path.stat()
            check_regular(path, found.st_mode)
        except SourceUnreadable:
            raise
        except OSError as error:
            raise SourceUnreadable(f"{path}: {error.strerror}") from error
        self._state = FileState(found.st_size, found.st_mtime_ns, found.st_ino)
        self.path = path
        self.name = str(path)

    def __repr__(self) -> str:
        return f"LocalBlob({self.name!r}, {self.size} bytes)"

    @property
    def size(self) -> int:
        """Bytes."""
        return self._state.size

    def open(self) -> LocalFile:
        """Open the file for reading, seekable and unbuffered; whoever called closes it.

        Raises:
            SourceUnreadable: The system refused.
        """
        try:
            return LocalFile(open_regular(self.path), self.name)
        except SourceUnreadable:
            raise
        except OSError as error:
            raise SourceUnreadable(f"{self.name}: {error.strerror}") from error

    def stream(self) -> LocalFile:
        """Open the file for reading from the first byte on; whoever called closes it.

        Raises:
            SourceUnreadable: The system refused.
        """
        file = self.open()
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
        return file

    def changed(self) -> str | None:
        """Say how the file differs from when it was found, or None if it doesn't."""
        return CsvFile(self.path, 0, self._state).changed()

    def fingerprint(self) -> Fingerprint:
        """Look at size, modification time and inode, and at samples of the bytes.

        Raises:
            SourceUnreadable: The system refused.
        """
        state = self._state
        return Fingerprint(state.size, f"{state.mtime_ns}:{state.inode}", digest_of(self.path, state.size))


class LocalFile(RawIOBase):
    """A file open for reading, whose errors name it and are a `SourceError`."""

    def __init__(self, file: FileIO, name: str) -> None:
        """Take over `file`, which is closed with this."""
        super().__init__()
        self._file = file
        self.name = name

    def __repr__(self) -> str:
        return f"LocalFile({self.name!r})"

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def fileno(self) -> int:
        """Return the file's descriptor."""
        return self._file.fileno()

    def readinto(self, buffer: Buffer, /) -> int:
        """Read once, at most what fits.

        Raises:
            SourceUnreadable: The system refused.
        """
        try:
            return self._file.readinto(memoryview(buffer).cast("B"))
        except OSError as error:
            raise SourceUnreadable(f"{self.name}: {error.strerror}") from error

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to another place in the file."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the place in the file."""
        return self._file.tell()

    def close(self) -> None:
        """Close the file."""
        try:
            self._file.close()
        finally:
            super().close()
