"""What every handler needs: the running sandbox behind the application."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from aiohttp import web

from bulkstream.sandbox.committer import Committer
from bulkstream.sandbox.inspector import Inspector
from bulkstream.sandbox.store import Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from bulkstream.sandbox.requests import Requests
    from bulkstream.sandbox.settings import SandboxSettings

Clock: TypeAlias = Callable[[], float]
"""Seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The parts of a running sandbox."""

    settings: SandboxSettings
    clock: Clock
    store: Store
    inspector: Inspector
    committer: Committer
    requests: Requests


SANDBOX = web.AppKey("SANDBOX", Sandbox)
"""Where the application keeps it while it runs."""


@asynccontextmanager
async def opened(
    settings: SandboxSettings, clock: Clock, requests: Requests, folder: Path | None
) -> AsyncIterator[Sandbox]:
    """Open store, inspector and committer, and close them in the reverse order.

    Args:
        settings: How it behaves.
        clock: Seconds since the epoch.
        requests: Where to count.
        folder: For the data where settings name none; None makes a temporary one.
    """
    _keep_freed_memory()
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(Store(settings.data or folder, temporary=settings.data is None))
        limits = settings.max_raw_part_bytes, settings.max_record_bytes
        inspector = await stack.enter_async_context(Inspector(store, *limits))
        committer = await stack.enter_async_context(Committer(settings, store, inspector, clock))
        yield Sandbox(settings, clock, store, inspector, committer, requests)


def _keep_freed_memory() -> None:
    """Let glibc keep up to 32 MiB of freed blocks instead of returning each to the system.

    Freeing a large block raises its thresholds for good (`mallopt(3)`, dynamic mmap threshold). Without this every
    buffer is fresh pages, and every release interrupts the other cores: a third of the time of small parts.
    """
    bytes(16 << 20)
