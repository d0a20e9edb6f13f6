"""Writing a journal while the load goes on, without making it wait.

One thread writes. Receipts are gathered for a moment, and while it waits for the disk, and become one transaction, so
that a thousand small parts in a second cost no more than a hundred synced writes. A step is written at once.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import orjson

from bulkstream.errors import JournalUnwritable
from bulkstream.journal.parts import values_of
from bulkstream.journal.tables import ADD_PART, ADD_STEP, made, opened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkstream.journal.folder import RunFolder
    from bulkstream.journal.plan import RunPlan
    from bulkstream.journal.record import Step
    from bulkstream.model import Receipt

Write = Callable[[sqlite3.Connection], object]
"""A statement, made and executed on the thread: the rejects of one part can take half a second to encode."""


GATHER_S = 0.01
"""Seconds for which receipts are gathered before they are written, unless somebody waits for that. A transaction of its
own for each part of 1 MiB costs a load as much as 5 % of its speed."""


class Journal:
    """The journal of a run, to be written; its folder is locked by this process.

    Lives on the event loop. Close it with `close`, whatever happened.
    """

    def __init__(self, run: RunFolder, db: sqlite3.Connection) -> None:
        self.run = run
        self._db = db
        self._thread = ThreadPoolExecutor(1, "bulkstream-journal")
        self._waiting: deque[tuple[Write, Callable[[], None]]] = deque()
        self._writing: asyncio.Future[None] | None = None
        self._failure: JournalUnwritable | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._urgent = False

    def __repr__(self) -> str:
        return f"Journal({self.run.run_id}, {len(self._waiting)} waiting)"

    @classmethod
    def begin(cls, run: RunFolder, plan: RunPlan) -> Journal:
        """Make the journal of a run that begins. Blocking.

        Raises:
            JournalUnwritable: The folder can't be written, or the disk is full.
        """
        try:
            return cls(run, made(run.journal, plan.model_dump_json()))
        except (OSError, sqlite3.Error) as error:
            raise JournalUnwritable(run.journal, _told(error)) from error

    @classmethod
    def go_on(cls, run: RunFolder) -> Journal:
        """Open the journal of a run that is resumed. Blocking.

        Raises:
            JournalUnwritable: The file can't be written.
        """
        try:
            return cls(run, opened(run.journal))
        except (OSError, sqlite3.Error) as error:
            raise JournalUnwritable(run.journal, _told(error)) from error

    async def note(self, step: Step, **detail: Any) -> None:
        """Write a step; it is durable when this returns.

        Raises:
            JournalUnwritable: It could not be written, or an earlier write could not.
        """
        done = asyncio.get_running_loop().create_future()
        values = (time.time(), str(step), orjson.dumps(detail).decode())
        self._add(
            lambda db: db.execute(ADD_STEP, values),
            lambda: None if done.done() else done.set_result(None),
        )
        await self._settled(done)

    def receipt(self, receipt: Receipt, counted: Callable[[], None]) -> None:
        """Write a receipt; `counted` is called, on the event loop, once it is durable.

        Raises:
            JournalUnwritable: An earlier write has failed.
        """
        self._add(lambda db: db.execute(ADD_PART, values_of(receipt)), counted)

    async def flush(self) -> None:
        """Wait until all that was handed over is durable.

        Raises:
            JournalUnwritable: A write has failed.
        """
        while self._waiting or self._writing is not None:
            self._hurry()
            if self._writing is not None:
                await asyncio.shield(self._writing)
        if self._failure is not None:
            raise self._failure

    async def close(self) -> None:
        """Write what is left, close the file and let go of the run; not to be cancelled."""
        while self._waiting or self._writing is not None:
            self._hurry()
            if self._writing is not None:
                await self._writing
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._db.close)
        finally:
            self._failure = self._failure or JournalUnwritable(self.run.journal, "it is closed")
            self._thread.shutdown(wait=False)
            self.run.unlock()

    async def _settled(self, done: asyncio.Future[None]) -> None:
        while not done.done():
            if self._failure is not None:
                raise self._failure
            self._hurry()
            if self._writing is not None:
                await asyncio.shield(self._writing)

    def _add(self, write: Write, then: Callable[[], None]) -> None:
        if self._failure is not None:
            raise self._failure
        self._waiting.append((write, then))
        if self._writing is None:
            self._gather()

    def _gather(self) -> None:
        """Write what waits in a moment, together with what comes until then."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GATHER_S, self._hurry)

    def _hurry(self) -> None:
        """Write what waits now, or as soon as the thread is free."""
        self._urgent = True
        if self._waiting and self._writing is None:
            self._begin_writing()

    def _begin_writing(self) -> None:
        self._urgent = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch = list(self._waiting)
        self._waiting.clear()
        loop = asyncio.get_running_loop()
        self._writing = loop.create_future()
        work = loop.run_in_executor(self._thread, self._write, [write for write, _ in batch])
        work.add_done_callback(lambda work: self._written(work, [then for _, then in batch]))

    def _written(self, work: asyncio.Future[None], calls: Sequence[Callable[[], None]]) -> None:
        """Tell whoever waits, and begin with what has come in meanwhile."""
        writing, self._writing = self._writing, None
        error = None if work.cancelled() else work.exception()
        if error is not None or work.cancelled():
            reason = "the loop has ended" if error is None else _told(error)
            self._failure = JournalUnwritable(self.run.journal, reason)
            self._failure.__cause__ = error
            self._waiting.clear()
        else:
            for call in calls:
                call()
        if self._waiting and self._urgent:
            self._begin_writing()
        elif self._waiting:
            self._gather()
        if writing is not None and not writing.done():
            writing.set_result(None)

    def _write(self, writes: Sequence[Write]) -> None:
        """Write a batch in one transaction, on the thread."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for write in writes:
                write(self._db)
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise


class Unkept:
    """The journal of a run that keeps none."""

    run = None

    async def note(self, step: Step, **detail: Any) -> None:
        """Keep nothing."""

    def receipt(self, receipt: Receipt, counted: Callable[[], None]) -> None:  # noqa: ARG002 - the journal's
        """Count the receipt at once."""
        counted()

    async def flush(self) -> None:
        """Wait for nothing."""

    async def close(self) -> None:
        """Close nothing."""


def _told(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or "") or str(error) or type(error).__name__
