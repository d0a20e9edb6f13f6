"""Tokens under failure: shared, bridged, never asked for more often than helps."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from bulkstream.api import Clock
from bulkstream.api.auth import ClientCredentials, DeveloperToken
from bulkstream.api.wire import Request
from bulkstream.errors import (
    ApiDisconnected,
    ApiError,
    Exchange,
    NotReady,
    RequestRejected,
    ServerFault,
    Unauthorized,
    UnexpectedAnswer,
    UsageError,
)
from bulkstream.secret import Secret


@dataclass
class Issuer:
    """Fetches tokens when it is let, on a clock that the test moves."""

    now: float = 1000.0
    fetched: int = 0
    failure: ApiError | None = None
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()
        clock = Clock(now=lambda: self.now, wall=lambda: self.now)
        self.credentials = ClientCredentials("id", Secret("secret"), self.fetch, clock)

    async def fetch(self, _: Request) -> dict[str, Any]:
        self.fetched += 1
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return {"access_token": Secret(f"t{self.fetched}"), "expires_in": 3600}


def failed(kind: type[ApiError], status: int | None = None) -> ApiError:
    return kind(Exchange("POST", "https://api.domo.com/oauth/token", status, "as scripted"))


def bearer(number: int) -> dict[str, Secret]:
    return {"Authorization": Secret(f"bearer t{number}")}


async def test_a_failing_fetch_is_shared_by_all_who_wait() -> None:
    """Ten loads with a wrong secret cost one request; each has an error of its own, to write its report on."""
    issuer = Issuer(failure=failed(Unauthorized, 401))
    issuer.gate.clear()

    waiting = [asyncio.ensure_future(issuer.credentials.headers()) for _ in range(10)]
    await asyncio.sleep(0)
    issuer.gate.set()
    errors = await asyncio.gather(*waiting, return_exceptions=True)

    assert issuer.fetched == 1
    assert {type(error) for error in errors} == {Unauthorized}
    assert len({id(error) for error in errors}) == 10


async def test_a_cancelled_fetch_is_taken_over_by_the_next_who_waits() -> None:
    """Cancelling one load takes the token from no other, and leaves no lock behind."""
    issuer = Issuer()
    issuer.gate.clear()
    first, second = (asyncio.ensure_future(issuer.credentials.headers()) for _ in range(2))
    await asyncio.sleep(0)

    first.cancel()
    await asyncio.wait([first])
    issuer.gate.set()

    assert first.cancelled()
    assert await second == bearer(2)


async def test_nobody_waits_for_the_renewal_of_a_token_that_is_good() -> None:
    """The one that notices renews; the others go on meanwhile."""
    issuer = Issuer()
    await issuer.credentials.headers()
    issuer.now += 3000
    issuer.gate.clear()

    renewing = asyncio.ensure_future(issuer.credentials.headers())
    await asyncio.sleep(0)

    assert await issuer.credentials.headers() == bearer(1)
    issuer.gate.set()
    assert await renewing == bearer(2)


async def test_a_good_token_bridges_failing_renewals_and_they_are_spaced() -> None:
    """An outage of the token service is no outage until the token ends, and it isn't asked by every request."""
    issuer = Issuer()
    await issuer.credentials.headers()
    issuer.failure = failed(NotReady, 503)
    issuer.now += 3000

    for _ in range(5):
        assert await issuer.credentials.headers() == bearer(1)
    assert issuer.fetched == 2

    issuer.now += 31
    assert await issuer.credentials.headers() == bearer(1)
    assert issuer.fetched == 3
    issuer.now += 600
    with pytest.raises(NotReady):
        await issuer.credentials.headers()


@pytest.mark.parametrize("kind", [ServerFault, ApiDisconnected, UnexpectedAnswer])
async def test_a_lost_token_leaves_no_doubt_about_the_request_that_needed_it(kind: type[ApiError]) -> None:
    """The request was never sent, so nothing of it can have taken effect."""
    issuer = Issuer(failure=failed(kind, 500))

    with pytest.raises(NotReady) as caught:
        await issuer.credentials.headers()

    assert not caught.value.ambiguous


async def test_a_400_from_the_token_service_is_about_the_credentials() -> None:
    """RFC 6749 section 5.2 answers a wrong client with 400 as well as 401."""
    issuer = Issuer(failure=failed(RequestRejected, 400))

    with pytest.raises(Unauthorized):
        await issuer.credentials.headers()


@pytest.mark.parametrize("lifetime", ["soon", None, [], {}])
async def test_a_lifetime_that_is_no_number_is_a_short_one(lifetime: Any) -> None:
    """A token service may say what it likes; nothing breaks."""
    issuer = Issuer()

    async def fetch(_: Request) -> dict[str, Any]:
        issuer.fetched += 1
        return {"access_token": Secret("opaque"), "expires_in": lifetime}

    credentials = ClientCredentials("id", Secret("x"), fetch, Clock(now=lambda: issuer.now))
    await credentials.headers()
    await credentials.headers()
    assert issuer.fetched == 1
    issuer.now += 61
    await credentials.headers()
    assert issuer.fetched == 2


@pytest.mark.parametrize("token", ["", "  ", "two words", "line\nend", "snow☃man"])
def test_a_token_that_no_header_can_hold_is_refused_at_once(token: str) -> None:
    """Before anything is sent, and without being shown."""
    with pytest.raises(UsageError) as caught:
        DeveloperToken(Secret(token))

    assert not token.strip() or token not in str(caught.value)


async def test_white_space_around_a_token_is_not_part_of_it() -> None:
    """It comes from `$(cat file)` and from copying."""
    assert await DeveloperToken(Secret(" abc\n")).headers() == {"X-DOMO-Developer-Token": Secret("abc")}


@pytest.mark.parametrize("answer", [{}, {"access_token": 5}, {"access_token": "a\r\nb: c"}, []])
async def test_an_answer_without_a_usable_token_is_told(served: Any, answer: Any) -> None:
    """It is no token of the wrong kind, and nothing gets into a header."""

    async def issue(_: web.Request) -> web.Response:
        return web.json_response(answer)

    async with served(issue, dialect="public", retry={"attempts": 1}) as client:
        with pytest.raises(UnexpectedAnswer) as caught:
            await client._fetch_token(Request("token", "POST", "/oauth/token"))

    assert caught.value.status == 200


async def test_sending_again_with_a_new_token_is_counted_and_told(served: Any) -> None:
    """Whoever reads the count of retries sees every request that was sent again."""
    tokens = 0

    async def answer(request: web.Request) -> web.Response:
        nonlocal tokens
        if request.path == "/oauth/token":
            tokens += 1
            return web.json_response({"access_token": f"t{tokens}", "expires_in": 3599})
        refused = request.headers["Authorization"] == "bearer t1"
        return web.json_response({"message": "expired"}, status=401 if refused else 404)

    told: list[str] = []
    async with served(answer, dialect="public") as client:
        view = client.scoped(lambda notice: told.append(notice.text))
        with pytest.raises(ApiError) as caught:
            await view.streams.get(1)

    assert (view.retries, caught.value.attempts) == (1, 2)
    assert told == ["get stream 1: sending again with a new token: expired"]
