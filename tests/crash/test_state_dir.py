"""A journal that can't be written is a clear error: before anything is sent, or later on with a clean abort."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import subprocess
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from bulkstream.journal import Phase
from bulkstream.model import Dialect
from tests.crash.processes import last_record
from tests.crash.test_alone import ROWS, UPLOAD, held_upload, state_of
from tests.support.command_line import BIN, Run, Server, ended, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aiohttp import web


async def wrapped(server: Server, *command: str) -> Run:
    """Run an upload behind a program that takes something away from it."""
    process = await asyncio.create_subprocess_exec(
        *(*command, sys.executable, "-m", "bulkstream", *UPLOAD, "--json"),
        cwd=server.shell.folder,
        env={"HOME": str(server.shell.folder), "PATH": f"{BIN}:{os.environ['PATH']}", **server.shell.environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    return await ended(process)


def refused(run: Run, server: Server, *said: str) -> bool:
    """Whether the load ended with a clear error before it had an execution."""
    clear = "error: the journal can't be written: " in run.err and "Traceback" not in run.err
    hint = (
        "hint: Free some space, name another place in BULKSTREAM_STATE_DIR, or do without by --no-journal." in run.err
    )
    sent = [line for line in server.seen if "/executions" in line]
    told = (run.code, run.json["outcome"], run.json["execution_id"]) == (1, "aborted", None)
    return clear and hint and told and not sent and all(text in run.err for text in said)


def write_source(folder: Path) -> None:
    (folder / "a.csv").write_text("id,text\n" + ROWS, "utf-8")


def without_privileges() -> tuple[str, ...]:
    """Return the command that runs another without root's right to write everywhere; nothing for other users."""
    if os.geteuid():
        return ()
    command = (shutil.which("setpriv") or "", "--bounding-set=-all")
    if not command[0] or subprocess.run([*command, "true"], check=False, capture_output=True).returncode:
        pytest.skip("root may write everywhere, and there is no setpriv to give that up")
    return command


@contextmanager
def tiny_disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount a file system that is soon full."""
    folder.mkdir()
    mount = shutil.which("mount")
    mounted = (
        mount
        and not subprocess.run(
            [mount, "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)], check=False, capture_output=True
        ).returncode
    )
    if not mounted:
        pytest.skip("needs the right to mount a tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("place", ["state", "state/runs"])
async def test_file_in_the_place_of_a_folder(tmp_path: Path, place: str) -> None:
    """The error names what is in the way."""
    write_source(tmp_path)
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_text("no folder", "utf-8")
    async with serving(tmp_path) as server:
        server.shell.environ["BULKSTREAM_STATE_DIR"] = str(tmp_path / "state")
        run = await server.shell.run(*UPLOAD, "--json")

        assert refused(run, server, str(tmp_path / "state"))


async def test_folder_that_may_not_be_written(tmp_path: Path) -> None:
    """Permission is asked for before the server is."""
    humbly = without_privileges()
    write_source(tmp_path)
    (tmp_path / "state").mkdir(mode=0o500)
    async with serving(tmp_path) as server:
        server.shell.environ["BULKSTREAM_STATE_DIR"] = str(tmp_path / "state")
        run = await wrapped(server, *humbly)

        assert refused(run, server, "Permission denied")


@pytest.mark.parametrize("size", ["4k", "20k", "40k"])
async def test_disk_that_is_full_from_the_beginning(tmp_path: Path, size: str) -> None:
    """A journal that has no room is no journal; what was begun of it is removed."""
    write_source(tmp_path)
    with tiny_disk(tmp_path / "disk", size) as disk:
        async with serving(tmp_path) as server:
            server.shell.environ["BULKSTREAM_STATE_DIR"] = str(disk)
            run = await server.shell.run(*UPLOAD, "--json")

            assert refused(run, server, "full")
            assert list(disk.glob("runs/*")) == []


async def test_limit_of_file_sizes_from_the_beginning(tmp_path: Path) -> None:
    """As a full disk."""
    write_source(tmp_path)
    async with serving(tmp_path) as server:
        run = await wrapped(server, "sh", "-c", 'ulimit -f 8; exec "$@"', "sh")

        assert refused(run, server, "disk I/O error")
        assert list(state_of(tmp_path).glob("runs/*")) == []


async def test_disk_that_is_full_in_the_middle_aborts(tmp_path: Path) -> None:
    """The execution is aborted and the dataset as it was; stderr says that the journal lacks the outcome."""
    write_source(tmp_path)
    with tiny_disk(tmp_path / "disk", "1m") as disk:

        async def fill(request: web.Request) -> None:
            if request.path.endswith("/part/2"):
                with suppress(OSError):
                    (disk / "filler").write_bytes(bytes(1 << 20))

        async with serving(tmp_path, fill, dialect=Dialect.PUBLIC) as server:
            server.shell.environ["BULKSTREAM_STATE_DIR"] = str(disk)
            run = await server.shell.run(*UPLOAD, "--json")

            assert await server.states() == ["ABORTED"]
    assert (run.code, run.json["outcome"]) == (4, "aborted")
    assert "error: the journal can't be written: " in run.err
    assert "Traceback" not in run.err


async def test_limit_of_file_sizes_in_the_middle_aborts(tmp_path: Path) -> None:
    """As a full disk; the run is left as cut off, and resuming it says that its execution is gone."""
    async with held_upload(tmp_path) as (server, hold, process, run_id):
        log = state_of(tmp_path) / "runs" / run_id / "journal.sqlite-wal"
        size = log.stat().st_size
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, size))
        hold.release.set()
        run = await ended(process)

        assert run.code == 4
        assert "error: the journal can't be written: " in run.err
        assert "the run's outcome is not in it" in run.err
        assert await server.states() == ["ABORTED"]
        record = last_record(state_of(tmp_path))
        assert record is not None
        assert record.phase is Phase.OPEN
        again = await server.shell.run("resume", run_id, "--json")
        assert (again.code, again.json["outcome"]) == (4, "aborted")
        assert "is ABORTED; none of its rows are in the dataset" in again.err
