"""Reading `Batches` in tests."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from bulkstream.sources.batches import Batches


def batches_of(source: Batches, columns: Sequence[int] | None = None) -> Iterator[pa.RecordBatch]:
    """Yield the batches of all tasks, one task after the other."""
    for task in source.tasks(range(len(source.schema)) if columns is None else columns):
        yield from task()


def rows_of(source: Batches) -> list[tuple[Any, ...]]:
    """Return all rows."""
    return [row for batch in batches_of(source) for row in zip(*batch.to_pydict().values(), strict=True)]


class Reader:
    """Reads all batches in a thread of its own.

    Attributes:
        error: What ended it, if anything went wrong.
    """

    def __init__(self, source: Batches) -> None:
        self.error: Exception | None = None
        self._source = source
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def ended(self, within_s: float) -> bool:
        """Whether it has come to its end, at the latest after some seconds."""
        self._thread.join(within_s)
        return not self._thread.is_alive()

    def _read(self) -> None:
        try:
            for _ in batches_of(self._source):
                pass
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.error = error
