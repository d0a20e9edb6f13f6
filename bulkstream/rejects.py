"""The file of rejected rows: CSV, one line for each, with its place, the reason, and the row itself."""

from __future__ import annotations

import base64
import csv
import os
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import to_thread

from bulkstream.errors import RejectsUnwritable
from bulkstream.reporter import Notice
from bulkstream.settle import finished

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from bulkstream.ledger import Ledger
    from bulkstream.model import Reject
    from bulkstream.reporter import Reporter

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

    A row stands there without its line end: as it is where it is UTF-8 (`encoding` is `text`), else in Base64.

    Raises:
        OSError: The system refused.
    """
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


def _line(reject: Reject) -> tuple[object, ...]:
    row = reject.row.removesuffix(b"\n").removesuffix(b"\r")
    try:
        encoding, text = "text", row.decode("utf-8")
    except UnicodeDecodeError:
        encoding, text = "base64", base64.b64encode(row).decode("ascii")
    return reject.path, reject.line, reject.offset, reject.reason, encoding, text
