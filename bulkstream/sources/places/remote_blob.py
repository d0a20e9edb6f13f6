"""A remote object as a blob, and its two ways of reading: on and on with ranges in flight ahead, or from anywhere."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from bulkstream.errors import SourceError, SourceMissing, SourceUnreadable
from bulkstream.sources.content import Fingerprint
from bulkstream.sources.fingerprint import SAMPLE_BYTES, sample_offsets
from bulkstream.sources.places.beginning import Beginning
from bulkstream.sources.places.origin import looked
from bulkstream.sources.places.remote_file import RemoteFile
from bulkstream.sources.places.remote_stream import RemoteStream, SequentialStream

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from io import RawIOBase

    from bulkstream.sources.places.background import Background
    from bulkstream.sources.places.origin import Found, Origin, Terms


class RemoteBlob:
    """An object in a bucket, on a web server or behind SFTP, as it was found.

    Attributes:
        name: Its URL, without query.
        unrepeatable: Empty, as it can be read again.
        path: None, as it is on no local disk.
    """

    unrepeatable = ""
    path = None

    def __init__(
        self,
        origin: Origin,
        found: Found,
        background: Background,
        terms: Terms,
        *,
        look: Callable[[], Awaitable[Found]] | None = None,
    ) -> None:
        """Describe an object; `look` is a cheaper way to look at it again, if there is one."""
        self.name = origin.name
        self._origin = origin
        self._found = found
        self._background = background
        self._terms = terms
        self._look = look or origin.look
        self._beginning = Beginning(background.room)

    def __repr__(self) -> str:
        return f"RemoteBlob({self.name!r}, {self.size} bytes)"

    @property
    def size(self) -> int:
        """Bytes."""
        return self._found.size

    def stream(self) -> RawIOBase:
        """Open the object for reading from the first byte on; whoever called closes it, also from another thread.

        A stream that nobody reads has not begun to transfer.
        """
        if not self._found.ranges:
            return SequentialStream(self._origin, self._found, self._background, self._terms)
        return RemoteStream(self._origin, self._found, self._background, self._terms, self._beginning)

    def open(self) -> RemoteFile:
        """Open the object for reading from anywhere; whoever called closes it.

        Raises:
            SourceUnreadable: Its server gives whole files only.
        """
        if not self._found.ranges:
            raise SourceUnreadable(
                f"{self.name}: the server gives whole files only, and this one is read from several places",
                hint="Download it first, or let a copy be made: curl -fsS URL | bulkstream upload - --spool DIR …",
            )
        return RemoteFile(self._origin, self._found, self._background, self._terms, self._beginning)

    def changed(self) -> str | None:
        """Say how the object differs from when it was found, or None if it doesn't."""
        try:
            now = self._background.wait(looked(self.name, self._look, self._terms, self._terms.attempts))
        except SourceMissing:
            return f"{self.name} is gone"
        except SourceError as error:
            return f"whether {self.name} is still the same can't be told: {error}"
        return self._found.difference(self.name, now)

    def fingerprint(self) -> Fingerprint:
        """Tell size and version, and look at samples of the bytes where a strong entity tag doesn't speak for all.

        Raises:
            SourceUnreadable: They could not be read.
        """
        found = self._found
        strong = found.tag and not found.tag.startswith("W/")
        digest = "" if strong or not found.ranges else self._digest()
        return Fingerprint(found.size, found.tag or found.modified, digest)

    def _digest(self) -> str:
        digest = hashlib.blake2b(digest_size=16)
        with self.open() as file:
            for offset in sample_offsets(self.size):
                file.seek(offset)
                digest.update(file.read(SAMPLE_BYTES))
        return digest.hexdigest()
