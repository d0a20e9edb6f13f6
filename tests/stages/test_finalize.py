"""The end of an execution: one commit or one abort, and a truthful outcome."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest

from bulkstream.errors import (
    ApiDisconnected,
    CommitRefused,
    Conflict,
    NotFound,
    OutcomeUnknown,
    RequestRejected,
    Throttled,
    Unauthorized,
)
from bulkstream.journal import Unkept
from bulkstream.ledger import Ledger
from bulkstream.model import OnFailure, Outcome, Packed, Part, Receipt
from bulkstream.stages import Terms, finalizing, gate
from tests.support.scripted_client import ScriptedClient, exchange, execution

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from bulkstream.api import Execution

TERMS = Terms(stream_id=1, commit_timeout_s=0.05, commit_wait_s=0.05, abort_timeout_s=0.05)


async def passes() -> None:
    """Stand for a gate that finds nothing."""


def opened(
    client: ScriptedClient, terms: Terms, ledger: Ledger, check: Callable[[], Awaitable[None]] = passes
) -> AbstractAsyncContextManager[Execution]:
    """Open an execution of a scripted client, with no journal."""
    return finalizing(
        client,  # type: ignore[arg-type]
        terms,
        check=check,
        ledger=ledger,
        journal=Unkept(),
        tell=lambda _: None,
    )


async def finalize(
    client: ScriptedClient,
    *,
    terms: Terms = TERMS,
    body: Callable[[], Awaitable[None]] = passes,
    check: Callable[[], Awaitable[None]] = passes,
) -> tuple[Ledger, BaseException | None]:
    """Run a body inside an execution; return the ledger and what was raised."""
    ledger = Ledger()
    try:
        async with opened(client, terms, ledger, check):
            await body()
    except Exception as error:  # noqa: BLE001 - it is what the test looks at
        return ledger, error
    return ledger, None


async def test_clean_end_commits_once() -> None:
    """A body that ends and a gate that passes lead to one commit, and nothing else."""
    client = ScriptedClient()

    ledger, error = await finalize(client)

    assert (ledger.outcome, error, client.calls) == (Outcome.COMMITTED, None, ["create", "commit"])
    assert ledger.execution_id == 7


@pytest.mark.parametrize("where", ["body", "check"])
async def test_failure_before_the_commit_aborts_and_is_raised(where: str) -> None:
    """What the body or the gate raises comes out unchanged, after the abort."""

    async def fails() -> None:
        raise ValueError("no")

    client = ScriptedClient()
    ledger, error = await (finalize(client, body=fails) if where == "body" else finalize(client, check=fails))

    assert (ledger.outcome, client.calls) == (Outcome.ABORTED, ["create", "abort"])
    assert isinstance(error, ValueError)


async def test_execution_that_was_never_opened_is_not_aborted() -> None:
    """A refused creation leaves nothing to clean up."""
    client = ScriptedClient({"create": [Unauthorized(exchange(401))]})

    ledger, error = await finalize(client)

    assert (ledger.outcome, client.calls, ledger.execution_id) == (Outcome.ABORTED, ["create"], None)
    assert isinstance(error, Unauthorized)


async def test_failed_load_is_kept_if_the_user_wants_that() -> None:
    """With on_failure=keep the execution stays open."""

    async def fails() -> None:
        raise ValueError("no")

    client = ScriptedClient()
    ledger, _ = await finalize(client, terms=replace(TERMS, on_failure=OnFailure.KEEP), body=fails)

    assert (ledger.outcome, client.calls) == (Outcome.KEPT, ["create"])


async def test_abort_that_hangs_is_bounded_and_reported_as_kept() -> None:
    """Leaving takes no longer than abort_timeout_s, and the report doesn't claim an abort."""

    async def fails() -> None:
        raise ValueError("no")

    client = ScriptedClient({"abort": [anyio.sleep_forever]})
    ledger, error = await finalize(client, body=fails)

    assert ledger.outcome is Outcome.KEPT
    assert isinstance(error, ValueError)


async def test_abort_of_what_the_server_has_ended_counts_as_aborted() -> None:
    """An execution that the server itself has failed is not open, though it can't be aborted any more."""

    async def fails() -> None:
        raise ValueError("no")

    client = ScriptedClient({"abort": [Conflict(exchange(409))], "get": ["FAILED"]})
    ledger, _ = await finalize(client, body=fails)

    assert ledger.outcome is Outcome.ABORTED


async def test_commit_still_active_is_read_until_it_succeeds() -> None:
    """An answer that says ACTIVE is not an end."""
    client = ScriptedClient({"commit": ["ACTIVE"], "get": ["ACTIVE", "SUCCESS"]})

    ledger, error = await finalize(client, terms=replace(TERMS, commit_timeout_s=5))

    assert (ledger.outcome, error) == (Outcome.COMMITTED, None)
    assert client.calls == ["create", "commit", "get", "get"]


