r"""Finalizing: a load ends in exactly one commit or one abort.

An execution's life, as the server has it:

    (none) --create--> open --commit--> committed
                        |  \--abort--> aborted
                        \--(nothing)--> kept, if the user asked for that or the abort could not be made

The ledger's `outcome` says what is known of the server's state, and nothing more. A commit whose answer was lost is
not sent again, because it might append twice: the execution is read instead, until it tells.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from bulkstream.api import ExecutionState
from bulkstream.errors import (
    ApiError,
    ApiUnreachable,
    AuthError,
    BulkstreamError,
    CommitRefused,
    Conflict,
    NotFound,
    NotReady,
    OutcomeUnknown,
    Throttled,
)
from bulkstream.journal import Step
from bulkstream.model import OnFailure, Outcome
from bulkstream.settle import finished, settle
from bulkstream.stages.look_up import look_up
from bulkstream.stages.opening import Opening
from bulkstream.stages.pauses import Pauses

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from bulkstream.api import ApiClient, Execution
    from bulkstream.journal import Journal, Unkept
    from bulkstream.ledger import Ledger
    from bulkstream.stages.terms import Terms

POLL_FIRST_S, POLL_LAST_S = 0.2, 5.0
"""Seconds between two looks at an execution that is being committed: at first, and at most."""

UNTAKEN = (Throttled, NotReady, ApiUnreachable, AuthError)
"""Refusals that don't depend on what an earlier attempt did, so they are no echo of it."""


@asynccontextmanager
async def finalizing(
    client: ApiClient,
    terms: Terms,
    *,
    check: Callable[[], Awaitable[None]],
    ledger: Ledger,
    journal: Journal | Unkept,
    tell: Callable[[str], None],
) -> AsyncIterator[Execution]:
    """Open an execution; commit it if the body ends and `check` passes, else abort it and raise what was raised.

    Cancellation while the body runs aborts, shielded and for at most `abort_timeout_s`; once a commit was sent
    it never aborts, but waits that long for the commit's end. A failed commit is followed by an abort only when the
    server said that it did not take place.

    Raises:
        StreamBusy: Another execution of the stream is open.
        CommitRefused: The server refused the commit, or ended the execution in failure; the dataset is unchanged.
        OutcomeUnknown: The commit's end could not be learned within `commit_timeout_s`.
    """
    ending = Ending(client, terms, ledger, journal, tell)
    try:
        yield await settle(ending.open(), terms.abort_timeout_s)
        await check()
        await ending.commit()
    except BaseException:
        await ending.abort()
        raise


