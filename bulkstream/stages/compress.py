"""Compressing: from chunks to parts, in worker threads that free the GIL."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from anyio import to_thread

from bulkstream.model import Chunk, Part

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio import CapacityLimiter, Event
    from anyio.abc import ObjectReceiveStream, ObjectSendStream

    from bulkstream.ledger import Ledger


async def compress(
    chunks: ObjectReceiveStream[Chunk],
    parts: ObjectSendStream[Part],
    *,
    encode: Callable[[memoryview], bytes],
    limiter: CapacityLimiter,
    first_sent: Event,
    ledger: Ledger,
) -> None:
    """Compress chunks until there are no more; run one task of this per worker.

    Chunks may overtake each other, but part 1 is handed on before any other: the uploader sends it alone, as the
    probe. Closes its two streams.
    """
    async with chunks, parts:
        waiting_since = perf_counter()
        async for chunk in chunks:
            began = perf_counter()
            # Abandoned when cancelled: 64 MiB at the highest level take long, and an abort must not wait for them.
            body = await to_thread.run_sync(encode, chunk.data, limiter=limiter, abandon_on_cancel=True)
            part = Part(chunk.number, body, len(chunk.data), chunk.rows)
            chunk.release()
            done = perf_counter()
            if part.number == 1:
                await parts.send(part)
                first_sent.set()
            else:
                await first_sent.wait()
                await parts.send(part)
            ledger.compressed(starved=began - waiting_since, busy=done - began, blocked=perf_counter() - done)
            waiting_since = perf_counter()
