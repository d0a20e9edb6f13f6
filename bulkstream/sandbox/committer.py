"""Ends executions: commit with all its checks, abort, and the delay that a real commit has."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING, Self

from bulkstream.sandbox import datasets, executions, segments, streams
from bulkstream.sandbox.blocks import BrokenGzip
from bulkstream.sandbox.errors import ApiFault, bad_request, conflict
from bulkstream.sandbox.executions import State
from bulkstream.sandbox.records import BadRecord
from bulkstream.sandbox.segments import Segment
from bulkstream.sandbox.settings import Validation
from bulkstream.sandbox.streams import UpdateMethod
from bulkstream.sandbox.upsert import Layout, Source, merge

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Coroutine
    from types import TracebackType

    from bulkstream.sandbox.check import Check
    from bulkstream.sandbox.executions import Execution
    from bulkstream.sandbox.inspector import Inspector
    from bulkstream.sandbox.settings import SandboxSettings
    from bulkstream.sandbox.store import Store
    from bulkstream.sandbox.streams import Stream

log = logging.getLogger(__name__)


class Committer:
    """Commits and aborts; each takes effect for readers in one transaction.

    Use it with `async with`, inside the inspector's. Commits that were answered and have not taken effect when it
    closes do so at the next start.
    """

    def __init__(
        self, settings: SandboxSettings, store: Store, inspector: Inspector, clock: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._store = store
        self._inspector = inspector
        self._clock = clock
        self._settling: set[asyncio.Task[None]] = set()
        self._ignored: dict[int, float | None] = {}

    async def __aenter__(self) -> Self:
        for execution in await self._store.run(_recover):
            self._begin_settling(execution, 0.0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._settling:
            task.cancel()
        await asyncio.gather(*self._settling, return_exceptions=True)

    async def commit(self, execution: Execution) -> Execution:
        """Check the parts and make them the dataset's; parts still on their way are refused from now on.

        With `commit_delay_s` the answer comes first, and the effect later.

        Raises:
            ApiFault: 409, the execution is not ACTIVE; 429, the stream's last commit was too recent; 400, part ids
                have gaps (the execution stays ACTIVE), or a part is wrong (it is FAILED).
        """
        now, interval = self._clock(), self._settings.commit_interval_s
        await self._store.run(_begin, execution, now, interval)
        if execution.id in self._ignored:
            return await self._pretend(execution)
        try:
            await self._check(execution)
            if not self._settings.commit_delay_s:
                return await self._apply(execution)
            settling = await self._store.run(_mark, execution, State.SETTLING, self._clock())
        except ApiFault:
            raise
        except BaseException:
            await asyncio.shield(self._store.run(_reopen, execution))
            raise
        self._begin_settling(settling, self._settings.commit_delay_s)
        return settling

    def ignore(self, execution_id: int, fail_after_s: float | None) -> None:
        """Let the next commit of an execution be accepted and not done.

        It stays ACTIVE, closed to parts, until the sandbox is started again; or it is FAILED after some seconds.
        """
        self._ignored[execution_id] = fail_after_s

    async def abort(self, execution: Execution) -> Execution:
        """Throw the parts away; aborting twice is fine.

        Raises:
            ApiFault: 409, the execution is closed in another way, or being committed.
        """
        if execution.state is State.ABORTED:
            return execution
        aborted, dropped = await self._store.run(_close, execution, State.ABORTED, self._clock())
        self._store.discard(dropped)
        return aborted

    async def _check(self, execution: Execution) -> None:
        if self._settings.validate is Validation.OFF:
            return
        stream = await self._store.run(streams.get, execution.stream_id)
        columns = len(stream.dataset.names) or None
        await self._inspector.settle(execution.id, columns)
        if problem := await self._store.run(segments.problem_of, execution.id, columns):
            await self._fail(execution, problem)
            raise bad_request(f"execution {execution.id} was not committed: {problem}")

    async def _apply(self, execution: Execution) -> Execution:
        stream = await self._store.run(streams.get, execution.stream_id)
        merged = await self._merge(execution, stream) if execution.method.update is UpdateMethod.UPSERT else None
        done, replaced = await self._store.run(_swap, execution, stream, merged, self._clock())
        self._store.leases.retire(stream.dataset.id, replaced)
        return done

    async def _merge(self, execution: Execution, stream: Stream) -> tuple[Segment, Check]:
        old = await self._store.run(segments.of_dataset, stream.dataset.id)
        new = await self._store.run(segments.of_execution, execution.id)
        names = stream.dataset.names
        target = self._store.new_segment()
        try:
            keys = tuple(map(names.index, execution.method.keys))
            layout = Layout(len(names), keys, self._settings.max_record_bytes)
            path = self._store.path(target)
            found = await asyncio.to_thread(merge, self._sources(old, layout), self._sources(new, layout), layout, path)
        except (BadRecord, BrokenGzip, ValueError) as error:
            self._store.discard([target])
            await self._fail(execution, str(error))
            raise bad_request(f"execution {execution.id} was not committed: {error}") from None
        return Segment(target, gzip=False, sent_bytes=found.raw_bytes or 0), found

    def _sources(self, listed: list[Segment], layout: Layout) -> list[Source]:
        limit = self._settings.max_raw_part_bytes
        return [Source.of(segment, self._store.path(segment.id), limit, layout.columns) for segment in listed]

    async def _fail(self, execution: Execution, problem: str) -> None:
        _, dropped = await self._store.run(_close, execution, State.FAILED, self._clock(), problem)
        self._store.discard(dropped)

    async def _pretend(self, execution: Execution) -> Execution:
        fail_after_s = self._ignored.pop(execution.id)
        if fail_after_s is not None:
            self._beside(self._fail_later(execution, fail_after_s))
        return await self._store.run(executions.get, execution.stream_id, execution.id)

    async def _fail_later(self, execution: Execution, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        await self._fail(execution, "the commit failed (injected fault)")

    def _begin_settling(self, execution: Execution, delay_s: float) -> None:
        self._beside(self._settle(execution, delay_s))

    def _beside(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    async def _settle(self, execution: Execution, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        try:
            await self._apply(execution)
        except ApiFault as fault:
            log.warning("%s", fault.message)  # the execution says so too: nobody waits for an answer


def _recover(db: sqlite3.Connection) -> list[Execution]:
    """After a restart: nobody was told of the COMMITTING ones; the SETTLING ones are promised."""
    db.execute("UPDATE executions SET state = 'ACTIVE' WHERE state = 'COMMITTING'")
    rows = db.execute("SELECT stream_id, id FROM executions WHERE state = 'SETTLING'").fetchall()
    return [executions.get(db, row[0], row[1]) for row in rows]


def _begin(db: sqlite3.Connection, execution: Execution, now: float, interval_s: float) -> None:
    executions.check_open(executions.get(db, execution.stream_id, execution.id))
    query = "SELECT max(ended) FROM executions WHERE stream_id = ? AND state = 'SUCCESS'"
    last = db.execute(query, (execution.stream_id,)).fetchone()[0]
    if last is not None and now < last + interval_s:
        wait_s = math.ceil(last + interval_s - now)
        raise ApiFault(429, f"a stream is committed once in {interval_s:g} s; try again", {"Retry-After": str(wait_s)})
    segments.check_contiguous(db, execution.id)
    _mark(db, execution, State.COMMITTING, now)


def _mark(db: sqlite3.Connection, execution: Execution, state: State, now: float) -> Execution:
    db.execute("UPDATE executions SET state = ?, modified = ? WHERE id = ?", (state, now, execution.id))
    return executions.get(db, execution.stream_id, execution.id)


def _reopen(db: sqlite3.Connection, execution: Execution) -> None:
    """Take back a commit that failed or was cancelled, unless it has taken effect already."""
    db.execute("UPDATE executions SET state = 'ACTIVE' WHERE id = ? AND state = 'COMMITTING'", (execution.id,))


def _close(
    db: sqlite3.Connection, execution: Execution, state: State, now: float, error: str | None = None
) -> tuple[Execution, list[int]]:
    """End an execution without a commit; returns it and the segments to delete."""
    there = executions.get(db, execution.stream_id, execution.id)
    if state is State.ABORTED and there.state is State.ABORTED:
        return there, []
    if state is State.ABORTED and there.state is not State.ACTIVE:
        raise conflict(f"execution {there.id} is {there.state.told}")
    dropped = segments.drop_parts(db, execution.id)
    db.execute("UPDATE executions SET ended = ?, error = ? WHERE id = ?", (now, error, execution.id))
    return _mark(db, execution, state, now), dropped


def _swap(
    db: sqlite3.Connection, execution: Execution, stream: Stream, merged: tuple[Segment, Check] | None, now: float
) -> tuple[Execution, list[int]]:
    """The commit itself; returns the execution and the segments that nobody needs after the present readers."""
    dataset_id = stream.dataset.id
    brought = segments.totals(db, execution.id)
    replaced: list[int] = []
    if merged or execution.method.update is UpdateMethod.REPLACE:
        replaced = segments.drop_contents(db, dataset_id)
    if merged:
        replaced += segments.drop_parts(db, execution.id)
        segments.put_contents(db, dataset_id, *merged)
    else:
        segments.move_parts(db, execution.id, dataset_id)
    datasets.count_rows(db, dataset_id)
    db.execute("UPDATE datasets SET updated = ? WHERE id = ?", (now, dataset_id))
    db.execute(
        "UPDATE executions SET ended = ?, rows = ?, raw_bytes = ? WHERE id = ?",
        (now, brought.rows, brought.raw_bytes, execution.id),
    )
    return _mark(db, execution, State.SUCCESS, now), replaced
