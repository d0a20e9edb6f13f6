"""Credentials: a developer token, or a client id and secret that are exchanged for tokens which expire."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from bulkstream.api.retry import Clock
from bulkstream.api.wire import Request
from bulkstream.errors import ApiError, NotReady, RequestRejected, Unauthorized, UsageError
from bulkstream.model import Dialect
from bulkstream.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bulkstream.settings import Connection

REFRESH_AHEAD_S = 20 * 60.0
"""A token is renewed when less than this, or half its life, is left (as databricks-sdk does)."""

RENEW_AGAIN_S = 30.0
"""Wait after a failed renewal of a token that is still good, so that not every request tries it anew."""

UNKNOWN_LIFE_S = 60.0
"""Life of a token that tells nothing of its end."""


class Credentials(Protocol):
    """What puts a credential on a request."""

    async def headers(self) -> dict[str, Secret]:
        """Return the headers to send.

        Raises:
            ApiError: A token had to be fetched, and was not to be had.
        """

    async def renew(self, used: dict[str, Secret]) -> bool:
        """After a 401: replace what was used, unless somebody else already did; False if that can't be done.

        Raises:
            ApiError: As `headers` does.
        """


class DeveloperToken:
    """The instance dialect's credential, sent as it is.

    Raises:
        UsageError: The token can't be sent in a header.
    """

    def __init__(self, token: Secret) -> None:
        self._token = Secret(token.reveal().strip())
        if not _sendable(self._token):
            raise UsageError("the developer token is empty or holds spaces or characters that no token has")

    async def headers(self) -> dict[str, Secret]:
        """Return the token's header."""
        return {"X-DOMO-Developer-Token": self._token}

    async def renew(self, used: dict[str, Secret]) -> bool:  # noqa: ARG002 - the protocol's
        """Tell that a developer token can't be renewed from here."""
        return False


@dataclass(frozen=True, slots=True)
class Token:
    """An access token; both times are of the monotonic clock."""

    headers: dict[str, Secret]
    expires: float
    renew_at: float


class ClientCredentials:
    """The public dialect's credential: OAuth 2 client credentials (RFC 6749 section 4.4), scope `data`.

    Requests that need a token at the same time share one fetch, and its failure as well. While one of them renews a
    token that is still good, the others go on with it.
    """

    def __init__(
        self, client_id: str, secret: Secret, fetch: Callable[[Request], Awaitable[Any]], clock: Clock | None = None
    ) -> None:
        self._request = token_request(client_id, secret)
        self._fetch = fetch
        self._clock = clock or Clock()
        self._lock = asyncio.Lock()
        self._token: Token | None = None
        self._fetches = 0
        self._failure: ApiError | None = None

    async def headers(self) -> dict[str, Secret]:
        """Return the bearer header, after fetching a token if there is none or it ends soon."""
        token, now = self._token, self._clock.now()
        if token is not None and (now < token.renew_at or (now < token.expires and self._lock.locked())):
            return token.headers
        try:
            return (await self._renewed()).headers
        except ApiError:
            if token is None or self._clock.now() >= token.expires:
                raise
            return self._kept(token).headers

    async def renew(self, used: dict[str, Secret]) -> bool:
        """Fetch a new token, unless the refused one was replaced in the meantime."""
        if self._token is None or self._token.headers == used:
            await self._renewed()
        return True

    def _kept(self, token: Token) -> Token:
        """Go on with a token that is still good although it could not be renewed; look again in a while."""
        self._token = Token(token.headers, token.expires, self._clock.now() + RENEW_AGAIN_S)
        return self._token

    async def _renewed(self) -> Token:
        """Fetch a token, or share the outcome of a fetch that was under way when this was called."""
        known = self._fetches
        async with self._lock:
            if self._fetches == known:
                await self._fetch_once()
            if self._failure is not None:
                # A copy for each: an error belongs to the one load that it ends.
                raise type(self._failure)(self._failure.exchange, hint=self._failure.hint)
        if self._token is None:
            raise RuntimeError("a fetch brought neither a token nor an error")
        return self._token

    async def _fetch_once(self) -> None:
        try:
            answer = await self._fetch(self._request)
        except ApiError as error:
            self._failure = _as_of_credentials(error)
        else:
            self._token, self._failure = _token(answer, self._clock), None
        self._fetches += 1


