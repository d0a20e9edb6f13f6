"""Calls about executions and their parts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from bulkstream.api.execution import Execution
from bulkstream.api.pages import PAGE_SIZE, walked
from bulkstream.api.watch import UNWATCHED
from bulkstream.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from bulkstream.api.client import ApiClient
    from bulkstream.api.dialect import Page
    from bulkstream.api.watch import Watch
    from bulkstream.model import UpdateMethod


@dataclass(frozen=True, slots=True)
class Executions:
    """The executions of an account's streams."""

    client: ApiClient

    async def create(
        self, stream_id: int, *, update_method: UpdateMethod | None = None, key_columns: Sequence[str] = ()
    ) -> Execution:
        """Open an execution; `update_method` overrides the stream's own for this one.

        Raises:
            Conflict: Another execution of the stream is open.
            ApiError: The server refused. A failure that leaves open whether it took effect is not retried.
        """
        body: dict[str, Any] = {"updateMethod": str(update_method)} if update_method else {}
        if key_columns:
            body["keyColumnNames"] = list(key_columns)
        request = self.client.calls.create_execution(stream_id, body)
        return await self.client.read(request, Execution, streamId=stream_id)

    async def get(self, execution: Execution | int, execution_id: int | None = None) -> Execution:
        """Get an execution, by its stream's id and its own or as it was seen before.

        Raises:
            NotFound: There is none of that id.
            ApiError: The server refused.
        """
        stream_id, own_id = _ids(execution, execution_id)
        request = self.client.calls.get_execution(stream_id, own_id)
        return await self.client.read(request, Execution, streamId=stream_id)

    def list(self, stream_id: int, *, page_size: int = PAGE_SIZE) -> AsyncIterator[Execution]:
        """Iterate over a stream's executions.

        Raises:
            ApiError: The server refused.
        """

        async def page(window: Page) -> Sequence[Execution]:
            request = self.client.calls.list_executions(stream_id, window)
            found = await self.client.listed(request, Execution, "executions")
            return [each.of_stream(stream_id) for each in found]

        return walked(page, page_size)

    async def update(self, stream_id: int, execution_id: int, changes: Mapping[str, Any]) -> Execution:
        """Change an execution (instance dialect).

        Raises:
            NotInDialect: The dialect has no such call.
            ApiError: The server refused.
        """
        request = self.client.calls.update_execution(stream_id, execution_id, changes)
        reread = partial(self.get, stream_id, execution_id)
        return await self.client.changed(request, Execution, reread, streamId=stream_id, id=execution_id)

    async def delete(self, stream_id: int, execution_id: int) -> None:
        """Delete an execution (instance dialect).

        Raises:
            NotInDialect: The dialect has no such call.
            ApiError: The server refused.
        """
        await self.client.send(self.client.calls.delete_execution(stream_id, execution_id))

    async def start_part(self, execution: Execution, number: int) -> None:
        """Announce a part (instance dialect); may be repeated.

        Raises:
            NotInDialect: The dialect has no such call.
            ApiError: The server refused.
        """
        await self.client.send(self.client.calls.start_part(execution, _number(number)))

    async def upload_part(
        self,
        execution: Execution,
        number: int,
        body: bytes | memoryview,
        *,
        gzipped: bool = True,
        watch: Watch = UNWATCHED,
    ) -> None:
        """Upload a part: whole CSV records without a header.

        Args:
            execution: An open one.
            number: From 1, in the end without gaps.
            body: Sent as it is, without a copy.
            gzipped: The body is a gzip file.
            watch: Is told how it goes, and may slow it down.

        Raises:
            ApiError: The server refused, or no answer came.
        """
        request = self.client.calls.upload_part(execution, _number(number), body)
        if gzipped:
            request = replace(request, headers={**request.headers, "Content-Encoding": "gzip"})
        await self.client.send(request, watch=watch)

    async def commit(self, execution: Execution | int, execution_id: int | None = None) -> Execution:
        """Commit; the answer's state may still be open, as the server goes on by itself.

        It goes over a connection of its own, so that it can't meet a kept one's being closed: after that, nobody
        could tell whether it took effect.

        Raises:
            ApiError: Refused, or the answer was lost. A failure that may have taken effect is not retried, and
                `ambiguous` tells it.
        """
        target = await self._target(execution, execution_id)
        answer = await self.client.send(self.client.calls.commit(target))
        return target.after(answer.body)

    async def abort(self, execution: Execution | int, execution_id: int | None = None) -> None:
        """Abort: the parts are dropped and the dataset stays as it was; may be repeated.

        Raises:
            ApiError: Refused, or no answer came.
        """
        target = await self._target(execution, execution_id)
        await self.client.send(self.client.calls.abort(target))

    async def abort_current(self, stream_id: int) -> None:
        """Abort whatever is open on a stream (public dialect).

        Raises:
            NotInDialect: The dialect has no such call.
            ApiError: The server refused.
        """
        await self.client.send(self.client.calls.abort_current(stream_id))

    async def _target(self, execution: Execution | int, execution_id: int | None) -> Execution:
        """Return the execution that is meant; read it where its address depends on what the server calls it."""
        stream_id, own_id = _ids(execution, execution_id)
        if isinstance(execution, Execution):
            return execution
        if self.client.calls.data_ids:
            return await self.get(stream_id, own_id)
        return Execution(id=own_id, stream_id=stream_id)


def _ids(execution: Execution | int, execution_id: int | None) -> tuple[int, int]:
    """Return the ids of a stream and an execution, given as a pair or by an execution.

    Raises:
        UsageError: One is missing.
    """
    if isinstance(execution, Execution):
        if not execution.stream_id:
            raise UsageError(f"execution {execution.id} doesn't tell its stream", hint="Use `of_stream` on it first.")
        return execution.stream_id, execution.id
    if execution_id is None:
        raise UsageError("an execution's id is needed beside its stream's")
    return execution, execution_id


def _number(number: int) -> int:
    """Return a part's number.

    Raises:
        UsageError: It is below 1.
    """
    if number < 1:
        raise UsageError(f"parts are numbered from 1, not {number}")
    return number
