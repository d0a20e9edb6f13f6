"""Arrow IPC as record batches: files, which are Feather's version 2 too, and streams.

Of a file that can be read from anywhere, some record batches are a task, and what the columns need of them is read. A
stream, and a file that comes through a pipe, is read in sequence (`ipc_stream.py`).
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

from bulkstream.errors import MissingExtra, SourceError
from bulkstream.sources.columnar.handles import Handles, reading
from bulkstream.sources.columnar.ipc_stream import FORM, ArrowStream, begin
from bulkstream.sources.columnar.magic import is_arrow_file, is_arrow_stream, is_feather_1
from bulkstream.sources.columnar.slices import TASK_BYTES, gathered, picked, plain, sliced

try:
    import pyarrow as pa
    from pyarrow import ipc
except ImportError:
    raise MissingExtra("pyarrow", "arrow") from None

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bulkstream.sources.batches import Task
    from bulkstream.sources.content import Blob, Content

_MOST_READ = 64 << 20
"""Bytes of a record batch up to which it is read; larger ones are mapped, so that they need not be in memory whole."""

_Reader = tuple[ExitStack, Any]


class ArrowFile:
    """An Arrow IPC file; see `Batches`."""

    format = FORM

    def __init__(self, blob: Blob, handles: Handles) -> None:
        """Read the footer.

        Raises:
            SourceError: It is damaged or cut short.
        """
        self.name = blob.name
        self._blob = blob
        self._handles = handles
        self._lock = Lock()
        self._idle: dict[tuple[int, ...], list[_Reader]] = {}
        self._mapped = blob.path is not None  # to count rows, Arrow reads whole batches of what is not mapped
        with self._lent(()) as reader:
            self.schema = plain(reader.schema)
            self._count: int = reader.num_record_batches
            countable = self._mapped and hasattr(reader, "count_rows")
            self.rows: int | None = reader.count_rows() if countable else None
        self.details = (("record batches", f"{self._count:,}"),)
        self._mapped = blob.path is not None and blob.size > _MOST_READ * self._count
        self._end_idle()

    def __repr__(self) -> str:
        return f"ArrowFile({self.name!r}, {self._count} record batches, {self.rows} rows)"

    @property
    def unrepeatable(self) -> str:
        """Why it can't be read again, which it can."""
        return self._blob.unrepeatable

    def tasks(self, columns: Sequence[int]) -> Iterator[Task]:
        """Yield tasks of some record batches each."""
        step = max(1, TASK_BYTES * self._count // max(self._blob.size, 1))
        for first in range(0, self._count, step):
            yield partial(self._read, range(first, min(first + step, self._count)), tuple(columns))

    def changes(self) -> tuple[str, ...]:
        """Say whether the file has changed."""
        return tuple(filter(None, [self._blob.changed()]))

    def close(self) -> None:
        """End what reads."""
        self._handles.close()
        self._end_idle()

    def _read(self, numbers: range, columns: Sequence[int]) -> Iterator[pa.RecordBatch]:
        read, found = picked(columns)
        with self._lent(tuple(read)) as reader:
            places = list(columns) if self._mapped else found
            batches = (self._checked(reader.get_batch(n)).select(places) for n in numbers)
            yield from gathered(piece for batch in batches for piece in sliced(batch))

    def _checked(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        self._handles.check(self._blob)
        batch.validate()
        return batch

    @contextmanager
    def _lent(self, read: tuple[int, ...]) -> Iterator[Any]:
        """Lend a reader of some columns to one thread; the next takes it over, with the dictionaries that it holds."""
        with self._lock:
            idle = self._idle.get(read)
            lent = idle.pop() if idle else None
        stack, reader = lent or self._opened(read)
        with ExitStack() as failing:
            failing.push(stack)
            with reading(self.name, FORM):
                yield reader
            with self._lock:
                if not self._handles.closed:
                    failing.pop_all()
                    self._idle.setdefault(read, []).append((stack, reader))

    def _opened(self, read: tuple[int, ...]) -> _Reader:
        place = self._handles.mapped(self._blob) if self._mapped else self._handles.file(self._blob)
        # Arrow copies the columns that are named, takes no names for all columns, and copies none of them if mapped.
        fields = list(read) if read and not self._mapped else None
        options = ipc.IpcReadOptions(included_fields=fields, use_threads=False)
        with ExitStack() as failing, reading(self.name, FORM):
            reader = ipc.open_file(failing.enter_context(place), options=options)
            return failing.pop_all(), reader

    def _end_idle(self) -> None:
        with self._lock:
            idle = [stack for readers in self._idle.values() for stack, _ in readers]
            self._idle.clear()
        for stack in idle:
            stack.close()


def open_ipc(content: Content | Blob) -> ArrowFile | ArrowStream:
    """Open an Arrow IPC file or stream. Blocking; the caller closes it.

    Raises:
        SourceError: It is damaged, or Feather's version 1.
    """
    handles = Handles()
    beginning = begin(content, handles)
    with ExitStack() as stack:
        stack.push(beginning.stack)
        _check_form(content.name, beginning.head)
        if not (is_arrow_file(beginning.head) and hasattr(content, "open")):
            stack.pop_all()
            return ArrowStream(content, handles, beginning)
    return ArrowFile(cast("Blob", content), handles)


def _check_form(name: str, head: bytes) -> None:
    if is_feather_1(head):
        raise SourceError(
            f"{name} is Feather version 1, which Arrow itself gives up",
            hint="Write it again as version 2, for example with pandas: read_feather(…).to_feather(…).",
        )
    if not (is_arrow_file(head) or is_arrow_stream(head)):
        raise SourceError(
            f"{name} is no {FORM}" if head else f"{name} is empty",
            hint="It is damaged or in another format; say which with --format.",
        )
