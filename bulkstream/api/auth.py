"""Credentials: a developer token, or a client id and secret that are exchanged for tokens which expire."""

from __future__ import annotations

import asyncio
import base64
import time
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from bulkstream.api.wire import Request
from bulkstream.errors import ApiError, UsageError
from bulkstream.model import Dialect

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pydantic import SecretStr

    from bulkstream.settings import Connection

REFRESH_AHEAD_S = 20 * 60.0
"""A token is renewed when less than this, or half its life, is left (as databricks-sdk does)."""


class Credentials(Protocol):
    """What puts a credential on a request."""

    async def headers(self) -> dict[str, str]:
        """Return the headers to send.

        Raises:
            ApiError: A token had to be fetched, and was not to be had.
        """

    async def renew(self, used: dict[str, str]) -> bool:
        """After a 401: replace what was used, unless somebody else already did; False if that can't be done."""


class DeveloperToken:
    """The instance dialect's credential, sent as it is."""

    def __init__(self, token: SecretStr) -> None:
        self._token = token

    async def headers(self) -> dict[str, str]:
        """Return the token's header."""
        return {"X-DOMO-Developer-Token": self._token.get_secret_value()}

    async def renew(self, used: dict[str, str]) -> bool:  # noqa: ARG002 - the protocol's
        """Tell that a developer token can't be renewed from here."""
        return False


class ClientCredentials:
    """The public dialect's credential: OAuth 2 client credentials (RFC 6749 section 4.4), scope `data`.

    Requests that find the token missing, stale or refused at the same time wait for one fetch together.
    """

    def __init__(self, client_id: str, secret: SecretStr, fetch: Callable[[Request], Awaitable[Any]]) -> None:
        self._client_id = client_id
        self._secret = secret
        self._fetch = fetch
        self._lock = asyncio.Lock()
        self._token = ""
        self._expires = 0.0
        self._renew_at = 0.0

    async def headers(self) -> dict[str, str]:
        """Return the bearer header, after fetching a token if there is none or it ends soon."""
        if time.time() >= self._renew_at:
            async with self._lock:
                if time.time() >= self._renew_at:
                    await self._renew_ahead()
        return {"Authorization": f"bearer {self._token}"}

    async def renew(self, used: dict[str, str]) -> bool:
        """Fetch a new token, unless the refused one was replaced in the meantime."""
        async with self._lock:
            if used.get("Authorization") == f"bearer {self._token}":
                await self._get_token()
        return True

    async def _renew_ahead(self) -> None:
        """Renew; a token that is still good bridges a failure to do so."""
        try:
            await self._get_token()
        except ApiError:
            if time.time() >= self._expires:
                raise

    async def _get_token(self) -> None:
        answer = await self._fetch(token_request(self._client_id, self._secret.get_secret_value()))
        now = time.time()
        self._token = answer["access_token"]
        self._expires = _expiry(answer, now)
        self._renew_at = self._expires - min((self._expires - now) / 2, REFRESH_AHEAD_S)


def token_request(client_id: str, secret: str) -> Request:
    """`POST /oauth/token` with Basic credentials."""
    basic = base64.b64encode(f"{client_id}:{secret}".encode()).decode("ascii")
    return Request(
        "get a token",
        "POST",
        "/oauth/token",
        form={"grant_type": "client_credentials", "scope": "data"},
        headers={"Authorization": f"Basic {basic}"},
    )


def _expiry(answer: dict[str, Any], now: float) -> float:
    """Return when a token ends: by `expires_in`, else by the JWT's `exp`; without either, after a minute."""
    lifetime = answer.get("expires_in")
    if isinstance(lifetime, int | float):
        return now + lifetime
    try:
        payload = str(answer["access_token"]).split(".")[1]
        return float(orjson.loads(base64.urlsafe_b64decode(payload + "=="))["exp"])
    except (IndexError, KeyError, ValueError, TypeError):
        return now + 60.0


def credentials_for(
    dialect: Dialect, connection: Connection, fetch: Callable[[Request], Awaitable[Any]]
) -> DeveloperToken | ClientCredentials:
    """Choose the credential that a dialect takes.

    Raises:
        UsageError: It is not set.
    """
    if dialect is Dialect.INSTANCE:
        if connection.token is None:
            raise UsageError("no developer token is set", hint="Set BULKSTREAM_TOKEN.")
        return DeveloperToken(connection.token)
    if not connection.client_id or connection.client_secret is None:
        raise UsageError(
            "no client id and secret are set", hint="Set BULKSTREAM_CLIENT_ID and BULKSTREAM_CLIENT_SECRET."
        )
    return ClientCredentials(connection.client_id, connection.client_secret, fetch)
