"""Sifting: bad rows are taken out of a chunk, or the first of them ends the load."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from bulkstream.budget import MOST_REJECT_BYTES, Budget
from bulkstream.errors import BadRow
from bulkstream.model import Chunk, Origin, Reject

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bulkstream.stages.check import Fault, RowChecker

_BLOCK = 512 << 10
_LINE_FEED = ord("\n")


@dataclass(frozen=True, slots=True)
class Sifter:
    """Checks chunks, in any number of threads.

    Attributes:
        budget: Bad rows that may be left out. A chunk that alone has more of them is not sifted to its end: whoever
            counts its rejects must not send it.
    """

    checker: RowChecker
    budget: Budget

    def sift(self, chunk: Chunk) -> Chunk:
        """Return the chunk without its bad rows, which are taken out of its buffer.

        Raises:
            BadRow: There is one, and none may be left out.
        """
        faults = self._faults(chunk)
        if not faults:
            return replace(chunk, marks=())
        rejects = tuple(rejected(chunk, faults))
        if not self.budget.most:
            raise BadRow(rejects[0])
        data = _without(chunk.data, faults)
        return replace(chunk, data=data, rows=chunk.rows - len(rejects), marks=(), rejects=rejects)

    def _faults(self, chunk: Chunk) -> list[Fault]:
        """Find bad rows, one more than may be left out at most."""
        faults: list[Fault] = []
        size = 0
        for fault in self.checker.faults(chunk):
            faults.append(fault)
            size += fault.end - fault.begin
            if len(faults) > self.budget.at_once or size > MOST_REJECT_BYTES:
                break
        return faults


class Precedence:
    """Of several chunks that are checked at once, lets the error of the first be the one that is raised."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._under_way: set[int] = set()
        self._errors: dict[int, Exception] = {}

    def __repr__(self) -> str:
        return f"Precedence({len(self._under_way)} under way)"

    def begin(self, number: int) -> None:
        """A chunk was cut, and will be checked; to be called in the order of the numbers."""
        with self._changed:
            self._under_way.add(number)

    def end(self, number: int, error: Exception | None = None) -> None:
        """It was checked; with an error, wait for all chunks before it, and raise the first error.

        Raises:
            Exception: The error of the first chunk that has one.
        """
        with self._changed:
            self._under_way.discard(number)
            self._changed.notify_all()
            if error is not None:
                self._errors[number] = error
                self._changed.wait_for(lambda: all(each > number for each in self._under_way))
                raise self._errors[min(self._errors)]


def rejected(chunk: Chunk, faults: Sequence[Fault]) -> Iterator[Reject]:
    """Yield the rejects that faults lead to, with their places; the chunk must still be whole."""
    array = np.frombuffer(chunk.data, dtype=np.uint8)
    origins = [*chunk.origins, Origin(len(array) + 1, "", 0, 0)]
    files = pairwise(origins)
    origin, following = next(files)
    at, line = origin.at, origin.line
    for fault in faults:
        while following.at <= fault.begin:
            origin, following = next(files)
            at, line = origin.at, origin.line
        line += _lines(array, at, fault.begin)
        at = fault.begin
        row = bytes(chunk.data[fault.begin : fault.end])
        yield Reject(origin.path, line, origin.offset + fault.begin - origin.at, fault.reason, row)


def _lines(array: np.typing.NDArray[np.uint8], begin: int, end: int) -> int:
    return sum(
        int(np.count_nonzero(array[start : min(start + _BLOCK, end)] == _LINE_FEED))
        for start in range(begin, end, _BLOCK)
    )


def _without(data: memoryview, faults: Sequence[Fault]) -> memoryview:
    """Close the gaps that the faults leave, in place; moves in pieces, because moving holds the GIL."""
    filled = faults[0].begin
    for fault, begin in zip(faults, [*(each.begin for each in faults[1:]), len(data)], strict=True):
        for start in range(fault.end, begin, _BLOCK):
            stop = min(start + _BLOCK, begin)
            data[filled : filled + stop - start] = data[start:stop]
            filled += stop - start
    return data[:filled]
