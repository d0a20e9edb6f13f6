"""The connections to an account: kept alive for most requests, fresh ones for those that can't be repeated."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import hdrs

from bulkstream import __version__
from bulkstream.api.address import proxy_for
from bulkstream.errors import UsageError
from bulkstream.secret import Secret
from bulkstream.settle import finished

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bulkstream.api.address import Proxy
    from bulkstream.settings import Connection

KEEP_ALIVE_S = 30.0
"""An idle connection is not used again after this; servers and gateways commonly close theirs at 60 s."""


class Sessions:
    """The connections to one account.

    A session passed in belongs to the caller and is used for everything; without one, `open` makes two of our own
    and `close` closes them. The second never keeps a connection alive: on a kept one, a request may meet the
    server's closing it, and whether a commit that met that took effect is not to be told from here.
    """

    def __init__(self, base: str, connection: Connection, given: aiohttp.ClientSession | None) -> None:
        self._base = base
        self._connection = connection
        self._given = given
        self._kept: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None
        self._proxy: Proxy | None = None
        self._options: dict[str, Any] = {}

    async def open(self) -> None:
        """Make what is needed.

        Raises:
            UsageError: The CA bundle can't be read, or the environment's proxy is no address.
        """
        tls = _tls(self._connection)
        self._options = _options(self._connection, tls, pooled=self._given is not None)
        if self._given is not None or self._kept is not None:
            return
        if proxy := proxy_for(self._base):
            self._proxy = proxy
        # No limit: a request that waited for a connection here would look stalled. Who asks bounds how many.
        keeping = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S)
        self._kept = aiohttp.ClientSession(connector=keeping, cookie_jar=aiohttp.DummyCookieJar())
        closing = aiohttp.TCPConnector(limit=0, force_close=True)
        self._fresh = aiohttp.ClientSession(connector=closing, cookie_jar=aiohttp.DummyCookieJar())

    async def close(self) -> None:
        """Close our own."""
        owned, self._kept, self._fresh = (self._kept, self._fresh), None, None
        await finished(_closed([session for session in owned if session is not None]))

    def session(self, *, fresh: bool) -> aiohttp.ClientSession:
        """Return the session to use.

        Raises:
            UsageError: None is open.
        """
        session = self._given or (self._fresh if fresh else self._kept)
        if session is None:
            raise UsageError("the client is not open", hint="Use it as `async with Client(...) as client:`.")
        return session

    def options(self) -> dict[str, Any]:
        """Return what every request is given, so that a caller's session need not be set up in any way.

        It holds the proxy's credentials in the clear: hand it on, and keep it nowhere.
        """
        if self._proxy is None:
            return self._options
        return {**self._options, "proxy": self._proxy.url, "proxy_headers": revealed(self._proxy.headers)}


async def _closed(sessions: list[aiohttp.ClientSession]) -> None:
    for session in sessions:
        await session.close()


def _options(connection: Connection, tls: ssl.SSLContext | None, *, pooled: bool) -> dict[str, Any]:
    """Return the keyword arguments of all requests.

    `connect` bounds name resolution as well, but in a caller's pool also the wait for a connection, which is no
    fault; `sock_connect` bounds TCP and TLS. There is no total timeout: the watchdog takes its place.
    """
    connect_s = connection.connect_timeout_s
    options: dict[str, Any] = {
        "allow_redirects": False,
        "timeout": aiohttp.ClientTimeout(total=None, connect=None if pooled else connect_s, sock_connect=connect_s),
    }
    return options if tls is None else {**options, "ssl": tls}


def revealed(headers: Mapping[str, str | Secret]) -> dict[str, str]:
    """Return headers as they are sent, with their secrets in the clear."""
    return {name: value.reveal() if isinstance(value, Secret) else value for name, value in headers.items()}


def user_agent() -> dict[str, str]:
    """Return the header that names this package."""
    return {hdrs.USER_AGENT: f"bulkstream/{__version__}"}


def _tls(connection: Connection) -> ssl.SSLContext | None:
    """Return the context that trusts `ca_bundle`, None for the system's authorities."""
    if connection.ca_bundle is None:
        return None
    try:
        return ssl.create_default_context(cafile=str(connection.ca_bundle))
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"ca_bundle {connection.ca_bundle} can't be read: {error}") from None
