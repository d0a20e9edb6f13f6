"""`bulkstream doctor`: what could keep a load from working, and what to do about it."""

from __future__ import annotations

import resource
import time
from email.utils import formatdate
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from bulkstream.cli.doctor import local_checks
from bulkstream.model import Dialect
from tests.support.command_line import Run, Shell, serving_beside

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp.typedefs import Handler

LOCAL = ["python", "isal", "deflate", "uvloop", "cores", "open files", "settings"]


def states(run: Run) -> dict[str, str]:
    """Read what was found, by the check's name; each document holds the same keys."""
    assert all(list(check) == ["name", "state", "text", "hint", "code"] for check in run.json)
    return {check["name"]: check["state"] for check in run.json}


async def test_machine_alone_is_looked_at_without_an_account(tmp_path: Path) -> None:
    """Without an account nothing fails, and it is said what to set."""
    shell = Shell(tmp_path)

    for_people, as_json = await shell.run("doctor"), await shell.run("doctor", "--json")

    assert (for_people.code, as_json.code) == (0, 0)
    assert list(states(as_json)) == [*LOCAL, "journals", "account"]
    assert states(as_json)["account"] == "warn"
    assert "Set BULKSTREAM_URL and BULKSTREAM_TOKEN" in for_people.out
    assert (for_people.err, as_json.err) == ("", "")


@pytest.mark.parametrize("dialect", list(Dialect))
def test_good_account_passes_all_checks(tmp_path: Path, dialect: Dialect) -> None:
    """An account that works is told with its dialect, link and clock, without any change on the server."""
    with serving_beside(tmp_path, dialect=dialect) as server:
        run = server.run("doctor", "--json")

        assert {line for line in server.seen if not line.startswith("GET")} <= {"POST /oauth/token"}
    assert (run.code, run.err) == (0, "")
    assert list(states(run)) == [*LOCAL, "journals", "account", "connect", "credentials", "link", "clock"]
    assert {check["state"] for check in run.json} == {"ok"}
    assert {check["code"] for check in run.json} == {0}


def test_refused_credentials_give_6(tmp_path: Path) -> None:
    """A wrong token is told with what to check, after one request."""
    with serving_beside(tmp_path) as server:
        run = server.run("doctor", BULKSTREAM_TOKEN="wrong")

        assert len(server.seen) == 1
    assert run.code == 6
    assert "FAIL  credentials" in run.out
    assert "Check BULKSTREAM_TOKEN" in run.out


async def test_unreachable_account_gives_1(tmp_path: Path) -> None:
    """Where nobody listens, the link is at fault, not the credentials."""
    shell = Shell(tmp_path, {"BULKSTREAM_URL": "http://127.0.0.1:1", "BULKSTREAM_TOKEN": "x"})
    shell.config("[retry]\nbase_s = 0.0\n")

    run = await shell.run("doctor")

    assert run.code == 1
    assert "FAIL  link" in run.out
    assert "Check BULKSTREAM_URL, the network" in run.out


async def test_incomplete_account_is_a_usage_error(tmp_path: Path) -> None:
    """An address without credentials gives 2 and names the variable."""
    run = await Shell(tmp_path, {"BULKSTREAM_URL": "http://127.0.0.1:1"}).run("doctor")

    assert run.code == 2
    assert "FAIL  account" in run.out
    assert "Set BULKSTREAM_TOKEN" in run.out


async def test_broken_settings_file_is_a_usage_error(tmp_path: Path) -> None:
    """A file that can't be read or is not there gives 2, without a traceback."""
    shell = Shell(tmp_path)
    shell.config("[nonsense")
    broken = await shell.run("doctor")
    missing = await shell.run("doctor", BULKSTREAM_CONFIG=str(tmp_path / "none.toml"))

    for run in (broken, missing):
        assert run.code == 2
        assert "FAIL  account" in run.out
        assert run.err == ""


def test_clock_that_is_off_is_told(tmp_path: Path) -> None:
    """A server whose time is an hour away makes a warning, not a failure."""

    @web.middleware
    async def yesterday(request: web.Request, handler: Handler) -> web.StreamResponse:
        answer = await handler(request)
        answer.headers["Date"] = formatdate(time.time() - 3600, usegmt=True)
        return answer

    with serving_beside(tmp_path, wrap=[yesterday]) as server:
        run = server.run("doctor")

    assert run.code == 0
    assert "warn  clock" in run.out
    assert "Set this machine's clock." in run.out


@pytest.mark.parametrize(
    ("text", "mode", "state"),
    [
        ('[connection]\ntoken = "x"\n', 0o644, "warn"),
        ('[profiles.nightly.connection]\nclient_secret = "x"\n', 0o640, "warn"),
        ('connection = { url = "http://x", token = "x" }\n', 0o644, "warn"),
        ('connection.token = "x"\n', 0o644, "warn"),
        ('[connection]\ntoken = "x"\n', 0o600, "ok"),
        ('[connection]\nurl = "http://x"\n# token = "x"\n', 0o644, "ok"),
    ],
)
def test_settings_file_that_others_may_read_is_told(tmp_path: Path, text: str, mode: int, state: str) -> None:
    """A file with a secret must be its owner's alone; one without may be anybody's."""
    path = tmp_path / "settings.toml"
    path.write_text(text, "utf-8")
    path.chmod(mode)

    found = {check.name: check for check in local_checks({"BULKSTREAM_CONFIG": str(path)})}["settings"]

    assert found.state == state
    assert (f"chmod 600 {path}" in found.hint) is (state == "warn")


async def test_journals_that_cant_be_written_are_told(tmp_path: Path) -> None:
    """A load would fail without them; nothing is made by looking."""
    (tmp_path / "file").touch()
    shell = Shell(tmp_path)

    bad = await shell.run("doctor", "--json", BULKSTREAM_STATE_DIR=str(tmp_path / "file"))
    good = await shell.run("doctor", "--json", BULKSTREAM_STATE_DIR=str(tmp_path / "new" / "state"))

    assert (bad.code, states(bad)["journals"]) == (1, "fail")
    assert "BULKSTREAM_STATE_DIR" in next(each["hint"] for each in bad.json if each["name"] == "journals")
    assert (good.code, states(good)["journals"]) == (0, "ok")
    assert not (tmp_path / "new").exists()


def test_settings_file_that_cant_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that this user may not read fails its check, and the others are made all the same."""
    path = tmp_path / "settings.toml"
    path.touch()

    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(type(path), "read_text", refuse)
    found = {check.name: check for check in local_checks({"BULKSTREAM_CONFIG": str(path)})}

    assert list(found) == LOCAL
    assert (found["settings"].state, found["settings"].text) == ("fail", f"{path} can't be read: Permission denied")


@pytest.mark.parametrize(
    ("limit", "state", "text"),
    [(256, "warn", "up to 256"), (4096, "ok", "up to 4096"), (resource.RLIM_INFINITY, "ok", "no limit")],
)
def test_too_few_open_files_are_told(monkeypatch: pytest.MonkeyPatch, limit: int, state: str, text: str) -> None:
    """A limit that 256 connections would break is a warning."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))

    found = {check.name: check for check in local_checks({"HOME": "/nowhere"})}["open files"]

    assert (found.state, found.text) == (state, text)
