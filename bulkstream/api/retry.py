"""When a failed request is sent again, and after how long.

The decision is pure (`decide`); the loop around it only carries it out. Waits are drawn with full jitter
(Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015). All requests of a client share two things:
a pause that a server's Retry-After sets for all of them, and a budget that runs dry when nothing succeeds any more.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import anyio

from bulkstream.errors import ApiError, ApiUnreachable, Throttled

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bulkstream.api.wire import Request
    from bulkstream.settings import Retry

T = TypeVar("T")

RETRY_COST = 5
"""Tokens of the budget that one retry takes, as in botocore."""

STRANGER_ATTEMPTS = 3
"""A server that never answered is more likely a wrong address than a fault, so it is given up after these."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Time and chance, to be replaced in tests.

    Attributes:
        now: Monotonic seconds.
        sleep: Waits for seconds.
        jitter: Draws a number between two others.
        wall: Seconds since the epoch.
    """

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    jitter: Callable[[float, float], float] = random.uniform
    wall: Callable[[], float] = time.time


@dataclass(frozen=True, slots=True)
class Situation:
    """All that the decision depends on.

    Attributes:
        attempt: How often the request was sent, from 1.
        tokens: What is left in the budget.
        answered: The server has answered this client at least once.
    """

    attempt: int
    tokens: int
    answered: bool


def limit_of(error: ApiError, situation: Situation, policy: Retry) -> int:
    """Return how often a request is sent at most that fails in this way."""
    stranger = isinstance(error, ApiUnreachable) and not situation.answered
    return min(policy.attempts, STRANGER_ATTEMPTS) if stranger else policy.attempts


def wait_before(
    request: Request, error: ApiError, situation: Situation, *, policy: Retry, jitter: Callable[[float, float], float]
) -> float | None:
    """Return the seconds to wait before the request is sent again, or None if it must not be."""
    if not may_repeat(request, error, situation, policy) or obstacle(error, situation, policy):
        return None
    bound = min(policy.cap_s, policy.base_s * 2.0 ** min(situation.attempt - 1, 32))
    return max(error.exchange.retry_after_s or 0.0, jitter(0.0, bound))


def may_repeat(request: Request, error: ApiError, situation: Situation, policy: Retry) -> bool:
    """Whether sending it again may help, does no harm, and was not tried often enough."""
    safe = error.retryable and (request.replayable or not error.ambiguous)
    return safe and situation.attempt < limit_of(error, situation, policy)


def obstacle(error: ApiError, situation: Situation, policy: Retry) -> str:
    """Say why what may be repeated is not, in one sentence; empty if nothing speaks against it."""
    asked = error.exchange.retry_after_s or 0.0
    if asked > policy.max_retry_after_s:
        allowed = f"max_retry_after_s allows {policy.max_retry_after_s:g}"
        return f"Not tried again: the server asked to wait {asked:.0f} s, {allowed}."
    if situation.tokens < RETRY_COST:
        return "Not tried again: so many requests failed that the retry budget is used up."
    return ""


class Retrier:
    """Sends requests until they succeed or must be given up; shared by everything that one client does.

    Attributes:
        tokens: What is left in the budget.
        answered: The server has answered at least once, with whatever status.
    """

    def __init__(self, policy: Retry, clock: Clock) -> None:
        self.tokens = policy.budget
        self.answered = False
        self._policy = policy
        self._clock = clock
        self._paused_until = 0.0

    def __repr__(self) -> str:
        return f"Retrier({self.tokens} of {self._policy.budget} tokens, answered={self.answered})"

    async def run(self, request: Request, send: Callable[[], Awaitable[T]], *, noted: Callable[[str], None]) -> T:
        """Send the request, again if need be; `noted` is told of each retry before its wait.

        Raises:
            ApiError: The last attempt's, with the number of attempts; its hint tells why there was no other.
        """
        attempt, spent = 0, 0
        while True:
            attempt += 1
            await self._pause()
            try:
                result = await send()
            except ApiError as error:
                if not await self.hold_off(request, error, attempt, noted=noted):
                    raise
                spent += RETRY_COST
            else:
                self.answered = True
                self.tokens = min(self._policy.budget, self.tokens + (spent or 1))
                return result

    async def hold_off(self, request: Request, error: ApiError, attempt: int, *, noted: Callable[[str], None]) -> bool:
        """Wait until the request may be sent again, and say so; False, at once, if it must not be."""
        wait = self._weigh(request, error, attempt)
        if wait is None:
            return False
        turn = f"attempt {attempt + 1} of {limit_of(error, self._situation(attempt), self._policy)}"
        noted(f"{request.what}: retrying in {wait:.1f} s ({turn}): {error.message or error}")
        await self._clock.sleep(wait)
        return True

    def _weigh(self, request: Request, error: ApiError, attempt: int) -> float | None:
        """Decide, pay, and let a Retry-After hold for everybody, whether this request is sent again or not."""
        self.answered = self.answered or error.status is not None
        error.attempts = attempt
        if request.own_pace and isinstance(error, Throttled):
            return None
        situation = self._situation(attempt)
        wait = wait_before(request, error, situation, policy=self._policy, jitter=self._clock.jitter)
        if wait is not None:
            self.tokens -= RETRY_COST
        elif may_repeat(request, error, situation, self._policy):
            error.hint = f"{obstacle(error, situation, self._policy)} {error.hint}".strip()
        asked = error.exchange.retry_after_s or 0.0
        if asked <= self._policy.max_retry_after_s:
            self._paused_until = max(self._paused_until, self._clock.now() + asked)
        return wait

    def _situation(self, attempt: int) -> Situation:
        return Situation(attempt, self.tokens, self.answered)

    async def _pause(self) -> None:
        while (left := self._paused_until - self._clock.now()) > 0:
            await self._clock.sleep(left)
