"""No secret gets out: real runs of the command line, failing in every way, and a search through all that they wrote."""

from __future__ import annotations

import asyncio
import base64
import os
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer
from aiohttp import web

from bulkstream.cli.app import app
from bulkstream.model import Dialect
from bulkstream.sandbox import SandboxSettings, running
from tests.support.command_line import Run, Shell, ended
from tests.support.flaky_server import FlakyServer

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from aiohttp.typedefs import Handler

    Answer = Callable[[web.Request], Awaitable[web.StreamResponse | None]]

TOKEN = "tok3n-4f9a1c7be2d85063-developer"
SECRET = "s3cr3t-9b27e0d14ac6f358-client"
CLIENT_ID = "an-ordinary-client-id"
LOUD = {"BULKSTREAM_DEBUG": "1", "PYTHONASYNCIODEBUG": "1", "PYTHONFAULTHANDLER": "1", "PYTHONDEVMODE": "1"}
ECHO = f"refused: {TOKEN} {SECRET}"


def needles(*more: str) -> dict[str, bytes]:
    """Return what must be found nowhere: the secrets, and each in base64 at every offset."""
    plain = {"token": TOKEN, "secret": SECRET, "basic": f"{CLIENT_ID}:{SECRET}", **{each: each for each in more}}
    found = {name: text.encode() for name, text in plain.items()}
    for name, text in plain.items():
        for shift in range(3):
            # The characters at both ends depend on what stands beside it.
            whole = base64.b64encode(bytes(shift) + text.encode())
            found[f"{name} in base64, {shift}"] = whole[4 if shift else 0 : -4]
    return found


@dataclass
class Scene:
    """A home of its own for the runs, and an account that knows the secrets.

    Attributes:
        written: What the runs printed.
        bearers: Access tokens that were sent.
    """

    folder: Path
    shell: Shell
    written: list[bytes] = field(default_factory=list)
    bearers: set[str] = field(default_factory=set)

    async def run(self, *arguments: str | Path, **environ: str) -> Run:
        async with self.shell.started(*arguments, **{**LOUD, **environ}) as process:
            self.note_command(process)
            return self.noted(await ended(process))

    async def unseen(self, *arguments: str | Path, **environ: str) -> Run:
        """Run what has a secret in its arguments, as a signed URL; whoever types that knows."""
        return self.noted(await self.shell.run(*arguments, **{**LOUD, **environ}))

    def note_command(self, process: Process) -> None:
        """Note a process's command line, as everybody on the machine may read it."""
        if sys.platform == "linux":
            self.written.append(Path(f"/proc/{process.pid}/cmdline").read_bytes())

    def noted(self, run: Run) -> Run:
        self.written += [run.out.encode(), run.err.encode()]
        return run

    def leaks(self) -> list[str]:
        """Say which secret stands where, in what was printed and in every file under the folder."""
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        texts = [*enumerate(self.written), *((str(path), path.read_bytes()) for path in files)]
        sought = needles(*self.bearers).items()
        return [f"{name} in {where}" for where, text in texts for name, needle in sought if needle in text]


@asynccontextmanager
async def scene(folder: Path, dialect: Dialect, answer: Answer | None = None) -> AsyncIterator[Scene]:
    """Run a sandbox whose data lies elsewhere; `answer` is asked before it."""
    stage = Scene(folder, Shell(folder))

    @web.middleware
    async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        stage.bearers |= {bearer} if scheme.lower() == "bearer" else set()
        answered = await answer(request) if answer else None
        return await handler(request) if answered is None else answered

    settings = SandboxSettings(port=0, developer_token=TOKEN, client_id=CLIENT_ID, client_secret=SECRET)
    async with running(settings, middlewares=[note]) as sandbox:
        places = {"HOME": "", "XDG_CONFIG_HOME": "c", "XDG_CACHE_HOME": "k", "XDG_STATE_HOME": "s", "TMPDIR": "t"}
        for name, place in {**places, "BULKSTREAM_STATE_DIR": "state"}.items():
            (folder / place).mkdir(exist_ok=True)
            stage.shell.environ[name] = str(folder / place)
        stage.shell.config("[retry]\nbase_s = 0.0\nattempts = 2\n")
        stage.shell.environ |= {"BULKSTREAM_URL": sandbox.url, "BULKSTREAM_DIALECT": dialect}
        stage.shell.environ |= {"BULKSTREAM_TOKEN": TOKEN} if dialect is Dialect.INSTANCE else {}
        stage.shell.environ |= {"BULKSTREAM_CLIENT_ID": CLIENT_ID, "BULKSTREAM_CLIENT_SECRET": SECRET}
        (folder / "rows.csv").write_text("id,name\n" + "".join(f"{n},row {n}\n" for n in range(2000)), "utf-8")
        yield stage


UPLOAD = ("upload", "rows.csv", "--dataset-name", "Rows", "--part-size", "4KiB")