@pytest.mark.parametrize("state", ["FAILED", "ERROR", "INVALID", "ABORTED"])
async def test_commit_that_the_server_fails_later_is_refused(state: str) -> None:
    """A commit that was accepted and then failed is an error that names the state."""
    client = ScriptedClient({"commit": ["ACTIVE"], "get": [state]})

    ledger, error = await finalize(client)

    assert ledger.outcome is Outcome.ABORTED
    assert isinstance(error, CommitRefused)
    assert state in str(error)
    assert "executions get 1 7" in error.hint


@pytest.mark.parametrize("refusal", [RequestRejected(exchange(400)), Throttled(exchange(429))])
async def test_refused_commit_is_followed_by_an_abort(refusal: Exception) -> None:
    """Where the server says that it did not commit, the execution isn't left open to block the next load."""
    client = ScriptedClient({"commit": [refusal]})

    ledger, error = await finalize(client)

    assert (ledger.outcome, client.calls) == (Outcome.ABORTED, ["create", "commit", "abort"])
    assert isinstance(error, CommitRefused)


async def test_lost_commit_answer_is_settled_by_reading() -> None:
    """When the answer is lost but the commit took place, the load is committed, and no second commit is sent."""
    client = ScriptedClient({"commit": [ApiDisconnected(exchange())], "get": ["SUCCESS"]})

    ledger, error = await finalize(client)

    assert (ledger.outcome, error, client.calls) == (Outcome.COMMITTED, None, ["create", "commit", "get"])


async def test_refusal_of_a_repeated_commit_is_settled_by_reading() -> None:
    """A 409 in answer to a second attempt may be the echo of a first one that took effect."""
    echo = Conflict(exchange(409))
    echo.attempts = 2
    client = ScriptedClient({"commit": [echo], "get": ["SUCCESS"]})

    ledger, _ = await finalize(client)

    assert (ledger.outcome, client.calls) == (Outcome.COMMITTED, ["create", "commit", "get"])


@pytest.mark.parametrize("on_failure", list(OnFailure))
async def test_conflict_about_a_commit_that_took_effect_is_no_failure(on_failure: OnFailure) -> None:
    """A gateway that sends a commit twice hands out the second answer; the execution tells that it is committed."""
    conflict = Conflict(exchange(409))
    client = ScriptedClient({"commit": [conflict], "abort": [conflict], "get": ["SUCCESS"]})

    ledger, error = await finalize(client, terms=replace(TERMS, on_failure=on_failure))

    assert (ledger.outcome, error) == (Outcome.COMMITTED, None)


@pytest.mark.parametrize("reading", ["ACTIVE", ApiDisconnected(exchange())])
async def test_conflict_about_a_commit_that_may_go_on_is_unknown(reading: str | Exception) -> None:
    """What can't be aborted because it is being committed is not reported as kept."""
    conflict = Conflict(exchange(409))
    client = ScriptedClient({"commit": [conflict], "abort": [conflict], "get": [reading]})

    ledger, error = await finalize(client)

    assert ledger.outcome is Outcome.UNKNOWN
    assert isinstance(error, OutcomeUnknown)
    assert "bulkstream resume" in error.hint


@pytest.mark.parametrize(("found", "outcome"), [([execution()], Outcome.KEPT), ([], Outcome.ABORTED)])
async def test_execution_that_answers_404_is_looked_for_in_the_list(found: list[Execution], outcome: Outcome) -> None:
    """A 404 alone does not make an open execution a gone one."""

    async def fails() -> None:
        raise ValueError("no")

    gone = NotFound(exchange(404))
    client = ScriptedClient({"abort": [gone], "get": [gone]}, found=found)

    ledger, _ = await finalize(client, body=fails)

    assert ledger.outcome is outcome


@pytest.mark.parametrize("reading", ["ACTIVE", ApiDisconnected(exchange())])
async def test_commit_that_nobody_can_tell_of_is_unknown(reading: str | Exception) -> None:
    """Neither committed nor aborted is claimed, nothing is aborted, and the hint says how to look again."""
    client = ScriptedClient({"commit": [ApiDisconnected(exchange())], "get": [reading]})

    ledger, error = await finalize(client)

    assert ledger.outcome is Outcome.UNKNOWN
    assert isinstance(error, OutcomeUnknown)
    assert "executions get 1 7" in error.hint
    assert "abort" not in client.calls
    assert client.calls.count("commit") == 1


