"""Delimited text of any dialect as Arrow batches; every column is text, exactly as it stands there."""

from __future__ import annotations

from functools import partial
from threading import Lock
from typing import TYPE_CHECKING

from bulkstream.errors import MissingExtra
from bulkstream.sources.text.parse import Parser, refuse
from bulkstream.sources.text.pieces import Limits, Pieces
from bulkstream.sources.text.text_sample import decoded
from bulkstream.sources.text.tokens import Tokens

try:
    import pyarrow as pa
except ImportError:
    raise MissingExtra("pyarrow", "arrow") from None

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bulkstream.sources.batches import Task
    from bulkstream.sources.content import Content
    from bulkstream.sources.text.dialect import TextDialect
    from bulkstream.sources.text.parse import OnBad

_DEFAULT = Limits()


class Delimited:
    """The rows of one text. See `Batches`.

    Attributes:
        name: Of the content.
        schema: Columns of text; several may have the same name.
        details: The dialect.
        unrepeatable: Of the content.
    """

    format = "delimited text"
    rows = None

    def __init__(self, content: Content, dialect: TextDialect, *, limits: Limits, on_bad: OnBad) -> None:
        """Read nothing yet: `begin` does."""
        self.name = content.name
        self.unrepeatable = content.unrepeatable
        self.details = (("dialect", str(dialect)),)
        self.schema = pa.schema([])
        self._content = content
        self._dialect = dialect
        self._limits = limits
        self._on_bad = on_bad
        self._skip_header = False
        self._begun: Pieces | None = None
        self._open: set[Pieces] = set()
        self._lock = Lock()
        self._closed = False

    def __repr__(self) -> str:
        return f"Delimited({self.name!r}, {self._dialect}, {len(self.schema)} columns)"

    def begin(self, names: Sequence[str] | None, *, skip_header: bool) -> None:
        """Settle the columns; where they have no names, from the first record, and the stream is then kept.

        Raises:
            SourceError: The first record can't be read.
        """
        self._skip_header = skip_header
        if names is None:
            self._begun = self._opened()
            fields = decoded(Tokens(self._dialect).first(self._begun.first_record()), self.name)
            names = fields if skip_header else [f"Column {number}" for number in range(1, len(fields) + 1)]
        self.schema = pa.schema([pa.field(name, pa.string()) for name in names])

    def tasks(self, columns: Sequence[int]) -> Iterator[Task]:
        """Yield one task: text is only readable in sequence. See `Batches`.

        Its batches hold a piece each, of 4 MiB of text unless a record is longer. It raises `BadRow`, `UnclosedQuote`
        and other `SourceError`s; their places are bytes of the text as it was unpacked and decoded.
        """
        if len(self.schema):
            yield partial(self._batches, tuple(columns))

    def changes(self) -> tuple[str, ...]:
        """Say, one sentence each, what is no longer as it was when the source was opened."""
        changed = self._content.changed()
        return (changed,) if changed else ()

    def close(self) -> None:
        """End what waits in another thread, and close what is open; may be called again."""
        with self._lock:
            self._closed = True
            left, self._open = self._open, set()
        for pieces in left:
            pieces.close()

    def _batches(self, columns: Sequence[int]) -> Iterator[pa.RecordBatch]:
        pieces, self._begun = self._begun or self._opened(), None
        try:
            parser = Parser(self._dialect, len(self.schema), columns, self._on_bad)
            pieces.reserve(parser.room)
            if self._skip_header:
                pieces.skip_record()
            schema = pa.schema([self.schema.field(number) for number in columns])
            for batch in parser.batches(pieces):
                yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)
        finally:
            self._done(pieces)

    def _opened(self) -> Pieces:
        pieces = Pieces(self._content.stream(), self._dialect, self.name, self._limits)
        with self._lock:
            self._open.add(pieces)
            closed = self._closed
        if closed:
            self._done(pieces)
        return pieces

    def _done(self, pieces: Pieces) -> None:
        with self._lock:
            self._open.discard(pieces)
        pieces.close()


def open_delimited(
    content: Content,
    dialect: TextDialect,
    *,
    names: Sequence[str] | None,
    skip_header: bool,
    limits: Limits = _DEFAULT,
    on_bad: OnBad = refuse,
) -> Delimited:
    """Open delimited text in UTF-8.

    Args:
        content: The text; a byte order mark is passed over.
        dialect: How its fields are told apart.
        names: Of all its columns; None: as the first record says, or `Column 1` and so on where that is no header.
        skip_header: The first record is a header.
        limits: Sizes of pieces and records.
        on_bad: Called with each bad row, in their order and in the thread of the task; if it returns, the row is left
            out. Without it, the first bad row ends the reading.

    Raises:
        SourceError: The first record was needed and can't be read.
    """
    opened = Delimited(content, dialect, limits=limits, on_bad=on_bad)
    try:
        opened.begin(names, skip_header=skip_header)
    except BaseException:
        opened.close()
        raise
    return opened
