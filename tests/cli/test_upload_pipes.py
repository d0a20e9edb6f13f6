"""`bulkstream upload -` and named pipes: streamed as they come, and let go of at once."""

from __future__ import annotations

import asyncio
import gzip
import os
import pty
import random
import re
import signal
import subprocess
import sys
from asyncio.subprocess import PIPE
from contextlib import contextmanager
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from bulkstream.model import Dialect
from tests.support.command_line import BIN, Shell, ended, serving
from tests.support.pipes import filled, producing

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Iterator
    from pathlib import Path

TO_A = ("--dataset-name", "A", "--part-size", "1KiB", "--json")
ONCE = "standard input can't be read again: this load can't be resumed; --spool DIR keeps a copy that can"


def rows(count: int) -> bytes:
    """Write quoted, multi-line rows, without a header and without a final line break."""
    draw = random.Random(count)
    return "\n".join(f'{n},"a ""quote"", a\nbreak {draw.random()}"' for n in range(count)).encode()


DATA = rows(800)


def reading(shell: Shell, descriptor: int) -> Shell:
    """Give the commands of a shell a standard input."""
    return replace(shell, stdin=descriptor)


@contextmanager
def promptly() -> Iterator[None]:
    """Hold the body to two seconds."""
    began = monotonic()
    yield
    assert monotonic() - began < 2


async def said(process: Process, text: str) -> None:
    """Read stderr until it has said something."""
    assert process.stderr is not None
    heard = ""
    while text not in heard:
        line = (await process.stderr.readline()).decode()
        assert line, f"ended without saying {text!r}: {heard}"
        heard += line


class Arrival:
    """Tells when a part has come to the server, and may refuse it."""

    def __init__(self, number: int, *, refuse: bool = False) -> None:
        self.seen = asyncio.Event()
        self._path = re.compile(f"/part/{number}$")
        self.refuse = refuse

    async def __call__(self, request: web.Request) -> web.Response | None:
        if not self._path.search(request.path):
            return None
        self.seen.set()
        return web.json_response({"message": "no"}, status=400) if self.refuse else None


async def test_standard_input_is_loaded_while_it_comes(tmp_path: Path) -> None:
    """The first part is on the server before the producer has ended; all rows are read back equal."""
    first = Arrival(1)
    async with serving(tmp_path, first, dialect=Dialect.PUBLIC) as server:
        with producing() as producer:
            async with reading(server.shell, producer.reading).started("upload", "-", *TO_A) as process:
                producer.send(b"\xef\xbb\xbfid,text\n" + DATA[:5000])
                await first.seen.wait()
                producer.send(DATA[5000:])
                producer.end()
                run = await ended(process)

        assert run.code == 0
        assert await server.rows() == DATA
    assert (run.json["outcome"], run.json["rows"], run.json["raw_bytes"]) == ("committed", 800, len(DATA))
    assert ONCE in run.err
    assert "standard input: the first record is a header" in run.err


async def test_named_pipes_and_files_are_loaded_as_one(tmp_path: Path) -> None:
    """What a shell's process substitution gives is loaded like files, in the order in which it is named."""
    (tmp_path / "b.csv").write_bytes(b"id,text\n2,b\n")
    command = "bulkstream upload <(echo id,text; echo 1,a) b.csv <(echo id,text; echo 3,c) --dataset-name A"
    async with serving(tmp_path) as server:
        path = {"HOME": str(tmp_path), "PATH": f"{BIN}:{os.environ['PATH']}"}
        process = await asyncio.create_subprocess_exec(
            *("bash", "-c", command), cwd=tmp_path, env=path | server.shell.environ, stdout=PIPE, stderr=PIPE
        )
        run = await ended(process)

        assert run.code == 0
        assert await server.rows() == b"1,a\n2,b\n3,c\n"
    assert re.search(r"/dev/fd/\d+ and /dev/fd/\d+ can't be read again", run.err)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_an_interrupt_does_not_wait_for_the_producer(tmp_path: Path, number: signal.Signals) -> None:
    """Before its first byte, and between two parts: the code is 130, and nothing stays open."""
    first = Arrival(1)
    async with serving(tmp_path, first, dialect=Dialect.PUBLIC) as server:
        with producing() as producer:
            async with reading(server.shell, producer.reading).started("upload", "-", *TO_A) as process:
                await said(process, ONCE)
                process.send_signal(number)
                with promptly():
                    before = await ended(process)
            assert not [line for line in server.seen if line.startswith(("PUT", "POST /v1"))]
            async with reading(server.shell, producer.reading).started("upload", "-", *TO_A) as process:
                producer.send(b"id,text\n" + DATA[:5000])
                await first.seen.wait()
                process.send_signal(number)
                with promptly():
                    between = await ended(process)

        assert await server.states() == ["ABORTED"]
    assert (before.code, before.json["outcome"], before.json["execution_id"]) == (130, "aborted", None)
    assert (between.code, between.json["outcome"], between.json["error"]) == (130, "aborted", "interrupted")


