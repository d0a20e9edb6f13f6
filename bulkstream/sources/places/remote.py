"""From a URL to the blobs behind it; what reads a place is imported when a URL names one."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from bulkstream.sources.places.address import is_remote, parsed
from bulkstream.sources.places.background import Background
from bulkstream.sources.places.origin import Terms

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from bulkstream.sources.places.address import RemoteAddress
    from bulkstream.sources.places.remote_blob import RemoteBlob

__all__ = ["Background", "RemotePlaces", "Terms", "is_remote", "remote_blobs"]

_BUCKETS = ("s3", "gs", "az", "abfs", "abfss")
_WEB = ("https", "http")
_SFTP = ("sftp",)


class RemotePlaces:
    """Finds the objects of a load; they share connections, and what is in flight ends when this is closed."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._lock = threading.Lock()
        self._background: Background | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"RemotePlaces({'closed' if self._closed else 'in use' if self._background else 'not used'})"

    def blobs(self, url: str) -> tuple[RemoteBlob, ...]:
        """Return the objects behind a URL; raises what `remote_blobs` does. Blocking."""
        with self._lock:
            self._background = self._background or Background()
            if self._closed:
                self._background.close()
        return remote_blobs(url, terms=self._terms, background=self._background)

    def close(self) -> None:
        """End what reads, in whichever thread it waits; may be called again."""
        with self._lock:
            self._closed = True
        if self._background is not None:
            self._background.close()


def remote_blobs(
    url: str, *, terms: Terms | None = None, background: Background | None = None
) -> tuple[RemoteBlob, ...]:
    """Return the objects behind a URL: one, those that a pattern matches, or those in a folder if it ends in a slash.

    Patterns and folders give them sorted; not over https. Blobs of several URLs share connections if they are given
    the same `background`. Blocking.

    Raises:
        MissingExtra: What reads such places is not installed.
        SourceMissing: There is none.
        SourceUnreadable: The place refused or can't be reached.
        UsageError: The URL holds a password or a pattern where none can be, or is of no known kind.
    """
    address = parsed(url, (*_BUCKETS, *_WEB, *_SFTP))
    background = background or Background()
    return tuple(background.wait(_found(url, address, background, terms or Terms())))


def _found(
    url: str, address: RemoteAddress, background: Background, terms: Terms
) -> Coroutine[None, None, list[RemoteBlob]]:
    if address.scheme in _WEB:
        from bulkstream.sources.places.web import find_web_file  # noqa: PLC0415 - a heavy import for few

        return find_web_file(url, background, terms)
    if address.scheme in _SFTP:
        from bulkstream.sources.places.sftp import find_sftp_files  # noqa: PLC0415 - needs an extra

        return find_sftp_files(address, background, terms)
    from bulkstream.sources.places.stores import find_objects  # noqa: PLC0415 - needs an extra

    return find_objects(address, background, terms)
