"""Blobs and contents as Arrow reads them, all of which can be closed at once.

A local file is read by Arrow itself, without Python. It is not mapped into memory: that is no faster (measured on
Parquet), its pages count as the process's own, and a file that somebody cuts short would kill the process.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any

from bulkstream.errors import MissingExtra, SourceError, SourceUnreadable
from bulkstream.sources.columnar.whole import Whole

try:
    import pyarrow as pa
except ImportError:
    raise MissingExtra("pyarrow", "arrow") from None

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import RawIOBase

    from bulkstream.sources.content import Blob

ENCRYPTED = "Write a copy that is not encrypted, and load that."
"""What to do then."""


class Handles:
    """What the readers of one input have open.

    Attributes:
        closed: Nothing is to be read any more.
    """

    def __init__(self) -> None:
        self._open: set[RawIOBase] = set()
        self._lock = Lock()
        self.closed = False

    @contextmanager
    def file(self, blob: Blob, wrapped: Callable[[RawIOBase], Whole] | None = None) -> Iterator[Any]:
        """Give a blob as a file that Arrow can read, for one thread at a time.

        What is not local is read through `wrapped`, `Whole` by default.
        """
        if blob.path is not None:
            with pa.OSFile(os.fsencode(blob.path)) as file:
                yield file
        else:
            with self.raw(blob.open()) as raw:
                whole = (wrapped or Whole)(raw)
                with whole.speaking():
                    yield pa.PythonFile(whole, mode="r")

    @contextmanager
    def shared(self, blob: Blob, wrapped: Callable[[RawIOBase], Whole] | None = None) -> Iterator[Any]:
        """Give a blob as a file for readers with threads of their own, which may still read when they are given up.

        So a local file is not closed here, but when nothing refers to it any more.
        """
        if blob.path is not None:
            yield pa.OSFile(os.fsencode(blob.path))
        else:
            with self.file(blob, wrapped) as file:
                yield file

    @contextmanager
    def mapped(self, blob: Blob) -> Iterator[Any]:
        """Give a local file's bytes without a copy; they stay readable while something refers to them."""
        with pa.memory_map(os.fsencode(blob.path or "")) as file:
            yield file

    @contextmanager
    def raw(self, raw: RawIOBase) -> Iterator[RawIOBase]:
        """Close what was opened, here or with all others."""
        with self._lock:
            self._open.add(raw)
        try:
            self.check(raw)
            yield raw
        finally:
            with self._lock:
                self._open.discard(raw)
            raw.close()

    def check(self, what: object = "the source") -> None:
        """Stop a reader whose input was closed.

        Raises:
            SourceUnreadable: It was.
        """
        if self.closed:
            raise SourceUnreadable(f"{getattr(what, 'name', what)} was closed while it was read")

    def close(self) -> None:
        """End reads that wait, and keep the readers from going on; may be called again.

        A local file is left to the thread that reads it: its number may be another file's as soon as it is closed.
        """
        self.closed = True
        with self._lock:
            raws = list(self._open)
        for raw in raws:
            raw.close()


@contextmanager
def reading(name: str, form: str) -> Iterator[None]:
    """Name the source in what Arrow and the system say of it.

    Raises:
        SourceUnreadable: The system refused.
        SourceError: The bytes are not what the format prescribes.
    """
    try:
        yield
    except SourceError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise SourceUnreadable(f"{name}: {os.strerror(error.errno)}") from error
        text = " ".join(str(error).split()).rstrip(".")
        raise _damaged(name, form, text) from error


def check_rows(name: str, form: str, *, said: int, read: int) -> None:
    """Compare what a file says of itself with what was read of it.

    Raises:
        SourceError: They differ.
    """
    if said != read:
        raise _damaged(name, form, f"{read:,} rows where its footer says {said:,}")


def _damaged(name: str, form: str, text: str) -> SourceError:
    if "crypt" in text:
        return SourceError(f"{name} is encrypted: {text}", hint=ENCRYPTED)
    hint = f"It is damaged, cut short or no {form}; write or fetch it again."
    if form == "Parquet":
        hint += " Where a folder holds other files too, name those of Parquet by a pattern."
    return SourceError(f"{name} can't be read as {form}: {text}", hint=hint)
