"""Where a sandbox keeps its state: a folder with a database and the segments' files.

Each call is one transaction, and one runs at a time. What may take long runs on a thread of its own (`run`); what is
known to be short runs right on the event loop (`ask`, 0.02-0.06 ms, a third of what waking a thread costs), unless
something long is going on. The write-ahead log is moved into the database, which waits for the disk, on the thread.

A segment's file is written under a number that was never used before and counts only once
a row names it, so that a crash at any moment leaves at worst a file which the next start removes. Files are not
synced: they survive a killed process, not a power cut.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Self, TypeVar

from bulkstream.errors import UsageError
from bulkstream.sandbox.leases import Leases
from bulkstream.sandbox.tables import connect

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from types import TracebackType

P = ParamSpec("P")
T = TypeVar("T")

_FOLDER_BITS = 10  # 1024 files in a folder
_SECRET_BYTES = 32
_CHECKPOINT_EVERY = 4096  # transactions on the loop; the log grows to some 30 MB


class Store:
    """A folder that keeps streams, executions, datasets and their data; one process at a time may hold it.

    Use it with `async with`; afterwards the folder is released (and removed, if none was given).

    Args:
        folder: None makes a temporary one.
        temporary: Nobody wants the folder after this process, so that nothing need wait for the disk.
    """

    def __init__(self, folder: Path | None, *, temporary: bool = False) -> None:
        self._given = folder
        self._temporary = temporary or folder is None
        self._stack = ExitStack()
        self._last_folder: Path | None = None
        self._queued = 0  # calls that the thread has not finished
        self._asked = 0
        self.leases = Leases(self.discard)

    def __repr__(self) -> str:
        return f"<Store in {self._given or 'a temporary folder'}>"

    async def __aenter__(self) -> Self:
        with self._stack:
            self.folder = self._given or Path(self._stack.enter_context(tempfile.TemporaryDirectory("-sandbox")))
            self._segments = self.folder / "segments"
            self._segments.mkdir(parents=True, exist_ok=True)
            self._stack.callback(os.close, _locked(self.folder / "lock"))
            self._db = connect(self.folder / "sandbox.sqlite", temporary=self._temporary)
            self._stack.callback(self._db.close)
            self._thread = self._stack.enter_context(ThreadPoolExecutor(1, "sandbox-sqlite"))
            self._remover = self._stack.enter_context(ThreadPoolExecutor(1, "sandbox-unlink"))
            self.secret = await self.run(_secret)
            kept = await self.run(_owned_segments)
            await asyncio.to_thread(self._sweep, kept)
            self._numbers = count(max(kept, default=0) + 1)
            self._stack = self._stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._stack.close)

    async def run(self, work: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `work(db, *args, **kwargs)` in a transaction on the store's thread.

        A cancelled caller doesn't stop the work: it is done whole, or not at all.
        """
        return await asyncio.wrap_future(self._submit(self._transact, lambda db: work(db, *args, **kwargs)))

    async def ask(self, work: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `work(db, *args, **kwargs)`, which touches a few rows, in a transaction right here if nothing runs."""
        if self._queued:
            return await self.run(work, *args, **kwargs)
        result = self._transact(lambda db: work(db, *args, **kwargs))
        self._asked += 1
        if self._asked % _CHECKPOINT_EVERY == 0:  # only now, since the thread has the database from here on
            self._submit(self._checkpoint)
        return result

    def _submit(self, work: Callable[..., T], *args: object) -> Future[T]:
        """Hand over to the thread, which has the database until the loop was told that it is done."""
        loop = asyncio.get_running_loop()
        self._queued += 1
        future = self._thread.submit(work, *args)
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._dequeued))
        return future

    def _dequeued(self) -> None:
        self._queued -= 1

    def _checkpoint(self) -> None:
        self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def _transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            result = work(self._db)
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        return result

    async def renew_secret(self) -> None:
        """Sign with another key from now on: no token that was issued so far is good any longer."""
        self.secret = await self.run(_renewed_secret)

    def new_segment(self) -> int:
        """A number for a segment's file, never used before, in a folder that exists."""
        segment = next(self._numbers)
        folder = self.path(segment).parent
        if folder != self._last_folder:
            folder.mkdir(exist_ok=True)
            self._last_folder = folder
        return segment

    def path(self, segment: int) -> Path:
        """Where the file of a segment is; made of nothing but the number."""
        return self._segments / f"{segment >> _FOLDER_BITS:06d}" / f"{segment:09d}"

    def discard(self, segments: Sequence[int]) -> None:
        """Delete files of segments that no row names any more, in the background."""
        if segments:
            self._remover.submit(self._unlink, tuple(segments))

    def _unlink(self, segments: Sequence[int]) -> None:
        for segment in segments:
            self.path(segment).unlink(missing_ok=True)

    def _sweep(self, kept: set[int]) -> None:
        for path in self._segments.glob("*/*"):
            if not path.name.isdigit() or int(path.name) not in kept:
                path.unlink()


def _locked(path: Path) -> int:
    """Open and lock a file until it is closed, which the death of the process does too."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise UsageError(
            f"another sandbox uses {path.parent}", hint="Stop it, or choose another folder for this one."
        ) from None
    return descriptor


def _secret(db: sqlite3.Connection) -> bytes:
    """The key that signs access tokens: made once for a folder, so that tokens outlive a restart."""
    db.execute("INSERT OR IGNORE INTO secrets VALUES ('jwt', ?)", (secrets.token_bytes(_SECRET_BYTES),))
    value: bytes = db.execute("SELECT value FROM secrets WHERE name = 'jwt'").fetchone()[0]
    return value


def _renewed_secret(db: sqlite3.Connection) -> bytes:
    value = secrets.token_bytes(_SECRET_BYTES)
    db.execute("UPDATE secrets SET value = ? WHERE name = 'jwt'", (value,))
    return value


def _owned_segments(db: sqlite3.Connection) -> set[int]:
    return {row[0] for row in db.execute("SELECT id FROM segments")}
