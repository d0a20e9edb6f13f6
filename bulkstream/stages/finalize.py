r"""Finalizing: a load ends in exactly one commit or one abort.

An execution's life, as the server has it:

    (none) --create--> open --commit--> committed
                        |  \--abort--> aborted
                        \--(nothing)--> kept, if the user asked for that or the abort could not be made

The ledger's `outcome` says what is known of the server's state, and nothing more. A commit whose answer was lost is
not sent again, because it might append twice: the execution is read instead, until it tells.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import anyio

from bulkstream.api import ExecutionState
from bulkstream.errors import ApiError, AuthError, CommitRefused, NotFound, OutcomeUnknown
from bulkstream.model import OnFailure, Outcome

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

    from bulkstream.api import ApiClient, Execution
    from bulkstream.ledger import Ledger
    from bulkstream.model import UpdateMethod

T = TypeVar("T")

POLL_FIRST_S, POLL_LAST_S = 0.2, 5.0
"""Seconds between two looks at an execution that is being committed: at first, and at most."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How an execution is opened, and on what terms it may end.

    Attributes:
        update_method: Overrides the stream's own for this execution, unless None.
        key_columns: Key of an UPSERT, empty for the stream's own.
        commit_timeout_s: Seconds to wait until a commit has reached its end.
        abort_timeout_s: Seconds that cleaning up after a failure or an interrupt may take.
    """

    stream_id: int
    update_method: UpdateMethod | None = None
    key_columns: tuple[str, ...] = ()
    on_failure: OnFailure = OnFailure.ABORT
    commit_timeout_s: float = 600.0
    abort_timeout_s: float = 10.0


@asynccontextmanager
async def finalizing(
    client: ApiClient, terms: Terms, *, check: Callable[[], Awaitable[None]], ledger: Ledger
) -> AsyncIterator[Execution]:
    """Open an execution; commit it if the body ends and `check` passes, else abort it and raise what was raised.

    Cancellation while the body runs aborts, shielded and for at most `abort_timeout_s`; once the commit was begun
    it never aborts, but waits that long for the commit's end. A failed commit is followed by an abort only when the
    server said that it did not take place.

    Raises:
        CommitRefused: The server refused the commit, or ended the execution in failure; the dataset is unchanged.
        OutcomeUnknown: The commit's end could not be learned within `commit_timeout_s`.
    """
    ending = _Ending(client, terms, ledger)
    try:
        yield await _settle(ending.open(), terms.abort_timeout_s)
        await check()
    except BaseException:
        await ending.abort()
        raise
    await _settle(ending.commit(), terms.abort_timeout_s)


def gate(ledger: Ledger, *, read_bytes: int, added_bytes: int, changes: tuple[str, ...]) -> tuple[str, ...]:
    """Say, one sentence each, what speaks against a commit; nothing does if all that was read was acknowledged.

    Args:
        ledger: The account of the load.
        read_bytes: Bytes that the cutter took from the source.
        added_bytes: Line feeds that it put between files.
        changes: What the source says has changed since it was opened.
    """
    reasons = list(changes)
    if ledger.total_bytes is not None and read_bytes != ledger.total_bytes:
        reasons.append(f"{read_bytes:,} bytes were read of {ledger.total_bytes:,}")
    if read_bytes + added_bytes != ledger.acked_bytes:
        reasons.append(f"{read_bytes + added_bytes:,} bytes were read, {ledger.acked_bytes:,} acknowledged")
    if ledger.cut_rows != ledger.acked_rows:
        reasons.append(f"{ledger.cut_rows:,} rows were read, {ledger.acked_rows:,} acknowledged")
    if sorted(ledger.receipts) != list(range(1, ledger.cut_parts + 1)):
        reasons.append(f"the acknowledged parts are not 1 to {ledger.cut_parts:,} without a gap")
    return tuple(reasons)


class _Ending:
    """One execution, from its creation to its end."""

    def __init__(self, client: ApiClient, terms: Terms, ledger: Ledger) -> None:
        self._client = client
        self._terms = terms
        self._ledger = ledger
        self._execution: Execution | None = None

    async def open(self) -> Execution:
        self._execution = await self._client.executions.create(
            self._terms.stream_id, update_method=self._terms.update_method, key_columns=self._terms.key_columns
        )
        self._ledger.execution_id = self._execution.id
        return self._execution

    async def abort(self) -> None:
        """Abort what was opened, unless it is to be kept; set the outcome to what was achieved."""
        if self._execution is None:
            self._ledger.outcome = Outcome.ABORTED
            return
        self._ledger.outcome = Outcome.KEPT
        if self._terms.on_failure is OnFailure.KEEP:
            return
        with anyio.move_on_after(self._terms.abort_timeout_s, shield=True):
            if await self._aborted(self._execution):
                self._ledger.outcome = Outcome.ABORTED

    async def commit(self) -> None:
        """Commit, and set the outcome as soon as the server tells it."""
        if self._execution is None:
            raise RuntimeError("no execution was opened")
        self._ledger.outcome = Outcome.UNKNOWN
        try:
            latest = await self._client.executions.commit(self._execution)
        except ApiError as error:
            if not _may_have_committed(error):
                await self.abort()
                raise CommitRefused(f"the commit was refused: {error}", hint=error.hint) from error
            latest = self._execution
        with anyio.move_on_after(self._terms.commit_timeout_s):
            latest = await self._read_to_the_end(latest)
        self._conclude(latest)

    def _conclude(self, latest: Execution) -> None:
        match latest.state:
            case ExecutionState.COMMITTED:
                self._ledger.outcome = Outcome.COMMITTED
            case ExecutionState.FAILED:
                self._ledger.outcome = Outcome.ABORTED
                raise CommitRefused(f"execution {latest.id} ended as {latest.current_state}, not as SUCCESS")
            case ExecutionState.OPEN:
                raise OutcomeUnknown(
                    f"the commit of execution {latest.id} has not come to an end: last seen as {latest.current_state}",
                    hint=f"Look again with `bulkstream executions get {self._terms.stream_id} {latest.id}`: SUCCESS "
                    "means that the rows are in. Don't load them again before it tells.",
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

    async def _aborted(self, execution: Execution) -> bool:
        try:
            await self._client.executions.abort(execution)
        except ApiError:
            return await self._failed(execution)
        return True

    async def _failed(self, execution: Execution) -> bool:
        """Whether the server has ended the execution itself, so that there is nothing left to abort."""
        try:
            latest = await self._client.executions.get(execution.stream_id, execution.id)
        except ApiError:
            return False
        return latest.state is ExecutionState.FAILED


def _may_have_committed(error: ApiError) -> bool:
    """Whether a failed commit may have taken effect: itself, or an earlier attempt of which it is the echo."""
    return error.ambiguous or error.attempts > 1


async def _settle(work: Coroutine[None, None, T] | Awaitable[T], grace_s: float) -> T:
    """Await `work`; if the caller is cancelled meanwhile, let it go on for `grace_s` seconds before it is cancelled.

    What changes the server's state must not be cut off between its effect and the note that it was taken.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        with anyio.CancelScope(shield=True):
            await asyncio.wait({task}, timeout=grace_s)
            task.cancel()
            await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # the cancellation is what the caller hears of
        raise
