"""Contents and blobs whose bytes are in memory, in a file, or come through as from a pipe."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bulkstream.errors import SourceUnreadable
from bulkstream.sources.content import Fingerprint

if TYPE_CHECKING:
    from pathlib import Path


class MemoryRaw(io.RawIOBase):
    """Reads bytes, at most `piece` of them at a time; `fails_at` is the first one that can't be read.

    `requests` counts reads.
    """

    def __init__(self, data: bytes, piece: int, fails_at: int | None, *, seekable: bool) -> None:
        self._bytes = io.BytesIO(data)
        self._piece = piece
        self._fails_at = fails_at
        self._seekable = seekable
        self.requests = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._seekable

    def seek(self, offset: int, whence: int = 0) -> int:
        if not self._seekable:
            raise io.UnsupportedOperation("seek")
        return self._bytes.seek(offset, whence)

    def tell(self) -> int:
        return self._bytes.tell()

    def readinto(self, buffer: object) -> int:
        self.requests += 1
        view = memoryview(buffer)[: self._piece]  # type: ignore[arg-type]
        if self._fails_at is not None and self._bytes.tell() + len(view) > self._fails_at:
            raise SourceUnreadable("memory: the link is down")
        if self.closed:
            raise SourceUnreadable("memory was closed while it was read")
        return self._bytes.readinto(view)


@dataclass
class MemoryContent:
    """Bytes that can be read from the first on; once only, if `unrepeatable` says why."""

    data: bytes
    name: str = "memory"
    unrepeatable: str = ""
    piece: int = 1 << 30
    fails_at: int | None = None
    change: str | None = None
    opened: list[MemoryRaw] = field(default_factory=list)

    def stream(self) -> MemoryRaw:
        if self.unrepeatable and self.opened:
            raise SourceUnreadable(f"{self.name} was read: {self.unrepeatable}")
        return self._raw(seekable=False)

    def changed(self) -> str | None:
        return self.change

    def all_closed(self) -> bool:
        return all(raw.closed for raw in self.opened)

    def _raw(self, *, seekable: bool) -> MemoryRaw:
        self.opened.append(MemoryRaw(self.data, self.piece, self.fails_at, seekable=seekable))
        return self.opened[-1]


@dataclass
class MemoryBlob(MemoryContent):
    """Bytes that can be read from any offset; in a file, if it has a path."""

    path: Path | None = None

    @classmethod
    def at(cls, path: Path) -> MemoryBlob:
        return cls(path.read_bytes(), str(path), path=path)

    @property
    def size(self) -> int:
        return len(self.data)

    def open(self) -> MemoryRaw:
        return self._raw(seekable=True)

    def fingerprint(self) -> Fingerprint:
        return Fingerprint(len(self.data), "", "")
