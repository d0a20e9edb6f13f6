"""Opening: one execution comes into being, whatever becomes of the answers.

A stream has one open execution at a time, so an answer that says "there is one" or that never comes leaves a question:
whose is it? One that began soon after we had asked, that no run of ours has claimed, while an answer of ours was lost,
is our orphan: it is aborted, and creation is asked for anew. One of another run of ours is named, so that it can be
resumed. Everybody else's is named and left alone, unless the user takes the stream over.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bulkstream.api import ExecutionState
from bulkstream.errors import ApiError, Conflict, NotFound, StreamBusy
from bulkstream.journal.record import may_answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkstream.api import ApiClient, Execution
    from bulkstream.stages.terms import Holder, Terms

MOST_ROUNDS = 10
"""A server that never stops naming open executions is given up after these."""


@dataclass(slots=True)
class Opening:
    """Creates an execution.

    Attributes:
        run_id: Of this run.
        asked: From when to when creation was asked for, by the server's clock, each time that an answer was lost.
        in_doubt: An execution of ours may be open: one was asked for, and the server has not told since then.
    """

    client: ApiClient
    terms: Terms
    tell: Callable[[str], None]
    run_id: str
    asked: list[tuple[float, float]] = field(init=False)
    in_doubt: bool = field(init=False)

    def __post_init__(self) -> None:
        self.asked = [(at, at) for at in self.terms.asked]
        self.in_doubt = bool(self.asked)

    async def open(self) -> Execution:
        """Create it.

        Raises:
            StreamBusy: Another one is open.
            ApiError: The server refused, or gave no usable answer as often as the settings allow.
        """
        if self.asked:
            await self.clear()
        attempt = 0
        while True:
            attempt += 1
            asked, doubted = self.client.server_time(), self.in_doubt
            self.in_doubt = True  # until it is answered
            try:
                return await self.client.executions.create(
                    self.terms.stream_id, update_method=self.terms.update_method, key_columns=self.terms.key_columns
                )
            except ApiError as error:
                self.in_doubt = doubted or error.ambiguous
                await self._recover(error, asked, attempt)

    async def _recover(self, error: ApiError, asked: float, attempt: int) -> None:
        """Make another attempt possible, or raise what forbids it."""
        if not isinstance(error, Conflict) and not error.ambiguous:
            raise error
        if error.ambiguous or error.attempts > 1:
            self.asked.append((asked, self.client.server_time()))
        if attempt == MOST_ROUNDS:
            raise error
        cleared = await self.clear(error)
        if not cleared and not await self.client.hold_off("create an execution", error, attempt):
            raise error

    async def clear(self, error: ApiError | None = None) -> bool:
        """Abort what is ours to abort among the open executions; return whether there was any.

        Raises:
            StreamBusy: One of them is not.
            ApiError: The given error, where the server does not tell what is open.
        """
        try:
            found = [
                each
                async for each in self.client.executions.list(self.terms.stream_id)
                if each.state is ExecutionState.OPEN
            ]
        except ApiError as unlisted:
            raise _unlisted(self.terms.stream_id, error) or unlisted from unlisted
        self.in_doubt = self.in_doubt and any(map(self._orphan, found))
        for execution in found:
            await self._drop(execution, await self._holder(execution))
        # A server that names none, and says that there is one, has not told.
        self.in_doubt = not found and isinstance(error, Conflict) and bool(self.asked)
        return bool(found)

    async def _holder(self, execution: Execution) -> Holder | None:
        """Return the other run of ours that has opened an execution."""
        return await self.terms.holder(execution, self.run_id) if self.terms.holder else None

    async def _drop(self, execution: Execution, holder: Holder | None) -> None:
        if holder is None and self._orphan(execution):
            self.tell(f"the answer that created execution {execution.id} was lost: aborting it")
        elif self.terms.take_over and not (holder and holder.active):
            self.tell(f"taking stream {execution.stream_id} over: aborting execution {execution.id}")
        else:
            raise _busy(execution, holder)
        with suppress(Conflict, NotFound):  # it has ended meanwhile; the next creation tells
            await self.client.executions.abort(execution)

    def _orphan(self, execution: Execution) -> bool:
        """Whether an execution came into being soon after we had asked for one, and an answer was lost."""
        began = execution.began
        return began is not None and any(may_answer(began.timestamp(), *asked) for asked in self.asked)


def _unlisted(stream_id: int, error: ApiError | None) -> Exception | None:
    """Return the error for a stream that has an open execution which the server does not name."""
    if not isinstance(error, Conflict):
        return error
    return StreamBusy(f"another execution of stream {stream_id} is open: {error.message}", hint=error.hint)


def _busy(execution: Execution, holder: Holder | None) -> StreamBusy:
    what = f"execution {execution.id} of stream {execution.stream_id}"
    if holder is None:
        since = f", since {execution.began:%Y-%m-%d %H:%M:%S} UTC" if execution.began else ""
        text = f"{what} is open{since}, and not by a run of this machine"
        hint = "Wait until it ends; if nobody is loading any more, --take-over aborts it and goes on."
    elif holder.active:
        text = f"{what} is being loaded right now, by run {holder.run_id}"
        hint = "Wait until that run ends."
    else:
        text = f"{what} was left open by run {holder.run_id}, which came to no end"
        resume = f"bulkstream resume {holder.run_id}"
        end = f"Finish it with `{resume}`" if holder.resumable else f"Give it up with `{resume} --abort`"
        hint = f"{end}, or drop it with --take-over."
    return StreamBusy(text, execution_id=execution.id, run_id=holder.run_id if holder else None, hint=hint)
