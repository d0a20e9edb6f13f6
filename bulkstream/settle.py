"""Awaiting what a cancellation must not cut off in the middle.

`anyio`'s shields hold off the cancellation of its own scopes only; one that a task gets from asyncio itself, as by
`Task.cancel` or `asyncio.timeout`, is delivered inside them all the same. So the work is done by a task of its own.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable

T = TypeVar("T")


async def settle(work: Awaitable[T], grace_s: float) -> T:
    """Await `work`; if the caller is cancelled meanwhile, let it go on for `grace_s` seconds before it is cancelled.

    What changes the server's state must not be cut off between its effect and the note that it was taken.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await finished(_given(task, grace_s))
        if not task.cancelled():
            task.exception()  # the cancellation is what the caller hears of
        raise


async def finished(work: Awaitable[T]) -> T:
    """Await `work` to its end, however often the caller is cancelled; a cancellation is raised behind it."""
    task, cancelled = asyncio.ensure_future(work), None
    while not task.done():
        try:
            with anyio.CancelScope(shield=True):
                await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        return task.result()
    if not task.cancelled():
        task.exception()  # as above
    raise cancelled


async def _given(task: asyncio.Future[T], grace_s: float) -> None:
    await asyncio.wait({task}, timeout=grace_s)
    task.cancel()
    await asyncio.wait({task})
