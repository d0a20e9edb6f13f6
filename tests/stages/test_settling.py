"""Commits that come too soon, and executions whose end an earlier process has left open."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
import pytest

from bulkstream.errors import (
    ApiDisconnected,
    ApiError,
    ApiTimeout,
    ApiUnreachable,
    BulkstreamError,
    CommitRefused,
    Conflict,
    Forbidden,
    NotFound,
    NotReady,
    OutcomeUnknown,
    RequestRejected,
    ServerFault,
    Throttled,
    UnexpectedAnswer,
)
from bulkstream.journal import Unkept
from bulkstream.ledger import Ledger
from bulkstream.model import OnFailure, Outcome
from bulkstream.settle import finished, settle
from bulkstream.stages import Ending, Terms, finalizing
from bulkstream.stages.pauses import Pauses
from tests.support.scripted_client import ScriptedClient, exchange, execution

TERMS = Terms(stream_id=1, commit_timeout_s=0.05, commit_wait_s=1000, abort_timeout_s=0.05)


@dataclass
class Naps:
    """Stands for `anyio.sleep`: notes pauses and returns at once, or never."""

    taken: list[float] = field(default_factory=list)
    endless: bool = False
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)
        self.begun.set()
        await (asyncio.Event().wait() if self.endless else asyncio.sleep(0))


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> Naps:
    found = Naps()
    monkeypatch.setattr("bulkstream.stages.finalize.anyio.sleep", found)
    return found


def too_soon(retry_after_s: float | None = None) -> Throttled:
    return Throttled(replace(exchange(429), retry_after_s=retry_after_s))


@dataclass
class Load:
    """A load whose parts have all arrived, and what it said."""

    client: ScriptedClient
    terms: Terms = TERMS
    ledger: Ledger = field(default_factory=Ledger)
    said: list[str] = field(default_factory=list)

    async def run(self) -> Exception | None:
        try:
            await self.committed()
        except Exception as error:  # noqa: BLE001 - it is what the test looks at
            return error
        return None

    async def committed(self) -> None:
        async def passes() -> None:
            pass

        client: Any = self.client
        tell = self.said.append
        async with finalizing(client, self.terms, check=passes, ledger=self.ledger, journal=Unkept(), tell=tell):
            pass

    def ending(self) -> Ending:
        """Return the end of an execution that an earlier process has opened."""
        terms = replace(self.terms, resumed=execution())
        client: Any = self.client
        return Ending(client, terms, self.ledger, Unkept(), self.said.append)


@pytest.mark.parametrize(("asked", "pauses"), [(None, [1, 2]), (90.0, [90, 90]), (0.0, [1, 2])])
async def test_commit_that_comes_too_soon_waits_and_says_so(
    naps: Naps, asked: float | None, pauses: list[float]
) -> None:
    """As long as the server asks for, else a second at first and longer each time; then the load is committed."""
    load = Load(ScriptedClient({"commit": [too_soon(asked), too_soon(asked), "SUCCESS"]}))

    assert await load.run() is None
    assert load.ledger.outcome is Outcome.COMMITTED
    assert load.client.calls == ["create", "commit", "commit", "commit"]
    assert naps.taken == pauses
    assert [f"waiting {pause:.0f} s" in said for pause, said in zip(pauses, load.said, strict=True)] == [True, True]


@pytest.mark.parametrize("asked", [1001.0, float("inf")])
async def test_commit_is_not_waited_for_beyond_the_limit(naps: Naps, asked: float) -> None:
    """A server that asks for more than commit_wait_s has refused; the execution is aborted, nothing is waited."""
    load = Load(ScriptedClient({"commit": [too_soon(asked)]}))

    assert isinstance(await load.run(), CommitRefused)
    assert (load.ledger.outcome, load.client.calls) == (Outcome.ABORTED, ["create", "commit", "abort"])
    assert naps.taken == []


async def test_load_that_is_cancelled_while_it_waits_to_commit_is_aborted(naps: Naps) -> None:
    """No commit is under way in a pause, so an interrupt there aborts as it does before."""
    naps.endless = True
    load = Load(ScriptedClient({"commit": [too_soon(60)]}))
    task = asyncio.ensure_future(load.committed())
    await naps.begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (load.ledger.outcome, load.client.calls) == (Outcome.ABORTED, ["create", "commit", "abort"])


def test_pauses_grow_to_a_bound_and_end_when_the_time_is_used_up() -> None:
    """A server that never says when is asked once a minute in the end."""
    pauses = Pauses(200.0)
    taken = [pauses.next(None) for _ in range(9)]

    assert taken == [1, 2, 4, 8, 16, 32, 60, 60, None]


@pytest.mark.parametrize(
    ("error", "attempts", "certain"),
    [
        (RequestRejected(exchange(400)), 1, True),
        (Conflict(exchange(409)), 1, True),
        (NotFound(exchange(404)), 1, True),
        (Forbidden(exchange(403)), 1, True),
        (NotReady(exchange(503)), 10, True),
        (ApiUnreachable(exchange()), 10, True),
        (Forbidden(exchange(403)), 2, True),
        (RequestRejected(exchange(400)), 2, False),
        (Conflict(exchange(409)), 2, False),
        (NotFound(exchange(404)), 2, False),
        (ServerFault(exchange(500)), 1, False),
        (ApiDisconnected(exchange()), 1, False),
        (ApiTimeout(exchange()), 1, False),
        (UnexpectedAnswer(exchange(200)), 1, False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, ApiError) else str(value),
)
async def test_only_what_was_refused_for_sure_is_aborted(error: ApiError, attempts: int, certain: bool) -> None:
    """A commit that may have taken effect is read, never aborted and never sent again."""
    error.attempts = attempts
    load = Load(ScriptedClient({"commit": [error], "get": ["ACTIVE"]}))

    raised = await load.run()

    assert load.client.calls.count("commit") == 1
    assert ("abort" in load.client.calls) is certain
    assert load.ledger.outcome is (Outcome.ABORTED if certain else Outcome.UNKNOWN)
    assert isinstance(raised, CommitRefused if certain else OutcomeUnknown)


@pytest.mark.parametrize("repeatable", [True, False])
@pytest.mark.parametrize(
    ("state", "outcome", "error"),
    [("SUCCESS", Outcome.COMMITTED, None), ("FAILED", Outcome.ABORTED, CommitRefused)],
)
async def test_commit_that_has_come_to_an_end_is_only_read(
    repeatable: bool, state: str, outcome: Outcome, error: type[Exception] | None
) -> None:
    """What the execution says settles it, whatever the method."""
    load = Load(ScriptedClient({"get": [state]}))
    raised = None
    try:
        await load.ending().reconcile(repeatable=repeatable)
    except CommitRefused as refused:
        raised = type(refused)

    assert (load.ledger.outcome, raised, load.client.calls) == (outcome, error, ["get"])


async def test_commit_of_rows_that_would_double_is_never_sent_again() -> None:
    """An APPEND whose execution stays open is followed until the time is up, and then it is unknown."""
    load = Load(ScriptedClient({"get": ["ACTIVE"]}))
    with pytest.raises(OutcomeUnknown):
        await load.ending().reconcile(repeatable=False)

    assert load.ledger.outcome is Outcome.UNKNOWN
    assert set(load.client.calls) == {"get"}


async def test_commit_of_rows_that_replace_is_sent_again() -> None:
    """A REPLACE whose commit did not arrive is committed."""
    load = Load(ScriptedClient({"get": ["ACTIVE"]}))
    await load.ending().reconcile(repeatable=True)

    assert (load.ledger.outcome, load.client.calls) == (Outcome.COMMITTED, ["get", "commit"])


@pytest.mark.parametrize(
    "refusal",
    [
        RequestRejected(exchange(400)),
        Conflict(exchange(409)),
        NotFound(exchange(404)),
        Forbidden(exchange(403)),
        NotReady(exchange(503)),
        ApiUnreachable(exchange()),
        ApiDisconnected(exchange()),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize(("state", "outcome"), [("SUCCESS", Outcome.COMMITTED), ("ACTIVE", Outcome.UNKNOWN)])
async def test_refusal_of_the_second_commit_says_nothing_of_the_first(
    refusal: ApiError, state: str, outcome: Outcome
) -> None:
    """While the first process's commit is not settled, no refusal leads to an abort: it may be the first one's echo."""
    load = Load(ScriptedClient({"get": ["ACTIVE", state], "commit": [refusal]}))
    ending = load.ending()
    try:
        await ending.reconcile(repeatable=True)
    except OutcomeUnknown:
        await ending.abort()

    assert load.ledger.outcome is outcome
    assert load.client.calls.count("commit") == 1
    assert "abort" not in load.client.calls


async def test_second_commit_that_comes_too_soon_keeps_the_doubt(naps: Naps) -> None:
    """Neither the end of patience nor an interrupt in the pause aborts what the first commit may have committed."""
    load = Load(ScriptedClient({"get": ["ACTIVE"], "commit": [too_soon(1), too_soon(5000)]}))
    ending = load.ending()
    with pytest.raises(OutcomeUnknown):
        await ending.reconcile(repeatable=True)
    await ending.abort()

    assert naps.taken == [1]
    assert (load.ledger.outcome, load.client.calls) == (Outcome.UNKNOWN, ["get", "commit", "commit"])


async def test_second_commit_that_is_cancelled_in_its_pause_keeps_the_doubt(naps: Naps) -> None:
    """As the former."""
    naps.endless = True
    load = Load(ScriptedClient({"get": ["ACTIVE"], "commit": [too_soon(60)]}))
    ending = load.ending()
    task = asyncio.ensure_future(ending.reconcile(repeatable=True))
    await naps.begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await ending.abort()

    assert (load.ledger.outcome, load.client.calls) == (Outcome.UNKNOWN, ["get", "commit"])


async def test_commit_that_nobody_can_read_stays_unknown() -> None:
    """A first look that fails is raised as it is, and nothing is claimed or aborted."""
    load = Load(ScriptedClient({"get": [Forbidden(exchange(403))]}))
    ending = load.ending()
    with pytest.raises(Forbidden):
        await ending.reconcile(repeatable=True)
    await ending.abort()

    assert (load.ledger.outcome, load.client.calls) == (Outcome.UNKNOWN, ["get"])


LOST = ApiDisconnected(exchange())


@pytest.mark.parametrize(
    ("committing", "script", "outcome", "error"),
    [
        (False, {}, Outcome.ABORTED, None),
        (False, {"abort": [LOST], "get": ["ABORTED"]}, Outcome.ABORTED, None),
        (False, {"abort": [LOST], "get": [NotFound(exchange(404))]}, Outcome.ABORTED, None),
        (False, {"abort": [LOST], "get": ["ACTIVE"]}, Outcome.KEPT, BulkstreamError),
        (False, {"abort": [LOST], "get": [LOST]}, Outcome.KEPT, BulkstreamError),
        (False, {"abort": [Conflict(exchange(409))], "get": ["SUCCESS"]}, Outcome.UNKNOWN, OutcomeUnknown),
        (True, {"get": ["ABORTED"]}, Outcome.ABORTED, None),
        (True, {"get": ["SUCCESS"]}, Outcome.COMMITTED, None),
        (True, {"abort": [Conflict(exchange(409))], "get": ["SUCCESS"]}, Outcome.COMMITTED, None),
        (True, {"abort": [Conflict(exchange(409))], "get": ["ACTIVE"]}, Outcome.UNKNOWN, OutcomeUnknown),
        (True, {"abort": [LOST], "get": [LOST]}, Outcome.UNKNOWN, OutcomeUnknown),
        (True, {"abort": [LOST], "get": [NotFound(exchange(404))]}, Outcome.ABORTED, None),
    ],
)
async def test_run_that_is_given_up_tells_what_is_true(
    committing: bool, script: Any, outcome: Outcome, error: type[Exception] | None
) -> None:
    """Aborted only where the server says so; where a commit was sent, its acknowledgement alone is not believed."""
    load = Load(ScriptedClient(script))
    raised: type[Exception] | None = None
    try:
        await load.ending().give_up(committing=committing)
    except BulkstreamError as failed:
        raised = type(failed)

    assert (load.ledger.outcome, raised) == (outcome, error)


@pytest.mark.parametrize(
    ("reading", "outcome"),
    [("ABORTED", Outcome.ABORTED), ("ACTIVE", Outcome.KEPT), (LOST, Outcome.KEPT), ("SUCCESS", Outcome.UNKNOWN)],
)
async def test_abort_whose_answer_was_lost_is_read(reading: Any, outcome: Outcome) -> None:
    """What the execution says counts; where nobody tells, it may be open."""
    load = Load(ScriptedClient({"abort": [LOST], "get": [reading]}))
    ending = load.ending()
    await ending.open()
    await ending.abort()

    assert (load.ledger.outcome, load.client.calls) == (outcome, ["abort", "get"])


@pytest.mark.parametrize("on_failure", list(OnFailure))
async def test_abort_is_not_cut_off_by_a_cancellation(on_failure: OnFailure) -> None:
    """A time limit of the caller that strikes while a failed load cleans up doesn't leave its execution open."""
    entered, release = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        entered.set()
        await release.wait()

    terms = replace(TERMS, on_failure=on_failure, abort_timeout_s=10)
    load = Load(ScriptedClient({"commit": [RequestRejected(exchange(400))], "abort": [slow]}), terms)
    task = asyncio.ensure_future(load.committed())
    if on_failure is OnFailure.ABORT:
        await entered.wait()
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        release.set()
    await asyncio.wait({task})

    assert load.ledger.outcome is (Outcome.ABORTED if on_failure is OnFailure.ABORT else Outcome.KEPT)
    assert task.cancelled() is (on_failure is OnFailure.ABORT)


