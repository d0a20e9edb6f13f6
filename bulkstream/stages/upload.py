"""Uploading: parts go out, several at a time, and come back as receipts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anyio import EndOfStream

from bulkstream.errors import ApiError, PartFailed
from bulkstream.model import Part, Receipt

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio import CapacityLimiter
    from anyio.abc import ObjectReceiveStream


async def upload(
    parts: ObjectReceiveStream[Part],
    *,
    put: Callable[[Part], Awaitable[None]],
    acknowledge: Callable[[Receipt], None],
    turns: CapacityLimiter,
    concurrency: Callable[[], int],
) -> None:
    """Send parts until there are no more; run as many tasks of this as there may be uploads, over one limiter.

    The limiter begins with a single turn, so that the first part goes alone and a wrong credential or schema costs
    one request; its receipt opens the others, as many as `concurrency` says at that moment. A task takes its turn
    before it takes a part, so that no more parts than turns are held in memory. Closes its stream.

    Raises:
        PartFailed: The server refused a part, or its retries ran out.
        JournalUnwritable: Receipts can't be kept any more.
    """
    async with parts:
        while True:
            async with turns:
                try:
                    part = await parts.receive()
                except EndOfStream:
                    return
                acknowledge(await _send(part, put))
                del part  # a task that waits for its turn holds nothing
                turns.total_tokens = concurrency()


async def _send(part: Part, put: Callable[[Part], Awaitable[None]]) -> Receipt:
    try:
        await put(part)
    except ApiError as error:
        raise PartFailed(part.number, error) from error
    return Receipt.of(part)
