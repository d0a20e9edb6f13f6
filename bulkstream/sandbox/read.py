"""Reads a dataset's rows back as one stream of CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bulkstream.sandbox.upsert import Source

_BATCH_BYTES = 256 << 10


def header(names: Sequence[str]) -> bytes:
    """Column names as a record, quoted where RFC 4180 asks for it."""
    return ",".join(map(_quoted, names)).encode() + b"\n"


def rows(sources: Iterable[Source]) -> Iterator[bytes]:
    """The bytes of all segments in order, in blocks that are worth a write each; blocking.

    Rows are given back exactly as they were sent. Where a segment lacks its last newline and another follows, a
    newline is put between them. One file is open at a time, however many there are; small ones are put together.

    Raises:
        BrokenGzip: A segment that nobody checked is damaged.
        TooLarge: A segment that nobody checked holds more than a part may.
    """
    batch: list[bytes] = []
    size = 0
    for block in _joined(sources):
        batch.append(block)
        size += len(block)
        if size >= _BATCH_BYTES:
            yield b"".join(batch)  # which copies nothing when there is only one
            batch.clear()
            size = 0
    if batch:
        yield b"".join(batch)


def _joined(sources: Iterable[Source]) -> Iterator[bytes]:
    ended = True
    for source in sources:
        start = True
        for block in source.blocks():
            if start and not ended:
                yield b"\n"
            yield block
            start, ended = False, block.endswith(b"\n")


def _quoted(name: str) -> str:
    if any(char in name for char in ',"\r\n'):
        return '"' + name.replace('"', '""') + '"'
    return name
