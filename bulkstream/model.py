"""The nouns of a load, from the source to the report, as frozen values.

`Chunk` (raw CSV, whole records) becomes `Part` (its gzip) becomes `Receipt` (the server has it); `Plan` says what
a load would do and `Report` what it did.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bulkstream.decision import Decision
    from bulkstream.stages.masks import Marks


class ColumnType(StrEnum):
    """Column types of a Domo dataset (source: developer portal, Streams API)."""

    STRING = "STRING"
    LONG = "LONG"
    DOUBLE = "DOUBLE"
    DECIMAL = "DECIMAL"
    DATE = "DATE"
    DATETIME = "DATETIME"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a dataset."""

    name: str
    type: ColumnType = ColumnType.STRING


class Dialect(StrEnum):
    """The two forms in which Domo offers the Streams API."""

    INSTANCE = "instance"
    PUBLIC = "public"


class UpdateMethod(StrEnum):
    """What a committed execution does with the dataset's rows."""

    REPLACE = "REPLACE"
    APPEND = "APPEND"
    UPSERT = "UPSERT"


class SearchKey(StrEnum):
    """By what streams can be searched, one at a time (source: developer portal, search for streams)."""

    ACCOUNT_CONFIGURATION = "account.configurations.value"
    DATASET_ID = "dataSource.id"
    DATASET_NAME = "dataSource.name"
    DATASET_OWNER = "dataSource.owner.id"
    TRANSPORT_TYPE = "transport.type"


class HeaderMode(StrEnum):
    """Whether files begin with a header record."""

    AUTO = "auto"
    YES = "yes"
    NO = "no"


class OnFailure(StrEnum):
    """What becomes of the open execution when a load fails."""

    ABORT = "abort"
    KEEP = "keep"


class Verify(StrEnum):
    """What is compared after a commit."""

    OFF = "off"
    ROWS = "rows"
    FULL = "full"


class Check(StrEnum):
    """What is checked of each row before it is sent."""

    OFF = "off"
    AUTO = "auto"
    """Rows; types as well where they were guessed from a sample, for a dataset that the load creates."""
    ROWS = "rows"
    """Its number of fields, and that it is UTF-8."""
    TYPES = "types"
    """That, and whether its values fit the types of their columns."""


class Format(StrEnum):
    """In what form a source holds its rows."""

    AUTO = "auto"
    """As its first bytes say, and where they don't, its name."""
    CSV = "csv"
    PARQUET = "parquet"
    ARROW = "arrow"
    """Arrow IPC, file or stream, which Feather is since its version 2."""
    ORC = "orc"
    JSONL = "jsonl"
    EXCEL = "excel"


class Binary(StrEnum):
    """What becomes of binary values, which CSV can't hold."""

    REFUSE = "refuse"
    BASE64 = "base64"


class Outcome(StrEnum):
    """How a load ended; exactly one of these is true of each."""

    COMMITTED = "committed"
    ABORTED = "aborted"
    KEPT = "kept"
    UNKNOWN = "unknown"


class Limit(StrEnum):
    """The stage that a load waited for most."""

    SOURCE = "source"
    COMPRESS = "compress"
    UPLOAD = "upload"


@dataclass(frozen=True, slots=True)
class Place:
    """A byte in a source: the file's name and the offset from its start."""

    path: str
    offset: int

    def __str__(self) -> str:
        """As shown in errors."""
        return f"{self.path} at byte {self.offset:,}"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a run of a chunk's bytes comes from.

    Attributes:
        at: Where in the chunk it begins; it goes on to where the next one begins.
        path: Name of the file.
        offset: Byte of the file that it begins with.
        line: Physical line of the file, from 1, that it begins with.
    """

    at: int
    path: str
    offset: int
    line: int


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that is left out.

    Attributes:
        path: Name of the file.
        line: Physical line of the file, from 1, on which the row begins.
        offset: Byte of the file at which it begins.
        reason: What is wrong with it.
        row: Its bytes, line end included.
    """

    path: str
    line: int
    offset: int
    reason: str
    row: bytes


