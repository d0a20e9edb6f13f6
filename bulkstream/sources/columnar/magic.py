"""Recognizing columnar formats by their first bytes."""

from __future__ import annotations

from bulkstream.model import Format

HEAD_BYTES = 8
"""As many bytes as are looked at."""

_PARQUET = b"PAR1"
_ENCRYPTED_PARQUET = b"PARE"
_ARROW_FILE = b"ARROW1"
_FEATHER_1 = b"FEA1"
_ORC = b"ORC"
_CONTINUATION = b"\xff\xff\xff\xff"
_LONGEST_SCHEMA = 64 << 20


def columnar_format(head: bytes) -> Format | None:
    """Tell which columnar format begins like this, in at least `HEAD_BYTES` bytes; None if it is none of them."""
    if is_parquet(head):
        return Format.PARQUET
    if is_arrow_file(head) or is_feather_1(head) or is_arrow_stream(head):
        return Format.ARROW
    return Format.ORC if is_orc(head) else None


def is_parquet(head: bytes) -> bool:
    """Whether this is Parquet, be it encrypted."""
    return head.startswith((_PARQUET, _ENCRYPTED_PARQUET))


def is_orc(head: bytes) -> bool:
    """Whether this is ORC, and not text that begins with these letters."""
    return head.startswith(_ORC) and any(byte < ord(" ") and byte not in b"\t\r\n" for byte in head[3:])


def is_arrow_file(head: bytes) -> bool:
    """Whether this is an Arrow IPC file, which Feather is since its version 2."""
    return head.startswith(_ARROW_FILE + b"\0\0")


def is_feather_1(head: bytes) -> bool:
    """Whether this is Feather's version 1, which is no Arrow IPC."""
    return head.startswith(_FEATHER_1)


def is_arrow_stream(head: bytes) -> bool:
    """Whether this is an Arrow IPC stream: a continuation mark, and the length of a schema, a multiple of 8."""
    length = int.from_bytes(head[4:8], "little")
    return head.startswith(_CONTINUATION) and len(head) >= HEAD_BYTES and _plausible(length)


def _plausible(length: int) -> bool:
    return 0 < length <= _LONGEST_SCHEMA and length % 8 == 0
