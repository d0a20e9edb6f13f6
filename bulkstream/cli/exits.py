"""From how a command ended to its exit code; the codes are a promise to scripts."""

from __future__ import annotations

import asyncio
from enum import IntEnum
from typing import TYPE_CHECKING

from bulkstream.errors import AuthError, DeadlineMissed, NotResumable, PartFailed, RunActive, SourceMissing, UsageError
from bulkstream.model import Outcome, Report

if TYPE_CHECKING:
    from collections.abc import Iterator


class Exit(IntEnum):
    """The exit codes."""

    COMMITTED = 0
    FAILED = 1
    USAGE = 2
    REJECTED_ROWS = 3
    ABORTED = 4
    UNKNOWN = 5
    AUTH = 6
    UNVERIFIED = 7
    DEADLINE = 8
    KEPT = 9
    INTERRUPTED = 130


def exit_code(error: BaseException | None, report: Report, *, resumable: bool = True, given_up: bool = False) -> Exit:
    """Map a load's end to its exit code; what is known of the data counts before why it went wrong.

    Args:
        error: What was raised, if anything.
        report: Of the load.
        resumable: A run that was kept can be resumed, or was to be kept.
        given_up: The user wanted the run aborted.
    """
    if report.outcome is Outcome.COMMITTED:
        if report.verified is False:
            return Exit.UNVERIFIED
        return Exit.REJECTED_ROWS if report.bad_rows else Exit.COMMITTED
    if report.outcome is Outcome.UNKNOWN and not isinstance(error, RunActive):
        return Exit.UNKNOWN
    if given_up and error is None:
        return Exit.COMMITTED
    return _uncommitted(error, report, resumable=resumable and not given_up)


def _uncommitted(error: BaseException | None, report: Report, *, resumable: bool) -> Exit:
    """Map the end of a load that has left the dataset as it was; the reason counts before what became of it."""
    if (code := code_of(error)) is not Exit.FAILED or isinstance(error, RunActive | NotResumable):
        return code
    if report.outcome is Outcome.KEPT:
        return Exit.KEPT if resumable else Exit.FAILED
    if isinstance(error, asyncio.CancelledError | KeyboardInterrupt):
        return Exit.INTERRUPTED
    return Exit.ABORTED if report.execution_id is not None else Exit.FAILED


def code_of(error: BaseException | None) -> Exit:
    """Map an error by itself: usage, a deadline, authentication, or another reason."""
    if isinstance(error, UsageError | SourceMissing):
        return Exit.USAGE
    if isinstance(error, DeadlineMissed):
        return Exit.DEADLINE
    if any(isinstance(each, AuthError) for each in _chain(error)):
        return Exit.AUTH
    return Exit.FAILED


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what it was raised from."""
    while error is not None:
        yield error
        error = error.cause if isinstance(error, PartFailed) else error.__cause__
