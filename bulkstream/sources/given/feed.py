"""An asynchronous iterable, read by a thread while the load runs on its event loop.

One task on the loop, `run`, asks for items, so that a generator with timeouts or task groups of its own sees a single
task. It lays them down, at most `MOST_ITEMS` and about `MOST_BYTES` of them, and waits on the loop, without blocking
it, until they are taken. A thread iterates over the feed, and takes all at once that lies there.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import anyio

from bulkstream.errors import SourceUnreadable

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

T = TypeVar("T")

MOST_ITEMS = 4096
MOST_BYTES = 4 << 20
"""Bytes that may lie there before it is waited; with one item more at most."""
CLOSE_S = 5.0
"""Seconds that a generator has to clean up."""

_ITEM_BYTES = 64
"""What an item counts for that does not say how large it is."""
_TURN_S = 0.002
"""Seconds after which an iterable that never waits itself lets the loop do something else."""


class AsyncFeed(Generic[T]):
    """Iterates, in a thread, over what `run` reads on the event loop.

    `run` belongs to a task of the load; `close` ends both sides, and may be called by anybody. Cancelling the task of
    `run` ends the reader with an error too. What the iterable raises is raised from `__next__`.
    """

    def __init__(self, source: AsyncIterable[T]) -> None:
        """Prepare to read; must be called on the event loop."""
        self._source = source
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Event()
        self._changed = threading.Condition()
        self._lying: list[T] = []
        self._bytes = 0
        self._taken: list[T] = []  # in reverse; the reader's alone
        self._ended = self._closed = False
        self._error: BaseException | None = None
        self._task: asyncio.Task[Any] | None = None

    def __repr__(self) -> str:
        state = "closed" if self._closed else "ended" if self._ended else "open"
        return f"AsyncFeed({len(self._lying)} items lie there, {state})"

    async def run(self) -> None:
        """Read the iterable to its end, or until it fails or the feed is closed; then close it.

        Never raises what the iterable raises, which is the reader's to know.
        """
        iterator = aiter(self._source)
        self._task = asyncio.current_task()
        try:
            if not self._closed:
                await self._read(iterator)
        except Exception as error:  # noqa: BLE001 - the reader raises it
            self._end(error)
        except asyncio.CancelledError:
            self._end(_closed())
            if not self._closed:
                raise
        finally:
            self._task = None
            await _close(iterator)
            self._end(None)

    def close(self) -> None:
        """End the reading on both sides, from any thread; does not wait for it, and may be called again."""
        self._closed = True
        self._end(_closed())
        with suppress(RuntimeError):  # the loop has ended, and the task with it
            self._loop.call_soon_threadsafe(self._cancel)

    def __iter__(self) -> AsyncFeed[T]:
        return self

    def __next__(self) -> T:
        """Wait for an item; blocks, so never on the event loop.

        Raises:
            SourceUnreadable: The feed was closed before its end.
        """
        if not self._taken:
            self._take()
        return self._taken.pop()

    async def _read(self, iterator: Any) -> None:
        turn = perf_counter()
        async for item in iterator:
            if not self._lay(item):
                await self._room.wait()
                turn = perf_counter()
            elif perf_counter() - turn > _TURN_S:
                await asyncio.sleep(0)
                turn = perf_counter()

    def _lay(self, item: T) -> bool:
        """Lay an item down; False if there is no room for another."""
        with self._changed:
            self._lying.append(item)
            self._bytes += _size(item)
            if len(self._lying) == 1:
                self._changed.notify_all()
            full = len(self._lying) >= MOST_ITEMS or self._bytes >= MOST_BYTES
            if full:
                self._room.clear()
            return not full

    def _take(self) -> None:
        """Wait until something lies there, and take all of it; raise at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._lying or self._ended)
            if self._error is not None and (self._closed or not self._lying):
                raise self._error
            if not self._lying:
                raise StopIteration
            self._taken, self._lying, self._bytes = self._lying[::-1], [], 0
        if not self._ended:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._room.set)

    def _end(self, error: BaseException | None) -> None:
        """Let the reader know that nothing more will come; the first who says so says why."""
        with self._changed:
            if not self._ended:
                self._ended, self._error = True, error
            elif self._closed:
                self._error = self._error or error
            self._changed.notify_all()

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()


async def _close(iterator: Any) -> None:
    """Let a generator that was left in the middle clean up; why it was left counts, not how that goes."""
    if hasattr(iterator, "aclose"):
        with anyio.move_on_after(CLOSE_S, shield=True), suppress(Exception):
            await iterator.aclose()


def _closed() -> SourceUnreadable:
    return SourceUnreadable("the iterable was closed while it was read")


def _size(item: Any) -> int:
    """Return about how many bytes an item has: a piece of CSV, a batch, a row."""
    return len(item) if isinstance(item, bytes | bytearray | memoryview) else getattr(item, "nbytes", _ITEM_BYTES)
