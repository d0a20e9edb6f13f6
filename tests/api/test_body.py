"""The body of a request, as it is handed over."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from bulkstream.api.body import LONGEST_WAIT_S, PACED_BYTES, Body

if TYPE_CHECKING:
    import pytest
    from aiohttp.abc import AbstractStreamWriter


class Writer:
    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    async def write(self, piece: memoryview) -> None:
        self.pieces.append(bytes(piece))


async def test_limited_body_waits_before_each_piece_and_shows_life(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long wait is slept in short turns, each of which tells the watchdog that nothing has stalled."""
    slept: list[float] = []
    moved: list[int] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    waits = iter([0.0, 1.2])
    writer, data = Writer(), bytes(range(256)) * (2 * PACED_BYTES // 256)
    body = Body(data, "text/csv", moved.append, lambda _: next(waits))
    await body.write(cast("AbstractStreamWriter", writer))

    assert b"".join(writer.pieces) == data
    assert [len(piece) for piece in writer.pieces] == [PACED_BYTES, PACED_BYTES]
    assert [round(each, 3) for each in slept] == [LONGEST_WAIT_S, LONGEST_WAIT_S, 0.2]
    assert moved == [PACED_BYTES, 0, 0, 0, PACED_BYTES]
