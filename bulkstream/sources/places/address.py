"""URLs of sources: what they name, and what of them may be shown.

A secret is never taken from the command line, where others see it: a password in a URL is refused. A signature in
the query of an https URL can't be avoided, so that no message shows a query.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bulkstream.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_BAD_PORT = re.compile(r":(?!\d*$)[^\]]*$")
_QUERY = re.compile(r"(\w://[^\s?#\"'()<>]*)[?#][^\s\"'()<>]*")
_USERINFO = re.compile(r"(\w://)[^\s/@]*@")


@dataclass(frozen=True, slots=True)
class RemoteAddress:
    """A URL taken apart.

    Attributes:
        scheme: In lower case, as `s3`.
        user: What stands before an `@`, never a password; a container for `abfss`.
        place: Bucket, container, or host and port.
        key: What follows the first slash; a pattern perhaps.
    """

    scheme: str
    user: str
    place: str
    key: str

    def named(self, key: str) -> str:
        """Return the URL of an object at the same place."""
        return f"{self.scheme}://{self.user}{'@' if self.user else ''}{self.place}/{key}"


def is_remote(name: str) -> bool:
    """Whether a name is a URL: letters, then `://`."""
    return _SCHEME.match(name) is not None


def parsed(url: str, known: Iterable[str]) -> RemoteAddress:
    """Take a URL apart.

    Raises:
        UsageError: It holds a password, names no place or is of another kind than those known.
    """
    match = _SCHEME.match(url)
    scheme = match[1].lower() if match else ""
    if scheme not in known:
        raise UsageError(f"{scheme}:// is no source that can be read", hint=f"Known are: {', '.join(sorted(known))}.")
    rest = url[len(scheme) + 3 :]
    place = re.split(r"[/?#]", rest, maxsplit=1)[0]
    key = rest[len(place) + 1 :]
    user, _, place = place.rpartition("@")
    if ":" in user or (user and scheme not in ("sftp", "abfs", "abfss")):
        raise UsageError(
            f"{scheme}://…@{without_secrets(place)} holds a user and perhaps a password",
            hint="Give credentials by the environment; docs/sources.md names the variables.",
        )
    if not place or _BAD_PORT.search(place):
        raise UsageError(f"{shown(url)} names no bucket or host")
    return RemoteAddress(scheme, user, place, key)


def shown(url: str) -> str:
    """Return a URL without its query."""
    return without_secrets(url.partition("?")[0].partition("#")[0])


def is_signed(name: str) -> bool:
    """Whether a URL may hold its own password: one of a web server with a query."""
    return name.lower().startswith(("https://", "http://")) and "?" in name


def without_secrets(text: str) -> str:
    """Return a text without the queries and passwords of the URLs in it."""
    return _QUERY.sub(r"\1", _USERINFO.sub(r"\1", text))
