"""Packed bytes as unpackers want them: with a look ahead, and an account of where they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulkstream.errors import SourceError, SourceUnreadable
from bulkstream.model import Place

if TYPE_CHECKING:
    from io import RawIOBase

BLOCK_BYTES = 64 << 10
"""Packed bytes of one read; more only costs time, since what is left of them behind a frame's end is copied."""

_AGAIN = "Get the file again from where it comes from."


class Feed:
    """Packed bytes, with a look ahead and an account of where they stand.

    Attributes:
        name: For messages.
        offset: Of the next byte to be read.
        begin: Of the bytes that were read last.
        left: How many are still to come, None if the end of the stream is the end; a stream that ends earlier is an
            error.
        closed: For Arrow, which asks; closing is for whoever opened the stream.
    """

    closed = False

    def __init__(self, name: str, packed: RawIOBase, *, offset: int = 0) -> None:
        self.name = name
        self.offset = self.begin = offset
        self.left: int | None = None
        self._packed = packed
        self._ahead = b""

    def peek(self, size: int) -> bytes:
        """Return the next bytes and leave them there; fewer than `size` only at the end.

        Raises:
            SourceError: They can't be read.
        """
        while len(self._ahead) < size and (block := self._block(BLOCK_BYTES)):
            self._ahead += block
        return self._ahead[:size]

    def read(self, size: int = BLOCK_BYTES) -> bytes:
        """Return at most `size` bytes, none at the end only.

        Raises:
            SourceError: They can't be read, or the stream ends before it should.
        """
        size = size if self.left is None else min(size, self.left)
        if not size:
            return b""
        data = self._ahead[:size] or self._block(size)
        self._ahead = self._ahead[size:]
        if self.left is not None:
            self.left -= len(data)
            if not data:
                raise self.truncated("archive")
        self.begin, self.offset = self.offset, self.offset + len(data)
        return data

    def unread(self, data: bytes) -> None:
        """Take back what was read last and not used."""
        self._ahead = data + self._ahead
        self.offset -= len(data)

    def close(self) -> None:
        """Do nothing; see `closed`."""

    def truncated(self, what: str) -> SourceError:
        """Say that there should be more."""
        return SourceError(f"the {what} ends too early", place=Place(self.name, self.offset), hint=_AGAIN)

    def damaged(self, what: str, reason: object) -> SourceError:
        """Say that something is wrong in what was read last, at most a block."""
        text = f"the {what} is damaged from here on: {reason}"
        return SourceError(text, place=Place(self.name, self.begin), hint=_AGAIN)

    def garbage(self, what: str) -> SourceError:
        """Say that what comes next doesn't belong here."""
        return SourceError(
            f"what follows the {what} here is something else",
            place=Place(self.name, self.offset),
            hint="Cut the file off there, or get it again from where it comes from.",
        )

    def _block(self, size: int) -> bytes:
        try:
            return self._packed.read(size) or b""
        except SourceError:
            raise
        except (OSError, ValueError) as error:
            raise SourceUnreadable(f"{self.name}: {error}") from error
