"""Looks into a part: is it whole, is it UTF-8, is it CSV, and how many rows does it bring?"""

from __future__ import annotations

import codecs
import sys
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from bulkstream.sandbox.blocks import BrokenGzip, TooLarge, blocks
from bulkstream.sandbox.records import BadRecord, records
from bulkstream.sandbox.scan import Odd, Scanner

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Check:
    """What was found in a part.

    Attributes:
        rows: Records; None if the part is wrong.
        raw_bytes: Bytes of CSV; None if the part is wrong.
        columns: Fields of each record; None if there is no record, or the part is wrong.
        problem: What is wrong, or None.
    """

    rows: int | None = None
    raw_bytes: int | None = None
    columns: int | None = None
    problem: str | None = None


def check(path: Path, *, gzip: bool, columns: int | None, limit: int, longest: int = sys.maxsize) -> Check:
    """Check a part's file; blocking, but most of its time without the interpreter's lock.

    Memory is a few blocks, whatever the part holds, unless a single record is larger and something is odd about it;
    then it is a few times that record, up to `longest`.

    Args:
        path: The file, as it was sent.
        gzip: Whether it is compressed.
        columns: Fields that each record must have; None takes the first record's.
        limit: Most bytes of CSV.
        longest: Most bytes of a record.
    """
    try:
        try:
            return _scanned(blocks(path, gzip=gzip, limit=limit), columns, longest)
        except (Odd, UnicodeDecodeError):
            return _read(blocks(path, gzip=gzip, limit=limit), columns, longest)
    except (BadRecord, BrokenGzip, TooLarge) as error:
        return Check(problem=str(error))


def _scanned(source: Iterator[bytes], columns: int | None, longest: int) -> Check:
    first = next(source, None)
    if first is None:
        return Check(0, 0)
    columns = columns or _columns_of(first)
    scanner, raw_bytes, begun_at = Scanner(columns), 0, 0
    decoder = codecs.getincrementaldecoder("utf-8")()
    for block in chain((first,), source):
        if not block.isascii() or decoder.getstate()[0]:
            decoder.decode(block)
        rows = scanner.rows
        scanner.feed(block)
        if scanner.rows != rows:
            begun_at = raw_bytes  # or later: the exact reader knows
        raw_bytes += len(block)
        if raw_bytes - begun_at > longest:
            raise Odd
    decoder.decode(b"", final=True)
    return Check(scanner.finish(), raw_bytes, columns)


def _columns_of(block: bytes) -> int:
    """Fields of the first record; a record that is longer than the block leaves it to the exact reader."""
    try:
        return next(len(record.fields) for record in records((block,)))
    except BadRecord:
        raise Odd from None


def _read(source: Iterable[bytes], columns: int | None, longest: int) -> Check:
    rows = raw_bytes = 0
    for rows, record in enumerate(records(source, longest=longest), 1):
        columns = columns or len(record.fields)
        if len(record.fields) != columns:
            raise BadRecord(rows, f"{len(record.fields)} fields, the schema has {columns}")
        raw_bytes += len(record.raw)
    return Check(rows, raw_bytes, columns)