@pytest.mark.parametrize("dialect", list(Dialect))
async def test_runs_that_succeed_tell_no_secret(tmp_path: Path, dialect: Dialect) -> None:
    """Loads, plans, listings and the doctor, with every switch on that makes a program talk."""
    async with scene(tmp_path, dialect) as stage:
        runs = [
            await stage.run(*arguments)
            for arguments in (
                UPLOAD,
                (*UPLOAD, "--json"),
                (*UPLOAD, "--dry-run"),
                ("doctor", "--json"),
                ("streams", "list", "--json"),
                ("runs", "list", "--json"),
            )
        ]

        assert [run.code for run in runs] == [0] * len(runs), [run.err for run in runs]
        assert bool(stage.bearers) is (dialect is Dialect.PUBLIC)
        assert stage.leaks() == []


async def refuse_401(_: web.Request) -> web.Response:
    return web.json_response({"message": ECHO, "toe": TOKEN}, status=401)


async def refuse_403(request: web.Request) -> web.Response:
    echo = [value for name, value in request.headers.items() if name in {"Authorization", "X-DOMO-Developer-Token"}]
    told = {"error": {"message": " ".join(echo)}}
    return web.json_response(told, status=403, headers={"X-Request-Id": echo[0].split()[-1]})


async def show_page(request: web.Request) -> web.Response:
    echo = request.headers.get("X-DOMO-Developer-Token") or request.headers["Authorization"]
    return web.Response(text=f"<html><title>{echo}</title>{echo}</html>", content_type="text/html")


async def send_elsewhere(request: web.Request) -> web.Response:
    echo = request.headers.get("X-DOMO-Developer-Token") or request.headers["Authorization"].split()[-1]
    return web.Response(status=302, headers={"Location": f"http://127.0.0.1:1/{echo}?{echo}"})


async def break_the_protocol(request: web.Request) -> web.Response:
    echo = request.headers.get("X-DOMO-Developer-Token") or request.headers["Authorization"]
    assert request.transport is not None
    request.transport.write(f"{echo}\r\n\r\n".encode())
    request.transport.close()
    raise ConnectionResetError


ANSWERS: list[Answer] = [refuse_401, refuse_403, show_page, send_elsewhere, break_the_protocol]


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize("refuse", ANSWERS, ids=lambda answer: str(answer.__name__))
async def test_refusals_that_echo_a_secret_are_not_repeated(tmp_path: Path, dialect: Dialect, refuse: Answer) -> None:
    """On any call but the token's own, so that access tokens are among what is echoed, and on that as well."""

    async def after_the_token(request: web.Request) -> web.StreamResponse | None:
        return None if request.path == "/oauth/token" else await refuse(request)

    for answer in (after_the_token, refuse) if dialect is Dialect.PUBLIC else (refuse,):
        async with scene(tmp_path, dialect, _without(answer, dialect)) as stage:
            runs = [await stage.run(*arguments) for arguments in ((*UPLOAD, "--json"), ("doctor", "--json"))]

            assert all(run.code for run in runs)
            assert all("Traceback" in run.err for run in runs[:1])
            assert stage.leaks() == []


def _without(answer: Answer, dialect: Dialect) -> Answer:
    """Keep a server from echoing what it was not sent: no client can know those secrets of other requests."""

    async def answered(request: web.Request) -> web.StreamResponse | None:
        found = await answer(request)
        if isinstance(found, web.Response) and found.text and ECHO in found.text:
            sent = TOKEN if dialect is Dialect.INSTANCE else SECRET if request.path == "/oauth/token" else ""
            found.text = found.text.replace(ECHO, f"refused: {sent}").replace(TOKEN, sent)
        return found

    return answered


@pytest.mark.parametrize("dialect", list(Dialect))
async def test_what_goes_wrong_inside_tells_no_secret(tmp_path: Path, dialect: Dialect) -> None:
    """An error of ours that nobody expected, settings that are wrong, and a token where an address belongs."""
    async with scene(tmp_path, dialect) as stage:
        (tmp_path / "sitecustomize.py").write_text(
            "import bulkstream.api.client as c\n"
            "def fail(*_): raise RuntimeError(f'forced, {vars(_[0])} {_}')\n"
            "c.ApiClient._reply = fail\n",
            "utf-8",
        )
        runs = [
            await stage.run(*UPLOAD, PYTHONPATH=str(tmp_path)),
            await stage.run(*UPLOAD, BULKSTREAM_DIALECT="nonsense"),
            await stage.run(*UPLOAD, BULKSTREAM_URL=f"https://me:{SECRET}@acme.example"),
            await stage.run(*UPLOAD, BULKSTREAM_TOKEN=f"{TOKEN} {TOKEN}", BULKSTREAM_DIALECT="instance"),
            await stage.run(*UPLOAD, HTTPS_PROXY=f"x://me:{SECRET}@proxy", BULKSTREAM_URL="https://acme.example"),
        ]

        assert "internal error: RuntimeError(" in runs[0].err
        assert "forced, {'settings'" in runs[0].err
        assert all(run.code and "Traceback" in run.err for run in runs)
        assert stage.leaks() == []


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("dialect", list(Dialect))
async def test_a_killed_run_leaves_no_secret(tmp_path: Path, dialect: Dialect) -> None:
    """In the middle of a load, with no time to tidy; nothing on disk and nothing in the process's arguments."""
    reached, released = asyncio.Event(), asyncio.Event()

    async def hold(request: web.Request) -> web.StreamResponse | None:
        if request.method == "PUT" and "/part" in request.path:
            reached.set()
            await released.wait()
        return None

    async with scene(tmp_path, dialect, hold) as stage, stage.shell.started(*UPLOAD, **LOUD) as process:
        await reached.wait()
        stage.note_command(process)
        process.kill()
        stage.noted(await ended(process))
        released.set()

        assert process.returncode == -9
        assert stage.leaks() == []


