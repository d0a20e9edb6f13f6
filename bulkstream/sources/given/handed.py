"""What a program hands over in place of names of files, looked at when the load comes to it, in a thread.

Nothing is asked of it before, so that the caller's event loop never waits for a generator, a query or a conversion.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterable, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from bulkstream.errors import SourceMissing, UsageError
from bulkstream.sources.given.byte_pieces import BytesContent
from bulkstream.sources.given.feed import AsyncFeed
from bulkstream.sources.given.items import NOTHING, Items
from bulkstream.sources.matching.names import folded
from bulkstream.sources.query import Query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkstream.model import Column
    from bulkstream.sources.batches import Batches
    from bulkstream.sources.content import Content

Name: TypeAlias = str | os.PathLike[str] | Query
"""What is no row, but says where rows are."""
_NAMES = (str, os.PathLike, Query)

_HINT = "Give names of files, a frame, or an iterable of dicts, tuples, Arrow batches or bytes."
_ONE = (bytes, bytearray, memoryview, Mapping)
"""Types of what is iterable, but a single item of an iterable."""


@runtime_checkable
class ArrowStream(Protocol):
    """A frame: what speaks the Arrow C stream interface, such as tables of pyarrow, polars and pandas."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Return a capsule with the stream."""


class HandedFrame:
    """A frame, which stays the caller's.

    Attributes:
        name: For messages.
        named: True: its columns have names.
    """

    name = "the frame"
    named = True

    def __init__(self, frame: ArrowStream) -> None:
        self._frame = frame

    def __repr__(self) -> str:
        return f"HandedFrame({type(self._frame).__name__})"

    def open(self, expected: Sequence[Column], *, typed: bool) -> Batches:  # noqa: ARG002 - it has its own types
        """Look at its columns. Blocking.

        Raises:
            UsageError: It has none, or can't be loaded.
            MissingExtra: pyarrow is not installed.
        """
        from bulkstream.sources.given.frames import open_frame  # noqa: PLC0415 - needs pyarrow

        return open_frame(self._frame)

    def close(self) -> None:
        """Do nothing: what was made of it closes itself."""


class HandedRows:
    """An iterable of rows, batches or pieces of bytes, or of names; a generator among them is closed in the end.

    Attributes:
        name: For messages.
        named: Whether its columns have names, and not only an order; known behind `open`.
    """

    name = "the iterable"

    def __init__(self, iterable: Iterable[Any] | AsyncIterable[Any]) -> None:
        """Remember it; an asynchronous one on the event loop."""
        self.named = True
        self._feed = AsyncFeed(iterable) if isinstance(iterable, AsyncIterable) else None
        self._items = Items(self._feed if isinstance(iterable, AsyncIterable) else iterable)  # type: ignore[arg-type]
        self._wanted = asyncio.Event()
        self._loop = asyncio.get_running_loop() if self._feed else None

    def __repr__(self) -> str:
        return f"HandedRows({self._items!r})"

    @property
    def feeds(self) -> bool:
        """Whether somebody has to await `feed`."""
        return self._feed is not None

    async def feed(self) -> None:
        """Read an asynchronous iterable on the event loop, from when it is opened until its end, or `close`."""
        await self._wanted.wait()
        if self._feed is not None:
            await self._feed.run()

    def names(self) -> tuple[Name, ...] | None:
        """Return the names, if that is what it holds; None if it holds rows. Blocks until its first item is there.

        Raises:
            SourceMissing: It is empty.
            UsageError: An item behind names is none.
        """
        if self._feed is not None:  # asked only when the server has been
            return None
        first = self._first()
        if not isinstance(first, _NAMES):
            return None
        names = tuple(self._items)
        for number, name in enumerate(names, start=1):
            if not isinstance(name, _NAMES):
                raise UsageError(f"item {number:,} is a {type(name).__name__}, and the first is a name", hint=_HINT)
        return names

    def open(self, expected: Sequence[Column], *, typed: bool) -> Batches | Content:
        """Look at its beginning. Blocks until 1000 rows are there, or its end.

        Rows without names have the dataset's, if they have as many values as that has columns.

        Args:
            expected: The dataset's columns, if they are known.
            typed: Whether columns are loaded into those of the same names.

        Raises:
            SourceMissing: It is empty, so that nobody knows whether that is meant.
            UsageError: It holds something else.
            MissingExtra: pyarrow is not installed.
        """
        self._want()
        first = self._first()
        if isinstance(first, bytes | bytearray | memoryview):
            return BytesContent(self._items)
        from bulkstream.sources.given.iterables import open_rows  # noqa: PLC0415 - needs pyarrow

        columns = None
        if isinstance(first, tuple | list) and not hasattr(first, "_fields"):
            self.named = len(first) == len(expected)
            columns = [each.name for each in expected] if self.named else _numbered(len(first))
        types = {folded(each.name): each.type for each in expected} if typed else {}
        return open_rows(self._items, columns=columns, types=types)

    def close(self) -> None:
        """End what waits for an item, and close a generator as soon as nobody is inside of it; from any thread."""
        self._items.close()
        self._want()

    def _want(self) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended, and the task with it
                self._loop.call_soon_threadsafe(self._wanted.set)

    def _first(self) -> Any:
        first = self._items.peek()
        if first is NOTHING:
            raise SourceMissing(
                "the iterable is empty: it gave no row, and no name of a file",
                hint="To load no rows on purpose, give a frame or an Arrow batch that has columns and no rows.",
            )
        return first


Handed: TypeAlias = HandedFrame | HandedRows


def handed(source: object) -> Name | Handed:
    """Return what a program has handed over, unread; an asynchronous iterable must be given on its event loop.

    Raises:
        UsageError: It holds no rows.
    """
    if isinstance(source, _NAMES):
        return source
    if isinstance(source, ArrowStream):
        return HandedFrame(source)
    if isinstance(source, _ONE):
        raise UsageError(f"a {type(source).__name__} alone can't be loaded", hint="Give a list that holds it.")
    if isinstance(source, Iterable | AsyncIterable):
        return HandedRows(source)
    raise UsageError(f"an object of type {type(source).__name__} can't be loaded", hint=_HINT)


def _numbered(count: int) -> list[str]:
    return [f"Column {number}" for number in range(1, count + 1)]
