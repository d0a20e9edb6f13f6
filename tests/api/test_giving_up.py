"""Giving up: what is told of it, and what the others are spared."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from bulkstream.api import Clock
from bulkstream.api.retry import Retrier
from bulkstream.api.wire import Request
from bulkstream.errors import ApiError, ApiUnreachable, Exchange, NotReady, RequestRejected, Throttled
from bulkstream.settings import Retry

PART = Request("part 7", "PUT", "/parts/7")


@dataclass
class Desk:
    """A retrier on a clock that jumps to where it is told to wait."""

    policy: Retry
    now: float = 0.0
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.retrier = Retrier(self.policy, Clock(now=lambda: self.now, sleep=self.sleep, jitter=lambda _, high: high))

    async def sleep(self, seconds: float) -> None:
        self.now += seconds

    async def run(self, *outcomes: ApiError | None) -> None:
        script = iter(outcomes)

        async def send() -> None:
            if (error := next(script, None)) is not None:
                raise error

        await self.retrier.run(PART, send, noted=self.notes.append)


def failed(kind: type[ApiError], retry_after_s: float | None = None, status: int | None = 503) -> ApiError:
    return kind(Exchange("PUT", "https://api.domo.com/parts/7", status, "as scripted", "", retry_after_s))


async def test_too_long_a_retry_after_is_told() -> None:
    """The user learns how long the server wanted, and which setting would have allowed it."""
    with pytest.raises(Throttled) as caught:
        await Desk(Retry(max_retry_after_s=60)).run(failed(Throttled, 3600.0))

    assert caught.value.hint.startswith(
        "Not tried again: the server asked to wait 3600 s, max_retry_after_s allows 60. The server asked"
    )


async def test_an_empty_budget_is_told() -> None:
    """Otherwise ten attempts would seem to have been one."""
    with pytest.raises(NotReady) as caught:
        await Desk(Retry(budget=4)).run(failed(NotReady))

    assert "the retry budget is used up" in caught.value.hint
    assert caught.value.attempts == 1


@pytest.mark.parametrize("error", [failed(RequestRejected, 5000.0, 400), failed(NotReady)])
async def test_an_error_that_is_final_anyway_has_no_excuse(error: ApiError) -> None:
    """What would not be tried again in any case is told as it is."""
    usual = error.hint
    with pytest.raises(type(error)):
        await Desk(Retry(attempts=1, budget=0)).run(error)

    assert error.hint == usual


async def test_a_wait_that_one_request_is_told_holds_for_the_others_even_if_it_gives_up() -> None:
    """The server asked the client, and not the request."""
    desk = Desk(Retry(attempts=1))
    with pytest.raises(Throttled):
        await desk.run(failed(Throttled, 20.0))

    await desk.run(None)

    assert desk.now == 20


async def test_a_wait_that_nobody_keeps_holds_nobody_up() -> None:
    """A request that gives up on an hour's wait doesn't make all others take it."""
    desk = Desk(Retry(max_retry_after_s=60))
    with pytest.raises(Throttled):
        await desk.run(failed(Throttled, 3600.0))

    await desk.run(None)

    assert desk.now == 0


async def test_a_note_names_the_attempts_that_there_will_be() -> None:
    """A server that never answered is tried three times, one that did as often as is set; notes are one line."""
    desk = Desk(Retry(base_s=1.25, attempts=10))

    await desk.run(failed(ApiUnreachable, status=None), failed(NotReady))

    assert desk.notes == [
        "part 7: retrying in 1.2 s (attempt 2 of 3): as scripted",
        "part 7: retrying in 2.5 s (attempt 3 of 10): as scripted",
    ]
