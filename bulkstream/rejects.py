"""The file of rejected rows: CSV, one line for each, with its place, the reason, and the row itself."""

from __future__ import annotations

import base64
import csv
import errno
import os
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import to_thread

from bulkstream.errors import RejectsUnwritable, UsageError
from bulkstream.reporter import Notice
from bulkstream.settle import finished

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from bulkstream.ledger import Ledger
    from bulkstream.model import Reject
    from bulkstream.reporter import Reporter

_HINT = "Name another place with --reject-file."

TITLES = ("file", "line", "byte_offset", "reason", "encoding", "row")


class RejectFile:
    """Where the rows go that a load leaves out; made when there are some."""

    def __init__(self, path: Path, ledger: Ledger, reporter: Reporter) -> None:
        self.path = path
        self._ledger = ledger
        self._reporter = reporter
        self._saved = 0

    def __repr__(self) -> str:
        return f"RejectFile({str(self.path)!r}, {self._saved} rows)"

    async def save(self) -> None:
        """Write all rows that the ledger knows of, unless they have been written.

        Raises:
            RejectsUnwritable: The system refused.
        """
        rejects = self._ledger.rejects_in_order()
        if len(rejects) == self._saved:
            return
        try:
            await to_thread.run_sync(write_rejects, self.path, rejects)
        except OSError as error:
            raise RejectsUnwritable(self.path, error.strerror or str(error)) from error
        self._saved = len(rejects)
        self._reporter.notice(Notice(f"{self._saved:,} rejected row{'' if self._saved == 1 else 's'}: {self.path}"))

    @asynccontextmanager
    async def saved_on_failure(self) -> AsyncIterator[None]:
        """Save also if the body fails or is cancelled."""
        try:
            yield
        except BaseException as error:
            try:
                await finished(self.save())
            except RejectsUnwritable as unwritable:
                error.add_note(str(unwritable))
            raise


def reject_path(named: Path | None, run_id: str, folder: Path | None) -> Path:
    """Return where rejects go: as named, else in the run's folder, else in the working directory."""
    return named or (folder or Path.cwd()) / f"rejected-{run_id}.csv"


def write_rejects(path: Path, rejects: Iterable[Reject]) -> None:
    """Write a reject file in one step, for the user's eyes only. Blocking.

    A row stands there without its line end: as it is where it is UTF-8 (`encoding` is `text`), else in Base64. The null
    device takes them as well; nothing else that is no file is touched, as replacing it would destroy it.

    Raises:
        OSError: The system refused, or the path names what is no file.
    """
    if path.exists() and not path.is_file():
        _check_null(path)
        return
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # made with mode 0600
    try:
        with open(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:  # noqa: PTH123 - a descriptor
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(TITLES)
            writer.writerows(_line(each) for each in rejects)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink()
        raise


def check_place(path: Path, sources: Iterable[Path]) -> None:
    """Find out before a load whether a reject file could be made at its end. Blocking.

    Raises:
        UsageError: The folder is not there or not writable, or the path names a source, or what is no file.
    """
    if path.exists() and any(path.samefile(source) for source in sources if source.exists()):
        raise UsageError(f"{path} is a source, which the reject file would replace", hint=_HINT)
    if path.exists() and not path.is_file():
        try:
            _check_null(path)
        except OSError as error:
            raise UsageError(f"rejected rows can't be written to {path}: {error.strerror}", hint=_HINT) from None
    elif not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent} for the reject file", hint=_HINT)
    elif not os.access(path.parent, os.W_OK | os.X_OK):
        raise UsageError(f"nothing may be written into {path.parent}", hint=_HINT)


def _check_null(path: Path) -> None:
    if not path.samefile(os.devnull):
        raise OSError(errno.EINVAL, "it is no file", os.fspath(path))


def _line(reject: Reject) -> tuple[object, ...]:
    row = reject.row.removesuffix(b"\n").removesuffix(b"\r")
    try:
        encoding, text = "text", row.decode("utf-8")
    except UnicodeDecodeError:
        encoding, text = "base64", base64.b64encode(row).decode("ascii")
    return reject.path, reject.line, reject.offset, reject.reason, encoding, text
