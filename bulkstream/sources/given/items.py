"""The items of an iterable, asked for by one thread at a time, whoever may close it meanwhile."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from typing import Any

from bulkstream.errors import SourceUnreadable
from bulkstream.sources.given.feed import AsyncFeed

NOTHING = object()
"""Stands for an item that there is not."""


class Items:
    """An iterator that is closed as soon as nobody is inside of it. Nothing is asked before its first item is.

    What the iterable raises is raised as it is, so that whoever has written it knows it again.
    """

    def __init__(self, iterable: Iterable[Any]) -> None:
        self._iterable = iterable
        self._iterator: Iterator[Any] | None = None
        self._ahead: deque[Any] = deque()
        self._inside = threading.Lock()
        self._closed = False

    def __repr__(self) -> str:
        return f"Items({type(self._iterable).__name__}{', closed' if self._closed else ''})"

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        """Wait for the next item.

        Raises:
            SourceUnreadable: It was closed before its end.
        """
        with self._inside:
            if not self._closed:
                item = self._ahead.popleft() if self._ahead else self._following()
                if not self._closed:
                    return item
            self._close()
        raise SourceUnreadable("the iterable was closed while it was read")

    def peek(self) -> Any:
        """Wait for the next item and leave it there; `NOTHING` at the end."""
        item = next(self, NOTHING)
        if item is not NOTHING:
            self._ahead.appendleft(item)
        return item

    def close(self) -> None:
        """Close a generator, which is done as soon as it comes to its next item, or a feed; may be called again."""
        self._closed = True
        if isinstance(self._iterable, AsyncFeed):
            self._iterable.close()  # also while it is waited for
        elif self._inside.acquire(blocking=False):
            try:
                self._close()
            finally:
                self._inside.release()

    def _following(self) -> Any:
        if self._iterator is None:
            self._iterator = iter(self._iterable)
        return next(self._iterator)

    def _close(self) -> None:
        """Let a generator clean up; why it was left counts, not how that goes."""
        for each in (self._iterator, self._iterable):
            if isinstance(each, Generator):
                with suppress(Exception):
                    each.close()
