"""Exit codes: scripts branch on them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from bulkstream.cli.exits import Exit, code_of, exit_code
from bulkstream.errors import (
    ApiUnreachable,
    CommitRefused,
    DeadlineMissed,
    Exchange,
    Forbidden,
    GateFailed,
    MissingExtra,
    NotFound,
    NotResumable,
    OutcomeUnknown,
    PartFailed,
    RequestRejected,
    RunActive,
    SchemaError,
    SourceChanged,
    SourceMissing,
    SourceUnreadable,
    Unauthorized,
    UsageError,
)
from bulkstream.ledger import Ledger
from bulkstream.model import Outcome

if TYPE_CHECKING:
    from bulkstream.model import Report

EXCHANGE = Exchange("PUT", "http://127.0.0.1/part/3", 400, "no")
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
BEFORE, DURING = None, 1001
"""Id of the execution, for an error before there was one and during it."""


def report_of(outcome: Outcome, execution_id: int | None = DURING, *, verified: bool | None = None) -> Report:
    return Ledger(outcome=outcome, stream_id=1, execution_id=execution_id, verified=verified).report()


def test_codes_are_those_of_the_contract() -> None:
    """No code changes its number."""
    assert {each.name: int(each) for each in Exit} == {
        "COMMITTED": 0,
        "FAILED": 1,
        "USAGE": 2,
        "REJECTED_ROWS": 3,
        "ABORTED": 4,
        "UNKNOWN": 5,
        "AUTH": 6,
        "UNVERIFIED": 7,
        "DEADLINE": 8,
        "KEPT": 9,
        "INTERRUPTED": 130,
    }


@pytest.mark.parametrize(("verified", "code"), [(None, 0), (True, 0), (False, 7)])
def test_commit_counts_unless_its_rows_differ(verified: bool | None, code: int) -> None:
    """A committed load is a success, unless a comparison said otherwise."""
    assert exit_code(None, report_of(Outcome.COMMITTED, verified=verified)) == code


@pytest.mark.parametrize(
    "error",
    [
        None,
        OutcomeUnknown("?"),
        DeadlineMissed(NOON),
        asyncio.CancelledError(),
        Unauthorized(EXCHANGE),
        UsageError("x"),
    ],
)
def test_unknown_outcome_counts_before_its_reason(error: BaseException | None) -> None:
    """Where nobody knows whether the commit took effect, the code says so whatever went wrong."""
    assert exit_code(error, report_of(Outcome.UNKNOWN)) is Exit.UNKNOWN


@pytest.mark.parametrize("error", [asyncio.CancelledError(), RequestRejected(EXCHANGE), UsageError("x")])
def test_interrupt_behind_the_commit_is_a_commit(error: BaseException) -> None:
    """What happens after a commit does not make it undone."""
    assert exit_code(error, report_of(Outcome.COMMITTED)) is Exit.COMMITTED


@pytest.mark.parametrize(
    ("error", "execution_id", "code"),
    [
        (UsageError("x"), BEFORE, Exit.USAGE),
        (SourceMissing("x"), BEFORE, Exit.USAGE),
        (SourceUnreadable("x"), BEFORE, Exit.FAILED),
        (SchemaError("x"), BEFORE, Exit.FAILED),
        (MissingExtra("x", "y"), BEFORE, Exit.FAILED),
        (ApiUnreachable(EXCHANGE), BEFORE, Exit.FAILED),
        (NotFound(EXCHANGE), BEFORE, Exit.FAILED),
        (ZeroDivisionError(), BEFORE, Exit.FAILED),
        (Unauthorized(EXCHANGE), BEFORE, Exit.AUTH),
        (Forbidden(EXCHANGE), BEFORE, Exit.AUTH),
        (asyncio.CancelledError(), BEFORE, Exit.INTERRUPTED),
        (PartFailed(3, RequestRejected(EXCHANGE)), DURING, Exit.ABORTED),
        (PartFailed(3, Unauthorized(EXCHANGE)), DURING, Exit.AUTH),
        (PartFailed(3, Forbidden(EXCHANGE)), DURING, Exit.AUTH),
        (GateFailed(("x",)), DURING, Exit.ABORTED),
        (SourceChanged("x"), DURING, Exit.ABORTED),
        (CommitRefused("x"), DURING, Exit.ABORTED),
        (DeadlineMissed(NOON), DURING, Exit.DEADLINE),
        (ZeroDivisionError(), DURING, Exit.ABORTED),
        (asyncio.CancelledError(), DURING, Exit.INTERRUPTED),
        (KeyboardInterrupt(), DURING, Exit.INTERRUPTED),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_aborted_load_tells_its_reason(error: BaseException, execution_id: int | None, code: Exit) -> None:
    """Usage, credentials and interrupts have codes of their own; else it matters whether an execution was aborted."""
    assert exit_code(error, report_of(Outcome.ABORTED, execution_id)) is code


@pytest.mark.parametrize("error", [PartFailed(3, RequestRejected(EXCHANGE)), asyncio.CancelledError()])
@pytest.mark.parametrize(("resumable", "code"), [(True, Exit.KEPT), (False, Exit.FAILED)])
def test_kept_run_can_be_resumed_or_is_a_failure(error: BaseException, resumable: bool, code: Exit) -> None:
    """An execution that is still open gives 9 if the run can go on; without a journal it is no clean end."""
    assert exit_code(error, report_of(Outcome.KEPT), resumable=resumable) is code


def test_run_that_can_not_be_resumed_is_a_failure() -> None:
    """What can only be given up gives 1: 9 would invite a script to resume it again and again."""
    assert exit_code(NotResumable("x"), report_of(Outcome.KEPT)) is Exit.FAILED


@pytest.mark.parametrize("outcome", [Outcome.KEPT, Outcome.UNKNOWN])
def test_run_that_is_alive_is_no_interrupted_one(outcome: Outcome) -> None:
    """Whoever tries to resume a run that goes on is told so by code 1, not by a code for what has ended."""
    assert exit_code(RunActive("r", ""), report_of(outcome)) is Exit.FAILED


def test_run_that_was_given_up_is_a_success_of_giving_up() -> None:
    """Aborting what was asked to be aborted gives 0; failing to, what it failed of."""
    assert exit_code(None, report_of(Outcome.ABORTED), given_up=True) is Exit.COMMITTED
    assert exit_code(ApiUnreachable(EXCHANGE), report_of(Outcome.KEPT), given_up=True) is Exit.FAILED


def test_refused_credentials_are_found_behind_another_error() -> None:
    """The code looks through an error to what it was raised from."""

    error = CommitRefused("x")
    error.__cause__ = Unauthorized(EXCHANGE)

    assert code_of(error) is Exit.AUTH
    assert code_of(None) is Exit.FAILED


def test_rows_left_out_of_a_commit_have_a_code_of_their_own() -> None:
    """A commit without all rows is told from one with all; a dataset that differs counts before that."""
    committed = Ledger(outcome=Outcome.COMMITTED, bad_rows=1)
    differing = Ledger(outcome=Outcome.COMMITTED, bad_rows=1, verified=False)

    assert exit_code(None, committed.report()) is Exit.REJECTED_ROWS
    assert exit_code(None, differing.report()) is Exit.UNVERIFIED
