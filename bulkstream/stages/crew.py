"""The worker threads of one load, which yield the processor to the event loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Self, TypeVar

from bulkstream.cores import step_back

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Crew:
    """A fixed number of threads; use as a context manager.

    On leaving, threads that still work on something abandoned end when they are through with it; nobody waits.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._threads = ThreadPoolExecutor(size, thread_name_prefix="bulkstream", initializer=step_back)

    def __repr__(self) -> str:
        return f"Crew({self.size} threads)"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def run(self, work: Callable[..., T], *args: object) -> T:
        """Call `work` in a thread and return what it returns; when cancelled, abandon it."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)
