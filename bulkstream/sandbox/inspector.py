"""Checks parts beside the requests that brought them, on threads of its own."""

from __future__ import annotations

import asyncio
import os
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from bulkstream.sandbox import segments
from bulkstream.sandbox.check import Check, check

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from bulkstream.sandbox.segments import Segment
    from bulkstream.sandbox.store import Store

_MOST_THREADS = 4
_BATCH_SEGMENTS = 64
_BATCH_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class _Job:
    """A part to look into."""

    execution_id: int
    segment: Segment
    columns: int | None


class Inspector:
    """Looks into segments, a few at a time, and writes down what it finds.

    Small ones are taken in batches, since waking a thread costs as much as looking into a few of them. What waits is
    a number and a file, so the queue needs no bound. What was not looked into when the process ended is looked into
    when somebody needs to know. Use it with `async with`, inside the store's.
    """

    def __init__(self, store: Store, max_raw_bytes: int, max_record_bytes: int) -> None:
        self._store = store
        self._max_raw_bytes = max_raw_bytes
        self._max_record_bytes = max_record_bytes
        self._most = max(1, min(_MOST_THREADS, (os.cpu_count() or 1) // 2))  # the other half receives, and sends
        self._pool = ThreadPoolExecutor(self._most, "sandbox-check")
        self._queue: deque[_Job] = deque()
        self._queued_bytes = 0
        self._workers: set[asyncio.Task[None]] = set()
        self._open: Counter[int] = Counter()  # jobs not done, by execution
        self._progress = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Inspector: {self._open.total()} segments waiting, {len(self._workers)} threads>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)

    def begin(self, execution_id: int, segment: Segment, columns: int | None) -> None:
        """Queue a part of an execution, and return at once."""
        self._queue.append(_Job(execution_id, segment, columns))
        self._queued_bytes += segment.sent_bytes
        self._open[execution_id] += 1
        backlog = max(self._queued_bytes // _BATCH_BYTES, len(self._queue) // _BATCH_SEGMENTS)
        if len(self._workers) < min(self._most, 1 + backlog):
            self._workers.add(asyncio.create_task(self._work()))

    async def settle(self, execution_id: int, columns: int | None) -> None:
        """Wait until every part of an execution was looked into."""
        while execution_id in self._open:
            await self._progress.wait()
        await self.inspect(await self._store.run(segments.unchecked, execution_id=execution_id), columns)

    async def inspect(self, unchecked: Sequence[Segment], columns: int | None) -> None:
        """Look into all of these, and return when done."""
        jobs = deque(_Job(0, segment, segment.columns or columns) for segment in unchecked)
        await asyncio.gather(*(self._drain(jobs) for _ in range(self._most)))

    async def _drain(self, jobs: deque[_Job]) -> None:
        while batch := _batch(jobs):
            await self._look(batch)

    async def _work(self) -> None:
        """Take from the queue until it is empty, and be gone before anybody can count on this worker again."""
        try:
            await self._empty_queue()
        finally:
            self._workers.discard(asyncio.current_task())

    async def _empty_queue(self) -> None:
        while batch := _batch(self._queue):
            self._queued_bytes -= sum(job.segment.sent_bytes for job in batch)
            try:
                await self._look(batch)
            finally:  # what could not be looked into is found unchecked, and tried again, by whoever settles
                self._open.subtract(job.execution_id for job in batch)
                self._open = +self._open  # drops those with none left
                self._wake()

    def _wake(self) -> None:
        """Let those who wait look at the counts again."""
        self._progress.set()
        self._progress = asyncio.Event()

    async def _look(self, batch: list[_Job]) -> None:
        found = await asyncio.get_running_loop().run_in_executor(self._pool, self._check_all, batch)
        await self._store.ask(segments.note_checks, found)

    def _check_all(self, batch: list[_Job]) -> list[tuple[int, Check]]:
        found = ((job.segment.id, self._check(job)) for job in batch)
        return [(segment_id, check) for segment_id, check in found if check is not None]

    def _check(self, job: _Job) -> Check | None:
        """Look into one; None if it was replaced or aborted meanwhile."""
        path, gzip = self._store.path(job.segment.id), job.segment.gzip
        try:
            limit, longest = self._max_raw_bytes, self._max_record_bytes
            return check(path, gzip=gzip, columns=job.columns, limit=limit, longest=longest)
        except FileNotFoundError:
            return None
        except OSError as error:
            return Check(problem=f"the stored part can't be read ({error.strerror})")


def _batch(jobs: deque[_Job]) -> list[_Job]:
    """Take jobs for one turn of a thread off the queue."""
    batch: list[_Job] = []
    taken = 0
    while jobs and len(batch) < _BATCH_SEGMENTS and taken < _BATCH_BYTES:
        batch.append(jobs.popleft())
        taken += batch[-1].segment.sent_bytes
    return batch
