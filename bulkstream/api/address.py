"""Where an account is, and how to get there: the base address, its checks, and the proxy on the way."""

from __future__ import annotations

import ipaddress
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from yarl import URL

from bulkstream.api.auth import basic
from bulkstream.errors import UsageError
from bulkstream.model import Dialect
from bulkstream.secret import Secret

if TYPE_CHECKING:
    from bulkstream.settings import Connection

PUBLIC_HOST = "api.domo.com"
_EXAMPLE = "Set BULKSTREAM_URL, for example https://acme.domo.com."


def checked_url(url: str | None, *, allow_http: bool = False) -> str:
    """Return the base address without a trailing slash; https where no scheme is given.

    Args:
        url: As the user wrote it.
        allow_http: Accept that credentials travel unencrypted to another machine.

    Raises:
        UsageError: There is none, it is no http(s) address, it holds a password, or credentials would travel
            unencrypted. The text never repeats what may be a password.
    """
    if not url or not url.strip():
        raise UsageError("no address is set: BULKSTREAM_URL is missing", hint=_EXAMPLE)
    parsed = _parsed(url.strip())
    if parsed.user is not None or parsed.password is not None:
        raise UsageError("the address holds a user name or password", hint="Leave it out; credentials are set apart.")
    base = str(parsed.with_query(None).with_fragment(None)).rstrip("/")
    if is_unencrypted(base) and not allow_http:
        hint = "Use https; http is for this machine only, unless the setting allow_http says otherwise."
        raise UsageError(f"{base} would send credentials unencrypted", hint=hint)
    return base


def is_unencrypted(base: str) -> bool:
    """Whether what is sent to an address can be read on the way."""
    url = URL(base)
    return url.scheme == "http" and not is_loopback(url.host or "")


def _parsed(url: str) -> URL:
    try:
        parsed = URL(url if "://" in url else f"https://{url}")
        usable = parsed.scheme in {"http", "https"} and bool(parsed.host) and parsed.port is not None
    except ValueError:
        usable, parsed = False, URL()
    if not usable:
        shown = "the address" if "@" in url else repr(url)
        raise UsageError(f"{shown} is no http or https address", hint=_EXAMPLE)
    return parsed


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name or its address alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def dialect_of(connection: Connection) -> Dialect:
    """Choose the dialect: as set, else by the address, else by the kind of credentials.

    Raises:
        UsageError: It depends on the address, and that is none.
    """
    if connection.dialect is not None:
        return connection.dialect
    by_credentials = connection.client_id is not None and connection.token is None
    public = URL(checked_url(connection.url, allow_http=connection.allow_http)).host == PUBLIC_HOST or by_credentials
    return Dialect.PUBLIC if public else Dialect.INSTANCE


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy on the way to the account.

    Attributes:
        headers: Its own credentials, which the account never sees.
    """

    url: URL
    headers: dict[str, Secret] = field(default_factory=dict)


def proxy_for(base: str) -> Proxy | None:
    """Return the proxy that the environment names for an address (HTTPS_PROXY, NO_PROXY and so on).

    aiohttp's own `trust_env` would do so as well, but it also reads ~/.netrc: an entry there for the account, or a
    `default` one, makes every request fail that carries an Authorization header. This machine is never reached
    through a proxy, since credentials may travel unencrypted to it.

    Raises:
        UsageError: What the environment names is no address.
    """
    target = URL(base)
    host = target.host or ""
    named = _named_proxy(target.scheme)
    if not named or is_loopback(host) or urllib.request.proxy_bypass(host):
        return None
    proxy = _proxy(named)
    if proxy is None:
        raise UsageError(f"the proxy for {target.scheme} is no http address", hint="Check HTTPS_PROXY and HTTP_PROXY.")
    return proxy


def _named_proxy(scheme: str) -> Secret:
    """Return what the environment names, which may hold a password; empty if it names none."""
    return Secret(urllib.request.getproxies().get(scheme) or "")


def _proxy(named: Secret) -> Proxy | None:
    """Read a proxy's address; None if it is none, so that no frame with the password in it is left by an error."""
    text = named.reveal()
    try:
        proxy = URL(text if "://" in text else f"http://{text}")
    except ValueError:
        return None
    if proxy.scheme not in {"http", "https"} or not proxy.host:
        return None
    if proxy.user is None:
        return Proxy(proxy)
    return Proxy(proxy.with_user(None), {"Proxy-Authorization": basic(proxy.user, Secret(proxy.password or ""))})
