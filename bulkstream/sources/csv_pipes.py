"""Pipes, perhaps with files among them, as one source: it is read once, as it comes, and nobody knows its length."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from bulkstream.sources.files import CsvFile, FileSegment
from bulkstream.sources.pipe_head import RecordFinder
from bulkstream.sources.sample import sample, whole_records
from bulkstream.sources.source import UNKNOWN
from bulkstream.sources.types import types_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bulkstream.sources.header import HeaderDecision
    from bulkstream.sources.pipe import Pipe
    from bulkstream.sources.pipe_head import PipeHead
    from bulkstream.sources.sample import Records
    from bulkstream.sources.source import Segment
    from bulkstream.sources.types import Types

SAMPLE_BYTES = 1 << 20
"""Most bytes of a pipe that are read ahead to infer types."""

MOMENT_S = 0.5
"""Seconds for which a sample waits for more, once it has a record."""


@dataclass(frozen=True, slots=True)
class CsvPipe:
    """One pipe of a source.

    Attributes:
        start: Offset of its data, behind mark and header.
        first_line: Line on which that begins.
    """

    pipe: Pipe
    start: int
    first_line: int = 1

    def sample(self, budget: int) -> Records:
        """Read ahead and return whole records: of as many bytes, or to the end, or of what comes in a moment."""
        budget, deadline, finder = min(budget, SAMPLE_BYTES), None, RecordFinder()
        more = True
        while more and len(self.pipe.ahead) < budget:
            if deadline is None and finder.find(self.pipe.ahead) >= 0:
                deadline = monotonic() + MOMENT_S
            more = self.pipe.look_ahead(deadline)
        data = bytes(self.pipe.ahead)
        return whole_records(data, at_end=self.pipe.ended or (data.endswith(b"\n") and data.count(b'"') % 2 == 0))


def data_pipe(head: PipeHead, header: HeaderDecision) -> CsvPipe:
    """Go on behind mark and header, and wait for the first byte there, or the end. Blocking: call it in a thread.

    Raises:
        SourceUnreadable: The system refused, or the pipe was closed meanwhile.
    """
    start = head.first_end if header.present else head.bom_bytes
    del head.pipe.ahead[:start]
    if not head.pipe.ahead:
        head.pipe.look_ahead()
    return CsvPipe(head.pipe, start, 2 + head.first.count(b"\n") if header.present else 1)


class PipeSegment:
    """The data of a pipe.

    Attributes:
        name: Of the pipe.
        offset: Where the next byte stands among all that came out of it.
        first_line: Line on which the data begins.
        derived: False: they are the pipe's own.
    """

    derived = False

    def __init__(self, pipe: CsvPipe) -> None:
        self.name = pipe.pipe.name
        self.offset = pipe.start
        self.first_line = pipe.first_line
        self._pipe = pipe.pipe

    def __repr__(self) -> str:
        return f"PipeSegment({self.name!r}, at {self.offset})"

    @property
    def remaining(self) -> int:
        """0 where the end was seen, else more than there can be."""
        return 0 if self._pipe.drained else UNKNOWN

    def readinto(self, view: memoryview) -> int:
        """Fill `view`; less only at the end."""
        size = self._pipe.readinto(view)
        self.offset += size
        return size

    def skip(self, count: int) -> None:
        """Read and drop."""
        scratch = memoryview(bytearray(min(count, SAMPLE_BYTES)))
        while count and (size := self.readinto(scratch[:count])):
            count -= size

    def close(self) -> None:
        """Close the pipe."""
        self._pipe.close()


@dataclass(frozen=True, slots=True)
class CsvPipes:
    """Pipes and files that agree on their columns, at least one pipe among them.

    Attributes:
        files: In the order of the load.
        header: Whether they begin with a header, and why that is believed.
        names: Of the columns; empty if there is no record at all.
    """

    files: tuple[CsvFile | CsvPipe, ...]
    header: HeaderDecision
    names: tuple[str, ...]

    @property
    def ahead_bytes(self) -> int:
        """Little: what was read ahead is dropped as it is read."""
        return 0

    @property
    def rows(self) -> None:
        """Nobody knows."""

    @property
    def total_bytes(self) -> None:
        """Nobody knows."""

    @property
    def unrepeatable(self) -> str:
        """Name what can't be read again."""
        return unrepeatable([pipe.name for pipe in self._pipes])

    @property
    def mute(self) -> tuple[str, ...]:
        """Name the pipes that came to their end without a byte, not even of a header."""
        pipes = (file for file in self.files if isinstance(file, CsvPipe))
        return tuple(each.pipe.name for each in pipes if each.pipe.drained and each.start == 0)

    @property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """What a dry run tells of it."""
        return (("format", "CSV, UTF-8, as the server takes it"),)

    @property
    def reason(self) -> str:
        """Say whether there is a header, and why that is believed."""
        return self.header.reason

    @property
    def label(self) -> str:
        """Name all that there is."""
        return ", ".join(str(file.path) if isinstance(file, CsvFile) else file.pipe.name for file in self.files)

    def segments(self) -> Iterator[Segment]:
        """Yield the files and pipes that hold data."""
        for file in self.files:
            if isinstance(file, CsvPipe):
                if not file.pipe.drained:
                    yield PipeSegment(file)
            elif file.data_bytes:
                yield FileSegment(file)

    def changes(self) -> tuple[str, ...]:
        """Compare every file with how it was found; of a pipe there is nothing to compare."""
        return tuple(change for file in self.files if isinstance(file, CsvFile) and (change := file.changed()))

    @property
    def well_formed(self) -> bool:
        """False: rows may have too few fields, or too many."""
        return False

    def types(self, budget: int) -> Types:
        """Infer types from records all over the files, and from the beginning of the pipes. Blocking.

        Raises:
            SourceUnreadable: A file or a pipe can't be read.
        """
        files = [file for file in self.files if isinstance(file, CsvFile)]
        records = sample(files, fields=len(self.names), budget=budget)
        for file in self.files:
            records += file.sample(budget) if isinstance(file, CsvPipe) else []
        return types_of(self.names, records, self.header, whole=False)

    def close(self) -> None:
        """Close all pipes, one that another thread waits for included."""
        for pipe in self._pipes:
            pipe.stop()
        for pipe in self._pipes:
            pipe.close()

    @property
    def _pipes(self) -> list[Pipe]:
        return [file.pipe for file in self.files if isinstance(file, CsvPipe)]


def unrepeatable(names: list[str]) -> str:
    """Say what can't be read again."""
    return f"{' and '.join(names)} can't be read again"
