"""`bulkstream resume` and `bulkstream runs`, as scripts see them: exit codes, documents, and what is asked of whom."""

from __future__ import annotations

import gzip
import os
import sqlite3
from contextlib import chdir, closing
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from bulkstream.journal import RunStore
from bulkstream.model import Dialect
from tests.support.accounts import cut_off, losing, refusing, write_csv
from tests.support.command_line import InProcess, serving_beside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Answer = Callable[[Any, Any], Any]

LOAD = ("upload", "a.csv", "--dataset-name", "A", "--part-size", "1KiB", "--json")


class Desk:
    """A command line beside a sandbox; `answer` may answer in the sandbox's place."""

    def __init__(self, folder: Path, state: Path) -> None:
        self.folder = folder
        self.store = RunStore(state)
        self.answer: Answer | None = None
        self.beside: InProcess

    async def answered(self, request: Any, handler: Any) -> Any:
        return await self.answer(request, handler) if self.answer else None

    def run(self, *arguments: str, **environ: str) -> Any:
        return self.beside.run(*arguments, BULKSTREAM_STATE_DIR=str(self.store.folder), **environ)

    @property
    def changes(self) -> list[str]:
        return [each for each in self.beside.seen if not each.startswith("GET ") and "oauth" not in each]

    def forget(self) -> None:
        self.answer = None
        self.beside.seen.clear()

    def kept(self, *flags: str) -> str:
        """Let a load fail and be kept; return its run."""
        self.answer = refusing(5)
        run = self.run(*LOAD, "--on-failure", "keep", *flags)
        assert (run.code, run.json["outcome"]) == (9, "kept")
        self.forget()
        return str(run.json["run_id"])

    def unknown(self, mode: str) -> str:
        """Let a load end with nobody knowing whether it was committed; return its run."""
        self.beside.server.shell.config("[retry]\nbase_s = 0.0\n[upload]\ncommit_timeout_s = 0.3\n")
        self.answer = losing("/commit", effect=True, blind=True)
        run = self.run(*LOAD, "--mode", mode)
        assert (run.code, run.json["outcome"]) == (5, "unknown")
        assert f"bulkstream resume {run.json['run_id']}" in run.err
        self.forget()
        return str(run.json["run_id"])

    def age(self, run_id: str) -> None:
        """Let a run have begun in 2001."""
        self.plan(run_id, "created", 1e9)

    def plan(self, run_id: str, field: str, value: object) -> None:
        """Change a run's plan."""
        with closing(sqlite3.connect(self.store.get(run_id).journal)) as db:
            db.execute("UPDATE run SET plan = json_set(plan, ?, ?)", (f"$.{field}", value))
            db.commit()


@pytest.fixture
def desk(tmp_path: Path, state_dir: Path) -> Iterator[Desk]:
    opened = Desk(tmp_path, state_dir)
    write_csv(tmp_path / "a.csv", 400)

    async def wrapped(request: Any, handler: Any) -> Any:
        return await opened.answered(request, handler) or await handler(request)

    with serving_beside(tmp_path, dialect=Dialect.PUBLIC, wrap=[web.middleware(wrapped)]) as beside:
        opened.beside = beside
        yield opened


def test_kept_run_is_finished_by_its_name_or_without(desk: Desk) -> None:
    """Exit 0, one document with the report of the whole run, and nothing left to resume after it."""
    run_id = desk.kept()
    run = desk.run("resume", "--json")
    again = desk.run("resume", "--json")
    named = desk.run("resume", run_id, "--json")

    assert (run.code, run.json["outcome"], run.json["run_id"], run.json["rows"]) == (0, "committed", run_id, 400)
    assert (again.code, again.json["run_id"] != run_id) == (2, True)
    assert (named.code, named.json["outcome"], named.json["rows"]) == (0, "committed", 400)


def test_changed_source_is_exit_9_and_nothing_is_sent(desk: Desk) -> None:
    """The run is still kept; the hint says how to give it up."""
    run_id = desk.kept()
    (desk.folder / "a.csv").write_text("id,text\n1,a\n", "utf-8")
    run = desk.run("resume", run_id, "--json")

    assert (run.code, run.json["outcome"]) == (9, "kept")
    assert f"bulkstream resume {run_id} --abort" in run.err
    assert desk.changes == []


