"""The footer of a Parquet file: its columns, its row groups, and what must not be read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bulkstream.errors import MissingExtra, SourceError
from bulkstream.sources.columnar.handles import ENCRYPTED, Handles, check_rows, reading
from bulkstream.sources.columnar.row_groups import leaves_of
from bulkstream.sources.columnar.slices import plain

try:
    from pyarrow import parquet as pq
except ImportError:
    raise MissingExtra("pyarrow", "arrow") from None

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from bulkstream.sources.content import Blob

FORM = "Parquet"
_SIGNATURE_BYTES = 28
"""A nonce of 12 bytes and a tag of 16 (Parquet's Encryption.md, on plaintext footers)."""


@dataclass(frozen=True, slots=True)
class ParquetFile:
    """One file: its footer, and what that says of its columns."""

    blob: Blob
    footer: pq.FileMetaData
    schema: pa.Schema
    leaves: Sequence[Sequence[pa.DataType]]


def read_footer(handles: Handles, blob: Blob) -> ParquetFile:
    """Read what stands at the end of a file.

    Raises:
        SourceError: It is damaged, encrypted or no Parquet.
    """
    with reading(blob.name, FORM), handles.file(blob) as source:
        file = pq.ParquetFile(source, pre_buffer=False, coerce_int96_timestamp_unit="us")
        schema = plain(file.schema_arrow)
        if _signature_bytes(source, file.metadata) == _SIGNATURE_BYTES:
            raise SourceError(f"{blob.name} is encrypted, at least some of its columns", hint=ENCRYPTED)
    footer, leaves = file.metadata, leaves_of(schema)
    groups = sum(footer.row_group(n).num_rows for n in range(footer.num_row_groups))
    check_rows(blob.name, FORM, said=footer.num_rows, read=groups)
    if sum(map(len, leaves)) != footer.num_columns:
        raise SourceError(f"{blob.name} holds columns of types that are unknown: {file.schema_arrow.types}")
    return ParquetFile(blob, footer, schema, leaves)


def _signature_bytes(source: Any, footer: pq.FileMetaData) -> int:
    """Return how many bytes stand between what the footer says and its end.

    A footer that is readable although columns are encrypted is signed there. Nothing else tells: to look at the
    metadata of an encrypted column aborts the process.
    """
    source.seek(source.size() - 8)
    return int.from_bytes(source.read(4), "little") - int(footer.serialized_size)


def codecs(files: Sequence[ParquetFile]) -> list[str]:
    """Return what the first column chunks are compressed by, the most frequent first."""
    groups = (file.footer.row_group(0) for file in files if file.footer.num_row_groups and file.footer.num_columns)
    return [codec.lower() for codec, _ in Counter(group.column(0).compression for group in groups).most_common()]


def writers(files: Sequence[ParquetFile]) -> list[str]:
    """Return what the files were written by, the most frequent first."""
    return [writer for writer, _ in Counter(file.footer.created_by for file in files).most_common() if writer]
