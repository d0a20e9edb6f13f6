"""Loads that are always aborted in the end, so that measuring changes no dataset."""

from __future__ import annotations

import contextlib
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count
from time import perf_counter
from typing import TYPE_CHECKING

import anyio

from bulkstream.errors import BulkstreamError, GateFailed
from bulkstream.holding import holding
from bulkstream.journal import Unkept
from bulkstream.ledger import Ledger
from bulkstream.model import Dialect, OnFailure, Outcome
from bulkstream.pipeline import one_error, run
from bulkstream.prepare import Request, prepare
from bulkstream.reporter import Silent
from bulkstream.runs import remote_terms
from bulkstream.settings import overridden
from bulkstream.sources import Inputs
from bulkstream.stages import Terms, finalizing

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

    from bulkstream.api import ApiClient, Execution
    from bulkstream.bench.excerpt import Excerpt
    from bulkstream.settings import Upload
    from bulkstream.sources import Segment

REHEARSED = "this is a rehearsal, which is never committed"
BOX_S = 0.3
"""Seconds for which parts are sent at least."""


class _Rehearsed:
    """A source that says in the end that it must not be committed; the gate then sees to the abort."""

    def __init__(self, source: Excerpt) -> None:
        self._source = source
        self.total_bytes = source.total_bytes
        self.unrepeatable = source.unrepeatable
        self.ahead_bytes = source.ahead_bytes
        self.rows = source.rows

    def segments(self) -> Iterator[Segment]:
        return self._source.segments()

    def changes(self) -> tuple[str, ...]:
        return (*self._source.changes(), REHEARSED)

    def close(self) -> None:
        self._source.close()


async def load_rate(
    client: ApiClient, source: Excerpt, request: Request, values: Mapping[str, object] | None = None
) -> float:
    """Load the source and abort; raw MB/s from before the execution is opened until after its abort.

    Args:
        client: The account.
        source: What is loaded.
        request: Names the stream, and the files that the source is from.
        values: Fields of the upload settings that replace the request's.

    Raises:
        BulkstreamError: The load failed, or its execution could not be aborted.
    """
    given = {**(values or {}), "on_failure": OnFailure.ABORT, "max_bad_rows": 0}
    request = replace(request, settings=overridden(request.settings, given))
    async with holding(Inputs(request.sources, terms=remote_terms(client.settings))) as inputs:
        job, ledger = await prepare(request, inputs, client, Silent()), Ledger()
    job = replace(job, source=_Rehearsed(source))
    began = perf_counter()
    with _aborted(ledger):
        await run(job, client, ledger=ledger, reporter=Silent())
    return source.total_bytes / 1e6 / (perf_counter() - began)


async def send_rate(client: ApiClient, stream_id: int, bodies: Sequence[bytes], *, concurrency: int) -> float:
    """Upload finished parts over and over, so many at a time, and abort; MB/s on the wire.

    Raises:
        BulkstreamError: A part was refused, or the execution could not be aborted.
    """
    numbers, sent, began = count(1), 0, 0.0

    async def send(execution: Execution) -> None:
        nonlocal sent
        while True:
            number = next(numbers)
            body = bodies[number % len(bodies)]
            if client.dialect is Dialect.INSTANCE and client.settings.connection.start_multipart:
                await client.executions.start_part(execution, number)
            await client.executions.upload_part(execution, number, body)
            sent += len(body)
            if perf_counter() - began >= BOX_S:
                return

    async with _rehearsing(client, stream_id) as execution:
        began = perf_counter()
        with one_error():
            async with anyio.create_task_group() as tasks:
                for _ in range(concurrency):
                    tasks.start_soon(send, execution)
        seconds = perf_counter() - began
    return sent / 1e6 / seconds


@asynccontextmanager
async def _rehearsing(client: ApiClient, stream_id: int) -> AsyncIterator[Execution]:
    """Open an execution, and abort it whatever happens."""
    ledger = Ledger(stream_id=stream_id)
    terms = Terms(stream_id, abort_timeout_s=client.settings.upload.abort_timeout_s)

    async def never() -> None:
        raise GateFailed((REHEARSED,))

    with _aborted(ledger):
        async with finalizing(client, terms, check=never, ledger=ledger, journal=Unkept(), tell=_ignore) as execution:
            yield execution


def _ignore(_: str) -> None:
    """Tell nobody of a rehearsal's waits."""


@contextlib.contextmanager
def _aborted(ledger: Ledger) -> Iterator[None]:
    """Take the gate's refusal for success, if nothing else speaks against the load and the abort was made."""
    try:
        yield
    except GateFailed as error:
        if error.reasons != (REHEARSED,):
            raise
        if ledger.outcome is not Outcome.ABORTED:
            raise left_open(ledger) from None


def left_open(ledger: Ledger) -> BulkstreamError:
    """Say which execution may still be open."""
    ids = f"{ledger.stream_id} {ledger.execution_id}"
    return BulkstreamError(
        f"execution {ledger.execution_id} of stream {ledger.stream_id} could not be aborted",
        hint=f"Abort it with `bulkstream executions abort {ids}`.",
    )


def request_for(files: Sequence[str | os.PathLike[str]], stream_id: int, settings: Upload) -> Request:
    """Name what is loaded, and where."""
    return Request(tuple(files), settings, stream_id=stream_id)