def token_request(client_id: str, secret: Secret) -> Request:
    """`POST /oauth/token` with Basic credentials."""
    return Request(
        "token",
        "POST",
        "/oauth/token",
        form={"grant_type": "client_credentials", "scope": "data"},
        headers={"Authorization": basic(client_id.strip(), Secret(secret.reveal().strip()))},
        private=True,
    )


def basic(user: str, password: Secret) -> Secret:
    """Return Basic credentials (RFC 7617) as a header holds them."""
    return Secret("Basic " + base64.b64encode(f"{user}:{password.reveal()}".encode()).decode("ascii"))


def _as_of_credentials(error: ApiError) -> ApiError:
    """Say what a failed fetch means for the request that needed the token, which was never sent."""
    if isinstance(error, RequestRejected) and error.status == 400:  # noqa: PLR2004 - RFC 6749 section 5.2
        return Unauthorized(error.exchange)
    return NotReady(error.exchange, hint=error.hint) if error.ambiguous else error


def _token(answer: dict[str, Any], clock: Clock) -> Token:
    life_s = max(0.0, _life_s(answer, clock.wall()))
    now = clock.now()
    headers = {"Authorization": Secret(f"bearer {answer['access_token'].reveal()}")}
    return Token(headers, now + life_s, now + life_s - min(life_s / 2, REFRESH_AHEAD_S))


def _life_s(answer: dict[str, Any], wall: float) -> float:
    """Return how long a token lives: by `expires_in`, else by the JWT's `exp`, which trusts this machine's clock."""
    try:
        return float(answer["expires_in"])
    except (KeyError, TypeError, ValueError, OverflowError):
        pass
    try:
        payload = answer["access_token"].reveal().split(".")[1]
        return float(orjson.loads(base64.urlsafe_b64decode(payload + "=="))["exp"]) - wall
    except (IndexError, KeyError, ValueError, TypeError, OverflowError):
        return UNKNOWN_LIFE_S


def is_token(value: object) -> bool:
    """Whether a sealed `access_token` can be sent."""
    return isinstance(value, Secret) and _sendable(value)


def sealed(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the token service's answer with all its tokens as secrets."""
    return {n: Secret(value) if isinstance(value, str) and "token" in n else value for n, value in answer.items()}


def _sendable(token: Secret) -> bool:
    return bool(token) and all(check(token.reveal()) for check in (str.isascii, str.isprintable, _unbroken))


def _unbroken(text: str) -> bool:
    return " " not in text


def credentials_for(
    dialect: Dialect, connection: Connection, fetch: Callable[[Request], Awaitable[Any]], clock: Clock | None = None
) -> DeveloperToken | ClientCredentials:
    """Choose the credential that a dialect takes.

    Raises:
        UsageError: It is not set, or can't be one.
    """
    if dialect is Dialect.INSTANCE:
        if connection.token is None:
            raise UsageError(
                "the instance dialect needs a developer token: BULKSTREAM_TOKEN is missing",
                hint="Set BULKSTREAM_TOKEN.",
            )
        return DeveloperToken(connection.token)
    if not connection.client_id or connection.client_secret is None:
        raise UsageError(
            "the public dialect needs BULKSTREAM_CLIENT_ID and BULKSTREAM_CLIENT_SECRET, and one is missing",
            hint="Set BULKSTREAM_CLIENT_ID and BULKSTREAM_CLIENT_SECRET.",
        )
    return ClientCredentials(connection.client_id, connection.client_secret, fetch, clock)