def test_execution_that_somebody_aborted_is_exit_4(desk: Desk) -> None:
    """The data is not there, and there is nothing to go on with."""
    run_id = desk.kept()
    assert desk.run("executions", "abort", "1", "1001").code == 0
    run = desk.run("resume", run_id, "--json")

    assert (run.code, run.json["outcome"]) == (4, "aborted")
    assert "Load again." in run.err


def test_run_is_given_up(desk: Desk) -> None:
    """--abort ends with 0 where that was achieved, and the run has ended."""
    run_id = desk.kept()
    run = desk.run("resume", run_id, "--abort", "--json")
    again = desk.run("resume", run_id, "--json")

    assert (run.code, run.json["outcome"]) == (0, "aborted")
    assert again.json["outcome"] == "aborted"
    assert [each for each in desk.changes if each.endswith("/abort")] == ["PUT /v1/streams/1/executions/1001/abort"]


@pytest.mark.parametrize("mode", ["replace", "append"])
def test_unknown_commit_is_exit_5_and_settled_later(desk: Desk, mode: str) -> None:
    """The second process only reads."""
    run_id = desk.unknown(mode)
    run = desk.run("resume", run_id, "--json")

    assert (run.code, run.json["outcome"], run.json["rows"]) == (0, "committed", 400)
    assert desk.changes == []


def test_account_is_the_run_s_where_nothing_else_names_one(desk: Desk) -> None:
    """Address and dialect come from the journal; credentials never do."""
    run_id = desk.kept()
    run = desk.run("resume", run_id, "--json", BULKSTREAM_URL="", BULKSTREAM_DIALECT="")

    assert (run.code, run.json["outcome"]) == (0, "committed")


def test_other_account_is_exit_2(desk: Desk) -> None:
    """Nothing is sent there."""
    run_id = desk.kept()
    run = desk.run("resume", run_id, "--json", BULKSTREAM_URL="https://acme.domo.com")

    assert (run.code, desk.beside.seen) == (2, [])
    assert "https://acme.domo.com" in run.err


def test_profile_is_the_run_s(desk: Desk) -> None:
    """A run that was begun with a profile goes on with it."""
    shell, environ = desk.beside.server.shell, dict(desk.beside.server.shell.environ)
    shell.config(
        "[retry]\nbase_s = 0.0\n[profiles.here.connection]\n"
        f'url = "{environ["BULKSTREAM_URL"]}"\ndialect = "public"\nclient_id = "sandbox"\nclient_secret = "sandbox"\n'
    )
    for name in ("URL", "DIALECT", "CLIENT_ID", "CLIENT_SECRET", "TOKEN"):
        del shell.environ[f"BULKSTREAM_{name}"]
    run_id = desk.kept("--profile", "here")
    run = desk.run("resume", run_id, "--json")

    assert (run.code, run.json["outcome"]) == (0, "committed")


def test_runs_are_listed_and_shown(desk: Desk) -> None:
    """The newest first, with their state; a run shows its plan, its steps and what to do next."""
    run_id = desk.kept()
    listed, shown, text = (
        desk.run("runs", "list", "--json"),
        desk.run("runs", "show", run_id, "--json"),
        desk.run("runs", "show", run_id),
    )

    assert [(each["run_id"], each["state"], each["stream_id"]) for each in listed.json] == [(run_id, "kept", 1)]
    assert [each["step"] for each in shown.json["steps"]] == ["creating", "opened", "ended"]
    assert shown.json["plan"]["files"][0]["path"] == str(desk.folder / "a.csv")
    assert f"bulkstream resume {run_id}" in text.out
    assert run_id in desk.run("runs", "list").out
    assert desk.run("runs", "show", "none").code == 2
    assert "client_secret" not in shown.out, "no secret is kept"


