"""Comparing a dataset with its source without holding either in memory: by their bytes, or by their values.

Both are read a block at a time. Work on the bytes is done in threads, which pause after every few dozen records
where it is Python's, so that the event loop need not wait for the interpreter.
"""

from __future__ import annotations

import csv
import hashlib
import io
import time
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from anyio import to_thread

from bulkstream.stages import Buffer, Cutter, Scanner
from bulkstream.values import normalizer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from bulkstream.model import Column
    from bulkstream.sources import Source

BLOCK_BYTES = 256 << 10
HEAD_BYTES = 64 << 10
"""How much of what was sent is kept, to see early that what is read back is written differently."""

_YIELD_RECORDS, _YIELD_S = 64, 1e-6
_FIELD_BYTES = 2**31 - 1
_MODULUS = 1 << 128


class Consumer(Protocol):
    """Takes bytes, blocking."""

    def feed(self, block: bytes | memoryview) -> bool:
        """Take the next bytes; False if no more of them are needed."""


@dataclass(frozen=True, slots=True)
class Digest:
    """What is compared: number of rows, and SHA-256 of their bytes."""

    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Multiset:
    """Records without their order: their number, and the sum of a 128-bit hash of each.

    Sums that differ are of different records. Equal ones are of equal records, unless a chance of 1 in 10^38 came true.
    """

    rows: int = 0
    total: int = 0

    def __add__(self, other: Multiset) -> Multiset:
        return Multiset(self.rows + other.rows, (self.total + other.total) % _MODULUS)


class Bytes:
    """SHA-256 of bytes, and their beginning."""

    def __init__(self) -> None:
        self.head = b""
        self._sha = hashlib.sha256()

    def feed(self, block: bytes | memoryview) -> bool:
        """Take the next bytes."""
        self.head += bytes(block[: HEAD_BYTES - len(self.head)])
        self._sha.update(block)
        return True

    @property
    def sha256(self) -> str:
        """Of all bytes so far."""
        return self._sha.hexdigest()


class Equal:
    """Whether bytes are those that were digested; may know from the first block on that they aren't."""

    def __init__(self, expected: Bytes) -> None:
        self._expected = expected
        self._seen = Bytes()

    def feed(self, block: bytes | memoryview) -> bool:
        """Take the next bytes; no more of them are needed once they differ."""
        self._seen.feed(block)
        return self._expected.head.startswith(self._seen.head)

    @property
    def equal(self) -> bool:
        """Whether all bytes together were those."""
        return self._seen.sha256 == self._expected.sha256


class Records:
    """The records of a CSV text that comes in blocks, by value."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._typed = [(n, norm) for n, column in enumerate(columns) if (norm := normalizer(column.type))]
        self._scanner = Scanner()
        self._rest = bytearray()
        self._rows = self._total = 0

    def feed(self, block: bytes | memoryview) -> bool:
        """Take the next bytes.

        Raises:
            csv.Error: They are not CSV.
        """
        found = self._scanner.scan(memoryview(block))
        self._rest += block[: found.end]
        if found.rows:
            self._add(bytes(self._rest))
            self._rest = bytearray()
        self._rest += block[found.end :]
        return True

    def closed(self) -> Multiset:
        """Take a last record that has no line end, and return what all of them are.

        Raises:
            csv.Error: It is not CSV.
        """
        if self._rest:
            self._add(bytes(self._rest))
            self._rest.clear()
        return Multiset(self._rows, self._total % _MODULUS)

    def _add(self, whole: bytes) -> None:
        # csv refuses fields over 128 KiB otherwise; the limit is the module's, and is only ever raised.
        csv.field_size_limit(max(csv.field_size_limit(), _FIELD_BYTES))
        lines = io.StringIO(whole.decode("utf-8", "surrogateescape"), newline="\n")
        for fields in csv.reader(lines, strict=True):
            self._rows += 1
            self._total += self._hash(fields or [""])
            if self._rows % _YIELD_RECORDS == 0:
                time.sleep(_YIELD_S)

    def _hash(self, fields: list[str]) -> int:
        for index, normalized in self._typed:
            if index < len(fields):
                fields[index] = normalized(fields[index])
        # Lengths keep ("a", "bc") apart from ("ab", "c").
        text = "".join([f"{len(field)}:{field}" for field in fields]).encode("utf-8", "surrogateescape")
        return int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "big")


async def feed_source(source: Source, consumer: Consumer, max_record_bytes: int) -> int:
    """Feed what a load of a source sends, and return its number of rows.

    Raises:
        SourceError: It can't be read or cut any more.
    """
    cutter = Cutter(source, part_bytes=BLOCK_BYTES, max_record_bytes=max_record_bytes)
    buffer = Buffer(cutter.capacity)

    def step() -> int:
        chunk = cutter.next(buffer)
        if chunk is None:
            return 0
        consumer.feed(chunk.data)
        return chunk.rows

    rows = 0
    try:
        while found := await to_thread.run_sync(step):
            rows += found
    finally:
        cutter.close()
    return rows


async def feed_blocks(blocks: AsyncGenerator[bytes, None], consumer: Consumer) -> None:
    """Feed what is read back, joined to larger blocks, as long as the consumer wants it.

    Raises:
        ApiError: Reading failed.
    """
    pending = bytearray()
    async with aclosing(blocks):
        async for block in blocks:
            pending += block
            if len(pending) >= HEAD_BYTES:
                if not await to_thread.run_sync(consumer.feed, bytes(pending)):
                    return
                pending.clear()
        if pending:
            await to_thread.run_sync(consumer.feed, bytes(pending))


async def source_digest(source: Source, max_record_bytes: int) -> Digest:
    """Digest what a load of the source has to send.

    Raises:
        SourceError: It can't be read or cut.
    """
    digest = Bytes()
    rows = await feed_source(source, digest, max_record_bytes)
    return Digest(rows, digest.sha256)


async def blocks_digest(blocks: AsyncGenerator[bytes, None], rows: int) -> Digest:
    """Digest what is read back, of which the number of rows is known otherwise.

    Raises:
        ApiError: Reading failed.
    """
    digest = Bytes()
    await feed_blocks(blocks, digest)
    return Digest(rows, digest.sha256)