@dataclass(frozen=True, slots=True)
class Chunk:
    """Raw, header-less CSV: whole records, in the order of the source.

    Attributes:
        number: From 1, without gaps.
        data: The bytes; a window on the worker's buffer, valid until the next chunk is cut into it.
        rows: Records in `data`.
        begin: Where it begins among the bytes of the source, all segments in a row.
        end: Where the next one begins.
        end_line: Line of its file on which the next one begins; the file's first if that is a new file.
        origins: Which files the bytes come from.
        marks: What the cutter knows of the bytes, in order; may have gaps, and may reach beyond them.
        rejects: Rows that were taken out of `data`.
    """

    number: int
    data: memoryview
    rows: int
    begin: int
    end: int
    end_line: int = 1
    origins: tuple[Origin, ...] = ()
    marks: tuple[Marks, ...] = ()
    rejects: tuple[Reject, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """A gzipped chunk, ready to be sent.

    Attributes:
        raw_crc32: Checksum of the chunk, as the gzip trailer has it (RFC 1952).
        body_crc32: Checksum of the body.
        begin: As in the chunk, like `end`, `end_line` and `rejects`.
    """

    number: int
    body: bytes
    raw_bytes: int
    rows: int
    begin: int = 0
    end: int = 0
    raw_crc32: int = 0
    body_crc32: int = 0
    end_line: int = 1
    rejects: tuple[Reject, ...] = ()


@dataclass(frozen=True, slots=True)
class Packed:
    """A part, and what it took to make it.

    Attributes:
        level: Rung of the gzip ladder.
        cut_s: Seconds spent on reading and cutting, or waiting for others to have done theirs.
        busy_s: Seconds spent on compressing.
        cpu_s: Processor seconds of that.
    """

    part: Part
    level: int
    cut_s: float
    busy_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Receipt:
    """The server acknowledged a part.

    Attributes:
        begin: Where in the source the part begins, all segments in a row.
        end: Where the next one begins.
        raw_crc32: Checksum of the chunk.
        body_crc32: Checksum of the body as sent.
        end_line: Line of its file on which the next part begins.
        rejects: Rows that were left out of the part.
    """

    number: int
    raw_bytes: int
    sent_bytes: int
    rows: int
    begin: int = 0
    end: int = 0
    raw_crc32: int = 0
    body_crc32: int = 0
    end_line: int = 1
    rejects: tuple[Reject, ...] = ()

    @property
    def rejected_bytes(self) -> int:
        """Bytes of the rows that were left out."""
        return sum(len(each.row) for each in self.rejects)

    @classmethod
    def of(cls, part: Part) -> Receipt:
        """Make the receipt of a part that was acknowledged."""
        return cls(
            number=part.number,
            raw_bytes=part.raw_bytes,
            sent_bytes=len(part.body),
            rows=part.rows,
            begin=part.begin,
            end=part.end,
            raw_crc32=part.raw_crc32,
            body_crc32=part.body_crc32,
            end_line=part.end_line,
            rejects=part.rejects,
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """What a load would do.

    Attributes:
        rows: Records in the source, None when nobody counted them.
        parts: Parts that the source is cut into; an estimate unless `rows` is known.
        raw_bytes: CSV bytes to be sent, before compression and without headers; None when unknown.
        columns: Names and types, in the order of the file.
        peak_memory_bytes: Upper bound of the memory for data, by the pipeline's formula.
        bad_rows: Rows that fail the checks, `rows` and `raw_bytes` include them; None when nobody looked. Not among
            the keys of `--json`.
    """

    rows: int | None
    parts: int | None
    raw_bytes: int | None
    columns: tuple[Column, ...]
    peak_memory_bytes: int
    bad_rows: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """As printed by `upload --dry-run --json`."""
        document = asdict(self)
        del document["bad_rows"]
        return document


@dataclass(frozen=True, slots=True)
class Report:
    """What a load did; the keys of `--json`, in their order.

    Attributes:
        raw_mb_s: Raw megabytes (10^6 bytes) per second, over the whole load.
        ratio: Raw bytes per sent byte, None when nothing was sent.
        retries: Requests that were sent again.
        verified: What a comparison with what the server has found; None when there was none or it could not tell.
        error: What went wrong, in one sentence, or None.
        decisions: What the tuners changed, and when, in seconds from the start; not among the keys of `--json`.
    """

    run_id: str
    outcome: Outcome
    stream_id: int | None
    execution_id: int | None
    parts: int
    rows: int
    bad_rows: int
    raw_bytes: int
    sent_bytes: int
    seconds: float
    raw_mb_s: float
    ratio: float | None
    retries: int
    limited_by: Limit | None
    verified: bool | None
    peak_rss_mb: float
    error: str | None
    decisions: tuple[Decision, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """As printed by `--json`."""
        document = asdict(self)
        del document["decisions"]
        return document