async def test_finished_returns_raises_and_is_not_cut_off() -> None:
    """The work's result or error comes out; a cancellation is raised when the work is done, and not before."""

    async def number() -> int:
        return 1

    async def fails() -> None:
        raise ValueError("no")

    assert await finished(number()) == 1
    with pytest.raises(ValueError, match="no"):
        await finished(fails())

    release, done = asyncio.Event(), list[int]()

    async def works() -> None:
        await release.wait()
        done.append(1)

    task = asyncio.ensure_future(finished(works()))
    await asyncio.sleep(0)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    assert not task.done()
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert done == [1]


async def test_scope_that_is_cancelled_waits_for_what_must_be_finished() -> None:
    """The same under a cancel scope of anyio, which delivers its cancellation again and again."""
    done: list[int] = []

    async def works() -> None:
        for _ in range(20):
            await asyncio.sleep(0)
        done.append(1)

    with anyio.CancelScope() as scope:
        scope.cancel()
        await finished(works())
    with anyio.CancelScope() as scope:
        scope.cancel()
        await settle(works(), 5)

    assert done == [1, 1]


async def test_settling_ends_with_its_grace_however_often_it_is_cancelled() -> None:
    """Work that never ends is cancelled when the time is up, and does not go on behind the caller's back."""
    ended = asyncio.Event()

    async def hangs() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    task = asyncio.ensure_future(settle(hangs(), 0.01))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert ended.is_set()
