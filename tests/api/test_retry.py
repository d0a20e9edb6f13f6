"""Retries, on a clock of their own."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from bulkstream.api.retry import RETRY_COST, Clock, Retrier, Situation, wait_before
from bulkstream.api.wire import Request
from bulkstream.errors import (
    ApiDisconnected,
    ApiError,
    ApiTimeout,
    ApiUnreachable,
    CertificateRefused,
    Conflict,
    Exchange,
    Forbidden,
    NotFound,
    NotReady,
    RequestRejected,
    ServerFault,
    Throttled,
    Unauthorized,
    UnexpectedAnswer,
)
from bulkstream.settings import Retry

PART = Request("part 1", "PUT", "/part/1")
COMMIT = Request("commit", "PUT", "/commit", replayable=False)
POLICY = Retry(attempts=5, base_s=1.0, cap_s=3.0, budget=50, max_retry_after_s=60.0)


def failed(kind: type[ApiError], retry_after_s: float | None = None) -> ApiError:
    status = None if kind in {ApiUnreachable, ApiDisconnected, ApiTimeout} else 500
    return kind(Exchange("PUT", "http://server/part/1", status, "failed", retry_after_s=retry_after_s))


@dataclass
class Script:
    """What a server answers, one after the other: an error, or None for success."""

    steps: list[ApiError | None]
    sent: int = 0

    async def __call__(self) -> str:
        self.sent += 1
        step = self.steps.pop(0) if self.steps else None
        if step is not None:
            raise step
        return "done"


@dataclass
class Stage:
    """A retrier on a virtual clock that always draws the longest wait."""

    policy: Retry = POLICY
    time: float = 0.0
    waits: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.retrier = Retrier(self.policy, Clock(lambda: self.time, self.sleep, lambda _, high: high))

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.time += seconds

    async def run(self, script: Script, request: Request = PART) -> str:
        return await self.retrier.run(request, script, noted=self.notes.append)


async def test_waits_double_up_to_the_cap() -> None:
    """The bound of the drawn wait is base, 2 base, 4 base, but never above the cap."""
    stage = Stage()

    assert await stage.run(Script([failed(ServerFault)] * 4)) == "done"
    assert stage.waits == [1.0, 2.0, 3.0, 3.0]
    assert stage.notes[0] == "part 1: retrying in 1.0 s (attempt 2 of 5): failed"


def test_the_wait_is_drawn_from_zero_to_the_bound() -> None:
    """Full jitter: many clients that failed together don't come back together."""
    drawn: list[tuple[float, float]] = []

    def jitter(low: float, high: float) -> float:
        drawn.append((low, high))
        return 0.25

    situation = Situation(attempt=2, tokens=50, answered=True)
    assert wait_before(PART, failed(NotReady), situation, policy=POLICY, jitter=jitter) == 0.25
    assert drawn == [(0.0, 2.0)]


async def test_the_last_error_tells_how_often_was_tried() -> None:
    """After so many attempts the request is given up."""
    script = Script([failed(ServerFault)] * 9)

    with pytest.raises(ServerFault) as caught:
        await Stage().run(script)
    assert (caught.value.attempts, script.sent) == (5, 5)


@pytest.mark.parametrize("kind", [RequestRejected, Unauthorized, Forbidden, NotFound, Conflict, CertificateRefused])
async def test_what_would_fail_again_is_not_sent_again(kind: type[ApiError]) -> None:
    """Permanent failures cost one request."""
    stage, script = Stage(), Script([failed(kind)])

    with pytest.raises(kind):
        await stage.run(script)
    assert (script.sent, stage.waits) == (1, [])


@pytest.mark.parametrize("kind", [ServerFault, ApiDisconnected, ApiTimeout, UnexpectedAnswer])
async def test_what_may_have_taken_effect_is_repeated_only_if_that_is_harmless(kind: type[ApiError]) -> None:
    """A commit is never sent twice for an answer that was lost; a part is."""
    script = Script([failed(kind)])

    with pytest.raises(kind):
        await Stage().run(script, COMMIT)
    assert script.sent == 1
    assert await Stage().run(Script([failed(kind)]), PART) == "done"


