"""What the user named as a source, from when it is found until it is closed and its copies are removed.

Files can be read again and again, so they are opened where they are read. A pipe is opened once, before the load, and
has one owner: this. Its copy, where one was asked for, belongs to this too.
"""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

from bulkstream.errors import SourceUnreadable, UsageError
from bulkstream.model import Outcome
from bulkstream.sources.agree import agreed
from bulkstream.sources.batches import Batches
from bulkstream.sources.content import Blob, Content
from bulkstream.sources.csv_files import CsvFiles, data_file
from bulkstream.sources.csv_pipes import CsvPipes, data_pipe, unrepeatable
from bulkstream.sources.folders import ParquetFolder, parquet_folder
from bulkstream.sources.given.handed import Handed, HandedRows
from bulkstream.sources.head import FileHead, read_head
from bulkstream.sources.kinds import Kinds, Plain, is_batches, is_blob
from bulkstream.sources.locate import is_pipe, locate, nothing_named
from bulkstream.sources.once import PipeContent, rereadable
from bulkstream.sources.opened import as_tables
from bulkstream.sources.pipe import Pipe
from bulkstream.sources.pipe_head import PipeHead, read_pipe_head
from bulkstream.sources.places.address import is_signed, shown
from bulkstream.sources.places.local_blob import LocalBlob
from bulkstream.sources.places.origin import Terms
from bulkstream.sources.places.remote import RemotePlaces, is_remote
from bulkstream.sources.query import Query
from bulkstream.sources.side_by_side import side_by_side
from bulkstream.sources.spool import Spool
from bulkstream.sources.table import BatchTable
from bulkstream.sources.tables import Recall

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bulkstream.model import Column
    from bulkstream.settings import Upload
    from bulkstream.sources.kinds import Found
    from bulkstream.sources.tables import Tables


Given = Query | Batches | Content | Handed
"""Rows, or bytes of CSV, that are no file."""
Named = str | os.PathLike[str] | Given
Place = Path | Blob | ParquetFolder | Given


