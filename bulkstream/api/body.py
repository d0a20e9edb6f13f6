"""The body of a request, as aiohttp sends it: in slices of one buffer, counted, and once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from aiohttp.payload import Payload

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter

SLICE_BYTES = 256 << 10
"""How much of a body is handed over at once: the grain of progress, and of the watchdog."""

PACED_BYTES = 16 << 10
"""The same where the rate is limited, so that bytes flow evenly also at low rates."""

LONGEST_WAIT_S = 0.5
"""Seconds between two signs of life while a limited rate makes a body wait."""

Moved = Callable[[int], None]
Pace = Callable[[int], float]


class Body(Payload):
    """Bytes that are sent in slices, without a copy, by one attempt.

    aiohttp sends a PUT a second time by itself when a kept-alive connection turns out to be closed, a commit
    included. It leaves alone what is `consumed`, so a body is, from its first byte on: only the retry policy sends
    a request again, with a new body over the same bytes.
    """

    def __init__(self, body: bytes | memoryview, content_type: str, moved: Moved, pace: Pace | None = None) -> None:
        super().__init__(body, content_type=content_type)
        self._view = memoryview(body).cast("B")
        self._size = self._view.nbytes
        self._moved = moved
        self._pace = pace
        self._handed_over = 0

    @property
    def cut_short(self) -> bool:
        """Sending has begun and has not come to its end, so that no answer can be an acknowledgement."""
        return self._consumed and self._handed_over < self._view.nbytes

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return the body as text; aiohttp asks for it only when it prints a payload."""
        return bytes(self._view).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send all of it."""
        await self.write_with_length(writer, None)

    async def _wait(self, count: int) -> None:
        """Wait as long as the pace asks for, and tell the watchdog that this is no stall."""
        left = 0.0 if self._pace is None else self._pace(count)
        while left > 0:
            await asyncio.sleep(min(left, LONGEST_WAIT_S))
            left -= LONGEST_WAIT_S
            self._moved(0)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """Send it slice by slice, telling how much each time; aiohttp's writer waits where the socket is full."""
        self._consumed = True
        end = self._view.nbytes if content_length is None else min(content_length, self._view.nbytes)
        step = SLICE_BYTES if self._pace is None else PACED_BYTES
        for start in range(0, end, step):
            piece = self._view[start : min(start + step, end)]
            await self._wait(piece.nbytes)
            # Before the wait: a server may answer the last byte before this task runs again.
            self._handed_over += piece.nbytes
            await writer.write(piece)
            self._moved(piece.nbytes)
