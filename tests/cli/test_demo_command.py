"""`bulkstream demo`: the whole way on this machine, and nothing left of it."""

from __future__ import annotations

import asyncio
import gzip
import re
import signal
import sys
from pathlib import Path

import orjson
import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from bulkstream.cli import demo as demo_module
from bulkstream.cli.demo import demo
from bulkstream.cli.exits import Exit
from bulkstream.digest import Digest
from tests.support.command_line import Shell, ended


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A shell without any credentials, whose temporary files go to a folder of their own."""
    (tmp_path / "temporary").mkdir()
    return Shell(tmp_path, {"TMPDIR": str(tmp_path / "temporary")})


def leftovers(shell: Shell) -> list[str]:
    """Return what was not cleared away; a process left over would have kept the run's stderr from ending."""
    return [path.name for path in (shell.folder / "temporary").iterdir()]


async def test_demo_loads_and_verifies_without_any_set_up(shell: Shell) -> None:
    """Rows are made, loaded, read back and found equal; JSON alone is on stdout, and nothing is left behind."""
    run = await shell.run("demo", "--rows", "2000", "--json")

    assert run.code == 0, run.err
    assert (run.json["outcome"], run.json["rows"], run.json["verified"]) == ("committed", 2000, True)
    assert run.json["error"] is None
    assert "created stream 1" in run.err
    assert leftovers(shell) == []


async def test_demo_takes_awkward_files(shell: Shell) -> None:
    """A byte order mark, CRLF, quoted line breaks and a missing last line end come back as they were sent."""
    first = '\ufeffid,text\r\n1,"a ""b"",\r\nc"\r\n2,d'
    second = "\ufeffid,text\r\n3,ü\r\n"
    (shell.folder / "a.csv").write_text(first, "utf-8", newline="")
    (shell.folder / "b.csv").write_text(second, "utf-8", newline="")

    run = await shell.run("demo", "a.csv", "b.csv")

    assert run.code == 0, run.err
    assert "verified    yes" in run.out
    assert "rows        3 in 1 part" in run.out
    assert leftovers(shell) == []


async def test_demo_takes_whatever_holds_rows(shell: Shell) -> None:
    """Packed and typed files are read a second time as they were loaded."""
    (shell.folder / "a.csv.gz").write_bytes(gzip.compress(b"id,text\n1,a\n"))
    pq.write_table(pa.table({"text": ["b", None], "id": [2, 3]}), shell.folder / "b.parquet")

    run = await shell.run("demo", "a.csv.gz", "b.parquet", "--json")

    assert run.code == 0, run.err
    assert (run.json["rows"], run.json["verified"]) == (3, True)
    assert leftovers(shell) == []


async def test_quiet_demo_prints_nothing(shell: Shell) -> None:
    """A demonstration that is told to be quiet says by its code alone that all went well."""
    (shell.folder / "a.csv").write_text("id\n1\n", "utf-8")

    run = await shell.run("demo", "a.csv", "--quiet")

    assert (run.code, run.out, run.err) == (0, "", "")


async def test_demo_of_a_missing_file_is_a_usage_error(shell: Shell) -> None:
    """What the user named wrongly gives 2 and a document, and the sandbox is gone."""
    run = await shell.run("demo", "missing.csv", "--json")

    assert run.code == 2
    assert (run.json["outcome"], run.json["verified"]) == ("aborted", None)
    assert run.err.startswith("error: ")
    assert "missing.csv" in run.err
    assert leftovers(shell) == []


async def test_interrupted_demo_clears_up(shell: Shell) -> None:
    """Ctrl-C ends load, sandbox and temporary files; the code is 130."""
    async with shell.started("demo", "--rows", "100000", "--json") as process:
        assert process.stderr is not None
        while b"created stream" not in (line := await process.stderr.readline()):
            assert line
        process.send_signal(signal.SIGINT)
        run = await ended(process)

    assert run.code == 130, run.err
    assert run.json["verified"] is None
    assert "Traceback" not in run.err
    assert leftovers(shell) == []


async def test_second_interrupt_leaves_no_sandbox(shell: Shell) -> None:
    """Who can't wait gets out at once, and the server and its files are gone all the same."""
    async with shell.started("demo", "--rows", "100000") as process:
        assert process.stderr is not None
        while b"created stream" not in (line := await process.stderr.readline()):
            assert line
        process.send_signal(signal.SIGSTOP)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGCONT)
        run = await ended(process)

    assert run.code == 130, run.err
    assert "left at once" in run.err
    assert leftovers(shell) == []


async def test_demo_keeps_what_it_is_told_to(shell: Shell) -> None:
    """With --keep the data can be looked at afterwards, by the command that is named."""
    (shell.folder / "a.csv").write_text("id\n1\n", "utf-8")

    run = await shell.run("demo", "a.csv", "--keep")

    assert run.code == 0, run.err
    kept = re.search(r"`bulkstream (sandbox --data (.*))`", run.err)
    assert kept, run.err
    assert leftovers(shell) == [Path(kept[2]).parent.name]
    async with shell.started(*kept[1].split(), "--port", "0") as process:
        assert process.stdout is not None
        url = (await process.stdout.readline()).decode().strip()
        listed = await shell.run("streams", "list", "--json", BULKSTREAM_URL=url, BULKSTREAM_TOKEN="sandbox")
    assert [each["dataSource"]["name"] for each in listed.json] == ["Demo"]


async def test_demo_of_files_makes_no_rows(shell: Shell) -> None:
    """Rows and files together make no sense."""
    run = await shell.run("demo", "a.csv", "--rows", "5")

    assert (run.code, run.out) == (2, "")
    assert run.err.startswith("error: --rows is for rows that are made")


def test_difference_in_what_is_read_back_gives_7(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dataset with as many rows of other content is not taken for what was sent."""

    async def tampered(settings: object, stream_id: int, rows: int) -> Digest:
        return Digest(rows, "0" * 64)

    monkeypatch.setattr(demo_module, "read_back", tampered)
    (tmp_path / "a.csv").write_text("id\n1\n", "utf-8")

    code = demo([tmp_path / "a.csv"], None, as_json=True, quiet=True)

    report = orjson.loads(capsys.readouterr().out)
    assert code is Exit.UNVERIFIED
    assert (report["outcome"], report["verified"]) == ("committed", False)
    assert "their bytes are not those that were sent" in report["error"]


@pytest.mark.parametrize(
    ("error", "code"), [(OSError("x"), Exit.UNVERIFIED), (asyncio.CancelledError(), Exit.INTERRUPTED)]
)
def test_load_that_was_not_compared_is_no_success(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: Exit,
) -> None:
    """Where reading back fails or is interrupted, the demonstration does not end with 0, although all is committed."""

    async def broken(settings: object, stream_id: int, rows: int) -> Digest:
        raise error

    monkeypatch.setattr(demo_module, "read_back", broken)
    (tmp_path / "a.csv").write_text("id\n1\n", "utf-8")

    assert demo([tmp_path / "a.csv"], None, as_json=True, quiet=True) is code
    report = orjson.loads(capsys.readouterr().out)
    assert (report["outcome"], report["verified"]) == ("committed", None)


def test_missing_generator_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the row generator is not installed, the error says how to install it."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))

    code = demo([], 1, as_json=False, quiet=False)

    assert code is Exit.FAILED
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == "error: tpchgen-cli is not installed\nhint: Install it with: pip install 'bulkstream[demo]'\n"
