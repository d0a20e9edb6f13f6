"""Processes of `bulkstream` that can be killed with all that they have started."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from bulkstream.errors import JournalDamaged
from bulkstream.journal import read_record

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Mapping

    from bulkstream.journal import RunRecord

KILLED = -signal.SIGKILL


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended: by its exit code, or negative by a signal."""

    code: int
    out: bytes
    err: bytes

    @property
    def killed(self) -> bool:
        """Whether it was killed."""
        return self.code == KILLED

    @property
    def report(self) -> dict[str, Any]:
        """What it told as JSON, empty if it told nothing."""
        return orjson.loads(self.out) if self.out else {}

    @property
    def outcome(self) -> str:
        """The outcome that its report tells."""
        return str(self.report.get("outcome"))


async def started(folder: Path, environ: Mapping[str, str], *arguments: str) -> Process:
    """Start `bulkstream` as the leader of a process group of its own."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-m", "bulkstream", *arguments),
        cwd=folder,
        env={"HOME": str(folder), "PATH": os.environ["PATH"], **environ},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )


async def killed_or_ended(process: Process, after_s: float | None, arrived: asyncio.Event) -> Ended:
    """Kill a process so long after an event, unless it ends before; None lets it end."""

    async def strike(after_s: float) -> None:
        await arrived.wait()
        await asyncio.sleep(after_s)
        kill(process)

    striking = None if after_s is None else asyncio.create_task(strike(after_s))
    try:
        out, err = await process.communicate()
    finally:
        if striking is not None:
            striking.cancel()
        kill(process)
    return Ended(process.returncode or 0, out, err)


def kill(process: Process) -> None:
    """Kill a process group, unless its leader has ended."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def last_record(state: Path) -> RunRecord | None:
    """Read the newest journal of a state directory that can be read, from a copy, so that it stays as it was left."""
    for run in sorted((state / "runs").glob("*"), reverse=True):
        with tempfile.TemporaryDirectory() as name, suppress(JournalDamaged):
            for path in run.glob("journal.sqlite*"):
                if not path.name.endswith("-shm"):
                    shutil.copy(path, name)
            if (copy := Path(name) / "journal.sqlite").is_file():
                return read_record(copy)
    return None
