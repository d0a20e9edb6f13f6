"""`--json` prints exactly one document, however a command ends."""

from __future__ import annotations

import asyncio
import io
import os
from typing import TYPE_CHECKING

import pytest
import typer
from typer.testing import CliRunner

from bulkstream.cli import entry
from bulkstream.cli.app import app
from bulkstream.cli.failure import failed_load, failure
from bulkstream.cli.run import say_error, told
from bulkstream.errors import SourceMissing, UsageError
from bulkstream.ledger import Ledger
from bulkstream.model import Column, ColumnType
from bulkstream.sources import Chosen, Inferred, conflict_error, matched
from tests.support.command_line import Run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Entered = Callable[..., Run]

REPORT_KEYS = list(Ledger().report().as_dict())


@pytest.fixture
def entered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> Callable[..., Run]:
    """Enter the command line in this process, from an empty folder and without an account."""
    for name in [name for name in os.environ if name.startswith("BULKSTREAM_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO())

    def enter(*arguments: str) -> Run:
        code = entry.enter(arguments)
        out, err = capsysbinary.readouterr()
        return Run(code, out.decode(), err.decode())

    return enter


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("upload", "--json"), "Missing argument 'SOURCE'"),
        (("upload", "a.csv", "--nonsense", "--json"), "No such option: --nonsense"),
        (("upload", "a.csv", "--stream", "one", "--json"), "Invalid value for '--stream'"),
        (("upload", "a.csv", "--dataset-name", "A", "--level", "²", "--json"), "upload.level"),
        (("upload", "missing.csv", "--dry-run", "--json"), "missing.csv"),
        (("demo", "--rows", "0", "--json"), "Invalid value for '--rows'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_load_that_never_began_has_a_report(entered: Entered, arguments: tuple[str, ...], message: str) -> None:
    """Where a load is refused by the parser, its settings or its source, the report has all keys and the error."""
    run = entered(*arguments)

    assert run.code == 2
    assert list(run.json) == REPORT_KEYS
    assert (run.json["outcome"], run.json["rows"], run.json["execution_id"]) == ("aborted", 0, None)
    assert message in run.json["error"]
    assert run.err.startswith("error: ")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("streams", "get", "--json"), 2, "Missing argument 'STREAM'"),
        (("streams", "delete", "1", "--json"), 2, "there is no terminal to ask on"),
        (("executions", "list", "1", "--json"), 2, "no address is set"),
        (("nonsense", "--json"), 2, "No such command 'nonsense'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_command_that_fails_has_a_document(
    entered: Entered, arguments: tuple[str, ...], code: int, message: str
) -> None:
    """Other commands that fail print an object of the error and its hint."""
    run = entered(*arguments)

    assert run.code == code
    assert list(run.json) == ["error", "hint"]
    assert message in run.json["error"]
    assert run.err.startswith("error: ")


def test_refused_arguments_are_told_in_two_lines(entered: Entered) -> None:
    """What the parser refuses reads like every other error."""
    run = entered("upload", "a.csv", "--nonsense")

    assert (run.code, run.out) == (2, "")
    assert run.err == "error: No such option: --nonsense\nhint: Try `bulkstream upload --help` for help.\n"


def test_group_without_a_command_shows_its_help(entered: Entered) -> None:
    """Who names only the group is shown what is in it; nothing was done, so the code is 2."""
    run = entered("streams")

    assert run.code == 2
    assert "search" in run.out + run.err
    assert "error" not in run.err


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (SourceMissing("x is missing"), 2, "x is missing"),
        (ZeroDivisionError(), 1, "ZeroDivisionError()"),
        (asyncio.CancelledError(), 130, "interrupted"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_error_becomes_a_code_and_one_document(
    capsysbinary: pytest.CaptureFixture[bytes], error: BaseException, code: int, text: str
) -> None:
    """Whatever is raised inside a command, an interrupt included, is told in JSON."""
    with pytest.raises(typer.Exit) as left, told(as_json=True):
        raise error

    assert left.value.exit_code == code
    assert text.encode() in capsysbinary.readouterr().out


def test_question_answered_by_no_is_told(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """A command that the user called off says so in JSON."""
    with pytest.raises(typer.Abort), told(as_json=True):
        raise typer.Abort

    assert b'"not confirmed"' in capsysbinary.readouterr().out


def test_reader_that_went_away_ends_the_command_quietly(capsys: pytest.CaptureFixture[str]) -> None:
    """`bulkstream streams list | head` is no error."""
    with pytest.raises(BrokenPipeError), told():
        raise BrokenPipeError

    assert capsys.readouterr().err == ""


def test_documents_of_failures() -> None:
    """Loads fail with a report; a hint that is empty is null."""
    assert failure("x", "") == {"error": "x", "hint": None}
    assert failure("x", "y") == {"error": "x", "hint": "y"}
    assert failed_load("x", "y")["error"] == "x"


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_colours_can_be_left_out(no_color: str, coloured: bool) -> None:
    """Errors are red on a terminal, unless NO_COLOR is set."""
    result = CliRunner().invoke(app, ["streams", "delete", "1"], color=True, env={"NO_COLOR": no_color})

    assert result.exit_code == 2
    assert ("\x1b[31m" in result.stderr) is coloured


def test_a_table_of_conflicts_keeps_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """What doesn't fit between source and dataset is shown as a table, a line for each column."""
    ours = Chosen(Inferred(Column("day", ColumnType.DATETIME), "", 0), 0)
    say_error(conflict_error(matched([ours], [Column("day", ColumnType.DATE)], by_name=True), "Sales"))

    lines = capsys.readouterr().err.splitlines()
    assert lines[1:3] == ["  column  dataset  source    value", "  day     DATE     DATETIME"]


def test_server_s_message_is_told_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A message of many lines, or a whole page, is folded and cut."""
    say_error(UsageError("<html>\n  <body>" + 3000 * "x"))

    err = capsys.readouterr().err
    assert err.startswith("error: <html> <body>xxx")
    assert err.endswith("x…\n")
    assert len(err) < 1100
