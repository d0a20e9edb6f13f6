"""Where an account is: what is accepted as an address, and by which way it is reached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from bulkstream.api.address import checked_url, dialect_of, is_loopback, proxy_for
from bulkstream.errors import UsageError
from bulkstream.model import Dialect
from bulkstream.secret import Secret
from bulkstream.settings import Connection

if TYPE_CHECKING:
    from pathlib import Path

PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("acme.domo.com", "https://acme.domo.com"),
        (" https://acme.domo.com/ ", "https://acme.domo.com"),
        ("HTTPS://Acme.Domo.com:8443/gate/?a=b#c", "https://acme.domo.com:8443/gate"),
        ("http://127.0.0.2:1", "http://127.0.0.2:1"),
        ("http://[::1]:8640", "http://[::1]:8640"),
        ("http://LOCALHOST", "http://localhost"),
    ],
)
def test_an_address_is_brought_into_form(url: str, base: str) -> None:
    """https where nothing is said; what is not part of the address is left out."""
    assert checked_url(url) == base


@pytest.mark.parametrize(
    "url", ["", "  ", "http://[bad", "https://host:99999", "https://:443", "mailto:x", "http://localhost.evil.example"]
)
def test_what_is_no_safe_address_is_refused(url: str) -> None:
    """Before anything is sent, and with an error of ours."""
    with pytest.raises(UsageError):
        checked_url(url)


@pytest.mark.parametrize(
    "url", ["https://me:hunter2@acme.domo.com", "http://me:hunter2@acme.domo.com", "x://me:hunter2@"]
)
def test_a_password_in_an_address_is_not_repeated(url: str) -> None:
    """An address lands in logs, so it holds no credential, and the refusal doesn't either."""
    with pytest.raises(UsageError) as caught:
        checked_url(url)

    assert "hunter2" not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize(
    ("host", "loopback"), [("127.9.9.9", True), ("::1", True), ("localhost", True), ("10.0.0.1", False), ("lo", False)]
)
def test_loopback_is_this_machine_only(host: str, loopback: bool) -> None:
    """Plain http goes no further."""
    assert is_loopback(host) is loopback


@pytest.mark.parametrize("url", ["api.domo.com", "https://API.domo.com:443/", "https://api.domo.com"])
def test_the_public_api_is_known_in_any_spelling(url: str) -> None:
    """Scheme, port and case don't decide on the dialect."""
    assert dialect_of(Connection.model_validate({"url": url})) is Dialect.PUBLIC


def test_a_proxy_of_the_environment_is_used(environ: pytest.MonkeyPatch) -> None:
    """Its credentials go to it alone, and its address shows none."""
    environ.setenv("https_proxy", "http://me:hunter2@proxy.example:3128")

    proxy = proxy_for("https://acme.domo.com")

    assert proxy is not None
    assert str(proxy.url) == "http://proxy.example:3128"
    assert proxy.headers == {"Proxy-Authorization": Secret("Basic bWU6aHVudGVyMg==")}
    assert "hunter2" not in repr(proxy)


@pytest.mark.parametrize("url", ["https://acme.domo.com", "http://127.0.0.1:8640", "https://localhost"])
def test_some_addresses_need_no_proxy(environ: pytest.MonkeyPatch, url: str) -> None:
    """NO_PROXY counts, and what is sent to this machine unencrypted leaves it in no case."""
    environ.setenv("https_proxy", "proxy.example:3128")
    environ.setenv("http_proxy", "proxy.example:3128")
    environ.setenv("no_proxy", "domo.com")

    assert proxy_for(url) is None


def test_a_proxy_that_is_no_address_is_told(environ: pytest.MonkeyPatch) -> None:
    """A typing error is found before the first request."""
    environ.setenv("https_proxy", "socks5://proxy.example")

    with pytest.raises(UsageError, match="proxy"):
        proxy_for("https://acme.domo.com")


async def test_a_netrc_changes_nothing(environ: pytest.MonkeyPatch, tmp_path: Path, served: Any) -> None:
    """Credentials come from the settings alone; a `default` entry for curl breaks no request."""
    (tmp_path / "netrc").write_text("default login somebody password else\n", "utf-8")
    environ.setenv("NETRC", str(tmp_path / "netrc"))

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/oauth/token":
            return web.json_response({"access_token": "t", "expires_in": 3599})
        return web.json_response({"id": 1} if request.headers["Authorization"] == "bearer t" else {})

    async with served(answer, dialect="public") as client:
        assert (await client.streams.get(1)).id == 1
