"""Text that is packed, encoded, delimited or far away, as a table.

What is CSV as the server takes it is handed on as it is. Other dialects, and columns in another order, are parsed and
rendered, which costs about as much as compressing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulkstream.model import Binary
from bulkstream.sources.head import LONGEST_FIRST_RECORD, first_too_long, record_end, without_end
from bulkstream.sources.header import parse_record
from bulkstream.sources.matching.match import as_it_is
from bulkstream.sources.once import head_of
from bulkstream.sources.sample import whole_records
from bulkstream.sources.table import BatchTable
from bulkstream.sources.text.dialect import RFC4180
from bulkstream.sources.types import types_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bulkstream.sources.ahead import Piece
    from bulkstream.sources.batches import Batches
    from bulkstream.sources.content import Content
    from bulkstream.sources.header import HeaderDecision
    from bulkstream.sources.layout import Layout
    from bulkstream.sources.source import Block
    from bulkstream.sources.table import Fact
    from bulkstream.sources.text.dialect import TextDialect
    from bulkstream.sources.text.text_sample import TextSample
    from bulkstream.sources.types import Types

BLOCK_BYTES = 1 << 20
HEAD_BYTES = 1 << 20
"""Bytes that a first record of another dialect may have."""


class Text:
    """Text of which encoding and dialect are known, and that begins with a record.

    Attributes:
        name: Of the content.
        content: Its bytes as UTF-8, without byte order mark.
        dialect: How fields and records are told apart.
        facts: How it is packed and encoded, and its dialect.
        fields: Of the first record; none if there is no record.
        start: Offset behind the first record, where the dialect is the server's.
        first_lines: Lines that the first record takes.
    """

    def __init__(
        self,
        content: Content,
        dialect: TextDialect,
        *,
        facts: Sequence[Fact] = (),
        remote: bool = False,
        max_record_bytes: int,
    ) -> None:
        """Read the first record. Blocking.

        Raises:
            SourceError: It can't be read, or is no record.
        """
        self.name = content.name
        self.content = content
        self.dialect = dialect
        self.facts = tuple(facts)
        self.remote = remote
        self.max_record_bytes = max_record_bytes
        self.start, self.first_lines = 0, 1
        self.fields = self._server_first() if dialect == RFC4180 else self._first()

    def __repr__(self) -> str:
        return f"Text({self.name!r}, {self.dialect})"

    @property
    def empty(self) -> bool:
        """Whether there is no record at all."""
        return not self.fields

    def _server_first(self) -> list[str]:
        wanted = 64 << 10
        while (end := record_end(head := head_of(self.content, wanted))) < 0 and len(head) >= wanted:
            if wanted > LONGEST_FIRST_RECORD:
                raise first_too_long(self.name, 0)
            wanted = 4 * len(head)
        if not head:
            return []
        self.start = len(head) if end < 0 else end
        first = without_end(head[: self.start])
        self.first_lines = 1 + first.count(b"\n")
        return parse_record(first)

    def _first(self) -> list[str]:
        from bulkstream.sources.text.text_sample import head_record  # noqa: PLC0415 - needs pyarrow

        return head_record(self.sample(HEAD_BYTES), self.dialect)

    def sample(self, budget: int) -> TextSample:
        """Read the first bytes, which are still there to be read."""
        from bulkstream.sources.text.text_sample import TextSample  # noqa: PLC0415 - needs pyarrow

        data = head_of(self.content, budget + 1)
        return TextSample(self.name, data[:budget], whole=len(data) <= budget)

    def records(self, budget: int, fields: int, *, skip: bool) -> tuple[list[list[str]], bool]:
        """Return the records of the first bytes that have so many fields, and whether they are all there are."""
        if self.dialect == RFC4180:
            data = head_of(self.content, budget + 1)
            whole = len(data) <= budget
            return whole_records(data[:budget], at_end=whole)[skip:], whole
        from bulkstream.sources.text.text_sample import sampled_records  # noqa: PLC0415 - needs pyarrow

        sample = self.sample(budget)
        return sampled_records(sample, self.dialect, fields=fields, skip_header=skip), sample.whole


class TextTable:
    """Rows that come as text.

    Attributes:
        name: Of the content.
        names: From the header, or as numbers.
        named: Whether there is a header that names them.
        rows: None: nobody has counted them.
        well_formed: False: rows may have too few fields, or too many.
    """

    rows = None
    well_formed = False

    def __init__(self, text: Text, header: HeaderDecision, names: Sequence[str], *, named: bool) -> None:
        self.name = text.name
        self.names = tuple(names)
        self.named = named
        self._text = text
        self._header = header
        self.remote = text.remote

    def __repr__(self) -> str:
        return f"TextTable({self._text!r})"

    @property
    def facts(self) -> tuple[Fact, ...]:
        """How it is packed, encoded and written."""
        return (("format", "CSV"), *self._text.facts)

    @property
    def first_line(self) -> int:
        """Line behind the header."""
        return 1 + self._text.first_lines if self._header.present else 1

    @property
    def unrepeatable(self) -> str:
        """As the content has it."""
        return self._text.content.unrepeatable

    @property
    def mute(self) -> bool:
        """Whether what can't be asked again brought nothing at all."""
        return bool(self._text.content.unrepeatable) and self._text.empty

    def types(self, budget: int) -> Types:
        """Infer from the first `budget` bytes."""
        records, whole = self._text.records(budget, len(self.names), skip=self._header.present)
        return types_of(self.names, records, self._header, whole=whole)

    def check(self, layout: Layout) -> None:
        """Do nothing: all text can be written."""

    def pieces(self, layout: Layout) -> Iterator[Piece]:
        """Yield one piece: text is read from its beginning to its end."""
        if self._text.empty:
            return iter(())
        if self._text.dialect == RFC4180 and as_it_is(layout, len(self.names)):
            return iter([self._blocks])
        return BatchTable(self._batches(), Binary.REFUSE).pieces(layout)

    def changes(self) -> tuple[str, ...]:
        """Say what the content says."""
        change = self._text.content.changed()
        return (change,) if change else ()

    def close(self) -> None:
        """Do nothing: whoever has opened a pipe closes it."""

    def _batches(self) -> Batches:
        from bulkstream.sources.text.delimited import open_delimited  # noqa: PLC0415 - needs pyarrow
        from bulkstream.sources.text.pieces import Limits  # noqa: PLC0415 - the same

        return open_delimited(
            self._text.content,
            self._text.dialect,
            names=self.names,
            skip_header=self._header.present,
            limits=Limits(record_bytes=self._text.max_record_bytes),
        )

    def _blocks(self) -> Iterator[Block]:
        """Yield the bytes behind the header."""
        skip = self._text.start if self._header.present else 0
        with self._text.content.stream() as stream:
            while True:
                view = memoryview(bytearray(BLOCK_BYTES))
                size = 0
                while size < BLOCK_BYTES and (more := stream.readinto(view[size:])):
                    size += more
                if not size:
                    return
                block = view[min(skip, size) : size]
                # What waits to be read is counted by its length: many small files must not keep whole blocks each.
                yield block if size > BLOCK_BYTES // 2 else memoryview(bytes(block))
                skip -= min(skip, size)
