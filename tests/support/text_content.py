"""A content in memory, whose reads give as little as a test wants."""

from __future__ import annotations

from dataclasses import dataclass, field
from io import RawIOBase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class Dripping(RawIOBase):
    """Gives at most `most` bytes at a time."""

    def __init__(self, data: bytes, most: int) -> None:
        self._data = memoryview(data)
        self._most = most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        if self.closed:
            raise ValueError("I/O operation on closed file")
        view = memoryview(buffer)[: self._most]
        size = min(len(view), len(self._data))
        view[:size] = self._data[:size]
        self._data = self._data[size:]
        return size


@dataclass
class TextContent:
    """Bytes with a name; `opened` are the streams that were asked for."""

    data: bytes
    name: str = "text.csv"
    unrepeatable: str = ""
    most: int = 1 << 20
    opened: list[Dripping] = field(default_factory=list)
    difference: str | None = None

    def stream(self) -> Dripping:
        self.opened.append(Dripping(self.data, self.most))
        return self.opened[-1]

    def changed(self) -> str | None:
        return self.difference
