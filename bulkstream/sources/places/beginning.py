"""The first bytes of remote objects, kept in memory from when they were looked at until they are loaded.

What an object is, its header and its types are told by its beginning, which is so read several times; of a small object
it is all there is. Each time but the first costs no request.
"""

from __future__ import annotations

import threading
from collections import deque

ROOM_BYTES = 64 << 20
"""Bytes that are kept until the end."""
RECENT = 16
"""Beginnings that are kept besides, until so many others have come."""
WHOLE_BYTES = 1 << 20
"""An object up to this size is asked for with one request."""


class Room:
    """Memory that the objects of a load share."""

    def __init__(self, most_bytes: int = ROOM_BYTES) -> None:
        self._left = most_bytes
        self._recent: deque[Beginning] = deque()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Room({self._left} bytes left, {len(self._recent)} recent)"

    def take(self, beginning: Beginning, count: int) -> None:
        """Make room for a beginning, at the cost of another one if there is little."""
        with self._lock:
            if count <= self._left:
                self._left -= count
                return
            self._recent.append(beginning)
            if len(self._recent) > RECENT:
                self._recent.popleft().data = b""


class Beginning:
    """The first bytes of one object.

    Attributes:
        data: They; empty if they are not kept.
    """

    def __init__(self, room: Room) -> None:
        self.data = b""
        self._room = room
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Beginning({len(self.data)} bytes)"

    def keep(self, data: bytes) -> None:
        """Keep what was read, if nothing is kept."""
        with self._lock:
            if not self.data and data:
                self.data = data
                self._room.take(self, len(data))
