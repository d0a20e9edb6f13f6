"""Adds empty fields to the end of records: how rows look that are older than the last columns of their schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def padded(blocks: Iterable[bytes], fields: int) -> Iterator[bytes]:
    """Yield the blocks of a segment with so many empty fields more in each record; all else stays as it is.

    A line feed ends a record where the quotes before it are even in number, and the CR before it belongs to it. The
    rows of a segment were checked, or are what they are.
    """
    pad = b"," * fields
    quoted, held, last = False, b"", b"\n"
    for block in blocks:
        data = held + block
        held = b"\r" if data.endswith(b"\r") else b""  # whether it ends a record shows only in the next block
        pieces = data.removesuffix(held).split(b'"')
        for number in range(quoted, len(pieces), 2):
            pieces[number] = _ended(pieces[number], pad)
        quoted ^= len(pieces) % 2 == 0
        if made := b'"'.join(pieces):
            last = made[-1:]
            yield made
    if held or last != b"\n":
        yield held + pad


def _ended(piece: bytes, pad: bytes) -> bytes:
    return piece.replace(b"\n", pad + b"\n").replace(b"\r" + pad + b"\n", pad + b"\r\n")