PARTS = (b"X-Amz-Signature", b"5ign4ture-71c09b6e", b"b10b%2Bsa5", b"b10b+sa5")
QUERY = "?X-Amz-Signature=5ign4ture-71c09b6e&se=2027-01-01&sig=b10b%2Bsa5%3D"


async def test_the_query_of_a_url_is_told_nowhere(tmp_path: Path) -> None:
    """Not by loads, plans, their journals and refusals, though all of them name the file."""
    async with scene(tmp_path, Dialect.INSTANCE) as stage:
        data = (tmp_path / "rows.csv").read_bytes()
        with FlakyServer(data) as server:
            url = f"{server.address}/rows.csv{QUERY}"
            load = ("upload", url, "--dataset-name", "Rows", "--part-size", "4KiB")
            runs = [await stage.unseen(*load, *more) for more in ((), ("--json",), ("--dry-run",))]
            for status in (403, 404, 500, 500):
                server.refusals.append(status)
                runs.append(await stage.unseen(*load, "--json"))
            server.data = data.replace(b"7,row 7", b"7,row,7,x,y")
            runs.append(await stage.unseen(*load, "--json"))
            runs.append(await stage.unseen("runs", "list", "--json"))
        runs.append(await stage.unseen(*load))

    assert [run.code for run in runs] == [0, 0, 0, 1, 2, 0, 0, 4, 0, 1], [run.err for run in runs]
    assert all("/rows.csv" in run.err for run in runs[:2] + runs[-1:])
    files = [path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert files
    assert not [text for text in [*stage.written, *files] for part in PARTS if part in text]


@pytest.mark.parametrize("place", ["printed", "a file", "base64"])
async def test_a_planted_secret_is_found(tmp_path: Path, place: str) -> None:
    """The search finds what it is there to find."""
    async with scene(tmp_path, Dialect.INSTANCE) as stage:
        match place:
            case "printed":
                run = await stage.run("upload", f"{TOKEN}.csv", "--dataset-name", "Rows")
                assert "no such file" in run.err
            case "a file":
                (tmp_path / "state" / "log").write_text(f"Authorization: {SECRET}", "utf-8")
            case _:
                stage.written.append(base64.b64encode(f"x{CLIENT_ID}:{SECRET}".encode()))

        assert stage.leaks() != []


def test_no_option_takes_a_secret() -> None:
    """What stands on a command line is in the shell's history, and everybody on the machine may read it."""
    names = [name for command in commands(typer.main.get_command(app)) for name in option_names(command)]

    assert {"--profile", "--token-ttl", "--stream"} <= set(names)
    suspicious = [n for n in names if any(word in n for word in ("token", "secret", "passw", "client", "cred", "auth"))]
    assert set(suspicious) == {"--token-ttl"}  # seconds, of the sandbox


def commands(command: Any) -> Iterator[Any]:
    """Yield a command and all below it."""
    yield command
    for each in getattr(command, "commands", {}).values():
        yield from commands(each)


def option_names(command: Any) -> list[str]:
    """Return all spellings of a command's options and arguments; none reads an environment variable either."""
    assert all(parameter.envvar is None for parameter in command.params)
    return [name.lower() for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)]


def test_warnings_reach_people(tmp_path: Path) -> None:
    """Exposed settings and unencrypted credentials are a line each on stderr, and warnings of the doctor."""
    shell = Shell(tmp_path)
    account = f'[connection]\nurl = "http://acme.invalid"\nallow_http = true\ntoken = "{TOKEN}"\n'
    shell.config(f"{account}[retry]\nattempts = 1\n")
    path = tmp_path / "settings.toml"
    path.chmod(0o644)

    async def both() -> tuple[Run, Run]:
        return await shell.run("streams", "list"), await shell.run("doctor", "--json")

    listed, examined = asyncio.run(both())
    states = {check["name"]: check["state"] for check in examined.json}

    assert f"warning: {path} holds secrets and others may read it. Run: chmod 600 {path}" in listed.err
    assert "warning: http://acme.invalid is sent credentials unencrypted" in listed.err
    assert (states["settings"], states["account"]) == ("warn", "warn")
    assert "warning" not in examined.err
    assert TOKEN not in listed.out + listed.err + examined.out + examined.err
    assert os.environ.get("BULKSTREAM_TOKEN") != TOKEN
