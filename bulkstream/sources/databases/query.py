"""A query's rows as `Batches`: read once, in sequence, and ended from any thread."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

from bulkstream.errors import SourceUnreadable
from bulkstream.sources.columnar.slices import sliced

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from bulkstream.sources.batches import Task

ONE_QUERY = "Write one SELECT, VALUES or WITH that returns rows, without parameters."
"""Hint where a query is wrong."""

_TURN_S = 0.1
"""Seconds after which a query that was told to end, and perhaps had not begun yet, is told again."""


class Session(Protocol):
    """A connection with a query.

    Attributes:
        format: The database's name.
        schema: Of the query's rows.
        rows: How many there are, if that is known.
    """

    format: str
    schema: pa.Schema
    rows: int | None

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Run the query; asked for once.

        Raises:
            SourceUnreadable: The database refused, or a value can't be loaded as it is.
        """

    def cancel(self) -> None:
        """End, as soon as may be, a call of `batches` or of its iterator that is under way in another thread."""

    def close(self) -> None:
        """Close the connection, while no other call is under way; may be called again."""


class Query:
    """Implements `Batches`.

    One thread at a time is inside of the session, with `_inside` held; what is to be closed while it is there, is told
    so until it comes out.
    """

    details: tuple[tuple[str, str], ...] = ()
    unrepeatable = "a query's rows can't be read a second time in the same order"

    def __init__(self, name: str, session: Session) -> None:
        """Read from a session, which is closed by `close`, and when its rows are at an end."""
        self.name = name
        self.format = session.format
        self.schema = session.schema
        self.rows = session.rows
        self._session = session
        self._inside = threading.Lock()
        self._begun = False
        self._closed = False

    def __repr__(self) -> str:
        state = "closed" if self._closed else "begun" if self._begun else "not begun"
        return f"Query({self.name!r}, {len(self.schema)} columns, {state})"

    def tasks(self, columns: Sequence[int]) -> Iterator[Task]:
        """See `Batches`; there is one task.

        Raises:
            SourceUnreadable: The rows were asked for before.
        """
        if self._begun:
            raise SourceUnreadable(f"{self.name}: {self.unrepeatable}")
        self._begun = True
        yield lambda: self._read(list(columns))

    def changes(self) -> tuple[str, ...]:
        """Say nothing: what a query sees does not change while it runs."""
        return ()

    def close(self) -> None:
        """End the query if it runs, and close the connection; may be called again."""
        self._closed = True
        while not self._inside.acquire(timeout=_TURN_S):
            self._session.cancel()
        try:
            self._session.close()
        finally:
            self._inside.release()

    def _read(self, columns: list[int]) -> Iterator[pa.RecordBatch]:
        """Yield the rows, then close the session."""
        batches = self._session.batches()
        try:
            while (batch := self._next(batches)) is not None:
                yield from sliced(batch.select(columns))
        finally:
            self.close()

    def _next(self, batches: Iterator[pa.RecordBatch]) -> pa.RecordBatch | None:
        """Wait for the next batch; None at the end."""
        with self._inside:
            self._stop_if_closed()
            try:
                return next(batches, None)
            except SourceUnreadable:
                self._stop_if_closed()
                raise

    def _stop_if_closed(self) -> None:
        if self._closed:
            raise SourceUnreadable(f"{self.name}: the query was ended while it was read") from None
