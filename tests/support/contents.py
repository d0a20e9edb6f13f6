"""Contents in memory, as places give them."""

from __future__ import annotations

import io
from dataclasses import dataclass, field


class Pieces(io.RawIOBase):
    """Bytes that come in pieces of a chosen size."""

    def __init__(self, data: bytes, piece: int) -> None:
        super().__init__()
        self._data = memoryview(data)
        self._piece = piece

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        if self.closed:
            raise ValueError("I/O operation on closed file")
        size = min(len(buffer), self._piece, len(self._data))
        buffer[:size] = self._data[:size]
        self._data = self._data[size:]
        return size


@dataclass
class MemoryContent:
    """A content whose bytes are in memory; `opened` are the streams that it gave."""

    data: bytes
    name: str = "memory"
    unrepeatable: str = ""
    piece: int = 1 << 30
    opened: list[Pieces] = field(default_factory=list)

    def stream(self) -> Pieces:
        assert not (self.unrepeatable and self.opened), "read twice"
        self.opened.append(Pieces(self.data, self.piece))
        return self.opened[-1]

    def changed(self) -> str | None:
        return None