async def test_a_refused_part_does_not_wait_for_the_producer(tmp_path: Path) -> None:
    """What fails elsewhere ends the load, although the producer holds its end open."""
    async with serving(tmp_path, Arrival(2, refuse=True), dialect=Dialect.PUBLIC) as server:
        with producing() as producer:
            producer.send(b"id,text\n" + DATA[:5000])
            run = await reading(server.shell, producer.reading).run("upload", "-", *TO_A)

        assert await server.states() == ["ABORTED"]
    assert run.code == 4
    assert "part 2 failed" in run.json["error"]


async def test_a_producer_that_sends_nothing_is_an_empty_source(tmp_path: Path) -> None:
    """There are no columns to create a dataset with, and nothing is created."""
    async with serving(tmp_path) as server:
        run = await server.shell.run("upload", "-", "--dataset-name", "A")

        assert not [line for line in server.seen if not line.startswith("GET")]
    assert run.code == 1
    assert "error: the source is empty, so it shows no columns" in run.err


async def test_a_producer_that_fails_at_once_does_not_empty_a_dataset(tmp_path: Path) -> None:
    """Nothing at all is no new content; a header without rows is, and so is an empty file."""
    (tmp_path / "a.csv").write_bytes(b"id,text\n" + DATA)
    async with serving(tmp_path) as server:
        await server.shell.run("upload", "a.csv", *TO_A)
        nothing = await server.shell.run("upload", "-", *TO_A)
        there = await server.rows()
        with producing() as producer:
            producer.send(b"id,text\n")
            producer.end()
            header = await reading(server.shell, producer.reading).run("upload", "-", *TO_A)

        assert there == DATA
        assert await server.rows() == b""
    assert (nothing.code, header.code) == (1, 0)
    assert "standard input ended without a byte" in nothing.json["error"]


async def test_dry_run_reads_to_the_end(tmp_path: Path) -> None:
    """The plan of a pipe is that of a file; no server is asked, and nothing else is said."""
    (tmp_path / "a.csv").write_bytes(b"id,text\n" + DATA)
    with (tmp_path / "a.csv").open("rb") as file, producing() as producer:
        producer.send(file.read())
        producer.end()
        of_file, of_pipe = await asyncio.gather(
            Shell(tmp_path).run("upload", "a.csv", "--dry-run", "--json"),
            Shell(tmp_path, stdin=producer.reading).run("upload", "-", "--dry-run", "--json"),
        )

    assert (of_pipe.code, of_pipe.err) == (0, "")
    assert of_pipe.json == of_file.json


async def test_an_interrupted_dry_run_ends(tmp_path: Path) -> None:
    """Nobody has to wait for a producer who holds a named pipe open and sends nothing."""
    os.mkfifo(tmp_path / "fifo")
    async with Shell(tmp_path).started("upload", "fifo", "--dry-run") as process:
        held = await asyncio.to_thread(os.open, tmp_path / "fifo", os.O_WRONLY)  # returns when it is being read
        process.send_signal(signal.SIGINT)
        with promptly():
            run = await ended(process)
        os.close(held)

    assert run.code == 130
    assert "Traceback" not in run.err


@pytest.mark.parametrize(
    ("refused", "options", "code", "kept"),
    [(None, (), 0, 0), (2, (), 4, 0), (2, ("--on-failure", "keep"), 9, 1)],
    ids=["committed", "aborted", "kept"],
)
async def test_a_spooled_load_keeps_its_copy_while_it_is_of_use(
    tmp_path: Path, refused: int | None, options: tuple[str, ...], code: int, kept: int
) -> None:
    """A copy is made, loaded and removed; where the execution is kept, so is the copy, and its path is told."""
    folder = tmp_path / "spool"
    folder.mkdir()
    answer = Arrival(refused, refuse=True) if refused else None
    async with serving(tmp_path, answer, dialect=Dialect.PUBLIC) as server:
        with producing() as producer:
            producer.send(b"id,text\n" + DATA)
            producer.end()
            arguments = ("upload", "-", *TO_A, "--spool", "spool", *options)
            run = await reading(server.shell, producer.reading).run(*arguments)

    assert run.code == code
    copies = list(folder.iterdir())
    assert len(copies) == kept
    assert "standard input can't be read again: a copy is made first" in run.err
    for copy in copies:
        assert copy.read_bytes() == b"id,text\n" + DATA
        assert f"kept {copy.relative_to(tmp_path)}, a copy" in run.err
        assert run.json["run_id"] in copy.name


