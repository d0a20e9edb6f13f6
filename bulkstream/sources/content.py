"""What readers ask of a place: bytes that can be read from the start on, or from anywhere.

A *content* is a run of bytes: a file, an object in a bucket, a pipe, a member of an archive, or one of these unpacked
or decoded. A *blob* is a content that can be read again, and from any offset. Formats know nothing of places, and
places nothing of formats.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from io import RawIOBase
    from pathlib import Path


class Content(Protocol):
    """A run of bytes. Its methods block: call them in a thread.

    Attributes:
        name: For messages: a path or a URL, without credentials.
        unrepeatable: Why it can't be read a second time; empty if it can.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - see the class

    @property
    def unrepeatable(self) -> str: ...  # noqa: D102 - see the class

    def stream(self) -> RawIOBase:
        """Open the bytes for reading from the first on; whoever called closes it, also from another thread.

        `readinto` gives at most as much as it is asked for, 0 at the end only, and raises a `SourceError` if anything
        goes wrong.

        Raises:
            SourceUnreadable: The system refused, or what can be read only once was read.
        """

    def changed(self) -> str | None:
        """Say in a sentence how it differs from when it was found, or None if it doesn't."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What tells whether a blob is still the one that was loaded from.

    Attributes:
        size: Bytes.
        version: What its place says of its state: modification time and inode, an entity tag; empty if nothing.
        digest: Of samples of its bytes.
    """

    size: int
    version: str
    digest: str


class Blob(Content, Protocol):
    """A content that can be read from any offset, again and again, by several threads at once.

    Attributes:
        size: Bytes.
        path: Where it is on a local disk; None elsewhere.
    """

    @property
    def size(self) -> int: ...  # noqa: D102 - see the class

    @property
    def path(self) -> Path | None: ...  # noqa: D102 - see the class

    def open(self) -> RawIOBase:
        """Open the bytes for reading, seekable and unbuffered; whoever called closes it.

        Raises:
            SourceUnreadable: The system refused.
        """

    def fingerprint(self) -> Fingerprint:
        """Look at size, state and samples of the bytes.

        Raises:
            SourceUnreadable: The system refused.
        """
