"""Bytes as text: Base64 and UUIDs, many values at a time."""

from __future__ import annotations

from binascii import b2a_base64
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_PIECE = 3 << 18
"""Bytes encoded in one go, a multiple of three: the codec holds the GIL, for about half a millisecond."""

_HEX = np.array([f"{byte:02x}".encode() for byte in range(256)], "S2")
_UUID_GROUPS = ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))
_UUID_BYTES = 16


def base64_text(array: Any) -> Any:
    """Return large binaries as strings in Base64 (RFC 4648, section 4).

    All values are encoded as one run of bytes, each filled up to a multiple of three; then the letters that stand for
    the fillings are replaced by `=`.
    """
    lacking = pc.cast(pc.binary_length(array), pa.int64())
    lacking = np.asarray(pc.fill_null(pc.multiply(lacking, 2), 0)) % 3
    padding = pa.array([b"", b"\0", b"\0\0"], pa.large_binary()).take(pa.array(lacking))
    filled = pc.binary_join_element_wise(pc.fill_null(array, b""), padding, pa.scalar(b"", pa.large_binary()))
    _, offsets, data = filled.buffers()
    begins = np.frombuffer(offsets, np.int64)[filled.offset : filled.offset + len(filled) + 1]
    encoded = _encoded(memoryview(data)[begins[0] : begins[-1]] if data else memoryview(b""))
    ends = (begins - begins[0]) // 3 * 4
    encoded[ends[1:][lacking >= 1] - 1] = ord("=")
    encoded[ends[1:][lacking == 2] - 2] = ord("=")  # noqa: PLR2004 - bytes that lack
    texts = pa.Array.from_buffers(pa.large_string(), len(array), [None, pa.py_buffer(ends), pa.py_buffer(encoded)])
    return pc.if_else(array.is_valid(), texts, pa.scalar(None, pa.large_string()))


def uuid_text(array: Any) -> Any:
    """Return binaries of 16 bytes as UUIDs are written (RFC 9562, section 4)."""
    raw = pc.fill_null(array, bytes(_UUID_BYTES))
    values = np.frombuffer(raw.buffers()[1] or b"", np.uint8)[: (raw.offset + len(raw)) * _UUID_BYTES]
    digits = _HEX[values[raw.offset * _UUID_BYTES :]].view(np.uint8).reshape(len(raw), 2 * _UUID_BYTES)
    dash = np.full((len(raw), 1), ord("-"), np.uint8)
    groups = [part for begin, end in _UUID_GROUPS for part in (digits[:, begin:end], dash)][:-1]
    letters = np.ascontiguousarray(np.hstack(groups))
    ends = np.arange(len(raw) + 1, dtype=np.int32) * letters.shape[1]
    texts = pa.Array.from_buffers(pa.string(), len(raw), [None, pa.py_buffer(ends), pa.py_buffer(letters)])
    return pc.if_else(array.is_valid(), texts, pa.scalar(None, pa.string()))


def _encoded(data: memoryview) -> np.ndarray[Any, np.dtype[np.uint8]]:
    pieces = (b2a_base64(data[at : at + _PIECE], newline=False) for at in range(0, len(data), _PIECE))
    return np.frombuffer(bytearray().join(pieces), np.uint8)
