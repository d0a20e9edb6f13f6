"""Copies of what can be read only once, as files that can be read again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bulkstream.errors import SourceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from bulkstream.sources.pipe import Pipe

BLOCK_BYTES = 1 << 20
SYNC_BYTES = 64 << 20
"""Bytes after which a copy is flushed to the disk, so that the last flush, which nothing can interrupt, is short."""


class Spool:
    """The copies of one run, in a folder of the user's.

    A copy is the user's alone (mode 0600), on the disk when `copy` returns, and gone when `copy` fails.

    Attributes:
        paths: What was written and not removed.
    """

    def __init__(self, folder: Path, run_id: str) -> None:
        self.paths: list[Path] = []
        self._folder = folder
        self._run_id = run_id
        self._count = 0

    def __repr__(self) -> str:
        return f"Spool({str(self._folder)!r}, {len(self.paths)} copies)"

    def check(self) -> None:
        """Look at the folder, before anything is read.

        Raises:
            UsageError: It is no folder, or nothing may be written there.
        """
        if not self._folder.is_dir():
            raise UsageError(f"there is no folder {self._folder} to keep a copy in", hint="Create it, or name another.")
        if not os.access(self._folder, os.W_OK | os.X_OK):
            raise UsageError(f"nothing may be written into {self._folder}", hint="Name another folder with --spool.")

    def copy(self, pipe: Pipe) -> Path:
        """Read a pipe to its end. Blocking: call it in a thread; closing the pipe ends it.

        Raises:
            SourceUnreadable: The pipe can't be read, or was closed meanwhile.
            SourceError: The copy can't be written.
        """
        self._count += 1
        path = self._folder / f"bulkstream-{self._run_id}-{self._count}.csv"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            self.paths.append(path)
            try:
                self._fill(descriptor, pipe)
            finally:
                os.close(descriptor)
            _sync_folder(self._folder)
        except SourceError:
            self.remove()
            raise
        except OSError as error:
            self.remove()
            raise SourceError(
                f"{pipe.name} can't be copied to {path}: {error.strerror}",
                hint="Name another folder with --spool; it needs room for the whole input.",
            ) from error
        return path

    def remove(self) -> None:
        """Remove all copies; `paths` has those that the system wants to keep."""
        self.paths = remove_copies(self.paths)

    def _fill(self, descriptor: int, pipe: Pipe) -> None:
        block, unsynced = memoryview(bytearray(BLOCK_BYTES)), 0
        while size := pipe.readinto(block):
            _write(descriptor, block[:size])
            unsynced += size
            if unsynced >= SYNC_BYTES:
                os.fsync(descriptor)
                unsynced = 0
        os.fsync(descriptor)


def remove_copies(paths: Iterable[Path]) -> list[Path]:
    """Remove copies, perhaps of another process; one that is gone is no matter. Return those that can't be removed."""
    left = []
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError:  # no reason to fail a load for: whoever reads that it was kept can remove it
            left.append(path)
    return left


def _write(descriptor: int, data: memoryview) -> None:
    """Write all of it; the system may take less at a time."""
    while data:
        data = data[os.write(descriptor, data) :]


def _sync_folder(folder: Path) -> None:
    """Make the name of a new file last."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
