"""What the user named as a source, from when it is found until it is closed and its copies are removed.

Files can be read again and again, so they are opened where they are read. A pipe is opened once, before the load, and
has one owner: this. Its copy, where one was asked for, belongs to this too.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

from bulkstream.errors import UsageError
from bulkstream.model import Outcome
from bulkstream.sources.agree import agreed
from bulkstream.sources.csv_files import CsvFiles, data_file
from bulkstream.sources.csv_pipes import CsvPipes, data_pipe, unrepeatable
from bulkstream.sources.head import FileHead, read_head
from bulkstream.sources.locate import is_pipe, locate
from bulkstream.sources.pipe import Pipe
from bulkstream.sources.pipe_head import PipeHead, read_pipe_head
from bulkstream.sources.spool import Spool

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from bulkstream.model import Column, HeaderMode


class Inputs:
    """The files and pipes of one load. Its methods block, and may be called from any thread.

    `close` ends an `open` that waits in another thread within `POLL_S`. As a context manager it closes itself.

    Attributes:
        paths: What was found, in the order of the load.
        spooled: Copies that were made of pipes, and are not removed.
    """

    def __init__(self, names: Iterable[str | os.PathLike[str]], *, spool: Path | None = None, run_id: str = "") -> None:
        """Remember what was named; nothing is looked at yet.

        Args:
            names: Paths, glob patterns, `-` for standard input.
            spool: Folder for copies of pipes; None makes none.
            run_id: Names the copies.
        """
        self.paths: tuple[Path, ...] = ()
        self._names = tuple(names)
        self._spool = None if spool is None else Spool(spool.expanduser(), run_id)
        self._pipes: dict[Path, Pipe] = {}
        self._opening = threading.Lock()
        self._closed = False

    def __repr__(self) -> str:
        return f"Inputs({', '.join(map(str, self._names))})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

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
        """Say what follows from pipes, in a sentence or none; known behind `find`."""
        if not self._pipes:
            return ()
        why = unrepeatable([pipe.name for pipe in self._pipes.values()])
        if self._spool is None:
            return (f"{why}: this load can't be resumed; --spool DIR keeps a copy that can",)
        return (f"{why}: a copy is made first",)

    def find(self) -> None:
        """Look for everything, without reading.

        Raises:
            UsageError: A pipe was named twice, or there is no folder for copies.
            SourceMissing: A file does not exist, or a pattern matches none.
            SourceUnreadable: A name is a directory, or a pipe can't be opened.
        """
        with self._opening:
            self.paths = tuple(locate(self._names))
            for path in self.paths:
                self._found(path)
        if self._spool is not None and self._pipes:
            self._spool.check()

    def open(self, *, header: HeaderMode, expected: Sequence[Column] | None = None) -> CsvFiles | CsvPipes:
        """Look at all heads, behind `find`; of pipes, wait for them, and copy them if that was asked for.

        Args:
            header: Whether files begin with a header.
            expected: The stream's columns, where they are known.

        Raises:
            HeaderMismatch: Files don't agree with each other, or with the expected columns.
            SourceError: A file is no CSV in UTF-8, can't be read, or a copy can't be written.
        """
        with self._opening:
            heads = [self._head(path) for path in self.paths]
            found = agreed(heads, header, expected)
            files = [data_file(head, found.header) for head in heads if isinstance(head, FileHead)]
            if len(files) == len(heads):
                return CsvFiles(tuple(files), found.header, found.names, self.spooled)
            mixed = [
                data_pipe(head, found.header) if isinstance(head, PipeHead) else data_file(head, found.header)
                for head in heads
            ]
            return CsvPipes(tuple(mixed), found.header, found.names)

    def close(self) -> None:
        """Close all pipes; an `open` or a read that waits in another thread fails. May be called again."""
        self._closed = True
        for pipe in tuple(self._pipes.values()):
            pipe.stop()
        with self._opening:
            for pipe in self._pipes.values():
                pipe.close()

    def conclude(self, outcome: Outcome | None) -> tuple[Path, ...]:
        """Close, and remove the copies if the load has come to an end that nothing can follow; return what is kept."""
        self.close()
        if self._spool is not None and outcome in {Outcome.COMMITTED, Outcome.ABORTED}:
            self._spool.remove()
        return self.spooled

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

    def _head(self, path: Path) -> FileHead | PipeHead:
        pipe = self._pipes.get(path)
        if pipe is None:
            return read_head(path)
        head = read_pipe_head(pipe)
        return head if self._spool is None else read_head(self._spool.copy(pipe))
