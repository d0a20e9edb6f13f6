"""Bit masks over blocks of CSV: one bit per byte, lowest first, in 64-bit words.

All of it is numpy over blocks that stay in the cache, and frees the GIL.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BLOCK_BYTES = 512 << 10
"""A mask of this size and the block itself fit into a second-level cache."""

WORD_BITS = 64
WORD = np.uint64
ONE = WORD(1)

_SHIFTS = tuple(WORD(1 << k) for k in range(6))
_TOP = WORD(63)

Words = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Marks:
    """What is known of the bytes `begin` to `end` of a buffer.

    Attributes:
        ends: Record ends; None if there are none because all bytes are inside one quoted field.
        unquoted: Bytes outside quoted fields; None if all are.
        rows: Number of record ends.
        last: Offset behind the last of them, from `begin`; 0 without one.
        quoted: The byte behind `end` is inside a quoted field.
    """

    begin: int
    end: int
    ends: Words | None
    unquoted: Words | None
    rows: int
    last: int
    quoted: bool


class Masks:
    """Makes masks of blocks, in memory that is used again."""

    def __init__(self, size: int = BLOCK_BYTES) -> None:
        """Have room for blocks of `size` bytes."""
        words = size // WORD_BITS + 1
        self._bits = np.empty(words * WORD_BITS, dtype=np.bool_)
        self._shifted = np.empty(words, dtype=WORD)

    def __repr__(self) -> str:
        return f"Masks(blocks of {len(self._bits)} bytes)"

    def of(self, block: Bytes, byte: int) -> Words:
        """Mark where the byte stands in the block; the last word is filled up with zeros."""
        np.equal(block, byte, out=self._bits[: len(block)])
        return self.packed(len(block))

    def any_of(self, block: Bytes, byte: int) -> Words | None:
        """Mark where the byte stands in the block, or return None if it does not occur."""
        return self.packed(len(block)) if np.equal(block, byte, out=self._bits[: len(block)]).any() else None

    def bits(self, size: int) -> npt.NDArray[np.bool_]:
        """Give out room for one boolean per byte of a block, to be packed then."""
        return self._bits[:size]

    def packed(self, size: int, padding: int = 0) -> Words:
        """Pack booleans into words, behind which stand zeros, at least `padding` of them."""
        whole = -(-(size + padding) // WORD_BITS) * WORD_BITS
        self._bits[size:whole] = False
        return np.packbits(self._bits[:whole], bitorder="little").view(WORD)

    def inside(self, quotes: Words, *, quoted: bool) -> bool:
        """Turn a mask of quotes into the mask of quoted bytes, in place.

        Args:
            quotes: Where quotes stand.
            quoted: The block begins inside a quoted field.

        Returns:
            Whether it ends inside one.
        """
        shifted = self._shifted[: len(quotes)]
        for shift in _SHIFTS:
            np.left_shift(quotes, shift, out=shifted)
            np.bitwise_xor(quotes, shifted, out=quotes)
        np.right_shift(quotes, _TOP, out=shifted)
        shifted[0] ^= WORD(quoted)
        parity = np.bitwise_xor.accumulate(shifted)
        shifted[0] = quoted
        shifted[1:] = parity[:-1]
        np.bitwise_xor(quotes, np.negative(shifted, out=shifted), out=quotes)
        return bool(parity[-1])


def count_bits(words: Words) -> int:
    """Count what is marked."""
    return int(np.bitwise_count(words).sum(dtype=np.int64))


def end_of_last(words: Words) -> int:
    """Return the offset behind the last marked byte, of which there must be one."""
    # The last record end is nearly always in the last few words, so they are looked at first.
    tail = max(len(words) - 64, 0)
    found = np.flatnonzero(words[tail:])
    word = tail + int(found[-1]) if len(found) else int(np.flatnonzero(words)[-1])
    return word * WORD_BITS + int(words[word]).bit_length()
