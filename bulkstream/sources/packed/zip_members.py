"""Members of zip archives, unpacked while they are read, each with its checksum and its length compared.

The directory at the archive's end is read by Python's `zipfile`; the members are not, since isal inflates three times
as fast.
"""

from __future__ import annotations

import io
import struct
import zipfile
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from bulkstream.errors import SourceError, SourceUnreadable
from bulkstream.sources.packed.feed import Feed
from bulkstream.sources.packed.unpacked_stream import UnpackedStream
from bulkstream.sources.packed.zip_entry import Entry, entry_engine

if TYPE_CHECKING:
    from collections.abc import Sequence
    from io import RawIOBase

    from bulkstream.sources.content import Blob, Content

OFFICE_MEMBERS = {"[Content_Types].xml", "META-INF/manifest.xml"}
"""What every Office Open XML file has, and every OpenDocument file."""

_ENCRYPTED = 1
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
_OTHER_METHODS = {9: "Deflate64", 93: "zstd", 95: "xz", 98: "PPMd"}
_INSTEAD = "Unpack the archive, and load what comes out."


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive, as a content.

    Attributes:
        archive: Where it is.
        entry: What the archive says of it.
    """

    archive: Blob
    entry: Entry

    @property
    def name(self) -> str:
        """Of the archive and the member; offsets in messages count bytes of the archive."""
        return f"{self.archive.name}/{self.entry.path}"

    @property
    def unrepeatable(self) -> str:
        """Why the archive can't be read a second time."""
        return self.archive.unrepeatable

    def stream(self) -> RawIOBase:
        """Open the member's bytes; whoever called closes them, also from another thread.

        Raises:
            SourceUnreadable: The archive can't be opened.
        """
        archive = self.archive.open()
        try:
            archive.seek(self.entry.offset)
        except BaseException:
            archive.close()
            raise
        return UnpackedStream(
            archive, Feed(self.name, archive, offset=self.entry.offset), partial(entry_engine, self.entry)
        )

    def changed(self) -> str | None:
        """Say how the archive differs from when it was found."""
        return self.archive.changed()


def members(blob: Blob) -> tuple[Content, ...]:
    """Return the files of a zip archive in its order, without folders, hidden files and those that macOS adds.

    Blocking. Nothing stays open.

    Raises:
        SourceError: It is no whole zip archive, has no files, or one is encrypted or packed in a way that is not
            supported.
        SourceUnreadable: It can't be read.
    """
    infos = [info for info in _directory(blob) if not info.is_dir() and not _hidden(info.filename)]
    if not infos:
        raise SourceError(f"{blob.name} is a zip archive without files")
    return tuple(Member(blob, _entry(blob.name, info)) for info in infos)


def is_excel(blob: Blob) -> bool:
    """Whether a zip archive is a workbook, or another document of an office suite: .xlsx, .xlsm, .xlsb, .ods.

    Raises:
        SourceError: It is no whole zip archive.
        SourceUnreadable: It can't be read.
    """
    return any(info.filename in OFFICE_MEMBERS for info in _directory(blob))


def _directory(blob: Blob) -> Sequence[zipfile.ZipInfo]:
    try:
        with blob.open() as raw, io.BufferedReader(raw) as file, zipfile.ZipFile(file) as archive:
            return archive.infolist()
    except SourceError:
        raise
    except OSError as error:
        raise SourceUnreadable(f"{blob.name}: {error.strerror or error}") from error
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        raise SourceError(
            f"{blob.name} is no whole zip archive: {error}", hint="Get the file again from where it comes from."
        ) from None


def _hidden(path: str) -> bool:
    names = path.split("/")
    return names[0] == "__MACOSX" or any(name.startswith(".") and name.strip(".") for name in names)


def _entry(archive: str, info: zipfile.ZipInfo) -> Entry:
    if info.flag_bits & _ENCRYPTED:
        raise SourceError(f"{archive}/{info.filename} is encrypted", hint=_INSTEAD)
    if info.compress_type not in _METHODS:
        method = _OTHER_METHODS.get(info.compress_type, f"method {info.compress_type}")
        raise SourceError(f"{archive}/{info.filename} is packed by {method}, which is not supported", hint=_INSTEAD)
    return Entry(info.filename, info.header_offset, info.compress_type, info.compress_size, info.file_size, info.CRC)
