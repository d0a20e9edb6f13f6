"""Arrow IPC in sequence: a stream, or a file from a pipe, which is a stream between its magic and a footer.

The format lets a stream end without its end mark, so that one that was cut off behind a batch looks whole. All writers
write the mark; here its absence is an error, and so is what follows it, which Arrow would not read.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any

from bulkstream.errors import MissingExtra, SourceError
from bulkstream.sources.columnar.handles import Handles, reading
from bulkstream.sources.columnar.magic import HEAD_BYTES, is_arrow_file
from bulkstream.sources.columnar.slices import plain, sliced
from bulkstream.sources.columnar.whole import Whole

try:
    import pyarrow as pa
    from pyarrow import ipc
except ImportError:
    raise MissingExtra("pyarrow", "arrow") from None

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bulkstream.sources.batches import Task
    from bulkstream.sources.content import Content

FORM = "Arrow IPC"
_FILE_END = b"ARROW1"


@dataclass(frozen=True, slots=True)
class Beginning:
    """A stream of which the first bytes were read: what reads it, and what closes it."""

    head: bytes
    whole: Whole
    stack: ExitStack


@dataclass(frozen=True, slots=True)
class _Begun:
    """A stream whose schema was read."""

    beginning: Beginning
    reader: Any
    schema: pa.Schema


class ArrowStream:
    """An Arrow IPC stream; see `Batches`."""

    format = FORM
    rows = None
    details = (("form", "stream"),)

    def __init__(self, content: Content, handles: Handles, beginning: Beginning) -> None:
        """Read the schema; what is behind it waits for the first task.

        Raises:
            SourceError: It is damaged.
        """
        self.name = content.name
        self.unrepeatable = content.unrepeatable
        self._content = content
        self._handles = handles
        self._lock = Lock()
        begun = self._opened(beginning)
        self._begun: _Begun | None = begun
        self.schema = begun.schema

    def __repr__(self) -> str:
        return f"ArrowStream({self.name!r}, {len(self.schema)} columns)"

    def tasks(self, columns: Sequence[int]) -> Iterator[Task]:
        """Yield the one task."""
        yield partial(self._read, list(columns))

    def changes(self) -> tuple[str, ...]:
        """Say whether the content has changed."""
        return tuple(filter(None, [self._content.changed()]))

    def close(self) -> None:
        """End what reads."""
        self._handles.close()

    def _read(self, columns: Sequence[int]) -> Iterator[pa.RecordBatch]:
        begun = self._begin()
        with begun.beginning.stack, reading(self.name, FORM):
            for batch in begun.reader:
                self._handles.check(self._content)
                batch.validate()
                yield from sliced(batch.select(columns))
            _check_end(self.name, begun.beginning)

    def _begin(self) -> _Begun:
        with self._lock:
            begun, self._begun = self._begun, None
        return begun or self._opened(begin(self._content, self._handles))

    def _opened(self, beginning: Beginning) -> _Begun:
        with ExitStack() as failing, reading(self.name, FORM):
            failing.push(beginning.stack)
            reader = ipc.open_stream(pa.PythonFile(beginning.whole, mode="r"))
            begun = _Begun(beginning, reader, plain(reader.schema))
            failing.pop_all()
        return begun


def begin(content: Content, handles: Handles) -> Beginning:
    """Open a content and read its first bytes.

    Raises:
        SourceUnreadable: The system refused.
    """
    with ExitStack() as stack:
        raw = stack.enter_context(handles.raw(content.stream()))
        head = bytes(Whole(raw).read(HEAD_BYTES))
        return Beginning(head, Whole(raw, b"" if is_arrow_file(head) else head), stack.pop_all())


def _check_end(name: str, beginning: Beginning) -> None:
    """Look at what stands where Arrow has stopped reading.

    Raises:
        SourceError: No end mark, or something behind it.
    """
    if beginning.whole.short:
        raise SourceError(
            f"{name} ends without the end mark of {FORM}",
            hint="It was probably cut off, or its producer failed; write or fetch it again.",
        )
    rest = beginning.whole.rest()
    if not is_arrow_file(beginning.head) and rest:
        raise SourceError(
            f"{name} goes on behind the end of its stream, by {rest:,} bytes",
            hint="Load streams one by one; written behind one another they are not one.",
        )
    if is_arrow_file(beginning.head) and not beginning.whole.tail.endswith(_FILE_END):
        raise SourceError(f"{name} ends without its footer", hint="It was probably cut off; write or fetch it again.")