class Ending:
    """One execution, from its creation to its end."""

    def __init__(
        self,
        client: ApiClient,
        terms: Terms,
        ledger: Ledger,
        journal: Journal | Unkept,
        tell: Callable[[str], None],
    ) -> None:
        self._client = client
        self._terms = terms
        self._ledger = ledger
        self._journal = journal
        self._tell = tell
        self._execution: Execution | None = terms.resumed
        self._opening: Opening | None = None
        self._commit_sent = self._in_doubt = self._disputed = False

    def __repr__(self) -> str:
        return f"Ending({self._execution!r}, {self._ledger.outcome})"

    async def open(self) -> Execution:
        """Create the execution, or take the one that is resumed."""
        if self._execution is None:
            await self._journal.note(Step.CREATING, server_time=self._client.server_time())
            self._opening = Opening(self._client, self._terms, self._tell, self._ledger.run_id)
            self._execution = await self._opening.open()
            self._ledger.execution_id = self._execution.id
            await self._journal.note(Step.OPENED, execution=self._execution.as_json())
        self._ledger.execution_id = self._execution.id
        return self._execution

    async def abort(self) -> None:
        """Abort what was opened, unless it is to be kept or a commit decides; set the outcome to what was achieved."""
        if self._ledger.outcome is not None:
            return
        if self._execution is None:
            doubt = self._opening is not None and self._opening.in_doubt
            self._ledger.outcome = Outcome.KEPT if doubt else Outcome.ABORTED
            return
        self._ledger.outcome = self._unread
        keep = self._terms.on_failure is OnFailure.KEEP
        if keep and not self._disputed:
            return
        await finished(self._end_in_time(self._outcome_of if keep else self._aborted, self._execution))

    async def _end_in_time(self, end: Callable[[Execution], Awaitable[Outcome]], execution: Execution) -> None:
        with anyio.move_on_after(self._terms.abort_timeout_s):
            self._ledger.outcome = await end(execution)

    async def commit(self) -> None:
        """Commit, and set the outcome as soon as the server tells it.

        Raises:
            CommitRefused: The server did not commit.
            OutcomeUnknown: Nobody can tell.
        """
        if self._execution is None:
            raise RuntimeError("no execution was opened")
        await self._journal.note(Step.COMMITTING)
        pauses = Pauses(self._terms.commit_wait_s)
        try:
            while refusal := await settle(self._tried(self._execution), self._terms.abort_timeout_s):
                await self._pause(refusal, pauses)
        except CommitRefused as refused:
            await self.abort()
            self._believe(refused)

    async def follow(self, latest: Execution) -> None:
        """Read an execution that was committed, perhaps, until it tells; set the outcome.

        Raises:
            CommitRefused: It has failed.
            OutcomeUnknown: It has not come to an end within `commit_timeout_s`.
        """
        self._ledger.outcome = Outcome.UNKNOWN
        with anyio.move_on_after(self._terms.commit_timeout_s):
            latest = await self._read_to_the_end(latest)
        self._conclude(latest)

    async def reconcile(self, *, repeatable: bool) -> None:
        """Settle a commit that an earlier process has sent, perhaps.

        Args:
            repeatable: The rows may be committed a second time without being there twice, so that a commit which does
                not seem to have arrived is sent again.

        Raises:
            CommitRefused: The server has not committed.
            OutcomeUnknown: Nobody can tell.
        """
        if self._execution is None:
            raise RuntimeError("no execution was opened")
        self._ledger.outcome, self._in_doubt = Outcome.UNKNOWN, True
        latest = await self._client.executions.get(self._execution)
        if latest.state is ExecutionState.OPEN and repeatable:
            self._tell(f"execution {latest.id} is not committed yet: committing it")
            await self.commit()
        else:
            await settle(self.follow(latest), self._terms.abort_timeout_s)

    async def give_up(self, *, committing: bool) -> None:
        """Abort what an earlier process has left open.

        Args:
            committing: A commit was sent, perhaps.

        Raises:
            OutcomeUnknown: It was, and the server does not tell what became of it.
            BulkstreamError: The execution could not be aborted.
        """
        if self._execution is None:
            raise RuntimeError("no execution was opened")
        self._commit_sent = self._in_doubt = committing
        self._ledger.outcome = await self._aborted(self._execution)
        execution = f"execution {self._execution.id} of stream {self._execution.stream_id}"
        if self._ledger.outcome is Outcome.UNKNOWN:
            raise OutcomeUnknown(f"what became of {execution} is not known", hint="Try again later.")
        if self._ledger.outcome is Outcome.KEPT:
            raise BulkstreamError(f"{execution} could not be aborted", hint="Try again later.")

    async def _tried(self, execution: Execution) -> Throttled | None:
        """Send the commit and follow it to its end; return the refusal of one that comes too soon."""
        self._ledger.outcome, self._commit_sent = Outcome.UNKNOWN, True
        try:
            latest = await self._client.executions.commit(execution)
        except ApiError as error:
            if isinstance(error, Throttled):
                self._ledger.outcome = Outcome.UNKNOWN if self._in_doubt else None
                return error
            if not self._in_doubt and not _may_have_committed(error):
                self._ledger.outcome = None
                # Somebody has closed the execution, or commits it: a gateway, perhaps, that has sent our commit twice.
                self._disputed = isinstance(error, Conflict)
                raise _refused(error) from error
            self._tell(f"what became of the commit is not known ({error.message or error}): asking the server")
            latest = execution
        await self.follow(latest)
        return None

    async def _pause(self, refusal: Throttled, pauses: Pauses) -> None:
        """Wait until the server may take the commit.

        Raises:
            CommitRefused: That is longer than anybody wants to wait.
            OutcomeUnknown: As before, and an earlier commit may have taken effect.
        """
        wait_s = pauses.next(refusal.exchange.retry_after_s)
        if wait_s is None and self._in_doubt:
            raise OutcomeUnknown(f"what became of the commit is not known: {refusal}", hint="Try again later.")
        if wait_s is None:
            raise _refused(refusal) from refusal
        self._tell(
            f"the server refuses the commit as too soon after the last one (about one in 15 minutes and stream): "
            f"waiting {wait_s:.0f} s"
        )
        await anyio.sleep(wait_s)

    def _believe(self, refused: CommitRefused) -> None:
        """Raise a refusal, unless the execution itself has told something else.

        Raises:
            CommitRefused: The server did not commit.
            OutcomeUnknown: Nobody can tell.
        """
        if self._ledger.outcome is Outcome.UNKNOWN:
            raise OutcomeUnknown(f"{refused}, and nobody tells what became of it", hint=self._settling()) from refused
        if self._ledger.outcome is not Outcome.COMMITTED:
            raise refused
        self._tell(f"{refused}; but the execution is committed")

    def _settling(self) -> str:
        return f"`bulkstream resume {self._ledger.run_id}` settles it; don't load the rows again before."

    def _conclude(self, latest: Execution) -> None:
        stream_id = self._terms.stream_id
        match latest.state:
            case ExecutionState.COMMITTED:
                self._ledger.outcome = Outcome.COMMITTED
            case ExecutionState.FAILED:
                self._ledger.outcome = Outcome.ABORTED
                raise CommitRefused(
                    f"execution {latest.id} ended as {latest.current_state}, not as SUCCESS",
                    hint="None of its rows are in the dataset: load again. If the server tells a reason, "
                    f"`bulkstream executions get {stream_id} {latest.id}` shows it.",
                )
            case ExecutionState.OPEN:
                raise OutcomeUnknown(
                    f"the commit of execution {latest.id} has not come to an end: last seen as {latest.current_state}",
                    hint=f"Look again with `bulkstream executions get {stream_id} {latest.id}`: SUCCESS means that the "
                    f"rows are in. {self._settling()}",
                )

    async def _read_to_the_end(self, latest: Execution) -> Execution:
        """Read the execution until its state is final; unanswered reads are repeated as well."""
        pause = POLL_FIRST_S
        while latest.state is ExecutionState.OPEN:
            try:
                latest = await self._client.executions.get(latest.stream_id, latest.id)
            except (AuthError, NotFound):
                return latest
            except ApiError:
                pass  # the next look may be answered; the caller bounds the time
            if latest.state is ExecutionState.OPEN:
                await anyio.sleep(pause)
                pause = min(2 * pause, POLL_LAST_S)
        return latest

    async def _aborted(self, execution: Execution) -> Outcome:
        """Abort; where the server does not acknowledge that, say what the execution itself tells."""
        try:
            await self._client.executions.abort(execution)
        except ApiError:
            return await self._outcome_of(execution)
        return await self._outcome_of(execution) if self._in_doubt else Outcome.ABORTED

    async def _outcome_of(self, execution: Execution) -> Outcome:
        """Say what became of an execution that can't be aborted."""
        try:
            latest = await look_up(self._client, execution)
        except ApiError:
            return self._unread
        if latest is None:
            return Outcome.ABORTED
        match latest.state:
            case ExecutionState.FAILED:
                return Outcome.ABORTED
            case ExecutionState.COMMITTED:  # by a commit that the server had refused, or by somebody else
                return Outcome.COMMITTED if self._commit_sent else Outcome.UNKNOWN
            case ExecutionState.OPEN:
                return self._unread

    @property
    def _unread(self) -> Outcome:
        """What is true of an execution that may be open, as far as its commit tells."""
        return Outcome.UNKNOWN if self._in_doubt or self._disputed else Outcome.KEPT


def _refused(error: ApiError) -> CommitRefused:
    return CommitRefused(f"the commit was refused: {error}", hint=error.hint)


def _may_have_committed(error: ApiError) -> bool:
    """Whether a failed commit may have taken effect: itself, or an earlier attempt of which it is the echo."""
    return error.ambiguous or (error.attempts > 1 and not isinstance(error, UNTAKEN))
