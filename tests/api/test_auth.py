"""Credentials: sent, renewed once for all, never shown."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from aiohttp import web

from bulkstream.api import ApiClient, Clock
from bulkstream.api.address import dialect_of
from bulkstream.api.auth import ClientCredentials, credentials_for
from bulkstream.errors import Unauthorized, UsageError
from bulkstream.model import Dialect
from bulkstream.secret import Secret
from bulkstream.settings import Connection

if TYPE_CHECKING:
    from bulkstream.api.wire import Request

Served = Any  # the fixture's context manager


class TokenServer:
    """Hands out numbered tokens and accepts only the latest."""

    def __init__(self, *, accept: int | None = None) -> None:
        self.tokens = 0
        self.requests = 0
        self.seen: list[str] = []
        self._accept = accept

    async def answer(self, request: web.Request) -> web.Response:
        if request.path == "/oauth/token":
            self.tokens += 1
            self.seen.append(request.headers["Authorization"] + " " + (await request.text()))
            return web.json_response({"access_token": f"t{self.tokens}", "expires_in": 3599})
        self.requests += 1
        good = f"bearer t{self._accept or self.tokens}"
        return web.json_response({"id": 1}, status=200 if request.headers["Authorization"] == good else 401)


async def test_a_developer_token_is_sent_and_never_renewed(served: Served) -> None:
    """A 401 to a developer token is final, after one request."""
    seen = []

    async def refuse(request: web.Request) -> web.Response:
        seen.append(request.headers.get("X-DOMO-Developer-Token"))
        return web.json_response({"message": "no"}, status=401)

    async with served(refuse) as client:
        with pytest.raises(Unauthorized, match="no") as caught:
            await client.streams.get(1)

    assert seen == ["s3cret"]
    assert "s3cret" not in str(caught.value) + repr(caught.value) + repr(client)


async def test_client_credentials_are_exchanged_once_for_all_requests(served: Served) -> None:
    """Requests that start together share one token; the exchange is Basic plus a form, as RFC 6749 has it."""
    server = TokenServer()

    async with served(server.answer, dialect="public") as client:
        await asyncio.gather(*(client.streams.get(1) for _ in range(10)))

    basic = base64.b64encode(b"an-id:s3cret").decode()
    assert server.seen == [f"Basic {basic} grant_type=client_credentials&scope=data"]
    assert server.requests == 10


async def test_a_refused_token_is_renewed_once_for_all_waiters(served: Served) -> None:
    """Ten requests that are answered 401 together cost one new token and ten repetitions."""
    server = TokenServer(accept=2)

    async with served(server.answer, dialect="public") as client:
        streams = await asyncio.gather(*(client.streams.get(1) for _ in range(10)))

    assert [stream.id for stream in streams] == [1] * 10
    assert (server.tokens, server.requests) == (2, 20)


async def test_a_token_that_is_refused_again_is_an_error(served: Served) -> None:
    """A renewal that doesn't help isn't tried for ever."""
    server = TokenServer(accept=99)

    async with served(server.answer, dialect="public") as client:
        with pytest.raises(Unauthorized):
            await client.streams.get(1)

    assert (server.tokens, server.requests) == (2, 2)


async def test_a_wrong_secret_costs_one_request(served: Served) -> None:
    """Nothing is asked of the API without a token."""
    paths = []

    async def refuse(request: web.Request) -> web.Response:
        paths.append(request.path)
        return web.json_response({"error_description": "Bad credentials"}, status=401)

    async with served(refuse, dialect="public") as client:
        with pytest.raises(Unauthorized, match="Bad credentials") as caught:
            await client.streams.get(1)

    assert paths == ["/oauth/token"]
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "renewed_after_s"),
    [
        ({"expires_in": 3600}, 3600 - 20 * 60),
        ({"expires_in": 600}, 300),
        ({"jwt_exp_in": 600}, 300),
        ({}, 30),
    ],
)
async def test_a_token_is_renewed_ahead_of_its_end(answer: dict[str, float], renewed_after_s: float) -> None:
    """With half its life or twenty minutes left, whichever is less; a JWT's own end counts where nothing is said."""
    now, fetched = [1e9], []
    clock = Clock(now=lambda: now[0], wall=lambda: now[0])

    async def fetch(_: Request) -> dict[str, Any]:
        fetched.append(now[0])
        token = "opaque"
        if "jwt_exp_in" in answer:
            payload = base64.urlsafe_b64encode(orjson.dumps({"exp": now[0] + answer["jwt_exp_in"]})).rstrip(b"=")
            token = f"h.{payload.decode()}.s"
        return {"access_token": Secret(token), **answer}

    credentials = ClientCredentials("id", Secret("x"), fetch, clock)
    await credentials.headers()
    now[0] += renewed_after_s - 1
    await credentials.headers()
    assert len(fetched) == 1

    now[0] += 2
    await credentials.headers()
    assert len(fetched) == 2


@pytest.mark.parametrize(
    ("dialect", "words"),
    [(Dialect.INSTANCE, "BULKSTREAM_TOKEN"), (Dialect.PUBLIC, "BULKSTREAM_CLIENT_ID and BULKSTREAM_CLIENT_SECRET")],
)
def test_missing_credentials_name_the_variables(dialect: Dialect, words: str) -> None:
    """The user is told what to set."""

    async def never(_: Request) -> None:
        raise AssertionError

    with pytest.raises(UsageError) as caught:
        credentials_for(dialect, Connection(), never)
    assert words in caught.value.hint


@pytest.mark.parametrize(
    ("fields", "dialect"),
    [
        ({"url": "https://api.domo.com"}, Dialect.PUBLIC),
        ({"url": "https://acme.domo.com", "token": "x"}, Dialect.INSTANCE),
        ({"url": "http://127.0.0.1:1", "client_id": "x"}, Dialect.PUBLIC),
        ({"url": "http://127.0.0.1:1", "client_id": "x", "token": "x"}, Dialect.INSTANCE),
        ({"url": "https://api.domo.com", "dialect": "instance"}, Dialect.INSTANCE),
    ],
)
def test_the_dialect_follows_address_and_credentials(fields: dict[str, Any], dialect: Dialect) -> None:
    """What is set explicitly wins."""
    assert dialect_of(Connection(**fields)) is dialect


def test_a_client_shows_no_secret(settings: Any) -> None:
    """Neither a client nor its settings repeat a credential."""
    client = ApiClient(settings("http://127.0.0.1:9", "public"))

    assert "s3cret" not in repr(client) + repr(client.settings.connection.client_secret) + str(
        vars(client._credentials)
    )
