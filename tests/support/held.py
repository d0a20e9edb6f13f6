"""Contents in memory for tests, which come in pieces as a place may give them."""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING

from bulkstream.errors import SourceUnreadable
from bulkstream.sources.content import Fingerprint

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from _typeshed import WriteableBuffer


class Pieces(io.BytesIO, io.RawIOBase):
    """Gives no more than so many bytes at a time, over and over."""

    def __init__(self, data: bytes, sizes: Sequence[int]) -> None:
        super().__init__(data)
        self._sizes = cycle(sizes)

    def read(self, size: int | None = -1, /) -> bytes:
        most = next(self._sizes)
        return super().read(most if size is None or size < 0 else min(size, most))


@dataclass(frozen=True, slots=True)
class Held:
    """A blob in memory."""

    data: bytes
    sizes: Sequence[int] = (1 << 30,)
    name: str = "held"
    unrepeatable: str = ""
    path: Path | None = None

    @property
    def size(self) -> int:
        return len(self.data)

    def stream(self) -> io.RawIOBase:
        return Pieces(self.data, self.sizes)

    def open(self) -> io.RawIOBase:
        return Pieces(self.data, self.sizes)

    def changed(self) -> str | None:
        return "held has changed" if self.unrepeatable else None

    def fingerprint(self) -> Fingerprint:
        return Fingerprint(self.size, "", "")


class Waiting(io.RawIOBase):
    """Gives some bytes, and then waits until it is closed.

    Attributes:
        waits: Set while a read waits.
    """

    def __init__(self, data: bytes = b"") -> None:
        super().__init__()
        self.waits = threading.Event()
        self._data = io.BytesIO(data)
        self._end = threading.Event()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        if size := self._data.readinto(buffer):
            return size
        self.waits.set()
        self._end.wait()
        raise SourceUnreadable("the wait was ended")

    def close(self) -> None:
        self._end.set()
        super().close()
