"""An event loop in a thread of its own, for the transfers behind blocking reads.

Transfers are coroutines, so that closing a file cancels what is in flight at once, from any thread. The loop ends
when it is closed, or when nothing refers to it any more: a blob has no `close`, and what is open refers to its blob.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from bulkstream.errors import SourceUnreadable
from bulkstream.sources.places.beginning import Room

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable, Mapping
    from concurrent.futures import Future

T = TypeVar("T")


class Closable(Protocol):
    """What a loop's coroutines share, a session or a connection."""

    async def close(self) -> None:
        """Close it."""


S = TypeVar("S", bound=Closable)

PATIENCE_S = 5.0
"""Seconds for which closing waits for connections to be closed."""


class Background:
    """Runs coroutines for threads that wait for them.

    Attributes:
        room: Where the objects that are read here keep their beginnings.
    """

    def __init__(self) -> None:
        self.room = Room()
        self._loop = asyncio.new_event_loop()
        self._shared: dict[Hashable, Any] = {}
        self._lock = threading.Lock()
        self._thread = threading.Thread(
            target=_serve, args=(self._loop, self._shared), name="bulkstream-remote", daemon=True
        )
        self._thread.start()
        self._end = weakref.finalize(self, _end, self._loop)

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin; cancelling the future cancels the coroutine.

        Raises:
            SourceUnreadable: It was closed.
        """
        with self._lock:  # what was submitted is known to the loop before it is told to end
            if self._end.alive:
                return asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        coroutine.close()
        raise _given_up()

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run to the end, and cancel it if the waiting is interrupted. Blocking.

        Raises:
            SourceUnreadable: It was closed.
        """
        future = self.submit(coroutine)
        try:
            return future.result()
        except CancelledError:
            raise _given_up() from None
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Cancel what is in flight, close what is shared, and wait a moment for the loop's end; may be called again."""
        with self._lock:
            self._end()
        self._thread.join(PATIENCE_S)

    def shared(self, key: Hashable, make: Callable[[], S]) -> S:
        """Return what was made for this key; it is closed when the loop ends, and must not refer to this.

        Call it in a coroutine that runs here.
        """
        if key not in self._shared:
            self._shared[key] = make()
        made: S = self._shared[key]
        return made


def _serve(loop: asyncio.AbstractEventLoop, shared: Mapping[Hashable, Closable]) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        loop.run_until_complete(_finish(shared))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        asyncio.set_event_loop(None)
        loop.close()


async def _finish(shared: Mapping[Hashable, Closable]) -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.gather(*(made.close() for made in shared.values()), return_exceptions=True)


def _end(loop: asyncio.AbstractEventLoop) -> None:
    loop.call_soon_threadsafe(loop.stop)


def _given_up() -> SourceUnreadable:
    return SourceUnreadable("the load was given up while a remote source was read")
