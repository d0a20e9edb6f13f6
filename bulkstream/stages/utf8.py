"""Is a block of bytes UTF-8? By masks, without decoding it, and with the GIL released.

RFC 3629, section 4: a lead byte C2-DF, E0-EF or F0-F4 is followed by one, two or three bytes 80-BF, and nothing else
is. The bytes 80-BF must stand exactly where the lead bytes, shifted, ask for them. What remains are the second bytes
that overlong forms, surrogates and numbers beyond U+10FFFF would have; the lead bytes that can have them are rare.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bulkstream.stages.masks import WORD, Bytes, Masks, Words, count_bits

if TYPE_CHECKING:
    from collections.abc import Iterator

_FIRST_LEAD, _FIRST_OF_THREE, _FIRST_OF_FOUR, _LAST_LEAD = 0xC2, 0xE0, 0xF0, 0xF4
_LOWEST_FOLLOWING, _BEHIND_FOLLOWING = 0x80, 0xC0
_SECONDS = {0xE0: (0xA0, 0xBF), 0xED: (0x80, 0x9F), 0xF0: (0x90, 0xBF), 0xF4: (0x80, 0x8F)}
"""Lead bytes behind which not all of 80-BF may stand, and what may."""


def is_utf8(block: Bytes, masks: Masks) -> bool:
    """Whether the block is UTF-8, from the first byte of a character to the last of one."""
    top = int(block.max(initial=0))
    if top < _LOWEST_FOLLOWING:
        return True
    if top > _LAST_LEAD:
        return False
    following, leads = _following(block, masks), _at_least(block, _FIRST_LEAD, masks)
    high = np.count_nonzero(np.less(block.view(np.int8), 0, out=masks.bits(len(block))))
    if count_bits(following) + count_bits(leads) != high:
        return False
    due = _shifted(leads, 1)
    for first, distance in ((_FIRST_OF_THREE, 2), (_FIRST_OF_FOUR, 3)):
        if top >= first:
            due |= _shifted(_at_least(block, first, masks), distance)
    return np.array_equal(following, due) and all(_seconds(block, top))


def whole_characters(array: Bytes, end: int) -> int:
    """Return where the last character before `end` begins if it goes on behind it, else `end`."""
    for back in range(1, min(3, end) + 1):
        byte = int(array[end - back])
        if byte >= _BEHIND_FOLLOWING:
            length = 2 + (byte >= _FIRST_OF_THREE) + (byte >= _FIRST_OF_FOUR)
            return end - back if length > back else end
        if byte < _LOWEST_FOLLOWING:
            return end
    return end


def _following(block: Bytes, masks: Masks) -> Words:
    """Mark the bytes 80-BF: as signed numbers, those below C0."""
    np.less(block.view(np.int8), _BEHIND_FOLLOWING - 256, out=masks.bits(len(block)))
    return masks.packed(len(block), padding=1)


def _at_least(block: Bytes, byte: int, masks: Masks) -> Words:
    np.greater_equal(block, byte, out=masks.bits(len(block)))
    return masks.packed(len(block), padding=1)


def _shifted(words: Words, distance: int) -> Words:
    """Move each mark on by some bytes; behind the last word there is none to be moved on, but for the padding."""
    moved = words << WORD(distance)
    moved[1:] |= words[:-1] >> WORD(64 - distance)
    return moved


def _seconds(block: Bytes, top: int) -> Iterator[bool]:
    """Tell for each lead byte with such bounds whether what stands behind it is within them."""
    for lead, (lowest, highest) in _SECONDS.items():
        if lead <= top:
            at = np.flatnonzero(block == lead)
            seconds = block[at + 1]  # there is one: the marks have been found in order
            yield bool(((seconds >= lowest) & (seconds <= highest)).all())
