"""The worker threads of one load, which yield the processor to the event loop."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

NICE = 5
"""Steps below the event loop's priority. With workers on every core, a loop of equal rank waits for a time slice; with
many more steps, a worker that other processes displace keeps the loop waiting for the GIL that it holds."""


class Crew:
    """A fixed number of threads; use as a context manager.

    On leaving, threads that still work on something abandoned end when they are through with it; nobody waits.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._threads = ThreadPoolExecutor(size, thread_name_prefix="bulkstream", initializer=_step_back)

    def __repr__(self) -> str:
        return f"Crew({self.size} threads)"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def run(self, work: Callable[..., T], *args: object) -> T:
        """Call `work` in a thread and return what it returns; when cancelled, abandon it."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)


def _step_back() -> None:
    """Lower this thread's priority, where the system has one per thread."""
    if sys.platform == "linux":
        with suppress(OSError):  # not everywhere allowed, and never needed
            thread = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + NICE)
