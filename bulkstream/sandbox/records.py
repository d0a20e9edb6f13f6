"""CSV records one by one, with Python's `csv` as the authority on what a record is.

This is the slow and exact way; `scan` is the fast one. It is used where a record's fields matter (UPSERT), and to
tell which record of a part is wrong.
"""

from __future__ import annotations

import csv
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# csv refuses fields over 128 KiB otherwise, and the limit is the module's, not a reader's.
csv.field_size_limit(min(sys.maxsize, 2**31 - 1))


class BadRecord(ValueError):
    """A record is not CSV, or not UTF-8.

    Attributes:
        number: Of the record, from 1.
    """

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(f"record {number}: {reason}")
        self.number = number


@dataclass(frozen=True, slots=True)
class Record:
    """A record: its parsed fields, and its bytes with their line end as they were sent."""

    fields: list[str]
    raw: bytes


def records(blocks: Iterable[bytes], *, longest: int = sys.maxsize) -> Iterator[Record]:
    """Parse blocks of one segment.

    An empty line is a record of one empty field, as RFC 4180's grammar has it; `csv` calls it no field at all.

    Args:
        blocks: The bytes, cut anywhere.
        longest: Most bytes of a record; no more than that, and a block, is held at a time.

    Raises:
        BadRecord: A quote is wrong or not closed, the bytes are not UTF-8, or the record is too long.
    """
    taken: list[bytes] = []
    number = 0
    try:
        for fields in csv.reader(_noted(_lines(blocks, longest), taken, longest), strict=True):
            number += 1
            yield Record(fields or [""], b"".join(taken))
            taken.clear()
    except _TooLong:
        raise BadRecord(number + 1, f"longer than {longest:,} bytes") from None
    except csv.Error as error:
        raise BadRecord(number + 1, str(error)) from None
    except UnicodeDecodeError as error:
        raise BadRecord(number + 1, f"not UTF-8 ({error.reason})") from None


class _TooLong(Exception):
    """The current record is longer than it may be."""


def _noted(lines: Iterable[bytes], taken: list[bytes], longest: int) -> Iterator[str]:
    """Pass lines on as text, noting those that the reader took for its current record."""
    size = 0
    for line in lines:
        size = len(line) + (size if taken else 0)
        if size > longest:
            raise _TooLong
        taken.append(line)
        yield line.decode()


def _lines(blocks: Iterable[bytes], longest: int) -> Iterator[bytes]:
    """Cut at LF only, keeping it: other line breaks, and Unicode's, are data."""
    pending: list[bytes] = []
    size = 0
    for block in blocks:
        *whole, rest = block.split(b"\n")
        for line in whole:
            yield b"".join((*pending, line, b"\n"))
            pending.clear()
            size = 0
        pending.append(rest)
        size += len(rest)
        if size > longest:
            raise _TooLong
    if line := b"".join(pending):
        yield line