@pytest.mark.parametrize("kind", [NotReady, Throttled])
async def test_what_certainly_had_no_effect_is_repeated_always(kind: type[ApiError]) -> None:
    """A commit that the server did not take on is sent again."""
    assert await Stage().run(Script([failed(kind)]), COMMIT) == "done"


async def test_retry_after_is_a_minimum() -> None:
    """The server's word counts where it is longer than the drawn wait."""
    stage = Stage()

    await stage.run(Script([failed(Throttled, 20.0), failed(Throttled, 0.5)]))
    assert stage.waits == [20.0, 2.0]


async def test_retry_after_holds_for_all_requests() -> None:
    """While one request was told to wait, others wait as well."""
    stage = Stage()
    await stage.run(Script([failed(Throttled, 20.0)]))
    stage.time = 5.0
    stage.waits.clear()

    await stage.run(Script([None]))

    assert stage.waits == [15.0]


async def test_a_retry_after_beyond_the_bound_is_not_waited_for() -> None:
    """Nobody waits an hour because a server says so."""
    with pytest.raises(Throttled):
        await Stage().run(Script([failed(Throttled, 61.0)]))


async def test_the_budget_ends_retries_when_nothing_succeeds() -> None:
    """With 50 tokens, ten retries are all that a client pays for."""
    stage = Stage(replace_attempts(100))
    script = Script([failed(ServerFault)] * 100)

    with pytest.raises(ServerFault):
        await stage.run(script)
    assert script.sent == 1 + 50 // RETRY_COST


def replace_attempts(attempts: int) -> Retry:
    return POLICY.model_copy(update={"attempts": attempts})


async def test_success_gives_the_budget_back() -> None:
    """Any number of requests may fail twice, as long as each succeeds in the end."""
    stage = Stage()

    for _ in range(100):
        assert await stage.run(Script([failed(NotReady), failed(NotReady)])) == "done"
    assert stage.retrier.tokens == 50


async def test_a_server_that_never_answered_is_given_up_soon() -> None:
    """A wrong address fails after three attempts; one that was right once gets all of them."""
    script = Script([failed(ApiUnreachable)] * 9)
    with pytest.raises(ApiUnreachable):
        await Stage().run(script)
    assert script.sent == 3

    stage, script = Stage(), Script([failed(ApiUnreachable)] * 9)
    await stage.run(Script([None]))
    with pytest.raises(ApiUnreachable):
        await stage.run(script)
    assert script.sent == 5


def test_a_situation_is_all_that_the_decision_needs() -> None:
    """The decision is a function: alike twice, and without effect."""
    situation = Situation(attempt=1, tokens=4, answered=True)

    for _ in range(2):
        assert wait_before(PART, failed(ServerFault), situation, policy=POLICY, jitter=lambda _, high: high) is None
        paid = replace(situation, tokens=5)
        assert wait_before(PART, failed(ServerFault), paid, policy=POLICY, jitter=lambda _, high: high) == 1.0


async def test_request_at_its_own_pace_is_not_sent_again_and_stops_nobody_else() -> None:
    """A commit that comes too soon is its own load's affair: no retry, no note, and no pause for others."""
    stage = Stage()
    commit = replace(COMMIT, own_pace=True)
    script = Script([failed(Throttled, 50.0)])
    with pytest.raises(Throttled) as caught:
        await stage.run(script, commit)
    await stage.run(Script([]))

    assert (script.sent, caught.value.attempts) == (1, 1)
    assert (stage.waits, stage.notes, stage.retrier.tokens) == ([], [], POLICY.budget)


async def test_request_at_its_own_pace_is_retried_where_the_server_is_not_ready() -> None:
    """Only "too soon" is left to whoever asks; a 503 is ridden out as for any other request."""
    stage = Stage()
    script = Script([failed(NotReady)])

    assert await stage.run(script, replace(COMMIT, own_pace=True)) == "done"
    assert script.sent == 2
