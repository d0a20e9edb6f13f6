"""`bulkstream bench`: real measurements, small ones, and nothing left of them."""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING, Any

import pytest

from bulkstream.cli.bench_text import facts
from bulkstream.settings import load_settings
from tests.support.command_line import Shell, ended, serving
from tests.support.made_findings import findings

if TYPE_CHECKING:
    from pathlib import Path

SMALL = ("--repeats", "1", "--size", "64KiB", "--concurrency", "1", "--concurrency", "2")
STAGES = {"workers", "read_mb_s", "cut_mb_s", "ladder", "sending"}
KEYS = {
    *("target", "url", "data", "machine", "repeats", "seconds", "stages", "grid", "as_set", "recommended", "verdict"),
    *("plot", "saved_to", "error"),
}


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A shell without any credentials, with a file to load, whose temporary files go to a folder of their own."""
    (tmp_path / "temporary").mkdir()
    rows = "".join(f'{number},"row ""{number}"",\n",{number % 7}\n' for number in range(4000))
    (tmp_path / "a.csv").write_text(f"id,text,n\n{rows}", "utf-8")
    return Shell(tmp_path, {"TMPDIR": str(tmp_path / "temporary")})


def leftovers(shell: Shell) -> list[str]:
    """Return temporary files; a process left over would have kept the run's stderr from ending."""
    return [path.name for path in (shell.folder / "temporary").iterdir()]


def rates_of(document: Any) -> list[dict[str, float]]:
    """Find every rate in a document."""
    if isinstance(document, dict):
        if set(document) == {"median", "low", "high"}:
            return [document]
        return [rate for each in document.values() for rate in rates_of(each)]
    return [rate for each in document for rate in rates_of(each)] if isinstance(document, list) else []


async def test_null_target_measures_draws_and_saves(shell: Shell) -> None:
    """One JSON document has all that is promised; the picture is drawn; the profile can be loaded; nothing is left."""
    pytest.importorskip("matplotlib", reason="the extra `plot` is not installed")
    shell.config("# mine\n[upload]\nlevel = 2\n")

    run = await shell.run("bench", "a.csv", *SMALL, "--json", "--plot", "bench.svg", "--save-profile", "fast")

    assert run.code == 0, run.err
    found = run.json
    assert set(found) == KEYS
    assert set(found["stages"]) == STAGES
    assert (found["target"], found["repeats"], found["error"]) == ("null", 1, None)
    assert found["data"]["files"] == ["a.csv"]
    assert 64 << 10 <= found["data"]["raw_bytes"] < 128 << 10
    assert [rung["level"] for rung in found["stages"]["ladder"]] == list(range(13))
    assert [cell["concurrency"] for cell in found["grid"]] == [1, 2]
    assert all(0 < rate["low"] <= rate["median"] <= rate["high"] for rate in rates_of(found))
    assert found["as_set"]["choice"]["level"] == 2
    assert found["verdict"]["limited_by"] in {"source", "compress", "upload"}
    assert "<text" in (shell.folder / "bench.svg").read_text("utf-8")
    assert (shell.folder / "settings.toml").read_text("utf-8").startswith("# mine\n[upload]\nlevel = 2\n\n[profiles.")
    saved = load_settings(environ={"BULKSTREAM_CONFIG": found["saved_to"]}, profile="fast").upload
    values = {name: getattr(saved, name) for name in ("level", "concurrency", "workers")}
    assert {"part_bytes": saved.part_size, **values} == found["recommended"]["choice"]
    assert leftovers(shell) == []


async def test_sandbox_target_and_people(shell: Shell) -> None:
    """Against the sandbox, with text in place of JSON: the limit is named, and tables fit."""
    run = await shell.run("bench", "a.csv", *SMALL, "--target=sandbox", "--part-size=16KiB", "--part-size=32KiB")

    assert run.code == 0, run.err
    assert re.search(r"^(Compression|Sending|Reading and cutting) limits: ", run.out, re.MULTILINE)
    assert re.search(r"recommended +[\d,]+ MB/s", run.out)
    assert "16KiB parts  32KiB parts" in run.out
    assert run.err.splitlines() == ["reading and cutting", "gzip", "sending", "whole load"]
    assert leftovers(shell) == []


async def test_rows_are_made_where_there_are_no_files(shell: Shell) -> None:
    """Without files there is something to measure all the same, and --quiet prints nothing."""
    run = await shell.run("bench", *SMALL, "--quiet")

    assert (run.code, run.out, run.err) == (0, "", "")
    assert leftovers(shell) == []


@pytest.mark.parametrize("dialect", ["instance", "public"])
async def test_profile_target_aborts_all_and_deletes_its_stream(shell: Shell, dialect: str) -> None:
    """In a real account nothing is committed, no execution stays open, and the stream is gone; all said before."""
    async with serving(shell.folder) as server:
        shell.environ |= {**server.shell.environ, "BULKSTREAM_DIALECT": dialect}
        run = await shell.run("bench", "a.csv", *SMALL, "--target", "profile", "--json")
        ends = [line for line in server.seen if re.search(r"commit|abort", line)]
        begun = [line for line in server.seen if line.startswith("POST") and line.endswith("/executions")]
        left = await shell.run("streams", "list", "--json")

    assert run.code == 0, run.err
    assert "creating a scratch stream" in run.err.splitlines()[0]
    assert len(begun) == len(ends) == 6
    assert all("abort" in line for line in ends)
    assert left.json == []
    assert leftovers(shell) == []


async def test_interrupt_leaves_nothing_in_the_account(shell: Shell) -> None:
    """Ctrl-C in the middle of a load gives 130; the execution is aborted, and the stream deleted."""
    async with serving(shell.folder) as server:
        shell.environ |= server.shell.environ
        options = ("--target", "profile", "--json", "--repeats", "1", "--size", "64KiB", "--concurrency", "2")
        async with shell.started("bench", "a.csv", *options, "--part-size", "1KiB") as process:
            assert process.stderr is not None
            while b"whole load" not in (line := await process.stderr.readline()):
                assert line
            process.send_signal(signal.SIGINT)
            run = await ended(process)
        begun = [line for line in server.seen if line.startswith("POST") and line.endswith("/executions")]
        aborted = [line for line in server.seen if line.endswith("/abort")]
        left = await shell.run("streams", "list", "--json")

    assert run.code == 130, run.err
    assert run.json == {"error": "interrupted", "hint": None}
    assert "Traceback" not in run.err
    assert len(begun) == len(aborted) >= 1
    assert left.json == []
    assert leftovers(shell) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("missing.csv",), "missing.csv"),
        (("a.csv", "--size", "tiny"), "--size"),
        (("a.csv", "--part-size", "1"), "--part-size"),
        (("a.csv", "--plot", "a.pdf"), ".png or a .svg"),
        (("a.csv", "--save-profile", " "), "needs a name"),
        (("a.csv", "--target", "moon"), "moon"),
        (("a.csv", "--target", "profile"), "BULKSTREAM_URL"),
    ],
)
async def test_wrong_use_gives_2_and_a_document(shell: Shell, options: tuple[str, ...], words: str) -> None:
    """What makes no sense is told before anything is measured, and nothing is left."""
    run = await shell.run("bench", *options, "--json")

    assert run.code == 2, run.err
    assert run.json["error"]
    assert words in run.err
    assert leftovers(shell) == []


def test_facts_fit_a_terminal() -> None:
    """No line for people is wider than 80 columns, with its label."""
    assert max(len(value) for _, value in facts(findings((1, 5000.0)))) <= 80 - 2 - 13 - 2
