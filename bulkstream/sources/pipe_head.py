"""The head of a pipe: byte order mark and first record, read ahead, so that they are still there to be loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bulkstream.sources.head import (
    LONGEST_FIRST_RECORD,
    LONGEST_MAGIC,
    UTF8_BOM,
    first_too_long,
    record_end,
    refuse_foreign,
    without_end,
)

if TYPE_CHECKING:
    from bulkstream.sources.pipe import Pipe


@dataclass(frozen=True, slots=True)
class PipeHead:
    """A pipe as it began; `ahead` of the pipe has these bytes still.

    Attributes:
        bom_bytes: Length of the byte order mark, 0 or 3.
        first: The first record's bytes without mark and line end; empty in an empty pipe.
        first_end: Offset behind the first record and its line end.
    """

    pipe: Pipe
    bom_bytes: int
    first: bytes
    first_end: int

    @property
    def name(self) -> str:
        """For messages."""
        return self.pipe.name

    @property
    def empty(self) -> bool:
        """Whether the pipe holds no record at all."""
        return self.first_end == self.bom_bytes


def read_pipe_head(pipe: Pipe) -> PipeHead:
    """Read ahead until the first record is whole, and no further than what comes along with it.

    Raises:
        SourceUnreadable: The system refused, or the pipe was closed meanwhile.
        SourceError: It is no UTF-8 text, by its first bytes.
        RecordTooLong: The first record is longer than 16 MiB.
    """
    while len(pipe.ahead) < LONGEST_MAGIC and pipe.look_ahead():
        pass
    refuse_foreign(pipe.name, bytes(pipe.ahead[:LONGEST_MAGIC]))
    bom = len(UTF8_BOM) if pipe.ahead.startswith(UTF8_BOM) else 0
    finder = RecordFinder(bom)
    while (end := finder.find(pipe.ahead)) < 0 and pipe.look_ahead():
        if len(pipe.ahead) > LONGEST_FIRST_RECORD:
            raise first_too_long(pipe.name, bom)
    end = len(pipe.ahead) if end < 0 else end
    return PipeHead(pipe, bom, without_end(pipe.ahead[bom:end]), end)


class RecordFinder:
    """Finds the end of a record whose bytes come in pieces, and looks at each byte once."""

    def __init__(self, start: int = 0) -> None:
        """Begin at the offset at which the record does."""
        self._seen = start
        self._quoted = False

    def find(self, data: bytearray) -> int:
        """Return what `record_end` does; `data` is what was there at the last call, and more behind it."""
        piece = bytes(memoryview(data)[self._seen :])
        end = record_end(b'"' + piece) - 1 if self._quoted else record_end(piece)
        if end >= 0:
            return self._seen + end
        self._quoted ^= piece.count(b'"') % 2 == 1
        self._seen += len(piece)
        return -1
