"""Receipts as rows of the journal, and back."""

from __future__ import annotations

import base64
from typing import Any

import orjson

from bulkstream.journal.tables import RECEIPT
from bulkstream.model import Receipt, Reject

_HIGHEST = 1 << 62


def values_of(receipt: Receipt) -> tuple[Any, ...]:
    """Return the columns of a receipt."""
    numbers = (getattr(receipt, name) for name in RECEIPT[:-1])
    return (*numbers, orjson.dumps([_list_of(each) for each in receipt.rejects]).decode())


def receipt_of(row: tuple[Any, ...]) -> Receipt:
    """Return the receipt that a row holds.

    Raises:
        ValueError: It holds none.
    """
    *numbers, rejects = row
    if not all(isinstance(value, int) and 0 <= value < _HIGHEST for value in numbers):
        raise ValueError("a part's numbers are none")
    values = dict(zip(RECEIPT[:-1], numbers, strict=True))
    receipt = Receipt(**values, rejects=tuple(_reject_of(*each) for each in orjson.loads(rejects)))
    if receipt.number < 1 or receipt.end < receipt.begin:
        raise ValueError(f"part {receipt.number} is impossible")
    return receipt


def _list_of(reject: Reject) -> list[Any]:
    path = reject.path.encode("utf-8", "surrogateescape")
    return [_text(path), reject.line, reject.offset, reject.reason, _text(reject.row)]


def _reject_of(path: str, line: int, offset: int, reason: str, row: str) -> Reject:
    name = base64.b64decode(path, validate=True).decode("utf-8", "surrogateescape")
    return Reject(name, int(line), int(offset), str(reason), base64.b64decode(row, validate=True))


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
