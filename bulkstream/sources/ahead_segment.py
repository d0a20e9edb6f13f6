"""A segment whose bytes are made while they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulkstream.sources.source import UNKNOWN

if TYPE_CHECKING:
    from bulkstream.sources.ahead import Ahead

SCRATCH_BYTES = 512 << 10


class AheadSegment:
    """The rows of one input, as read ahead.

    Attributes:
        name: Of the input.
        offset: Where the next byte stands among those of the input, as CSV.
        first_line: Line on which the data begins.
        derived: True: the same input may give other bytes another time, if what makes them is another.
    """

    derived = True

    def __init__(self, ahead: Ahead, key: int, *, name: str, offset: int = 0, first_line: int = 1) -> None:
        """Read the pieces of that key."""
        self.name = name
        self.offset = offset
        self.first_line = first_line
        self._ahead = ahead
        self._key = key
        self._ended = False

    def __repr__(self) -> str:
        return f"AheadSegment({self.name!r}, at {self.offset}{', ended' if self._ended else ''})"

    @property
    def remaining(self) -> int:
        """0 where the end was seen, else more than there can be."""
        return 0 if self._ended else UNKNOWN

    def readinto(self, view: memoryview) -> int:
        """Fill `view`; less only at the end."""
        size = self._ahead.readinto(self._key, view)
        self.offset += size
        self._ended = size < len(view)
        return size

    def skip(self, count: int) -> None:
        """Read and drop."""
        scratch = memoryview(bytearray(min(count, SCRATCH_BYTES)))
        while count and (size := self.readinto(scratch[:count])):
            count -= size

    def close(self) -> None:
        """Let the threads end, if somebody gives up in the middle; the next segment may be read by them."""
        if not self._ended:
            self._ahead.close()
