"""Files on web servers, by aiohttp.

A pre-signed URL allows GET and refuses HEAD, and its query is its password: size and version are asked for by a GET
of one byte, and no query is ever shown.
"""

from __future__ import annotations

import re
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

from bulkstream.errors import SourceError, SourceMissing, SourceUnreadable, UsageError
from bulkstream.sources.places.address import shown, without_secrets
from bulkstream.sources.places.origin import Found, Interrupted, looked
from bulkstream.sources.places.remote_blob import RemoteBlob

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from pathlib import Path

    from bulkstream.sources.places.background import Background
    from bulkstream.sources.places.origin import Terms

_BUFFER_BYTES = 1 << 20
_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+)")
_READY = re.compile(r"[!-~]+")
"""What needs no escaping is sent as it is, since a signature may be of the very bytes."""
_TRANSIENT = (408, 425, 429)
_GONE = (404, 410)
_REFUSED = (401, 403)


class WebFile:
    """One file on a web server.

    Attributes:
        name: Its URL without query.
    """

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.name = shown(url)
        self._url = URL(url, encoded=_READY.fullmatch(url) is not None)
        self._session = session

    def __repr__(self) -> str:
        return f"WebFile({self.name!r})"

    async def look(self) -> Found:
        """Ask for size and version; raises what `Origin.look` does."""
        async with self._asked("bytes=0-0") as answer:
            return self._found(answer)

    async def pieces(self, start: int, stop: int, found: Found) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of a range, of a server without ranges after passing over what is before it."""
        async with self._asked(f"bytes={start}-{stop - 1}" if found.ranges else "") as answer:
            found.check(self.name, self._found(answer))
            at = _start(answer)
            async for piece in answer.content.iter_any():
                wanted = piece[max(start - at, 0) : max(stop - at, 0)]
                at += len(piece)
                if wanted:
                    yield wanted
                if at >= stop:
                    return

    @asynccontextmanager
    async def _asked(self, wanted: str) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a GET and hand on its good answer, whose errors mean what `Origin` says."""
        headers = {"Accept-Encoding": "identity"} | ({"Range": wanted} if wanted else {})
        try:
            async with self._session.get(self._url, headers=headers) as answer:
                if self._url.scheme == "https" and answer.url.scheme != "https":
                    raise SourceUnreadable(f"{self.name}: the server leads from https to {answer.url.scheme}")
                if answer.status not in (200, 206, 416):
                    raise self._refusal(answer)
                yield answer
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error, SourceError):
                raise
            raise self._failure(error) from None

    def _found(self, answer: aiohttp.ClientResponse) -> Found:
        """Read size and version from an answer.

        Raises:
            SourceUnreadable: The server doesn't tell the size.
        """
        tag, modified = answer.headers.get("ETag", ""), answer.headers.get("Last-Modified", "")
        if answer.status == 200:  # noqa: PLR2004 - OK, all of it
            if (size := answer.content_length) is None:
                raise SourceUnreadable(
                    f"{self.name}: the server doesn't tell the file's size",
                    hint="Hand its bytes on by a pipe: curl -fsS URL | bulkstream upload STREAM -",
                )
            return Found(size, tag, modified, ranges=False)
        match = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if match is None:
            raise SourceUnreadable(f"{self.name}: the server's answer {answer.status} doesn't tell the file's size")
        return Found(int(match[2]), tag, modified)

    def _refusal(self, answer: aiohttp.ClientResponse) -> Exception:
        told = f"{self.name}: the server answered {answer.status} {answer.reason}"
        if answer.status in _TRANSIENT or answer.status >= 500:  # noqa: PLR2004 - where server faults begin
            wait = answer.headers.get("Retry-After", "")
            return Interrupted(f"the server answered {answer.status}", float(wait) if wait.isdecimal() else 0.0)
        if answer.status in _GONE:
            return SourceMissing(told, hint="Check the URL.")
        refused = answer.status in _REFUSED
        return SourceUnreadable(told, hint="A signed URL may have expired; get a new one." if refused else "")

    def _failure(self, error: Exception) -> Exception:
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            hint = "Name your company's certificate authority in the setting ca_bundle."
            return SourceUnreadable(f"{self.name}: the server's certificate is not trusted", hint=hint)
        if isinstance(error, aiohttp.InvalidURL | aiohttp.TooManyRedirects):
            return SourceUnreadable(f"{self.name}: {type(error).__name__}")
        if isinstance(error, aiohttp.ClientConnectorError):
            reason = error.os_error.strerror or str(error.os_error)
            return Interrupted(f"can't connect to {error.host}:{error.port}: {without_secrets(reason)}")
        return Interrupted(without_secrets(str(error).replace(str(self._url), self.name)) or type(error).__name__)


async def find_web_file(url: str, background: Background, terms: Terms) -> list[RemoteBlob]:
    """Return the file behind a URL.

    Raises:
        SourceMissing: There is none.
        SourceUnreadable: The server refused or can't be reached, or doesn't tell the size.
        UsageError: The URL holds a pattern.
    """
    path = shown(url)
    if "*" in path:
        raise UsageError(f"{path}: a web server can't be asked which files match a pattern", hint="Name each file.")
    session = background.shared("web", lambda: _session(terms))
    origin = WebFile(url, session)
    found = await looked(origin.name, origin.look, terms, terms.first_attempts)
    return [RemoteBlob(origin, found, background, terms)]


def _session(terms: Terms) -> aiohttp.ClientSession:
    """Return a session that knows the environment's proxies, and watches nothing but the connecting."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=_tls(terms.ca_bundle), limit=0),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=terms.connect_s),
        read_bufsize=_BUFFER_BYTES,
        auto_decompress=False,
        trust_env=True,
        headers={"User-Agent": "bulkstream"},
    )


def _tls(ca_bundle: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=None if ca_bundle is None else str(ca_bundle))
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"ca_bundle {ca_bundle} can't be read: {error}") from None


def _start(answer: aiohttp.ClientResponse) -> int:
    """Return the offset of the first byte of an answer."""
    match = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    return int(match[1]) if match and match[1] else 0
