"""Readers of datasets, and the files that must outlive them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


@dataclass(frozen=True, slots=True)
class _Retired:
    dataset_id: str
    ticket: int
    segments: Sequence[int]


class Leases:
    """Holds back the deletion of replaced segments until the last reader that may need them is done.

    Every reader draws a ticket before it asks which segments there are; a commit draws one after it has replaced
    them. So only readers with a smaller ticket than the commit's can hold its old segments. Lives on one event loop.
    """

    def __init__(self, delete: Callable[[Sequence[int]], None]) -> None:
        self._delete = delete
        self._tickets = count()
        self._readers: dict[int, str] = {}
        self._retired: list[_Retired] = []

    def __repr__(self) -> str:
        return f"<Leases: {len(self._readers)} readers, {len(self._retired)} retired>"

    @contextmanager
    def reading(self, dataset_id: str) -> Iterator[None]:
        """Keep the files of every segment that is listed inside this context."""
        ticket = next(self._tickets)
        self._readers[ticket] = dataset_id
        try:
            yield
        finally:
            del self._readers[ticket]
            self._sweep()

    def retire(self, dataset_id: str, segments: Sequence[int]) -> None:
        """Delete these files, which no new reader can find any more, as soon as nobody reads them."""
        if segments:
            self._retired.append(_Retired(dataset_id, next(self._tickets), segments))
            self._sweep()

    def _sweep(self) -> None:
        held = [retired for retired in self._retired if self._is_held(retired)]
        for retired in self._retired:
            if retired not in held:
                self._delete(retired.segments)
        self._retired = held

    def _is_held(self, retired: _Retired) -> bool:
        return any(ticket < retired.ticket and of == retired.dataset_id for ticket, of in self._readers.items())
