"""The sandbox as an application."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.http import HttpProcessingError

from bulkstream.sandbox import admin, auth, export, instance, public
from bulkstream.sandbox.context import SANDBOX, Clock, opened
from bulkstream.sandbox.errors import faults_as_json
from bulkstream.sandbox.faults import Faults

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from aiohttp.typedefs import Handler, Middleware

    from bulkstream.sandbox.settings import SandboxSettings

_READ_BYTES = 256 << 10
_LINGER_S = 10.0  # that a body goes on being read whose request was answered early, so that the answer gets through


def create_app(
    settings: SandboxSettings,
    *,
    middlewares: Sequence[Middleware] = (),
    clock: Clock = time.time,
    faults: Faults | None = None,
    folder: Path | None = None,
) -> web.Application:
    """Build the application; it opens its store when it starts and closes it when it is cleaned up.

    Args:
        settings: How it behaves.
        middlewares: Run before credentials are checked and errors become JSON, and behind injected faults.
        clock: Seconds since the epoch, for tests of expiry.
        faults: What goes wrong; None takes the settings' plan.
        folder: For the data where settings name none; None makes a temporary one.
    """
    faults = faults or Faults(settings.faults)
    chain = (faults.middleware, *middlewares, _latency(settings.latency_s), faults_as_json, auth.authenticated)
    # Bodies of parts must arrive as they were sent: decompressing is the inspector's job. A connection that has not
    # brought a whole head when it has been idle for so long is closed, however many bytes of it came.
    handler_args = {
        "auto_decompress": False,
        "read_bufsize": _READ_BYTES,
        "keepalive_timeout": settings.head_timeout_s,
        "lingering_time": min(_LINGER_S, settings.stall_timeout_s),
        "logger": _http_log(),
    }
    app = web.Application(middlewares=chain, client_max_size=settings.max_json_bytes, handler_args=handler_args)
    for dialect in (public, instance, export, auth):
        dialect.add_routes(app)
    admin.add_routes(app, faults)

    async def lifetime(app: web.Application) -> AsyncIterator[None]:
        async with opened(settings, clock, faults.requests, folder) as sandbox:
            app[SANDBOX] = sandbox
            yield

    app.cleanup_ctx.append(lifetime)
    app.on_startup.append(faults.opened)
    app.on_shutdown.append(faults.closed)
    return app


def _http_log() -> logging.Logger:
    """Where the server tells its own failures; a client's are told to the client."""
    log = logging.getLogger("bulkstream.sandbox.http")
    log.addFilter(_is_ours)
    return log


def _is_ours(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], (HttpProcessingError, ConnectionError)))


def _latency(seconds: float) -> Middleware:
    @web.middleware
    async def delayed(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Hold each answer back for a while."""
        response = await handler(request)
        if seconds:
            await asyncio.sleep(seconds)
        return response

    return delayed
