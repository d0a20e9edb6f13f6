"""What a content holds: told by its first bytes, or by the user, and opened accordingly."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeGuard

from bulkstream.errors import SourceError
from bulkstream.model import Format
from bulkstream.sources.formats import format_of
from bulkstream.sources.head import UTF8_BOM
from bulkstream.sources.once import PipeContent, beginning_of, head_of, rereadable
from bulkstream.sources.packed.unpack import Packing, Unpacked, is_excel, members, packing_of, refuse_packed
from bulkstream.sources.pipe_head import read_pipe_head
from bulkstream.sources.places.remote import is_remote
from bulkstream.sources.table import BatchTable
from bulkstream.sources.text.decode import Decoded, encoding_of
from bulkstream.sources.text.dialect import RFC4180, parse_dialect
from bulkstream.sources.text.sniff import SNIFFED_BYTES, Sniffed, sniffed
from bulkstream.sources.text_table import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from typing_extensions import TypeIs

    from bulkstream.settings import Upload
    from bulkstream.sources.batches import Batches
    from bulkstream.sources.content import Blob, Content
    from bulkstream.sources.folders import ParquetFolder
    from bulkstream.sources.query import Query
    from bulkstream.sources.table import Fact

MAGIC_BYTES = 16
MANY = 32
"""Inputs from which on a glance at each text is enough, if it leaves no doubt: a thorough look takes about 20 ms."""
GLANCE_BYTES = 4 << 10
GLANCE_LINES = 16
"""Lines that a glance must have seen."""
UTF8 = "utf-8"


@dataclass(frozen=True, slots=True)
class Plain:
    """CSV as the server takes it, on a local disk or from a pipe.

    Attributes:
        doubt: Why it might be another dialect all the same; empty if nothing speaks for that.
    """

    content: Content
    doubt: str = ""


Found = Plain | Text | BatchTable


class Kinds:
    """Opens contents as the settings say."""

    def __init__(self, settings: Upload, *, inputs: int = 1, stopped: Callable[[], bool] = lambda: False) -> None:
        """Open so many inputs, until `stopped`; the more there are, the less of each is looked at."""
        self._settings = settings
        self._stopped = stopped
        self._glance = inputs >= MANY

    def __repr__(self) -> str:
        return f"Kinds({self._settings.format})"

    def opened(self, content: Content, *, remote: bool = False, facts: Sequence[Fact] = ()) -> list[Found]:
        """Look at the first bytes, and open what they begin. Blocking.

        Args:
            content: What to open.
            remote: Whether its bytes come over a network.
            facts: What was unpacked so far.

        Raises:
            SourceError: It can't be read, or is something else than it should be.
            MissingExtra: A package is needed that is not installed.
        """
        head = beginning_of(content, MAGIC_BYTES)
        if facts and not self._is_excel(content):
            refuse_packed(content.name, head)
        packing = packing_of(head)
        if packing is not None and not (packing is Packing.ZIP and self._is_excel(content)):
            return self._unpacked(content, packing, remote=remote)
        kind = self._settings.format
        if kind is Format.AUTO:
            kind = format_of(content, head)
        if kind is Format.CSV:
            return [self._text(content, remote=remote, facts=facts)]
        if kind is Format.EXCEL:
            return [self._sheet(content, remote=remote, facts=facts)]
        return [BatchTable(self._batches(content, kind), self._settings.binary, remote=remote, facts=facts)]

    def folder(self, folder: ParquetFolder) -> BatchTable:
        """Open a folder of Parquet files as one table.

        Raises:
            SourceError: There is none in it, or they can't be read.
        """
        from bulkstream.sources.columnar.parquet import open_parquet  # noqa: PLC0415 - needs pyarrow

        batches = open_parquet(folder.name, folder.blobs, partitions=folder.partitions)
        return BatchTable(batches, self._settings.binary, remote=is_remote(folder.name))

    def query(self, query: Query) -> BatchTable:
        """Ask a database.

        Raises:
            SourceError: It can't be asked, or refuses.
            UsageError: It is none that can be asked, or the statement gives no rows.
        """
        from bulkstream.sources.databases import open_query  # noqa: PLC0415 - needs pyarrow

        return self.rows(open_query(query.url, query.statement, environ=os.environ, stopped=self._stopped))

    def rows(self, batches: Batches, *, named: bool = True) -> BatchTable:
        """Take rows that are there already, with names of their columns, or numbers alone."""
        return BatchTable(batches, self._settings.binary, named=named)

    def plain_text(self, found: Plain) -> Text:
        """Return plain CSV as a text, to be parsed; a byte order mark is none of it."""
        content = found.content
        if beginning_of(content, len(UTF8_BOM)).startswith(UTF8_BOM):
            content = rereadable(Decoded(content, UTF8))
        return Text(content, RFC4180, max_record_bytes=self._settings.max_record_size)

    def _is_excel(self, content: Content) -> bool:
        return self._settings.format is Format.EXCEL or (is_blob(content) and is_excel(content))

    def _unpacked(self, content: Content, packing: Packing, *, remote: bool) -> list[Found]:
        if packing is not Packing.ZIP:
            inner = rereadable(Unpacked(content))
            return self.opened(inner, remote=remote, facts=[("packed", str(packing))])
        if not is_blob(content):
            raise SourceError(
                f"{content.name} is a zip archive, whose directory stands at its end, and can be read only forwards",
                hint="Keep a copy with --spool DIR, or name the file; a workbook needs --format excel.",
            )
        parts = members(content)
        told = [("packed", f"zip, {len(parts):,} file{'' if len(parts) == 1 else 's'}")]
        return [found for part in parts for found in self.opened(part, remote=remote, facts=told)]

    def _text(self, content: Content, *, remote: bool, facts: Sequence[Fact]) -> Plain | Text:
        encoding = encoding_of(beginning_of(content, MAGIC_BYTES), self._settings.encoding, name=content.name)
        is_near = isinstance(content, PipeContent) or (is_blob(content) and content.path is not None)
        decoded = content
        plain = encoding == UTF8 and (dialect := self._dialect(content)).dialect == RFC4180
        if plain and is_near:
            return Plain(content, "" if dialect.certain else dialect.reason)
        if not plain or beginning_of(content, MAGIC_BYTES).startswith(UTF8_BOM):
            decoded = rereadable(Decoded(content, encoding))  # which takes a byte order mark away, too
            dialect = self._dialect(decoded)
        told = [*facts, ("encoding", encoding), ("dialect", f"{dialect.dialect} ({dialect.reason})")]
        limit = self._settings.max_record_size
        return Text(decoded, dialect.dialect, facts=told, remote=remote, max_record_bytes=limit)

    def _dialect(self, content: Content) -> Sniffed:
        if self._settings.dialect != "auto":
            return Sniffed(parse_dialect(self._settings.dialect), "as told", certain=True)
        if isinstance(content, PipeContent):
            read_pipe_head(content.pipe)
            return sniffed(bytes(content.pipe.ahead), whole=content.pipe.ended)
        sample = head_of(content, SNIFFED_BYTES + 1)
        if self._glance and (glance := sample[:GLANCE_BYTES]).count(b"\n") >= GLANCE_LINES:
            found = sniffed(glance, whole=len(sample) == len(glance))
            if found.certain:
                return found
        return sniffed(sample, whole=len(sample) <= SNIFFED_BYTES)

    def _sheet(self, content: Content, *, remote: bool, facts: Sequence[Fact]) -> BatchTable:
        """Open a sheet; only if it was said to have no header, its columns go by their order."""
        from bulkstream.sources.rows.excel import open_excel  # noqa: PLC0415 - needs pyarrow

        sheet = open_excel(content, sheet=self._settings.sheet, header=self._settings.header)
        named = sheet.header.present or not sheet.header.told
        return BatchTable(sheet, self._settings.binary, remote=remote, facts=facts, named=named)

    def _batches(self, content: Content, kind: Format) -> Batches:
        match kind:
            case Format.JSONL:
                from bulkstream.sources.rows.jsonl import open_jsonl  # noqa: PLC0415 - these need pyarrow

                return open_jsonl(
                    content, sample_bytes=self._settings.sample_size, most_line_bytes=self._settings.max_record_size
                )
            case Format.ARROW:
                from bulkstream.sources.columnar.ipc import open_ipc  # noqa: PLC0415

                return open_ipc(content)
            case Format.PARQUET:
                from bulkstream.sources.columnar.parquet import open_parquet  # noqa: PLC0415

                return open_parquet(content.name, [_seekable(content, kind)])
            case Format.ORC:
                from bulkstream.sources.columnar.orc import open_orc  # noqa: PLC0415

                return open_orc(_seekable(content, kind))
            case Format.AUTO | Format.CSV | Format.EXCEL:
                raise AssertionError(kind)


def is_blob(content: object) -> TypeGuard[Blob]:
    """Whether a content can be read from any offset."""
    return hasattr(content, "open") and hasattr(content, "fingerprint")


def is_batches(given: Batches | Content) -> TypeIs[Batches]:
    """Whether what was given holds rows, and not bytes."""
    return hasattr(given, "tasks")


def _seekable(content: Content, kind: Format) -> Blob:
    if not is_blob(content):
        raise SourceError(
            f"{content.name} holds {kind}, which can't be read forwards only",
            hint="Name the file itself, unpacked; of a pipe, --spool DIR keeps a copy that can be read.",
        )
    return content
