"""Blocks of JSON Lines rewritten so that every value is a string, with no Python per row.

Arrow's reader of JSON decides by itself what a number is, and has no way to show how it was written. So numbers,
booleans, arrays and objects are put into quotes before it reads them: `{"a": 1.10, "b": [1]}` becomes
`{"a": "1.10", "b": "[1]"}`. Where they are is found with numpy, somewhat as simdjson does (arXiv:1902.08318): brackets,
colons and commas outside strings, a running sum of the brackets for their depth, and of depth 1 each colon with the
comma or brace behind it.

What is rewritten has to be JSON, which Arrow can judge; of anything else the result makes no sense.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from numpy.typing import NDArray

_QUOTE, _ESCAPE, _COLON, _COMMA, _END, _NULL = b'"\\:,}n'
_MOST_BLANKS = 8


def _table(values: dict[bytes, int], dtype: type[np.generic]) -> NDArray[Any]:
    table = np.zeros(256, dtype)
    for characters, value in values.items():
        table[list(characters)] = value
    return table


_MARK = _table({b'"{}[]:,': 1}, np.bool_)
_STEP = _table({b"{[": 1, b"}]": -1}, np.int8)
_BLANK = _table({b" \t\r\n": 1}, np.bool_)


def values_as_text(data: bytes) -> bytes | None:
    """Return whole lines with all values but null as strings; None if that can't be done without a closer look."""
    found = _values(np.frombuffer(data, np.uint8))
    if found is None:
        return None
    begins, ends = found
    if not len(begins):
        return data
    bounds = np.zeros(2 * len(begins) + 2, np.int32)
    bounds[1:-1:2], bounds[2:-1:2], bounds[-1] = begins, ends, len(data)
    pieces = pa.Array.from_buffers(pa.binary(), len(bounds) - 1, [None, pa.py_buffer(bounds), pa.py_buffer(data)])
    even = np.arange(0, 2 * len(begins), 2)
    values = pieces.take(pa.array(even + 1))
    if pc.any(pc.match_substring_regex(values, "NaN|Inf")).as_py():  # Arrow takes them for JSON
        return None
    for plain, escaped in ((b"\\", b"\\\\"), (b'"', b'\\"'), (b"\t", b"\\t"), (b"\r", b"\\r")):
        if plain in data:
            values = pc.replace_substring(values, plain, escaped)
    none, quote = pa.scalar(b"", pa.binary()), pa.scalar(b'"', pa.binary())
    joined = pc.binary_join_element_wise(pieces.take(pa.array(even)), values, none, quote)
    _, offsets, text = joined.buffers()
    end = np.frombuffer(offsets, np.int32)[len(joined)]
    return b"".join([memoryview(text)[:end], data[bounds[-2] :]])


def _values(text: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Return where the values of the outermost objects begin and end that are neither strings nor null."""
    marks = np.flatnonzero(_unescaped(text, _MARK[text]))
    kinds = text[marks]
    quotes = kinds == _QUOTE
    outside = (np.cumsum(quotes, dtype=np.int32) & 1 == 0) & ~quotes
    marks, kinds = marks[outside], kinds[outside]
    depth = np.cumsum(_STEP[kinds], dtype=np.int32)
    colons = np.flatnonzero((kinds == _COLON) & (depth == 1))
    closing = np.flatnonzero(((kinds == _COMMA) & (depth == 1)) | ((kinds == _END) & (depth == 0)))
    at = np.searchsorted(closing, colons)
    if len(at) and at[-1] == len(closing):
        return None
    begins = _trimmed(text, marks[colons] + 1, 0, 1)
    ends = _trimmed(text, marks[closing[at]], -1, -1)
    if begins is None or ends is None or (begins >= ends).any():
        return None
    first = text[begins]
    wanted = (first != _QUOTE) & (first != _NULL)
    return begins[wanted], ends[wanted]


def _unescaped(text: NDArray[np.uint8], marked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Take the mark from what an escape stands before; of a run of escapes, every other one escapes the next."""
    escapes = np.flatnonzero(text == _ESCAPE)
    if len(escapes):
        heads = np.flatnonzero(np.diff(escapes, prepend=-2) != 1)
        lengths = np.diff(heads, append=len(escapes))
        in_run = np.arange(len(escapes)) - np.repeat(heads, lengths)
        escaped = escapes[in_run & 1 == 0] + 1
        marked[escaped[escaped < len(text)]] = False
    return marked


def _trimmed(text: NDArray[np.uint8], places: NDArray[np.int64], look: int, step: int) -> NDArray[np.int64] | None:
    """Move places over blanks; None if there are more than a writer of JSON would put there."""
    for _ in range(_MOST_BLANKS):
        blank = _BLANK[text[places + look]]
        if not blank.any():
            return places
        places = places + step * blank
    return None
