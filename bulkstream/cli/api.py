"""What the commands that wrap single calls of the API share: a client, and showing what comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from bulkstream.api import ApiClient, Execution, Stream
from bulkstream.cli.output import print_facts, print_json, print_table
from bulkstream.cli.run import run
from bulkstream.model import UpdateMethod

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

T = TypeVar("T")


def call(work: Callable[[ApiClient], Awaitable[T]], profile: str | None) -> T:
    """Run one call with a client of its own.

    Raises:
        BulkstreamError: As the call does.
    """

    async def connected() -> T:
        async with ApiClient.from_env(profile=profile) as client:
            return await work(client)

    return run(connected())


async def gathered(items: AsyncIterator[T]) -> list[T]:
    """Collect what a listing yields."""
    return [item async for item in items]


def show_stream(stream: Stream, *, as_json: bool) -> None:
    """Print one stream."""
    if as_json:
        print_json(stream.as_json())
        return
    print_facts(
        [
            ("stream", str(stream.id)),
            ("dataset", f"{stream.name} ({stream.dataset_id})"),
            ("mode", f"{stream.update_method or '-'}{_keys(stream)}"),
            ("transport", stream.transport_type or "-"),
            ("columns", ", ".join(f"{c.name}:{c.type}" for c in stream.columns) or "-"),
            ("modified", str(stream.modified_at or "-")),
        ]
    )


def show_streams(streams: Sequence[Stream], *, as_json: bool) -> None:
    """Print several streams."""
    if as_json:
        print_json([stream.as_json() for stream in streams])
        return
    rows = [(s.id, s.name, s.update_method, len(s.columns) or "-", s.modified_at, s.dataset_id) for s in streams]
    print_table(("stream", "dataset", "mode", "columns", "modified", "dataset id"), rows)


def show_execution(execution: Execution, *, as_json: bool) -> None:
    """Print one execution."""
    if as_json:
        print_json(_execution_json(execution))
        return
    print_facts(
        [
            ("execution", f"{execution.id} of stream {execution.stream_id}"),
            ("state", execution.current_state),
            ("mode", execution.update_method or "-"),
            ("rows", "-" if execution.rows_inserted is None else f"{execution.rows_inserted:,}"),
            ("started", str(execution.started_at or "-")),
            ("ended", str(execution.ended_at or "-")),
        ]
    )


def show_executions(executions: Sequence[Execution], *, as_json: bool) -> None:
    """Print several executions."""
    if as_json:
        print_json([_execution_json(execution) for execution in executions])
        return
    rows = [(e.id, e.current_state, e.update_method, e.rows_inserted, e.started_at, e.ended_at) for e in executions]
    print_table(("execution", "state", "mode", "rows", "started", "ended"), rows)


def show_done(what: str, document: dict[str, Any], *, as_json: bool) -> None:
    """Say that a call without an answer of its own was carried out."""
    if as_json:
        print_json(document)
    else:
        print(what)  # noqa: T201 - the command's result


def _execution_json(execution: Execution) -> dict[str, Any]:
    return {**execution.as_json(), "streamId": execution.stream_id}


def _keys(stream: Stream) -> str:
    return f" by {', '.join(stream.key_columns)}" if stream.method is UpdateMethod.UPSERT else ""
