"""Reading all that was asked for, from raw handles that give what they have."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bulkstream.errors import MissingExtra, SourceError

try:
    import pyarrow as pa
except ImportError:
    raise MissingExtra("pyarrow", "arrow") from None

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import RawIOBase

_READ_BYTES = 1 << 20
_AT_ONCE_BYTES = 32 << 20


class Whole:
    """Reads as much as it is asked for, as Arrow expects of a file; knows what it has read last.

    Attributes:
        tail: The last bytes, at most eight.
        short: The end came before as much as was asked for.
        failure: What the place said when it could not be read.
    """

    def __init__(self, raw: RawIOBase, ahead: bytes = b"") -> None:
        """Read `ahead` first, which was taken from a raw that can't go back."""
        self._raw = raw
        self._ahead = ahead
        self.tail = b""
        self.short = False
        self.failure: SourceError | None = None

    @property
    def closed(self) -> bool:
        """Whether the bytes can still be read."""
        return self._raw.closed

    def read(self, size: int) -> memoryview:
        """Read `size` bytes, fewer only at the end.

        A damaged file asks for any number of bytes: no more room is made than twice what is really there.
        """
        data, filled = bytearray(min(size, _AT_ONCE_BYTES)), min(size, len(self._ahead))
        data[:filled], self._ahead = self._ahead[:filled], self._ahead[filled:]
        while filled < size and (count := self._filled(memoryview(data)[filled:])):
            filled += count
            if filled == len(data) < size:
                data += bytes(min(size - filled, filled))
        self.tail = (self.tail + data[max(0, filled - 8) : filled])[-8:]
        self.short = filled < size
        return memoryview(data)[:filled]

    @contextmanager
    def speaking(self) -> Iterator[None]:
        """Raise what the place said instead of what Arrow's readers, of ORC for one, make of it.

        Raises:
            SourceError: The place could not be read.
        """
        try:
            yield
        except (pa.ArrowException, OSError) as error:
            if self.failure is None or error is self.failure:
                raise
            raise self.failure from None

    def _filled(self, view: memoryview) -> int:
        try:
            return self._raw.readinto(view) or 0
        except SourceError as error:
            self.failure = error
            raise

    def rest(self) -> int:
        """Read to the end; return how many bytes that were."""
        count = 0
        while data := self.read(_READ_BYTES):
            count += len(data)
        return count

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go elsewhere."""
        return self._raw.seek(offset, whence)

    def tell(self) -> int:
        """Tell where the next byte is."""
        return self._raw.tell()

    def flush(self) -> None:
        """Do nothing: Arrow asks for it."""

    def close(self) -> None:
        """Leave the bytes open: who opened them closes them."""
