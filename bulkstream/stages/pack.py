"""Packing: from a source's bytes to gzipped parts, in worker threads.

One worker takes a part all the way: it reads and cuts a chunk, while no other does, and then compresses it, while
others cut and compress theirs. So a chunk is compressed by the core that has just scanned it, and between the file
and the finished part no bytes and no control change hands. Reading, scanning and compressing free the GIL.
"""

from __future__ import annotations

import threading
from time import perf_counter, thread_time
from typing import TYPE_CHECKING, Protocol

from bulkstream.model import Packed, Part
from bulkstream.stages.buffers import Buffer
from bulkstream.stages.codec import codec_for, crc32
from bulkstream.stages.sift import Precedence

if TYPE_CHECKING:
    from anyio import Event
    from anyio.abc import ObjectSendStream

    from bulkstream.ledger import Ledger
    from bulkstream.model import Chunk
    from bulkstream.stages.crew import Crew
    from bulkstream.stages.cut import Cutter
    from bulkstream.stages.sift import Sifter

BATCH_BYTES = 1 << 20
"""Raw bytes that a worker packs before it reports: the way to the event loop and back costs as much as 50 KB do."""

BATCH_S = 0.02
"""Seconds after which it reports all the same, so that a slow source's parts are not held back."""


PATIENCE_S = 1.0
"""Seconds that a chunk which is being cut is waited for at the end; a pipe or a network file may never give it."""


class Effort(Protocol):
    """Chooses the level, and learns from what it led to."""

    @property
    def level(self) -> int: ...  # noqa: D102 - see the class

    def packed(self, packed: Packed) -> None:
        """A part was compressed; called on the event loop, as is the next."""

    def blocked(self, seconds: float) -> None:
        """A worker had to wait for so long to hand on what it had made."""


class Packer:
    """Turns the source of a cutter into parts; blocking, for several threads at once, each with its own buffer."""

    def __init__(self, cutter: Cutter, effort: Effort, sifter: Sifter | None = None) -> None:
        self._cutter = cutter
        self._effort = effort
        self._sifter = sifter
        self._precedence = Precedence()
        self._turn = threading.Lock()
        self._closed = threading.Event()

    def __repr__(self) -> str:
        return f"Packer({self._cutter!r}, level {self._effort.level})"

    @property
    def first(self) -> int:
        """Number of the part that goes alone: the first that is made."""
        return self._cutter.first

    def buffer(self) -> Buffer:
        """Make a buffer for one worker."""
        return Buffer(self._cutter.capacity)

    def batch(self, buffer: Buffer) -> list[Packed]:
        """Pack one part, or several small ones unless a producer may keep them waiting; none at the source's end.

        Raises:
            SourceError: As `Cutter.next` does.
        """
        began, batch, size = perf_counter(), list[Packed](), 0
        enough = 1 if self._cutter.live else BATCH_BYTES
        while size < enough and perf_counter() - began < BATCH_S and (packed := self.next(buffer)):
            batch.append(packed)
            size += packed.part.raw_bytes
        return batch

    def next(self, buffer: Buffer) -> Packed | None:
        """Cut and compress the next chunk; None at the end of the source, or when it was closed.

        Raises:
            SourceError: As `Cutter.next` does; a bad row that may not be left out.
        """
        began = perf_counter()
        with self._turn:
            chunk = self._cut(buffer)
            if chunk is not None:
                self._precedence.begin(chunk.number)
        if chunk is None:
            buffer.restore(self._cutter.capacity)
            return None
        cut, cpu, level = perf_counter(), thread_time(), self._effort.level
        chunk = self._sifted(chunk)
        body = codec_for(level)(chunk.data)
        part = _part(chunk, body)
        buffer.restore(self._cutter.capacity)
        return Packed(part, level, cut_s=cut - began, busy_s=perf_counter() - cut, cpu_s=thread_time() - cpu)

    def _sifted(self, chunk: Chunk) -> Chunk:
        """Take the bad rows out; of those that may not be left out, the first in the source's order is raised."""
        try:
            sifted = self._sifter.sift(chunk) if self._sifter else chunk
        except Exception as error:
            self._precedence.end(chunk.number, error)
            raise
        self._precedence.end(chunk.number)
        return sifted

    def _cut(self, buffer: Buffer) -> Chunk | None:
        """Cut a chunk; close the source for whoever has lost patience meanwhile.

        A cutter that has failed has lost its place, so that nobody must cut behind it.
        """
        if self._closed.is_set():
            return None
        try:
            return self._cutter.next(buffer)
        except BaseException:
            self._closed.set()
            raise
        finally:
            if self._closed.is_set():
                self._cutter.close()

    def close(self) -> None:
        """Close the source; waits for the chunk that is being cut, but not for a source that has come to a halt.

        Workers that come later find the end. One that still hangs in a read closes the source when it is through.
        """
        self._closed.set()
        if self._turn.acquire(timeout=PATIENCE_S):
            try:
                self._cutter.close()
            finally:
                self._turn.release()


def _part(chunk: Chunk, body: bytes) -> Part:
    """Make a part of a chunk and its gzip, whose last eight bytes are checksum and size of the chunk (RFC 1952)."""
    return Part(
        number=chunk.number,
        body=body,
        raw_bytes=len(chunk.data),
        rows=chunk.rows,
        begin=chunk.begin,
        end=chunk.end,
        raw_crc32=int.from_bytes(body[-8:-4], "little"),
        body_crc32=crc32(body),
        end_line=chunk.end_line,
        rejects=chunk.rejects,
    )


async def pack(
    packer: Packer,
    parts: ObjectSendStream[Part],
    *,
    effort: Effort,
    crew: Crew,
    first_sent: Event,
    ledger: Ledger,
) -> None:
    """Pack parts until the source ends; run one task of this per worker.

    Parts may overtake each other, but the first is handed on before any other: the uploader sends it alone, as the
    probe. Closes its stream.

    Raises:
        SourceError: The source can't be read or cut.
    """
    async with parts:
        buffer = packer.buffer()
        # Abandoned when cancelled: 64 MiB at the highest level take long, and an abort must not wait for them.
        while batch := await crew.run(packer.batch, buffer):
            _tell(batch, effort, ledger)
            began = perf_counter()
            while batch:
                await _hand_on(batch.pop(0).part, parts, first_sent, packer.first)
            waited = perf_counter() - began
            ledger.blocked(waited)
            effort.blocked(waited)


def _tell(batch: list[Packed], effort: Effort, ledger: Ledger) -> None:
    for packed in batch:
        ledger.packed(packed)
        effort.packed(packed)


async def _hand_on(part: Part, parts: ObjectSendStream[Part], first_sent: Event, first: int) -> None:
    """Wait until an upload takes the part, and keep no hold on it."""
    if part.number > first:
        await first_sent.wait()
    await parts.send(part)
    first_sent.set()
