"""The answer to a commit is lost: an APPEND is not there twice, and the command line says what is known."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from bulkstream import Client, Dialect
from bulkstream.sandbox import SandboxSettings
from bulkstream.sandbox.faults import (
    AnyFault,
    FaultPlan,
    Html,
    LateEffect,
    LostAnswer,
    ResetBefore,
    Restart,
    Stall,
)
from bulkstream.settings import load_settings
from tests.support.command_line import Run, Server, serving

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """
[connection]
stall_timeout_s = 1.0
[retry]
base_s = 0.05
[upload]
commit_timeout_s = 2.0
part_size = "1KiB"
"""
OLD = b"1,old\n2,old\n"
NEW = b"".join(b"%d,%s\n" % (number, b"new" * 30) for number in range(100, 130))


@dataclass(frozen=True)
class Case:
    """A fault at the commit, and whether the server commits under it."""

    name: str
    fault: AnyFault
    commits: bool


CASES = (
    Case("lost answer", LostAnswer(at="commit"), commits=True),
    Case("late effect", LateEffect(at="commit", seconds=0.5), commits=True),
    Case("stall", Stall(at="commit"), commits=True),
    Case("500 after the effect", Html(at="commit", status=500, effect=True), commits=True),
    Case("page with 200 after the effect", Html(at="commit", effect=True), commits=True),
    Case("page with 200, no effect", Html(at="commit"), commits=False),
    Case("reset before", ResetBefore(at="commit"), commits=False),
    Case("restart", Restart(at="commit", seconds=0.2), commits=False),
)


async def appended(server: Server, folder: Path, *more: str) -> Run:
    """Append the new rows to a dataset that has the old ones."""
    return await server.shell.run("upload", folder / "new.csv", "--stream", "1", "--quiet", "--json", *more)


async def prepared(server: Server, folder: Path) -> None:
    server.shell.config(CONFIG)
    (folder / "old.csv").write_bytes(b"id,text\n" + OLD)
    (folder / "new.csv").write_bytes(b"id,text\n" + NEW)
    async with Client(load_settings(environ={**server.shell.environ, "HOME": str(folder)})) as client:
        await client.upload(folder / "old.csv", dataset_name="D", mode="append", journal=False, verify="off")


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_append_whose_commit_answer_is_lost_is_there_once_or_unknown(
    tmp_path: Path, case: Case, dialect: Dialect
) -> None:
    """Committed after asking the server; else exit 5, the next step, and no row, until the run is given up."""
    async with serving(tmp_path, dialect=dialect, settings=SandboxSettings(port=0)) as server:
        await prepared(server, tmp_path)
        server.sandbox.faults.load(FaultPlan((case.fault,)))
        run = await appended(server, tmp_path)

        assert server.sandbox.faults.struck == (1,)
        if case.commits:
            assert (run.code, run.json["outcome"], run.json["rows"]) == (0, "committed", 30), run.err
            assert await server.rows() == OLD + NEW
            return
        assert (run.code, run.json["outcome"]) == (5, "unknown"), run.err
        assert f"bulkstream resume {run.json['run_id']}" in run.err
        settled = await server.shell.run("resume", run.json["run_id"], "--quiet", "--json")
        assert (settled.code, settled.json["outcome"]) == (5, "unknown"), settled.err
        assert await server.rows() == OLD
        given_up = await server.shell.run("resume", run.json["run_id"], "--abort", "--quiet", "--json")
        assert (given_up.code, given_up.json["outcome"]) == (0, "aborted"), given_up.err
        assert await server.states() == ["SUCCESS", "ABORTED"]


async def test_commit_that_arrives_after_the_load_has_given_up_waiting_is_settled_by_resume(tmp_path: Path) -> None:
    """Exit 5 first, and committed by `resume`, with no row twice."""
    async with serving(tmp_path) as server:
        await prepared(server, tmp_path)
        server.shell.config(CONFIG.replace("commit_timeout_s = 2.0", "commit_timeout_s = 0.3"))
        server.sandbox.faults.load(FaultPlan((LateEffect(at="commit", seconds=1.5),)))
        run = await appended(server, tmp_path)
        async with asyncio.timeout(30):
            while await server.states() != ["SUCCESS", "SUCCESS"]:  # noqa: ASYNC110 - the state is the server's
                await asyncio.sleep(0)
        settled = await server.shell.run("resume", "--quiet", "--json")

        assert (run.code, run.json["outcome"]) == (5, "unknown"), run.err
        assert (settled.code, settled.json["outcome"]) == (0, "committed"), settled.err
        assert await server.rows() == OLD + NEW


async def test_commit_that_comes_too_soon_waits_and_says_so(tmp_path: Path) -> None:
    """A server that takes one commit per interval is waited for, as it asks for, and the load is committed once."""
    settings = SandboxSettings(port=0, commit_interval_s=2.0)
    async with serving(tmp_path, settings=settings) as server:
        await prepared(server, tmp_path)
        run = await server.shell.run("upload", tmp_path / "new.csv", "--stream", "1", "--json")

        assert (run.code, run.json["outcome"]) == (0, "committed"), run.err
        assert "too soon after the last one" in run.err
        assert server.sandbox.requests.endpoints["commit"].answered[429] >= 1
        assert await server.rows() == OLD + NEW


async def test_commit_that_comes_too_soon_for_anybody_to_wait_aborts(tmp_path: Path) -> None:
    """Where the server asks for more patience than the settings allow, nothing is left open."""
    settings = SandboxSettings(port=0, commit_interval_s=900.0)
    async with serving(tmp_path, settings=settings) as server:
        await prepared(server, tmp_path)
        server.shell.config(f"{CONFIG}commit_wait_s = 5.0\n")
        run = await appended(server, tmp_path)

        assert (run.code, run.json["outcome"]) == (4, "aborted"), run.err
        assert "the commit was refused" in run.err
        assert await server.states() == ["SUCCESS", "ABORTED"]