async def test_a_spooled_load_is_resumed_from_its_copy(tmp_path: Path) -> None:
    """What could not be read again is loaded to its end by another process, which removes the copy."""
    (tmp_path / "spool").mkdir()
    answer = Arrival(2, refuse=True)
    async with serving(tmp_path, answer, dialect=Dialect.PUBLIC) as server:
        with producing() as producer:
            producer.send(b"id,text\n" + DATA)
            producer.end()
            keep = ("--spool", "spool", "--on-failure", "keep")
            kept = await reading(server.shell, producer.reading).run("upload", "-", *TO_A, *keep)
        answer.refuse = False
        resumed = await server.shell.run("resume", "--json")

        assert (kept.code, resumed.code) == (9, 0)
        assert await server.rows() == DATA
    assert list((tmp_path / "spool").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-", "-"), "standard input and standard input are one pipe"),
        (("-", "--spool", "none"), "there is no folder none to keep a copy in"),
    ],
    ids=" ".join,
)
async def test_wrong_usage_creates_nothing(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    """It is found before anybody is asked, and gives 2."""
    async with serving(tmp_path) as server:
        with producing() as producer:
            run = await reading(server.shell, producer.reading).run("upload", *arguments, *TO_A)

        assert server.seen == []
    assert run.code == 2
    assert message in run.json["error"]


async def test_a_terminal_says_that_it_waits(tmp_path: Path) -> None:
    """Who has named `-` and sees nothing happen is told why; what is typed is loaded."""
    ours, theirs = pty.openpty()
    try:
        async with serving(tmp_path) as server:
            async with reading(server.shell, theirs).started("upload", "-", *TO_A) as process:
                await said(process, "standard input is a terminal, and waits for CSV: end it with Ctrl-D")
                os.write(ours, b"id,text\n1,a\n\x04")
                run = await ended(process)

            assert run.code == 0
            assert await server.rows() == b"1,a\n"
    finally:
        os.close(ours)
        os.close(theirs)


def test_closed_standard_input_is_an_error(tmp_path: Path) -> None:
    """A scheduler that gives no standard input at all is told so, and nothing else is read in its place."""
    command = f"exec {sys.executable} -W error -m bulkstream upload - --dry-run <&-"
    run = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (run.returncode, run.stdout) == (1, "")
    assert "error: standard input is closed" in run.stderr


async def test_a_pipes_kept_execution_can_only_be_given_up(tmp_path: Path) -> None:
    """Nothing tells the user to finish what can't be read again; trying gives 1, so that no script goes on trying."""
    answer = Arrival(2, refuse=True)
    async with serving(tmp_path, answer, dialect=Dialect.PUBLIC) as server:
        with producing() as producer:
            producer.send(b"id,text\n" + DATA)
            producer.end()
            kept = await reading(server.shell, producer.reading).run("upload", "-", *TO_A, "--on-failure", "keep")
        answer.refuse = False
        give_up = ("resume", kept.json["run_id"], "--abort")
        command = f"`bulkstream {' '.join(give_up)}`"
        assert (kept.code, kept.json["outcome"]) == (9, "kept")
        assert f"can't be finished; drop it with {command}" in kept.err

        (tmp_path / "b.csv").write_bytes(b"id,text\n" + DATA)
        busy = await server.shell.run("upload", "b.csv", *TO_A)
        assert f"Give it up with {command}" in busy.err
        shown = await server.shell.run("runs", "show", kept.json["run_id"])
        assert command.strip("`") in shown.out
        resumed = await server.shell.run("resume", "--json")
        assert (resumed.code, resumed.json["outcome"]) == (1, "kept")
        assert command in resumed.err
        assert (await server.shell.run(*give_up)).code == 0


async def test_packed_standard_input_is_loaded_and_its_plan_says_it_is_used_up(tmp_path: Path) -> None:
    """`cat x.csv.gz | bulkstream upload -` unpacks what comes; a dry run has read it, and says so."""
    packed = gzip.compress(b"id,text\n" + DATA)
    with filled(packed) as (name,), filled(packed) as (again,):
        async with serving(tmp_path) as server:
            planned = await reading(server.shell, _descriptor(name)).run("upload", "-", "--dry-run")
            run = await reading(server.shell, _descriptor(again)).run("upload", "-", *TO_A)

            assert await server.rows() == DATA
    assert (planned.code, run.code, run.json["rows"]) == (0, 0, 800)
    assert re.search(r"^  packed +gzip$", planned.out, re.MULTILINE)
    read = "to its end for this dry run; standard input can't be read again"
    assert re.search(rf"^  read +{read}$", planned.out, re.MULTILINE)
    assert ONCE in run.err


async def test_packed_standard_input_is_resumed_from_its_copy(tmp_path: Path) -> None:
    """The copy is as packed as what came, and goes with the end of the run."""
    (tmp_path / "copies").mkdir()
    arrival = Arrival(5, refuse=True)
    with filled(gzip.compress(b"id,text\n" + DATA)) as (name,):
        async with serving(tmp_path, arrival, dialect=Dialect.PUBLIC) as server:
            spooling = ("--spool", "copies", "--on-failure", "keep")
            kept = await reading(server.shell, _descriptor(name)).run("upload", "-", *TO_A, *spooling)
            copies = list((tmp_path / "copies").iterdir())
            arrival.refuse = False
            run = await server.shell.run("resume", kept.json["run_id"], "--json")

            assert await server.rows() == DATA
    assert (kept.code, kept.json["outcome"], len(copies)) == (9, "kept", 1)
    assert (run.code, run.json["rows"]) == (0, 800)
    assert list((tmp_path / "copies").iterdir()) == []


def _descriptor(name: str) -> int:
    return int(name.rsplit("/", 1)[1])
