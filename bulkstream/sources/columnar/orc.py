"""ORC as record batches.

Small stripes are tasks. Arrow reads a stripe either whole, with all that it becomes in memory, or all stripes as one
stream of batches; so the usual large stripes, 64 MiB and more, are one task, which needs little memory.

A `timestamp` is the time on a wall, without a zone; a `timestamp with local time zone` is an instant, in UTC. Arrow
holds both in nanoseconds and refuses years before 1678 and after 2262.
"""

from __future__ import annotations

from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any

from bulkstream.errors import MissingExtra
from bulkstream.sources.columnar.blocks import Blocks
from bulkstream.sources.columnar.handles import Handles, check_rows, reading
from bulkstream.sources.columnar.slices import picked, plain, sliced

try:
    import pyarrow as pa
    from pyarrow import dataset, orc
except ImportError:
    raise MissingExtra("pyarrow", "arrow") from None

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bulkstream.sources.batches import Task
    from bulkstream.sources.content import Blob

_FORM = "ORC"
_SMALL_BYTES = 4 << 20
"""Stored bytes of a stripe that is read whole, at most."""

_SMALL_ROWS = 256 << 10
_BATCH_ROWS = 16 << 10
"""Rows of a batch of the stream, at most."""

_TASK_BYTES = 2 << 20
"""Stored bytes of stripes that are worth a task."""


class _Tally:
    """Counts rows of stripes that several threads read: what a stripe should have, its file does not say."""

    def __init__(self, stripes: int) -> None:
        self._stripes = stripes
        self._rows: dict[int, int] = {}
        self._lock = Lock()

    def whole(self, stripe: int, rows: int) -> int | None:
        """Note a stripe's rows; return those of the file when all stripes are noted."""
        with self._lock:
            self._rows[stripe] = rows
            return sum(self._rows.values()) if len(self._rows) == self._stripes else None


class OrcFile:
    """An ORC file; see `Batches`."""

    format = _FORM

    def __init__(self, blob: Blob, file: orc.ORCFile, handles: Handles) -> None:
        """Keep what a file's footer says."""
        self.name = blob.name
        self.schema = plain(file.schema)
        self.rows: int = file.nrows
        self._stripes: int = file.nstripes
        self._stored: int = file.content_length
        self.details = (
            ("stripes", f"{file.nstripes:,}"),
            ("compression", str(file.compression).lower()),
            ("written by", f"{file.writer} {file.software_version}".strip()),
        )
        self._blob = blob
        self._handles = handles

    def __repr__(self) -> str:
        return f"OrcFile({self.name!r}, {self._stripes} stripes, {self.rows} rows)"

    @property
    def unrepeatable(self) -> str:
        """Why it can't be read again, which it can."""
        return self._blob.unrepeatable

    def tasks(self, columns: Sequence[int]) -> Iterator[Task]:
        """Yield a task for some stripes each if they are small, else one for all."""
        if not self._stripes:
            return
        names = self._names(sorted(set(columns)))
        if names and max(self._stored / _SMALL_BYTES, self.rows / _SMALL_ROWS) > self._stripes:
            yield partial(self._stream, tuple(columns), names)
            return
        tally, step = _Tally(self._stripes), max(1, _TASK_BYTES * self._stripes // max(self._stored, 1))
        for first in range(0, self._stripes, step):
            numbers = range(first, min(first + step, self._stripes))
            yield partial(self._read, numbers, tuple(columns), tally)

    def changes(self) -> tuple[str, ...]:
        """Say whether the file has changed."""
        return tuple(filter(None, [self._blob.changed()]))

    def close(self) -> None:
        """End what reads."""
        self._handles.close()

    def _read(self, stripes: range, columns: Sequence[int], tally: _Tally) -> Iterator[pa.RecordBatch]:
        """Read stripes one by one, each whole."""
        read, found = picked(columns)
        names = self._names(read)
        with reading(self.name, _FORM), self._handles.file(self._blob, Blocks) as source:
            file: Any = orc.ORCFile(source)
            for stripe in stripes:
                batch = file.read_stripe(stripe, columns=names)
                self._handles.check(self._blob)
                if (rows := tally.whole(stripe, batch.num_rows)) is not None:
                    check_rows(self.name, _FORM, said=self.rows, read=rows)
                yield from sliced(batch.select(found if names else list(columns)))

    def _stream(self, columns: Sequence[int], names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Read all stripes in sequence, a batch at a time."""
        _, found = picked(columns)
        rows = 0
        with reading(self.name, _FORM), self._handles.shared(self._blob, Blocks) as source:
            fragment = dataset.OrcFileFormat().make_fragment(source)
            batches = fragment.to_batches(
                columns=list(names), batch_size=_BATCH_ROWS, batch_readahead=1, fragment_readahead=1, use_threads=False
            )
            for batch in batches:
                self._handles.check(self._blob)
                rows += batch.num_rows
                yield from sliced(batch.select(found))
            check_rows(self.name, _FORM, said=self.rows, read=rows)

    def _names(self, read: Sequence[int]) -> list[str] | None:
        """Return the columns' names, or None where these don't say which they are, and all must be read."""
        names = self.schema.names
        telling = len(set(names)) == len(names) and not any("." in name for name in names)
        return [names[number] for number in read] or None if telling else None


def open_orc(blob: Blob) -> OrcFile:
    """Read the footer of an ORC file. Blocking; the caller closes it.

    Raises:
        SourceError: It is damaged or no ORC.
    """
    handles = Handles()
    with reading(blob.name, _FORM), handles.file(blob, Blocks) as source:
        file: Any = orc.ORCFile(source)
        if not file.nstripes:
            check_rows(blob.name, _FORM, said=file.nrows, read=0)
        return OrcFile(blob, file, handles)
