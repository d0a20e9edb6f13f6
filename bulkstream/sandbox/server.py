"""The sandbox as a server until it is told to stop, and as a context for tests."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import tempfile
import time
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from bulkstream.errors import UsageError
from bulkstream.sandbox.app import create_app
from bulkstream.sandbox.context import SANDBOX, Clock
from bulkstream.sandbox.faults import FaultPlan, Faults
from bulkstream.sandbox.faults.wire import reset

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from aiohttp.typedefs import Middleware

    from bulkstream.sandbox.requests import Requests
    from bulkstream.sandbox.settings import SandboxSettings
    from bulkstream.sandbox.store import Store

log = logging.getLogger(__name__)

_SHUTDOWN_S = 5.0


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """A sandbox that answers.

    Attributes:
        url: Base address of both dialects.
        port: TCP port.
        faults: What goes wrong, and how often it did.
    """

    url: str
    port: int
    faults: Faults
    _server: _Server = field(repr=False)

    @property
    def requests(self) -> Requests:
        """What arrived and what was answered."""
        return self.faults.requests

    @property
    def store(self) -> Store:
        """Its state, for tests that look behind the API; another object after a restart."""
        return self._server.app[SANDBOX].store


@asynccontextmanager
async def running(
    settings: SandboxSettings,
    *,
    middlewares: Sequence[Middleware] = (),
    clock: Clock = time.time,
    faults: FaultPlan | None = None,
) -> AsyncIterator[RunningSandbox]:
    """Run a sandbox in this event loop for the time of the context; port 0 takes a free one.

    Args:
        settings: How it behaves.
        middlewares: Run before credentials are checked and errors become JSON, and behind injected faults.
        clock: Seconds since the epoch, for tests of expiry.
        faults: What goes wrong; None takes the settings' plan.

    Raises:
        UsageError: The host is not loopback, the port is taken, or the folder is in use.
    """
    settings.check()
    async with _scratch(wanted=settings.data is None) as folder:

        def build(faults: Faults) -> web.Application:
            return create_app(settings, middlewares=middlewares, clock=clock, faults=faults, folder=folder)

        server = _Server(settings, faults or settings.faults, build)
        try:
            await server.start()
            host = f"[{settings.host}]" if ":" in settings.host else settings.host
            if settings.port_file:
                _write_port(settings.port_file, server.port)
            yield RunningSandbox(f"http://{host}:{server.port}", server.port, server.faults, server)
        finally:
            await server.stop()


async def serve(settings: SandboxSettings, *, started: Callable[[str], None] | None = None) -> None:
    """Run a sandbox until this call is cancelled or the process gets SIGINT or SIGTERM.

    Args:
        settings: How it behaves.
        started: Called with the address once it listens, after the port file was written.

    Raises:
        UsageError: The host is not loopback, the port is taken, or the folder is in use.
    """
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    async with running(settings) as sandbox:
        with _signals(loop, stop.set):
            if started:
                started(sandbox.url)
            await stop.wait()


class _Server:
    """An application on a port; it can be killed and started again, which takes a new application."""

    def __init__(
        self, settings: SandboxSettings, plan: FaultPlan | None, build: Callable[[Faults], web.Application]
    ) -> None:
        self._host = settings.host
        self.port = settings.port
        self._build = build
        self._restarting: asyncio.Task[None] | None = None
        self.faults = Faults(plan, restart=self._begin_restart)

    async def start(self) -> None:
        """Open everything and listen.

        Raises:
            UsageError: The port is taken, or the folder is in use.
        """
        self.app = self._build(self.faults)
        self._runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=_SHUTDOWN_S)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self.port).start()
        except OSError as error:
            hint = "Another --port may be free; 0 takes one that is."
            raise UsageError(f"can't listen on {self._host}:{self.port}: {error.strerror}", hint=hint) from None
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close everything, also in the middle of a restart."""
        if self._restarting:
            self._restarting.cancel()
            await asyncio.gather(self._restarting, return_exceptions=True)
        await self._runner.cleanup()

    def _begin_restart(self, seconds: float) -> None:
        if self._restarting is None or self._restarting.done():
            self._restarting = asyncio.create_task(self._restart(seconds))

    async def _restart(self, seconds: float) -> None:
        for site in list(self._runner.sites):
            await site.stop()
        with _reserved(self._host, self.port):
            await self._kill()
            await asyncio.sleep(seconds)
        try:
            await self.start()
        except Exception:  # the boundary: nobody waits for this task
            log.exception("the sandbox did not start again")

    async def _kill(self) -> None:
        """End every connection and request at once, as a killed process does, and close what is open."""
        assert self._runner.server is not None  # noqa: S101 - it was started
        for connection in self._runner.server.connections:
            reset(connection.transport)
        self.faults.kill()
        await self._runner.cleanup()


@asynccontextmanager
async def _scratch(*, wanted: bool) -> AsyncIterator[Path | None]:
    """A temporary folder, which outlives restarts."""
    if not wanted:
        yield None
        return
    folder = tempfile.TemporaryDirectory("-sandbox")
    try:
        yield Path(folder.name)
    finally:
        await asyncio.to_thread(folder.cleanup)


@contextmanager
def _reserved(host: str, port: int) -> Iterator[None]:
    """Keep a port from others without listening, so that connections to it are refused."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):  # somebody was quicker, which the start will tell
            holder.bind(address)
        yield


@contextmanager
def _signals(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` on SIGINT and SIGTERM; outside the main thread, where that can't be had, nothing does."""
    handled: list[signal.Signals] = []
    with suppress(RuntimeError, ValueError, NotImplementedError):
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)
            handled.append(number)
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)


def _write_port(path: Path, port: int) -> None:
    """Write the number so that nobody ever reads half of it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(f"{port}\n", "ascii")
    draft.replace(path)
