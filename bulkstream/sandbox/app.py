"""The sandbox as an application, as a server until it is told to stop, and as a context for tests."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from bulkstream.errors import UsageError
from bulkstream.sandbox import auth, export, instance, public
from bulkstream.sandbox.context import SANDBOX, Clock, opened
from bulkstream.sandbox.errors import faults_as_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence
    from pathlib import Path

    from aiohttp.typedefs import Handler, Middleware

    from bulkstream.sandbox.settings import SandboxSettings
    from bulkstream.sandbox.store import Store

_JSON_BYTES = 16 << 20
_READ_BYTES = 256 << 10
_IDLE_S = 75.0
_SHUTDOWN_S = 5.0


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """A sandbox that answers.

    Attributes:
        url: Base address of both dialects.
        port: TCP port.
        store: Its state, for tests that look behind the API.
    """

    url: str
    port: int
    store: Store


def create_app(
    settings: SandboxSettings, *, middlewares: Sequence[Middleware] = (), clock: Clock = time.time
) -> web.Application:
    """Build the application; it opens its store when it starts and closes it when it is cleaned up.

    Args:
        settings: How it behaves.
        middlewares: Run outermost, before credentials are checked and errors become JSON, to inject faults.
        clock: Seconds since the epoch, for tests of expiry.
    """
    chain = (*middlewares, _latency(settings.latency_s), faults_as_json, auth.authenticated)
    # Bodies of parts must arrive as they were sent: decompressing is the inspector's job.
    handler_args = {"auto_decompress": False, "read_bufsize": _READ_BYTES, "keepalive_timeout": _IDLE_S}
    app = web.Application(middlewares=chain, client_max_size=_JSON_BYTES, handler_args=handler_args)
    for dialect in (public, instance, export, auth):
        dialect.add_routes(app)

    async def lifetime(app: web.Application) -> AsyncIterator[None]:
        async with opened(settings, clock) as sandbox:
            app[SANDBOX] = sandbox
            yield

    app.cleanup_ctx.append(lifetime)
    return app


@asynccontextmanager
async def running(
    settings: SandboxSettings, *, middlewares: Sequence[Middleware] = (), clock: Clock = time.time
) -> AsyncIterator[RunningSandbox]:
    """Run a sandbox in this event loop for the time of the context; port 0 takes a free one.

    Raises:
        UsageError: The host is not loopback, the port is taken, or the folder is in use.
    """
    settings.check()
    app = create_app(settings, middlewares=middlewares, clock=clock)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S)
    try:
        await runner.setup()
        try:
            await web.TCPSite(runner, settings.host, settings.port).start()
        except OSError as error:
            raise UsageError(f"can't listen on {settings.host}:{settings.port}: {error.strerror}") from None
        port = runner.addresses[0][1]
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        if settings.port_file:
            _write_port(settings.port_file, port)
        yield RunningSandbox(f"http://{host}:{port}", port, app[SANDBOX].store)
    finally:
        await runner.cleanup()


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


def _latency(seconds: float) -> Middleware:
    @web.middleware
    async def delayed(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Hold each answer back for a while."""
        response = await handler(request)
        if seconds:
            await asyncio.sleep(seconds)
        return response

    return delayed


def _write_port(path: Path, port: int) -> None:
    """Write the number so that nobody ever reads half of it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(f"{port}\n", "ascii")
    draft.replace(path)
