"""The state directory: a folder for each run, and the lock of whoever works on it."""

from __future__ import annotations

import fcntl
import math
import os
import shutil
import socket
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from bulkstream.errors import JournalDamaged, JournalEmpty, JournalError, JournalUnwritable, RunActive, UsageError
from bulkstream.journal.plan import named_path
from bulkstream.journal.record import read_outline, read_record, read_tally
from bulkstream.settings import xdg_home

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bulkstream.journal.record import RunOutline, RunRecord, Tally

OutlineT = TypeVar("OutlineT", bound="RunOutline")

_OWNER_BYTES = 400
PRUNED_AT_ONCE = 20


def state_dir(environ: Mapping[str, str]) -> Path:
    """Where state is kept: `BULKSTREAM_STATE_DIR`, else the user's own place for it (XDG Base Directory)."""
    if named := environ.get("BULKSTREAM_STATE_DIR"):
        return Path(named).expanduser()
    return xdg_home(environ, "XDG_STATE_HOME", ".local/state") / "bulkstream"


@dataclass(slots=True)
class RunFolder:
    """The folder of one run; whoever works on the run holds its lock, which the process's death releases."""

    path: Path
    _lock: int | None = None

    @property
    def run_id(self) -> str:
        """Name of the run."""
        return self.path.name

    @property
    def journal(self) -> Path:
        """The journal's file."""
        return self.path / "journal.sqlite"

    def lock(self) -> Self:
        """Take the run for this process.

        Raises:
            RunActive: Somebody works on it.
            JournalUnwritable: The system refused.
        """
        try:
            descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise JournalUnwritable(self.path, error.strerror or "") from error
        try:
            locked = _locked(descriptor)
        except OSError as error:
            os.close(descriptor)
            raise JournalUnwritable(self.path, error.strerror or "") from error
        if not locked:
            os.close(descriptor)
            raise RunActive(self.run_id, self._owner()) from None
        with suppress(OSError):  # for people only; a full disk shows elsewhere
            os.truncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
        self._lock = descriptor
        return self

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let go of the run in the end."""
        try:
            yield
        finally:
            self.unlock()

    def unlock(self) -> None:
        """Let go of it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @property
    def active(self) -> bool:
        """Whether a process works on it, this one included."""
        try:
            descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def record(self) -> RunRecord:
        """Read the journal.

        Raises:
            JournalDamaged: It can't be read.
        """
        return self._own(read_record(self.journal))

    def outline(self) -> RunOutline:
        """Read the journal without its parts.

        Raises:
            JournalDamaged: It can't be read.
        """
        return self._own(read_outline(self.journal))

    def tally(self) -> Tally:
        """Add up the parts.

        Raises:
            JournalDamaged: The journal can't be read.
        """
        return read_tally(self.journal)

    @property
    def over(self) -> bool:
        """Whether there is nothing left to be done, or there never was anything.

        Raises:
            JournalDamaged: The journal can't be read.
        """
        try:
            return self.outline().ended
        except JournalEmpty:
            return True

    @property
    def began(self) -> float:
        """When the run began, by its name, in seconds since the epoch; a name that tells nothing is of now."""
        try:
            return datetime.strptime(self.run_id[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
        except ValueError:
            return math.inf

    def remove(self) -> None:
        """Delete all of it, copies of pipes that a process had no time to remove included."""
        with suppress(JournalDamaged, OSError):
            for name in self.outline().plan.spooled:
                named_path(name).unlink(missing_ok=True)
        shutil.rmtree(self.path, ignore_errors=True)

    def _own(self, outline: OutlineT) -> OutlineT:
        """Return what was read, if it is of this run."""
        if outline.run_id != self.run_id:
            raise JournalDamaged(self.journal, f"it is of run {outline.run_id!r}")
        return outline

    def _owner(self) -> str:
        with suppress(OSError):
            return (self.path / "lock").read_bytes()[:_OWNER_BYTES].decode("utf-8", errors="replace")
        return ""


@dataclass(frozen=True, slots=True)
class RunStore:
    """The runs of a state directory. Blocking, as all of this module."""

    folder: Path

    @property
    def runs(self) -> Path:
        """The folder that holds a folder for each run."""
        return self.folder / "runs"

    def add(self, run_id: str) -> RunFolder:
        """Make the folder of a new run, and take it for this process.

        Raises:
            JournalUnwritable: The system refused.
        """
        run = RunFolder(self.runs / run_id)
        try:
            self.runs.mkdir(mode=0o700, parents=True, exist_ok=True)
            run.path.mkdir(mode=0o700)
        except OSError as error:
            raise JournalUnwritable(run.path, error.strerror or str(error)) from error
        return run.lock()

    def get(self, run_id: str) -> RunFolder:
        """Find a run.

        Raises:
            UsageError: There is none of that name.
        """
        run = RunFolder(self.runs / run_id)
        if "/" in run_id or run_id in {"", ".", ".."} or "\0" in run_id or not run.journal.is_file():
            hint = "See `bulkstream runs list`; BULKSTREAM_STATE_DIR names another place."
            raise UsageError(f"there is no run {run_id!r} in {self.folder}", hint=hint)
        return run

    def list(self) -> Iterator[RunFolder]:
        """Yield all runs, the oldest first."""
        with suppress(FileNotFoundError, NotADirectoryError):
            for path in sorted(self.runs.iterdir()):
                if (path / "journal.sqlite").is_file():
                    yield RunFolder(path)

    def outlines(self) -> Iterator[tuple[RunFolder, RunOutline]]:
        """Yield all runs whose journals can be read, the newest first."""
        for run in reversed(list(self.list())):
            with suppress(JournalDamaged):
                yield run, run.outline()

    def prune(self, before: float) -> int:
        """Remove runs that were committed, aborted or never begun, and are of before a time (seconds since the epoch).

        Only a few at a time, so that it can be done whenever a run begins.
        """
        removed = 0
        for run in self.list():
            if run.began >= before or removed >= PRUNED_AT_ONCE:
                break
            with suppress(JournalError, RunActive):
                run.lock()
                if run.over:
                    run.remove()
                    removed += 1
            run.unlock()
        return removed

    def holder(
        self, url: str, stream_id: int, execution_id: int, created: float | None = None, *, asking: str | None = None
    ) -> RunFolder | None:
        """Find the run that has opened an execution, if it was one of ours.

        Args:
            url: Base address of the account.
            stream_id: The stream.
            execution_id: The execution.
            created: When it came into being, in seconds since the epoch by the server's clock; a run that asked for
                an execution just before, and was told nothing, is taken for the one.
            asking: A run that is left out, because it is the one that wants to know.
        """
        perhaps = None
        for run, outline in self.outlines():
            if run.run_id == asking or (outline.plan.url, outline.plan.stream_id) != (url, stream_id):
                continue
            if execution_id == outline.execution_id:
                return run
            if perhaps is None and outline.may_have_created(created):
                perhaps = run
        return perhaps


def _locked(descriptor: int) -> bool:
    """Lock a file; who only looks whether it is locked holds it for a moment, so ask more than once."""
    for _ in range(3):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.001)
        else:
            return True
    return False