def test_list_of_runs_fits_80_columns(desk: Desk) -> None:
    """A run's name is copied from there, so it is never folded."""
    run_id = desk.kept()
    cut_off(desk.store.get(run_id))
    listed = desk.run("runs", "list").out.splitlines()

    assert any(line.startswith(f"{run_id}  interrupted ") for line in listed)
    assert max(map(len, listed)) <= 80


def test_what_can_only_be_given_up_is_shown_so(desk: Desk) -> None:
    """A run whose source was a pipe can't be finished, unless there is only its commit to settle."""
    unsettled = desk.unknown("append")
    kept = desk.kept("--mode", "append")
    for run_id in (kept, unsettled):
        desk.plan(run_id, "unrepeatable", "standard input can't be read again")

    assert f"bulkstream resume {kept} --abort\n" in desk.run("runs", "show", kept).out
    assert f"bulkstream resume {unsettled}\n" in desk.run("runs", "show", unsettled).out


def test_run_that_has_ended_before_is_told_so(desk: Desk) -> None:
    """Its report is printed again, and stderr says that there was nothing to do."""
    run_id = desk.run(*LOAD).json["run_id"]
    run = desk.run("resume", run_id)

    assert (run.code, run.out.splitlines()[0]) == (0, "committed")
    assert f"run {run_id} was committed before: nothing is left to be done" in run.err


def test_run_that_is_alive_is_not_reported_on(desk: Desk) -> None:
    """What its own process does is not known here; the error says so, and --json still prints its document."""
    run_id = desk.kept()
    with desk.store.get(run_id).lock().held():
        for_people, as_json = desk.run("resume", run_id), desk.run("resume", run_id, "--json")

    assert (for_people.code, for_people.out) == (1, "")
    assert "is still alive" in for_people.err
    assert as_json.json["run_id"] == run_id


def test_gc_shows_people_only_what_is_not_over(desk: Desk) -> None:
    """Runs that have ended are counted, in one line."""
    kept = desk.kept()
    assert desk.run("executions", "abort", "1", "1001").code == 0
    ended = desk.run(*LOAD).json["run_id"]
    run = desk.run("runs", "gc", "--dry-run")

    assert kept in run.out
    assert ended not in run.out
    assert run.out.endswith("left alone, having ended lately: 1\n")


def fates(run: Any) -> dict[str, str]:
    return {each["run_id"]: each["fate"] for each in run.json}


def test_gc_aborts_what_was_cut_off_and_leaves_the_rest(desk: Desk) -> None:
    """Kept on purpose, unsettled and living runs stay; a dry run only says what would be done."""
    kept = desk.kept()
    dry = desk.run("runs", "gc", "--dry-run", "--json")
    wet = desk.run("runs", "gc", "--json")
    assert fates(dry) == fates(wet) == {kept: "leave"}

    cut_off(desk.store.get(kept))
    with desk.store.get(kept).lock().held():
        assert fates(desk.run("runs", "gc", "--json")) == {kept: "leave"}
    desk.forget()
    assert fates(desk.run("runs", "gc", "--dry-run", "--json")) == {kept: "abort"}
    assert desk.beside.seen == []
    assert fates(desk.run("runs", "gc", "--json")) == {kept: "abort"}
    assert [each for each in desk.changes if each.endswith("/abort")] == ["PUT /v1/streams/1/executions/1001/abort"]
    assert fates(desk.run("runs", "gc", "--json")) == {kept: "leave"}, "it has ended, but not long ago"


def test_gc_leaves_an_unsettled_commit_alone(desk: Desk) -> None:
    """Even one of long ago: only its user can say what is to become of it."""
    run_id = desk.unknown("append")
    desk.age(run_id)
    run = desk.run("runs", "gc", "--json")

    assert fates(run) == {run_id: "leave"}
    assert desk.changes == []


def test_gc_removes_old_journals_of_runs_that_have_ended(desk: Desk) -> None:
    """Their journals tell nothing that anybody needs."""
    run = desk.run(*LOAD)
    desk.age(run.json["run_id"])

    assert fates(desk.run("runs", "gc", "--json")) == {run.json["run_id"]: "remove"}
    assert list(desk.store.list()) == []


