"""Work on sources in threads that a cancelled caller doesn't wait for: what it waits for is closed."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from anyio import CapacityLimiter, to_thread

from bulkstream.settle import finished

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from bulkstream.sources import Inputs

T = TypeVar("T")


@asynccontextmanager
async def holding(inputs: Inputs) -> AsyncIterator[Inputs]:
    """Close the inputs in the end, in a thread, since an abandoned one may be reading from them."""
    try:
        yield inputs
    finally:
        await finished(to_thread.run_sync(inputs.close))


async def waited(work: Callable[..., T], *args: object) -> T:
    """Call in a thread what may wait for a producer or a network; cancelled, it is left until its inputs are closed.

    It counts as none of the threads that all loads share, or a few silent producers would stop all others.
    """
    return await to_thread.run_sync(work, *args, abandon_on_cancel=True, limiter=CapacityLimiter(1))
