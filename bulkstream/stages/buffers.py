"""Memory for raw chunks: one buffer per worker, used again and again.

A fresh 64 MiB block costs 16,000 page faults before it holds a byte, as much time as reading into it; a used one
costs none.
"""

from __future__ import annotations

import mmap


class Buffer:
    """A block of anonymous memory outside Python's heap, given back to the system when it is dropped."""

    __slots__ = ("_map", "capacity")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._map = mmap.mmap(-1, capacity)

    def __repr__(self) -> str:
        return f"Buffer({self.capacity} bytes)"

    @property
    def view(self) -> memoryview:
        """All of the buffer, writable."""
        return memoryview(self._map)

    def grow(self, capacity: int, filled: int) -> None:
        """Make room for `capacity` bytes, keeping the first `filled`."""
        larger = mmap.mmap(-1, capacity)
        larger[:filled] = self._map[:filled]
        self._map, self.capacity = larger, capacity

    def restore(self, capacity: int) -> None:
        """Give back what a long record made it grow by, so that the bound on memory holds; the content is lost."""
        if self.capacity != capacity:
            self._map, self.capacity = mmap.mmap(-1, capacity), capacity
