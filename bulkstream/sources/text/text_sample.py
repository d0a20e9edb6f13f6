"""The beginning of a text: what its dialect, its header and its types are told from."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from bulkstream.errors import RecordTooLong, SourceError
from bulkstream.model import Place
from bulkstream.sources.head import UTF8_BOM, without_end
from bulkstream.sources.header import check_line_end
from bulkstream.sources.text.dialect import LineEnd
from bulkstream.sources.text.parse import Parser
from bulkstream.sources.text.pieces import Limits, Pieces
from bulkstream.sources.text.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from io import RawIOBase

    import pyarrow as pa

    from bulkstream.sources.content import Content
    from bulkstream.sources.text.dialect import TextDialect

Records = list[list[str]]

_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class TextSample:
    """The first bytes of a text in UTF-8, without a byte order mark.

    Attributes:
        name: Of the content, for messages.
        whole: It is all of the text.
    """

    name: str
    data: bytes
    whole: bool


def read_sample(content: Content, budget: int) -> TextSample:
    """Read the first `budget` bytes of a content; whatever can be read only once is then used up.

    Raises:
        SourceError: The bytes can't be read, unpacked or decoded.
    """
    with content.stream() as stream:
        data = _filled(stream, budget + 1)
    return TextSample(content.name, bytes(data[:budget]).removeprefix(UTF8_BOM), whole=len(data) <= budget)


def head_record(sample: TextSample, dialect: TextDialect) -> list[str]:
    """Return the fields of the first record; none if there is no record.

    Raises:
        RecordTooLong: The first record is longer than the sample.
        SourceError: It is not UTF-8.
    """
    tokens = Tokens(dialect)
    first = next(tokens.spans(sample.data), None)
    if first is not None and not first.ended and not sample.whole:
        raise RecordTooLong(
            f"the first record is longer than {len(sample.data):,} bytes",
            place=Place(sample.name, 0),
            hint=f"Perhaps a quote is never closed, or the dialect is another than: {dialect}.",
        )
    if first is not None and dialect.ends is LineEnd.LF and dialect.escape is None:
        check_line_end(without_end(sample.data[first.start : first.end]))
    return decoded(tokens.first(sample.data), sample.name)


def sampled_records(sample: TextSample, dialect: TextDialect, *, fields: int, skip_header: bool) -> Records:
    """Return the whole records of a sample that have a number of fields; a null is an empty field.

    Records with another number of fields are left out, and so is the first with `skip_header`.

    Raises:
        UnclosedQuote: The sample is all of the text, which ends inside a quoted field.
    """
    tokens = Tokens(dialect)
    end = len(sample.data) if sample.whole else tokens.last_end(sample.data)
    pieces = Pieces(BytesIO(sample.data[:end]), dialect, sample.name, Limits(block_bytes=len(sample.data) + 1))
    parser = Parser(dialect, fields, range(fields), on_bad=lambda _: None)
    pieces.reserve(parser.room)
    if skip_header:
        pieces.skip_record()
    return [row for batch in parser.batches(pieces) for row in _rows(batch)]


def decoded(fields: Sequence[bytes], name: str) -> list[str]:
    """Return the fields of a first record as text.

    Raises:
        SourceError: One is not UTF-8.
    """
    try:
        return [field.decode("utf-8") for field in fields]
    except UnicodeDecodeError:
        raise SourceError("the first record is not UTF-8", place=Place(name, 0)) from None


def _rows(batch: pa.RecordBatch) -> Iterator[list[str]]:
    columns = [column.fill_null("").to_pylist() for column in batch.columns]
    return map(list, zip(*columns, strict=True))


def _filled(stream: RawIOBase, size: int) -> bytes:
    """Read until there are so many bytes, or no more."""
    data = bytearray()
    while len(data) < size and (more := stream.read(min(size - len(data), _READ_BYTES))):
        data += more
    return bytes(data)
