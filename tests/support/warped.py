"""An event loop whose waits take no time: when nobody has anything to do, its clock jumps to the next timer.

Client and sandbox run in it together, over real sockets and with real threads, and see one clock: timeouts of a
minute, retries and polls are kept to the second, and cost a millisecond each. While a thread works, the clock goes at
its usual pace.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.thread import _WorkItem
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock

from anyio._backends._asyncio import AsyncIOBackend

from bulkstream.api.retry import Clock

if TYPE_CHECKING:
    from collections.abc import Iterator

GRACE_S = 0.001
"""How long to wait in earnest before a jump: loopback delivers at once, if the system is not too busy."""

_wall, _monotonic = time.time, time.monotonic
_submit = ThreadPoolExecutor.submit
_run = _WorkItem.run
_run_sync = AsyncIOBackend.run_sync_in_worker_thread


class WarpedLoop(asyncio.SelectorEventLoop):
    """See the module.

    Attributes:
        ahead_s: Seconds by which its clock is ahead of the real one.
        working: What threads do for it.
    """

    def __init__(self) -> None:
        self.ahead_s = 0.0
        self.working: set[Future[Any]] = set()
        super().__init__(_Selector(self))

    def time(self) -> float:
        return _monotonic() + self.ahead_s

    def wall(self) -> float:
        return _wall() + self.ahead_s

    def clock(self) -> Clock:
        """The clock for a client; its waits are drawn as long as they may be."""
        return Clock(now=self.time, wall=self.wall, jitter=lambda _, high: high)

    def busy(self) -> bool:
        return any(not future.cancelled() for future in self.working)


class _Selector(selectors.DefaultSelector):
    def __init__(self, loop: WarpedLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0 or self._loop.busy():
            return super().select(timeout)
        grace = min(timeout, max(GRACE_S, timeout / 100), 20 * GRACE_S)
        if not (events := super().select(grace)):
            self._loop.ahead_s += timeout - grace
        return events


@contextmanager
def warped() -> Iterator[asyncio.Runner]:
    """A runner of such a loop; meanwhile `time.time` and `time.monotonic` are the loop's, too."""
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner(loop_factory=WarpedLoop))
        loop = runner.get_loop()
        assert isinstance(loop, WarpedLoop)
        stack.enter_context(mock.patch("time.time", loop.wall))
        stack.enter_context(mock.patch("time.monotonic", loop.time))
        stack.enter_context(mock.patch.object(ThreadPoolExecutor, "submit", _noted(loop)))
        stack.enter_context(mock.patch.object(_WorkItem, "run", _ticked_off(loop)))
        stack.enter_context(mock.patch.object(AsyncIOBackend, "run_sync_in_worker_thread", classmethod(_awaited)))
        yield runner


def _noted(loop: WarpedLoop) -> Any:
    def submit(pool: ThreadPoolExecutor, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future = _submit(pool, *args, **kwargs)
        loop.working.add(future)
        return future

    return submit


def _ticked_off(loop: WarpedLoop) -> Any:
    def run(item: Any) -> None:
        future = item.future
        try:
            _run(item)
        finally:
            if not loop.is_closed():  # behind everything that the future's end has led to
                loop.call_soon_threadsafe(loop.working.discard, future)

    return run


async def _awaited(_: type[AsyncIOBackend], *args: Any, **kwargs: Any) -> Any:
    loop, future = asyncio.get_running_loop(), Future[Any]()
    assert isinstance(loop, WarpedLoop)
    loop.working.add(future)
    try:
        return await _run_sync(*args, **kwargs)
    finally:
        loop.working.discard(future)
