"""When a failed request is sent again, and after how long.

The decision is pure (`wait_before`); the loop around it only carries it out. Waits are drawn with full jitter
(Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015). All requests of a client share two things:
a pause that a server's Retry-After sets for all of them, and a budget that runs dry when nothing succeeds any more.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import anyio

from bulkstream.errors import ApiError, ApiUnreachable

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
    """

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    jitter: Callable[[float, float], float] = random.uniform


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


def wait_before(
    request: Request, error: ApiError, situation: Situation, *, policy: Retry, jitter: Callable[[float, float], float]
) -> float | None:
    """Return the seconds to wait before the request is sent again, or None if it must not be."""
    limit = policy.attempts
    if isinstance(error, ApiUnreachable) and not situation.answered:
        limit = min(limit, STRANGER_ATTEMPTS)
    asked = error.exchange.retry_after_s or 0.0
    if (
        not error.retryable
        or (error.ambiguous and not request.replayable)
        or situation.attempt >= limit
        or situation.tokens < RETRY_COST
        or asked > policy.max_retry_after_s
    ):
        return None
    bound = min(policy.cap_s, policy.base_s * 2.0 ** min(situation.attempt - 1, 32))
    return max(asked, jitter(0.0, bound))


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
            ApiError: The last attempt's, with the number of attempts.
        """
        attempt, spent = 0, 0
        while True:
            attempt += 1
            await self._pause()
            try:
                result = await send()
            except ApiError as error:
                wait = self._weigh(request, error, attempt)
                if wait is None:
                    raise
                spent += RETRY_COST
                noted(f"{request.what}: {error.message or error}; retrying in {wait:.1f} s ({attempt + 1}. attempt)")
                await self._clock.sleep(wait)
            else:
                self.answered = True
                self.tokens = min(self._policy.budget, self.tokens + (spent or 1))
                return result

    def _weigh(self, request: Request, error: ApiError, attempt: int) -> float | None:
        """Decide, pay, and let a Retry-After hold for everybody."""
        self.answered = self.answered or error.status is not None
        error.attempts = attempt
        situation = Situation(attempt, self.tokens, self.answered)
        wait = wait_before(request, error, situation, policy=self._policy, jitter=self._clock.jitter)
        if wait is not None:
            self.tokens -= RETRY_COST
            self._paused_until = max(self._paused_until, self._clock.now() + (error.exchange.retry_after_s or 0.0))
        return wait

    async def _pause(self) -> None:
        while (left := self._paused_until - self._clock.now()) > 0:
            await self._clock.sleep(left)