def test_a_file_whose_name_is_not_utf8_is_journaled_and_resumed(desk: Desk, tmp_path: Path) -> None:
    """Linux names files by bytes: such a run is kept and resumed as any other, and its errors are told in JSON."""
    source = tmp_path / os.fsdecode(b"caf\xe9.csv")
    (tmp_path / "a.csv").rename(source)
    desk.answer = refusing(5)
    kept = desk.run("upload", "caf*.csv", *LOAD[2:], "--on-failure", "keep")
    assert (kept.code, kept.json["outcome"]) == (9, "kept")
    desk.forget()

    resumed = desk.run("resume", kept.json["run_id"], "--json")
    assert (resumed.code, resumed.json["rows"]) == (0, 400)
    shown = desk.run("runs", "show", kept.json["run_id"], "--json").json
    assert shown["plan"]["files"][0]["path"] == source.as_uri()

    source.write_bytes(b"id,text\n1\n")
    failed = desk.run("upload", "caf*.csv", *LOAD[2:])
    assert (failed.code, "caf\\udce9.csv, line 2" in failed.json["error"]) == (4, True)


def test_a_reject_file_named_from_elsewhere_is_found_again(desk: Desk, tmp_path: Path) -> None:
    """A relative name means the folder in which the run was begun, also for a process that resumes it elsewhere."""
    with (tmp_path / "a.csv").open("ab") as file:
        file.write(b"1,2,3,4,5,6,7\n")
    run_id = desk.kept("--max-bad-rows", "1", "--reject-file", "bad.csv")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    with chdir(elsewhere):
        resumed = desk.run("resume", run_id, "--json")

    assert (resumed.code, resumed.json["bad_rows"]) == (3, 1)
    assert (tmp_path / "bad.csv").is_file()
    assert not list(elsewhere.iterdir())


def test_run_whose_rows_are_made_is_shown_and_finished(desk: Desk) -> None:
    """It is listed like any other, and named by its files; what was changed is told with the file's name."""
    (desk.folder / "a.csv.gz").write_bytes(gzip.compress((desk.folder / "a.csv").read_bytes()))
    desk.answer = refusing(5)
    kept = desk.run("upload", "a.csv.gz", *LOAD[2:], "--on-failure", "keep")
    desk.forget()
    run_id = kept.json["run_id"]
    listed, shown = desk.run("runs", "list"), desk.run("runs", "show", run_id)
    data = (desk.folder / "a.csv.gz").read_bytes()
    (desk.folder / "a.csv.gz").write_bytes(data + gzip.compress(b"1,more\n"))
    changed = desk.run("resume", run_id, "--json")

    assert (kept.code, kept.json["outcome"]) == (9, "kept")
    assert f"{run_id}  kept" in listed.out
    assert f"  source   1 file: {desk.folder / 'a.csv.gz'}\n" in shown.out
    assert f"  next     bulkstream resume {run_id}\n" in shown.out
    assert (changed.code, changed.json["outcome"]) == (9, "kept")
    assert f"a.csv.gz had {len(data):,} bytes and now has" in changed.err
    assert desk.changes == []


def test_run_of_a_query_can_only_be_given_up(desk: Desk) -> None:
    """It is shown with the reason, and with the command that ends it."""
    with closing(sqlite3.connect(desk.folder / "a.db")) as db:
        db.execute("CREATE TABLE t AS WITH RECURSIVE n(i) AS (SELECT 1 UNION SELECT i + 1 FROM n WHERE i < 2000) "
                   "SELECT i AS id, 'text ' || i AS text FROM n")  # fmt: skip
        db.commit()
    desk.answer = refusing(5)
    query = ("--query", "SELECT * FROM t", "--from", "sqlite:///a.db")
    kept = desk.run("upload", *query, *LOAD[2:], "--on-failure", "keep")
    desk.forget()
    shown = desk.run("runs", "show", kept.json["run_id"])
    given_up = desk.run("resume", "--abort", "--json")

    assert kept.json["outcome"] == "kept"
    assert f"resume {kept.json['run_id']} --abort" in shown.out
    assert "query" in shown.out
    assert (given_up.code, given_up.json["outcome"]) == (0, "aborted")
