"""Checks parts beside the requests that brought them, on threads of its own."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Self

from bulkstream.sandbox import segments
from bulkstream.sandbox.check import Check, check

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from bulkstream.sandbox.segments import Segment
    from bulkstream.sandbox.store import Store

_MOST_THREADS = 4


class Inspector:
    """Looks into segments, a few at a time, and writes down what it finds.

    What waits is a number and a file, so its queue needs no bound. What was not looked into when the process ended is
    looked into when somebody needs to know. Use it with `async with`, inside the store's.
    """

    def __init__(self, store: Store, max_raw_bytes: int) -> None:
        self._store = store
        self._max_raw_bytes = max_raw_bytes
        self._pool = ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1), "sandbox-check")
        self._pending: dict[int, set[asyncio.Task[None]]] = {}

    def __repr__(self) -> str:
        return f"<Inspector: {sum(map(len, self._pending.values()))} segments waiting>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        waiting = [task for tasks in self._pending.values() for task in tasks]
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)

    def begin(self, execution_id: int, segment: Segment, columns: int | None) -> None:
        """Queue a part of an execution, and return at once."""
        tasks = self._pending.setdefault(execution_id, set())
        task = asyncio.create_task(self._inspect(segment, columns))
        tasks.add(task)
        task.add_done_callback(partial(self._done, execution_id))

    async def settle(self, execution_id: int, columns: int | None) -> None:
        """Wait until every part of an execution was looked into."""
        while tasks := self._pending.get(execution_id):
            await asyncio.gather(*tasks)
        await self.inspect(await self._store.run(segments.unchecked, execution_id=execution_id), columns)

    async def inspect(self, unchecked: Iterable[Segment], columns: int | None) -> None:
        """Look into all of these, and return when done."""
        await asyncio.gather(*(self._inspect(segment, columns) for segment in unchecked))

    def _done(self, execution_id: int, task: asyncio.Task[None]) -> None:
        tasks = self._pending[execution_id]
        tasks.discard(task)
        if not tasks:
            del self._pending[execution_id]

    async def _inspect(self, segment: Segment, columns: int | None) -> None:
        look = partial(
            check, self._store.path(segment.id), gzip=segment.gzip, columns=columns, limit=self._max_raw_bytes
        )
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._pool, look)
        except FileNotFoundError:
            return  # replaced or aborted meanwhile
        except OSError as error:
            found = Check(problem=f"the stored part can't be read ({error.strerror})")
        await self._store.run(segments.note_check, segment.id, found)
