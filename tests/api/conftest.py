"""Clients whose requests don't leave the process, or go to a server of the test's own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from bulkstream.api import ApiClient, Clock
from bulkstream.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def settings_for(url: str, dialect: str = "instance", **flags: Any) -> Settings:
    """Return settings with every secret set to `s3cret`."""
    secrets = {"BULKSTREAM_TOKEN": "s3cret", "BULKSTREAM_CLIENT_ID": "an-id", "BULKSTREAM_CLIENT_SECRET": "s3cret"}
    environ = {**secrets, "BULKSTREAM_URL": url, "BULKSTREAM_DIALECT": dialect, "HOME": "/nowhere"}
    return load_settings({"retry": {"base_s": 0.0, "attempts": 3}, **flags}, environ=environ)


@pytest.fixture
def settings() -> Callable[..., Settings]:
    return settings_for


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """Serve every path with one handler, on loopback; yield the address."""
    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.fixture
def served() -> Callable[..., Any]:
    """Return a context: a server with one handler, and an open client on it."""

    @asynccontextmanager
    async def context(
        handler: Handler, *, dialect: str = "instance", clock: Clock | None = None, **flags: Any
    ) -> AsyncIterator[ApiClient]:
        async with serving(handler) as url, ApiClient(settings_for(url, dialect, **flags), clock=clock) as client:
            yield client

    return context