class Inputs:
    """The files and pipes of one load. Its methods block, and may be called from any thread.

    `close` ends an `open` that waits in another thread within `POLL_S`. As a context manager it closes itself.

    Attributes:
        spooled: Copies that were made of pipes, and are not removed.
    """

    def __init__(
        self, names: Iterable[Named], *, terms: Terms | None = None, spool: Path | None = None, run_id: str = ""
    ) -> None:
        """Remember what was named; nothing is looked at yet.

        Args:
            names: Paths, glob patterns, URLs, `-` for standard input; queries; rows and bytes as objects.
            terms: How patiently remote objects are read.
            spool: Folder for copies of pipes; None makes none.
            run_id: Names the copies.
        """
        self._places: list[Place] = []
        self._tables: list[BatchTable] = []
        self._handed: list[BatchTable] = []
        self._names = tuple(names)
        self._spool = None if spool is None else Spool(spool.expanduser(), run_id)
        self._pipes: dict[Path, Pipe] = {}
        self._copies: dict[Path, Path] = {}
        self._opening = threading.Lock()
        self._remote = RemotePlaces(terms or Terms())
        self._closed = False

    def __repr__(self) -> str:
        return f"Inputs({', '.join(shown(str(name)) for name in self._names)})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def paths(self) -> tuple[Path, ...]:
        """Files and pipes on this machine that were found, in the order of the load."""
        return tuple(place for place in self._places if isinstance(place, Path))

    @property
    def spooled(self) -> tuple[Path, ...]:
        """Copies that were made and are still there."""
        return () if self._spool is None else tuple(self._spool.paths)

    @property
    def waiting(self) -> tuple[str, ...]:
        """Say where somebody has to type, in a sentence each; known behind `find`."""
        pipes = [pipe for pipe in self._pipes.values() if pipe.terminal]
        return tuple(f"{pipe.name} is a terminal, and waits for CSV: end it with Ctrl-D" for pipe in pipes)

    @property
    def once(self) -> tuple[str, ...]:
        """Say what follows from pipes and signed URLs, in a sentence each; known behind `find`."""
        told = (f"{self.unresumable}: this load can't be resumed",) if self.unresumable else ()
        if not self._pipes:
            return told
        why = unrepeatable([pipe.name for pipe in self._pipes.values()])
        if self._spool is None:
            return (*told, f"{why}: this load can't be resumed; --spool DIR keeps a copy that can")
        return (*told, f"{why}: a copy is made first")

    @property
    def unresumable(self) -> str:
        """Say why no other process can find it again, although this one can; empty if others can."""
        signed = [shown(name) for name in self._names if isinstance(name, str) and is_signed(name)]
        more = f" and {len(signed) - 1} more" if len(signed) > 1 else ""
        return f"{signed[0]}{more} was named with a query, which is never written down" if signed else ""

    def find(self) -> None:
        """Look for everything, without reading.

        Raises:
            UsageError: A pipe was named twice, or there is no folder for copies.
            SourceMissing: A file does not exist, or a pattern matches none.
            SourceUnreadable: A name is a directory, or a pipe can't be opened.
        """
        names = self._named()
        with self._opening:
            if self._closed:
                raise _given_up()
            found = side_by_side(self._found_as, names, alone=_is_here)
            self._places = [place for places in found for place in places]
            if not self._places:
                raise nothing_named()
            for path in self.paths:
                self._found(path)
        if self._spool is not None and self._pipes:
            self._spool.check()

    def open(self, settings: Upload, expected: Sequence[Column] | None = None) -> CsvFiles | CsvPipes | Tables:
        """Look at all heads, behind `find`; of pipes, wait for them, and copy them if that was asked for.

        Args:
            settings: How to read what was named.
            expected: The stream's columns, where they are known.

        Raises:
            HeaderMismatch: Files don't agree with each other, or with the expected columns.
            SourceError: Something is not what it should be, can't be read, or a copy can't be written.
            MissingExtra: A package is needed that is not installed.
        """
        kinds = self._kinds(settings)
        handed = self._taken(kinds, expected or (), typed=not settings.columns)
        with self._opening:
            found = self._contents(kinds, handed)
            if not settings.columns and (plain := self._plain(found, settings, expected)):
                return plain
            return self._made(found, kinds, settings, expected)

    def open_tables(self, settings: Upload, expected: Sequence[Column] | None = None) -> Tables:
        """Open as a run has found it that took nothing as it is; what could be plain CSV by now was none then.

        Raises:
            BulkstreamError: As `open` does.
        """
        kinds = self._kinds(settings)
        handed = self._taken(kinds, expected or (), typed=not settings.columns)
        with self._opening:
            return self._made(self._contents(kinds, handed), kinds, settings, expected)

    @property
    def blobs(self) -> tuple[Blob, ...]:
        """All that can be read again, in the order of the load; known behind `find`, of copies behind `open`."""
        return tuple(blob for place in self._places for blob in self._blobs(place))

    @property
    def _recall(self) -> Recall:
        names = [
            str(self._copies.get(place, place)) if isinstance(place, Path) else place.name for place in self._places
        ]
        passing = tuple(place.name for place in self._places if _is_passing(place))
        return Recall(tuple(map(str, names)), self.blobs, self.spooled, passing)

    def _blobs(self, place: Place) -> Sequence[Blob]:
        if isinstance(place, ParquetFolder):
            return place.blobs
        if not isinstance(place, Path):
            return (place,) if is_blob(place) else ()
        if place in self._pipes and place not in self._copies:
            return ()
        return (LocalBlob(self._copies.get(place, place)),)

    def _named(self) -> list[Named]:
        """Return what was named, and what holds rows itself; blocks until an iterable tells which of these it is."""
        found: list[Named] = []
        for name in self._names:
            names = name.names() if isinstance(name, HandedRows) else None
            found += [name] if names is None else names
        return found

    def _taken(self, kinds: Kinds, expected: Sequence[Column], *, typed: bool) -> dict[Handed, list[Found]]:
        """Open what a program has handed over, unlocked, since nothing ends a wait inside of a generator."""
        found: dict[Handed, list[Found]] = {}
        for place in self._places:
            if isinstance(place, Handed):
                given = place.open(expected, typed=typed)
                if is_batches(given):
                    table = kinds.rows(given, named=place.named)
                    self._handed.append(table)
                    found[place] = [table]
                else:
                    found[place] = kinds.opened(rereadable(given))
                if self._closed:  # looked at behind what was opened, as `close` looks behind its own
                    self._let_go()
                    raise _given_up()
        return found

    def _kinds(self, settings: Upload) -> Kinds:
        return Kinds(settings, inputs=len(self._places), stopped=lambda: self._closed)

    def _contents(self, kinds: Kinds, handed: Mapping[Handed, list[Found]]) -> list[Found]:
        opened = partial(self._opened, kinds, handed)
        return [each for several in side_by_side(opened, self._places, alone=_is_near) for each in several]

    def _made(
        self, found: Sequence[Found], kinds: Kinds, settings: Upload, expected: Sequence[Column] | None
    ) -> Tables:
        tables = as_tables(found, kinds, settings, None if settings.columns else expected)
        return replace(tables, recall=self._recall)

    def _let_go(self) -> None:
        """Close what a program has handed over, and what was made of it."""
        for each in (*self._places, *self._names):
            if isinstance(each, Handed):
                each.close()
        for table in self._handed:
            table.close()

    def _opened(self, kinds: Kinds, handed: Mapping[Handed, list[Found]], place: Place) -> list[Found]:
        if isinstance(place, Handed):
            return handed[place]
        found = self._looked_at(place, kinds)
        tables = [each for each in found if isinstance(each, BatchTable)]
        self._tables += tables
        if self._closed:  # looked at behind the addition, as `close` looks at the tables behind its own
            for table in tables:
                table.close()
            raise _given_up()
        return found

    def _looked_at(self, place: Path | Blob | ParquetFolder | Query | Batches | Content, kinds: Kinds) -> list[Found]:
        if isinstance(place, Path):
            return kinds.opened(self._content(place))
        if isinstance(place, ParquetFolder):
            return [kinds.folder(place)]
        if isinstance(place, Query):
            return [kinds.query(place)]
        if is_batches(place):
            return [kinds.rows(place)]
        return kinds.opened(place, remote=is_blob(place))

    def _plain(
        self, found: Sequence[Found], settings: Upload, expected: Sequence[Column] | None
    ) -> CsvFiles | CsvPipes | None:
        """Return what needs no more than to be cut; None if something must be made of it first."""
        contents = [each.content for each in found if isinstance(each, Plain)]
        if len(contents) < len(found):
            return None
        heads = [_head(content) for content in contents]
        agreement = agreed(heads, settings.header, expected)
        if doubt := next((each.doubt for each in found if isinstance(each, Plain) and each.doubt), ""):
            told = f"{agreement.header.reason}; taken for commas: {doubt} (else say --dialect)"
            agreement = replace(agreement, header=replace(agreement.header, reason=told))
        if agreement.header.by_name:
            return None
        files = [data_file(head, agreement.header) for head in heads if isinstance(head, FileHead)]
        if len(files) == len(heads):
            return CsvFiles(tuple(files), agreement.header, agreement.names, self.spooled)
        mixed = [
            data_pipe(head, agreement.header) if isinstance(head, PipeHead) else data_file(head, agreement.header)
            for head in heads
        ]
        return CsvPipes(tuple(mixed), agreement.header, agreement.names)

    def close(self) -> None:
        """Close all pipes and connections; what waits in another thread for them fails. May be called again."""
        self._closed = True
        for pipe in tuple(self._pipes.values()):
            pipe.stop()
        for table in tuple(self._tables):
            table.close()
        self._let_go()
        self._remote.close()
        with self._opening:
            for pipe in self._pipes.values():
                pipe.close()

    def conclude(self, outcome: Outcome | None) -> tuple[Path, ...]:
        """Close, and remove the copies if the load has come to an end that nothing can follow; return what is kept."""
        self.close()
        if self._spool is not None and outcome in {Outcome.COMMITTED, Outcome.ABORTED}:
            self._spool.remove()
        return self.spooled

    def _found_as(self, name: Named) -> Sequence[Place]:
        """Return what a name stands for."""
        if not isinstance(name, str | os.PathLike):
            return (name,)
        text = os.fspath(name)
        if is_remote(text):
            blobs = self._remote.blobs(text)
            return [ParquetFolder(text, blobs)] if text.endswith("/") else blobs
        folder = parquet_folder(text)
        return [folder] if folder else locate([text])

    def _found(self, path: Path) -> None:
        """Open what is a pipe, and stop where the load has been given up meanwhile."""
        if not is_pipe(path):
            return
        pipe = Pipe.open(path)
        same = [other.name for other in self._pipes.values() if other.identity == pipe.identity]
        if same:
            pipe.close()
            raise UsageError(f"{same[0]} and {pipe.name} are one pipe, which can be read only once")
        self._pipes[path] = pipe
        if self._closed:  # looked at behind the assignment, as `close` looks at the pipes behind its own
            pipe.stop()

    def _content(self, path: Path) -> Content:
        pipe = self._pipes.get(path)
        if pipe is None:
            return LocalBlob(path)
        if self._spool is None:
            return PipeContent(pipe)
        self._copies[path] = self._spool.copy(pipe)
        return LocalBlob(self._copies[path])


def _given_up() -> SourceUnreadable:
    return SourceUnreadable("the source was closed while it was opened")


def _is_passing(place: Place) -> bool:
    """Whether a place is an object that was given, and has no name that another process could open."""
    return not isinstance(place, Path | ParquetFolder) and not (is_blob(place) and is_remote(place.name))


def _head(content: Content) -> FileHead | PipeHead:
    if isinstance(content, PipeContent):
        return read_pipe_head(content.pipe)
    return read_head(Path(content.name))


def _is_here(name: Named) -> bool:
    return not (isinstance(name, str) and is_remote(name))


def _is_near(place: Place) -> bool:
    return isinstance(place, Path | Handed) or not is_blob(place) or place.path is not None