async def cancelled_during(call: str, client: ScriptedClient, *, finish: bool) -> Ledger:
    """Cancel the load while a call is on its way; let the call come to its end, or not."""
    ledger, entered, release = Ledger(), anyio.Event(), anyio.Event()

    async def wait() -> None:
        entered.set()
        await release.wait()

    client._steps[call] = deque([wait])
    async with anyio.create_task_group() as tasks:

        async def load() -> None:
            async with opened(client, TERMS, ledger):
                if call == "part":
                    await client._play("part 1", "ACTIVE")

        tasks.start_soon(load)
        await entered.wait()
        tasks.cancel_scope.cancel()
        if finish:
            release.set()
    return ledger


async def test_cancelled_body_aborts() -> None:
    """An interrupt while parts are uploaded ends in an abort."""
    client = ScriptedClient()

    ledger = await cancelled_during("part", client, finish=False)

    assert (ledger.outcome, client.calls) == (Outcome.ABORTED, ["create", "part 1", "abort"])


async def test_cancelled_creation_aborts_what_was_created() -> None:
    """An execution whose creation was under way at the interrupt isn't left behind."""
    client = ScriptedClient()

    ledger = await cancelled_during("create", client, finish=True)

    assert (ledger.outcome, client.calls) == (Outcome.ABORTED, ["create", "abort"])


async def test_cancelled_creation_that_hangs_is_given_up() -> None:
    """An interrupt doesn't wait for a server that never answers, nor claims that nothing is open there."""
    client = ScriptedClient()

    ledger = await cancelled_during("create", client, finish=False)

    assert (ledger.outcome, client.calls) == (Outcome.KEPT, ["create"])


async def test_cancelled_commit_is_finished_and_never_aborted() -> None:
    """A commit under way at the interrupt comes to its end, and the ledger knows it."""
    client = ScriptedClient()

    ledger = await cancelled_during("commit", client, finish=True)

    assert (ledger.outcome, client.calls) == (Outcome.COMMITTED, ["create", "commit"])


async def test_cancelled_commit_that_hangs_is_unknown() -> None:
    """If the commit's end can't be awaited, nothing is claimed about it."""
    client = ScriptedClient()

    ledger = await cancelled_during("commit", client, finish=False)

    assert (ledger.outcome, client.calls) == (Outcome.UNKNOWN, ["create", "commit"])


def acknowledged(*numbers: int, cut: int) -> Ledger:
    """Return the ledger of a load of `cut` chunks, 10 bytes and 2 rows each, with some receipts."""
    ledger = Ledger(total_bytes=10 * cut)
    for number in range(1, cut + 1):
        ledger.packed(
            Packed(Part(number, b"gzip!", 10, 2, 10 * number - 10, 10 * number), level=1, cut_s=0, busy_s=0, cpu_s=0)
        )
    for number in numbers:
        ledger.receipt(Receipt(number, 10, 5, 2, 10 * number - 10, 10 * number))
    return ledger


def test_gate_opens_when_all_that_was_read_was_acknowledged() -> None:
    """Order doesn't matter; line feeds that were put between files count."""
    ledger = acknowledged(2, 1, 3, cut=3)
    ledger.total_bytes = 29
    ledger.receipts[3] = replace(ledger.receipts[3], end=29)

    assert gate(ledger, read_bytes=29, added_bytes=1, changes=()) == ()


@pytest.mark.parametrize(("begin", "end"), [(11, 20), (9, 20), (10, 19)])
def test_gate_sees_parts_that_don_t_follow_each_other(begin: int, end: int) -> None:
    """The same number of bytes is not the same bytes: each part must begin where the one before it ends."""
    ledger = acknowledged(1, 2, cut=2)
    ledger.receipts[2] = replace(ledger.receipts[2], begin=begin, end=end)

    (reason,) = gate(ledger, read_bytes=20, added_bytes=0, changes=())

    assert "part" in reason


@pytest.mark.parametrize(
    ("ledger", "read_bytes", "changes", "words"),
    [
        (acknowledged(1, 3, cut=3), 30, (), "30 bytes were read, 20 acknowledged"),
        (acknowledged(1, 3, cut=3), 30, (), "6 rows were read, 4 acknowledged"),
        (acknowledged(1, 3, cut=3), 30, (), "not 1 to 3 without a gap"),
        (acknowledged(1, 2, 4, cut=3), 30, (), "not 1 to 3 without a gap"),
        (acknowledged(1, 2, cut=2), 15, (), "15 bytes were read of 20"),
        (acknowledged(1, cut=1), 10, ("a.csv grew",), "a.csv grew"),
    ],
)
def test_gate_says_what_is_missing(ledger: Ledger, read_bytes: int, changes: tuple[str, ...], words: str) -> None:
    """Each difference between what was read and what was acknowledged is a reason not to commit."""
    assert words in "; ".join(gate(ledger, read_bytes=read_bytes, added_bytes=0, changes=changes))
