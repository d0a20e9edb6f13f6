"""Runs `bulkstream` as a process of its own, with an environment of its own, against a sandbox in the test's loop."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import asynccontextmanager, chdir, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import ClientSession, web, web_middlewares
from anyio.from_thread import start_blocking_portal
from typer.testing import CliRunner

from bulkstream.cli.app import app
from bulkstream.model import Dialect
from bulkstream.sandbox import RunningSandbox, SandboxSettings, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from aiohttp.typedefs import Handler

    Answer = Callable[[web.Request], Awaitable[web.StreamResponse | None]]

BIN = Path(sys.executable).parent
PLAIN = SandboxSettings(port=0)


@dataclass(frozen=True)
class Run:
    """How a run of the command line ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return orjson.loads(self.out)


@dataclass
class Shell:
    """Runs commands in a folder that is home and working directory; the environment holds nothing else."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)
    stdin: int = DEVNULL

    async def run(self, *arguments: str | Path, **environ: str) -> Run:
        """Run `bulkstream` to its end; variables given here are added for this run."""
        async with self.started(*arguments, **environ) as process:
            return await ended(process)

    @asynccontextmanager
    async def started(self, *arguments: str | Path, **environ: str) -> AsyncIterator[Process]:
        """Start `bulkstream`, with warnings as errors; it does not outlive the context."""
        base = {"HOME": str(self.folder), "PATH": f"{BIN}:{os.environ['PATH']}"}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "error", "-m", "bulkstream", *map(str, arguments)),
            cwd=self.folder,
            env=base | self.environ | environ,
            stdin=self.stdin,
            stdout=PIPE,
            stderr=PIPE,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    def config(self, text: str) -> None:
        """Write the settings file of all runs to come."""
        (self.folder / "settings.toml").write_text(text, "utf-8")
        self.environ["BULKSTREAM_CONFIG"] = str(self.folder / "settings.toml")


async def ended(process: Process) -> Run:
    """Wait for a process and read all that it printed."""
    out, err = await process.communicate()
    return Run(process.returncode or 0, out.decode(), err.decode())


@dataclass
class Server:
    """A sandbox that notes what it is asked, and a shell whose environment leads to it."""

    sandbox: RunningSandbox
    shell: Shell
    seen: list[str]

    @property
    def parts(self) -> list[int]:
        """Numbers of the parts that were sent, in order."""
        return [int(line.rsplit("/", 1)[1]) for line in self.seen if line.startswith("PUT") and "/part" in line]

    async def rows(self, stream_id: int = 1) -> bytes:
        """Read the dataset of a stream back, behind the command line's back."""
        stream = await self._get(f"/v1/streams/{stream_id}")
        return await self._read(f"/v1/datasets/{orjson.loads(stream)['dataSet']['id']}/data?includeHeader=false")

    async def states(self, stream_id: int = 1) -> list[str]:
        """Return the states of a stream's executions, the oldest first."""
        found = orjson.loads(await self._get(f"/v1/streams/{stream_id}/executions"))
        return [each["currentState"] for each in sorted(found, key=lambda each: int(each["id"]))]

    async def _get(self, path: str) -> bytes:
        before = len(self.seen)
        try:
            return await self._read(path)
        finally:
            del self.seen[before:]

    async def _read(self, path: str) -> bytes:
        basic = {"Authorization": "Basic c2FuZGJveDpzYW5kYm94"}
        async with ClientSession(self.sandbox.url, raise_for_status=True) as session:
            async with session.post("/oauth/token?grant_type=client_credentials&scope=data", headers=basic) as answer:
                token = (await answer.json())["access_token"]
            async with session.get(path, headers={"Authorization": f"Bearer {token}"}) as answer:
                return await answer.read()


@asynccontextmanager
async def serving(
    folder: Path,
    answer: Answer | None = None,
    *,
    dialect: Dialect = Dialect.INSTANCE,
    wrap: Any = None,
    settings: SandboxSettings = PLAIN,
) -> AsyncIterator[Server]:
    """Run a sandbox, with retries of the command line that don't wait.

    Args:
        folder: Home of the shell.
        answer: Is asked first; what it returns is sent in the sandbox's place, unless it is None.
        dialect: What the command line is told to speak.
        wrap: Further middlewares.
        settings: Of the sandbox.
    """
    seen: list[str] = []

    @web_middlewares.middleware
    async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
        seen.append(f"{request.method} {request.path}")
        if answer and (answered := await answer(request)) is not None:
            return answered
        return await handler(request)

    async with running(settings, middlewares=[note, *(wrap or ())]) as sandbox:
        environ = {
            "BULKSTREAM_URL": sandbox.url,
            "BULKSTREAM_DIALECT": dialect,
            "BULKSTREAM_TOKEN": "sandbox",
            "BULKSTREAM_CLIENT_ID": "sandbox",
            "BULKSTREAM_CLIENT_SECRET": "sandbox",
        }
        shell = Shell(folder, environ)
        shell.config("[retry]\nbase_s = 0.0\n")
        yield Server(sandbox, shell, seen)


@dataclass
class InProcess:
    """Runs commands in this process, which is ten times quicker; signals and start-up need `Shell`."""

    server: Server

    @property
    def seen(self) -> list[str]:
        """What the server was asked."""
        return self.server.seen

    def run(self, *arguments: str, **environ: str) -> Run:
        """Run `bulkstream` to its end; variables given here are added for this run."""
        names = {name: None for name in os.environ if name.startswith("BULKSTREAM_")}
        home = {"HOME": str(self.server.shell.folder)}
        env = {**names, **home, **self.server.shell.environ, **environ}
        result = CliRunner().invoke(app, list(arguments), env=env)
        return Run(result.exit_code, result.stdout, result.stderr)


@contextmanager
def serving_beside(
    folder: Path, answer: Answer | None = None, *, dialect: Dialect = Dialect.INSTANCE, wrap: Any = None
) -> Iterator[InProcess]:
    """Run a sandbox in a thread of its own, so that commands can have this one; they find themselves in the folder."""
    with (
        chdir(folder),
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(serving(folder, answer, dialect=dialect, wrap=wrap)) as server,
    ):
        yield InProcess(server)
