"""What faults do to a connection: requests whose body or answer goes another way, and connections that break.

A request is cloned, and the clone given another source of its body, or another writer of its answer; this module is
the only one that reaches into aiohttp for that.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, Any, Protocol, cast

from aiohttp.http import StreamWriter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import BinaryIO

    from aiohttp import StreamReader, web
    from multidict import CIMultiDict

_PIECE_BYTES = 64 << 10
_PIECES_PER_S = 20
_LINGER_NONE = struct.pack("ii", 1, 0)  # socket(7): closing drops what is unsent and sends RST


class Pause(Protocol):
    """Waits for some seconds, or less when the server stops."""

    async def __call__(self, seconds: float) -> None:
        """Wait."""


def reset(transport: asyncio.BaseTransport | None) -> None:
    """Break a connection off with an RST, at once."""
    if transport is None or transport.is_closing():
        return
    if raw := transport.get_extra_info("socket"):
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
    cast("asyncio.WriteTransport", transport).abort()


def is_open(request: web.Request) -> bool:
    """Whether an answer can still be sent."""
    return request.transport is not None and not request.transport.is_closing()


def replayed(request: web.Request, file: BinaryIO) -> web.Request:
    """The same request, with a body that comes from a file; one without a body stays as it is."""
    file.seek(0)
    return _clone(request, content=_Replay(file) if request.body_exists else None)


def muted(request: web.Request) -> web.Request:
    """The same request, whose answer goes nowhere."""
    return _clone(request, writer=_Muted(request.protocol, asyncio.get_running_loop()))


def truncated(request: web.Request, most: int) -> web.Request:
    """The same request, whose answer ends after so many bytes of its body."""
    return _clone(request, writer=_Truncating(request, most))


def slow_to_read(request: web.Request, bytes_per_s: int, pause: Pause) -> web.Request:
    """The same request, whose body arrives at a rate."""
    return _clone(request, content=_Paced(request.content, bytes_per_s, pause) if request.body_exists else None)


def slow_to_answer(request: web.Request, piece_bytes: int, wait_s: float, pause: Pause) -> web.Request:
    """The same request, whose answer is written piece by piece, with a wait behind each."""
    return _clone(request, writer=_Dribbling(request, piece_bytes, wait_s, pause))


def rate_pieces(bytes_per_s: int) -> tuple[int, float]:
    """Size and wait of the pieces that make a rate."""
    piece = max(1, bytes_per_s // _PIECES_PER_S)
    return piece, piece / bytes_per_s


async def pieces(request: web.Request, stall_s: float) -> AsyncIterator[bytes]:
    """The body as it arrives.

    Raises:
        TimeoutError: Nothing arrived for so long.
        ConnectionError: The client went away.
    """
    while piece := await asyncio.wait_for(request.content.readany(), stall_s):
        yield piece


def _clone(request: web.Request, *, content: object = None, writer: StreamWriter | None = None) -> web.Request:
    clone = request.clone()
    if content is not None:
        clone._payload = cast("StreamReader", content)  # noqa: SLF001 - see the module
    clone._payload_writer = writer or request.writer  # noqa: SLF001
    return clone


class _Replay:
    """As much of a `StreamReader` as handlers use, over a file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._next = file.read(_PIECE_BYTES)

    def at_eof(self) -> bool:
        return not self._next

    is_eof = at_eof

    async def readany(self) -> bytes:
        piece, self._next = self._next, self._file.read(_PIECE_BYTES)
        return piece

    async def readchunk(self) -> tuple[bytes, bool]:
        return await self.readany(), False

    def set_read_chunk_size(self, n: int) -> None:
        """Pieces have one size."""


class _Paced:
    """A body in small pieces, each of which takes its time."""

    def __init__(self, content: StreamReader, bytes_per_s: int, pause: Pause) -> None:
        self._content = content
        self._piece, self._wait_s = rate_pieces(bytes_per_s)
        self._pause = pause

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)

    async def readany(self) -> bytes:
        piece = await self._content.read(self._piece)
        await self._pause(self._wait_s * len(piece) / self._piece)
        return piece

    async def readchunk(self) -> tuple[bytes, bool]:
        return await self.readany(), False

    def set_read_chunk_size(self, n: int) -> None:
        """Pieces have one size."""


class _Muted(StreamWriter):
    """Writes nothing."""

    async def write_headers(self, status_line: str, headers: CIMultiDict[str]) -> None:
        pass

    def send_headers(self) -> None:
        pass

    async def write(self, chunk: Any, **options: Any) -> None:
        pass

    async def write_eof(self, chunk: bytes = b"") -> None:
        pass

    def set_eof(self) -> None:
        pass


class _Dribbling(StreamWriter):
    """Writes a few bytes at a time."""

    def __init__(self, request: web.Request, piece_bytes: int, wait_s: float, pause: Pause) -> None:
        super().__init__(request.protocol, asyncio.get_running_loop())
        self._piece_bytes = piece_bytes
        self._wait_s = wait_s
        self._pause = pause

    async def write(self, chunk: Any, **options: Any) -> None:
        for start in range(0, len(chunk), self._piece_bytes):
            await super().write(chunk[start : start + self._piece_bytes], **options)
            await self._pause(self._wait_s)

    async def write_eof(self, chunk: bytes = b"") -> None:
        await self.write(chunk)
        await super().write_eof()


class _Truncating(StreamWriter):
    """Writes so many bytes and drops the rest, the end included."""

    def __init__(self, request: web.Request, most: int) -> None:
        super().__init__(request.protocol, asyncio.get_running_loop())
        self._left = most

    async def write(self, chunk: Any, **options: Any) -> None:
        kept, self._left = chunk[: self._left], max(0, self._left - len(chunk))
        if kept:
            await super().write(kept, **options)

    async def write_eof(self, chunk: bytes = b"") -> None:
        await self.write(chunk)
        self.send_headers()

    def set_eof(self) -> None:
        self.send_headers()
