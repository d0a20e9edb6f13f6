"""`bulkstream streams …` and `bulkstream executions …`: single calls of the API, for people and for scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bulkstream.model import Dialect
from tests.support.command_line import InProcess, Run, serving_beside

if TYPE_CHECKING:
    from pathlib import Path

CREATE = ("streams", "create", "--name", "Sales", "--column", "id:LONG", "--column", "amount:decimal")


def facts(run: Run) -> dict[str, str]:
    """Read the labels and values that a command showed."""
    assert run.code == 0, run.err
    return {line[2:].split("  ")[0]: line[2:].split("  ", 1)[1].strip() for line in run.out.splitlines()}


def json_of(server: InProcess, *arguments: str) -> object:
    """Run a command with --json and return its document."""
    run = server.run(*arguments, "--json")
    assert (run.code, run.err) == (0, "")
    return run.json


@pytest.mark.parametrize("dialect", list(Dialect))
def test_stream_lives_from_create_to_delete(tmp_path: Path, dialect: Dialect) -> None:
    """A stream that was created is shown, listed and found, and is gone once it was deleted."""
    with serving_beside(tmp_path, dialect=dialect) as server:
        created = server.run(*CREATE, "--mode", "upsert", "--key", "id")
        shown = server.run("streams", "get", "1")
        listed = server.run("streams", "list")
        found = json_of(server, "streams", "search", "dataSource.name", "Sal*")
        missed = json_of(server, "streams", "search", "dataSource.name", "Nope")
        deleted = json_of(server, "streams", "delete", "1", "--yes")
        empty = server.run("streams", "list")
        gone = server.run("streams", "get", "1")

    assert facts(created) == facts(shown)
    assert facts(shown)["dataset"].startswith("Sales (")
    assert facts(shown)["columns"] == "id:LONG, amount:DECIMAL"
    assert facts(shown)["mode"] == "UPSERT by id"
    title, _, row = listed.out.splitlines()
    assert title.split()[:4] == ["stream", "dataset", "mode", "columns"]
    assert row.split()[:4] == ["1", "Sales", "UPSERT", "2"]
    assert facts(shown)["dataset"] == f"Sales ({row.split()[-1]})"  # the whole id, where nobody looks at a terminal
    assert isinstance(found, list)
    assert [each["id"] for each in found] == [1]
    assert (missed, deleted) == ([], {"deleted": 1})
    assert empty == Run(0, "none\n", "")
    assert (gone.code, gone.out) == (1, "")
    assert "answered 404: there is no stream 1" in gone.err
    assert "hint: Check the id" in gone.err


def test_stream_update_changes_what_the_dialect_can_change(tmp_path: Path) -> None:
    """The instance dialect changes name and columns, the public one mode and keys; the rest gives 2."""
    with serving_beside(tmp_path, dialect=Dialect.INSTANCE) as server:
        server.run(*CREATE)
        renamed = server.run("streams", "update", "1", "--name", "Other", "--column", "id:STRING")
        refused = server.run("streams", "update", "1", "--mode", "append")
        nothing = server.run("streams", "update", "1")
        public = {"BULKSTREAM_DIALECT": Dialect.PUBLIC}
        keyed = server.run("streams", "update", "1", "--mode", "upsert", "--key", "id", **public)
        unnamed = server.run("streams", "update", "1", "--name", "Third", **public)

    assert facts(renamed)["dataset"].startswith("Other (")
    assert facts(renamed)["columns"] == "id:STRING"
    assert (refused.code, refused.err) == (2, "error: the instance dialect can't change: mode\n")
    assert (nothing.code, nothing.err) == (2, "error: nothing to change was given\n")
    assert facts(keyed)["mode"] == "UPSERT by id"
    assert (unnamed.code, unnamed.err) == (2, "error: the public dialect can't change: name\n")


@pytest.mark.parametrize("dialect", list(Dialect))
def test_execution_is_committed_or_aborted_by_hand(tmp_path: Path, dialect: Dialect) -> None:
    """An execution that was opened by hand ends as the command says; without an id, the open one is aborted."""
    with serving_beside(tmp_path, dialect=dialect) as server:
        server.run(*CREATE)
        opened = server.run("executions", "create", "1", "--mode", "append")
        second = server.run("executions", "create", "1")
        committed = server.run("executions", "commit", "1", "1001")
        server.run("executions", "create", "1")
        aborted = server.run("executions", "abort", "1")
        nothing_open = server.run("executions", "abort", "1")
        listed = server.run("executions", "list", "1")
        shown = json_of(server, "executions", "get", "1", "1002")

    assert facts(opened)["execution"] == "1001 of stream 1"
    assert (facts(opened)["state"], facts(opened)["mode"]) == ("ACTIVE", "APPEND")
    assert second.code == 1
    assert "answered 409" in second.err
    assert "hint: A stream has one open execution at a time" in second.err
    assert facts(committed)["state"] == "SUCCESS"
    assert (facts(aborted)["execution"], facts(aborted)["state"]) == ("1002 of stream 1", "ABORTED")
    assert (nothing_open.code, nothing_open.err) == (2, "error: stream 1 has no open execution\n")
    rows = sorted(line.split()[:3] for line in listed.out.splitlines()[2:])
    assert rows == [["1001", "SUCCESS", "APPEND"], ["1002", "ABORTED", "REPLACE"]]
    assert isinstance(shown, dict)
    assert (shown["id"], shown["streamId"], shown["currentState"]) == (1002, 1, "ABORTED")


def test_execution_is_changed_and_deleted_in_the_instance_dialect(tmp_path: Path) -> None:
    """The two calls that only the instance dialect has do what they say."""
    with serving_beside(tmp_path, dialect=Dialect.INSTANCE) as server:
        server.run(*CREATE)
        server.run("executions", "create", "1")
        updated = server.run("executions", "update", "1", "1001", "--mode", "append")
        deleted = server.run("executions", "delete", "1", "1001", "--yes")
        listed = json_of(server, "executions", "list", "1")

    assert facts(updated)["mode"] == "APPEND"
    assert deleted == Run(0, "deleted execution 1001\n", "")
    assert listed == []


def test_call_that_the_dialect_lacks_is_told(tmp_path: Path) -> None:
    """Where a dialect has no such call, the error names both and the way out, and nothing is asked of the server."""
    with serving_beside(tmp_path, dialect=Dialect.PUBLIC) as server:
        update = server.run("executions", "update", "1", "1001", "--mode", "append")
        delete = server.run("executions", "delete", "1", "1001", "--yes", "--json")

        assert server.seen == []
    assert (update.code, delete.code) == (1, 1)
    assert "error: the public dialect has no call to update an execution\nhint: Choose the other dialect" in update.err
    assert "error: the public dialect has no call to delete an execution\nhint: Choose the other dialect" in delete.err


def test_nothing_is_deleted_unasked(tmp_path: Path) -> None:
    """Without a terminal to ask on and without --yes, deleting gives 2 and sends nothing."""
    with serving_beside(tmp_path) as server:
        stream = server.run("streams", "delete", "1")
        execution = server.run("executions", "delete", "1", "1001")

        assert server.seen == []
    for run in (stream, execution):
        assert run == Run(2, "", "error: there is no terminal to ask on\nhint: Say --yes.\n")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (("--column", "id"), "'id' is no NAME:TYPE"),
        (("--column", "id:NUMBER"), "hint: Types are STRING, LONG, DOUBLE, DECIMAL, DATE, DATETIME."),
        (("--column", "id:LONG", "--schema", "schema.json"), "either by --column or by --schema"),
        (("--schema", "none.json"), "none.json can't be read"),
    ],
)
def test_columns_that_make_no_sense_create_nothing(tmp_path: Path, columns: tuple[str, ...], message: str) -> None:
    """What is wrong with the columns is found before the first request, and gives 2."""
    with serving_beside(tmp_path) as server:
        run = server.run("streams", "create", "--name", "A", *columns)

        assert server.seen == []
    assert run.code == 2
    assert message in run.err
    assert "Traceback" not in run.err


def test_columns_come_from_a_schema_file(tmp_path: Path) -> None:
    """A stream is created with the columns of a file, whose names may hold a colon, as options may."""
    (tmp_path / "schema.json").write_text('{"columns": [{"name": "a:b", "type": "DATE"}]}', "utf-8")
    with serving_beside(tmp_path) as server:
        by_file = server.run("streams", "create", "--name", "A", "--schema", "schema.json")
        by_option = server.run("streams", "create", "--name", "B", "--column", "a:b:DATE")

    assert facts(by_file)["columns"] == facts(by_option)["columns"] == "a:b:DATE"
