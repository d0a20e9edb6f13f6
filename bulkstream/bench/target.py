"""What a bench loads into: a null sink, a sandbox, or the user's own account; each with a scratch stream."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from bulkstream.errors import ApiError, BulkstreamError
from bulkstream.model import Dialect
from bulkstream.secret import Secret
from bulkstream.settings import Connection, Settings

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from bulkstream.api import ApiClient, Stream
    from bulkstream.model import Column

START_S = 30.0
TIDY_S = 30.0
"""Seconds that making or deleting the scratch stream may take when the bench was interrupted."""


class Target(StrEnum):
    """Where a bench uploads to."""

    NULL = "null"
    SANDBOX = "sandbox"
    PROFILE = "profile"


@dataclass(slots=True)
class Workbench:
    """What a bench under way has to clear away.

    Attributes:
        folder: Its own temporary folder.
        server: The process of the sink or sandbox, once it is started.
    """

    folder: Path
    server: Process | None = None

    def clear(self) -> None:
        """Leave nothing on this machine; waits for nothing."""
        if self.server is not None and self.server.returncode is None:
            self.server.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


@asynccontextmanager
async def reachable(target: Target, settings: Settings, bench: Workbench) -> AsyncIterator[Settings]:
    """Yield the settings that lead to the target; its server runs meanwhile in a process of its own.

    Raises:
        BulkstreamError: The server did not start.
    """
    if target is Target.PROFILE:
        yield settings
        return
    port_file = bench.folder / "port"
    async with _serving(bench, port_file, _command(target, bench.folder, port_file)) as url:
        secret = Secret("sandbox")
        connection = Connection(url=url, dialect=Dialect.PUBLIC, client_id="sandbox", client_secret=secret)
        yield settings.model_copy(update={"connection": connection})


def _command(target: Target, folder: Path, port_file: Path) -> list[str]:
    if target is Target.NULL:
        return ["bulkstream.sandbox.sink", str(port_file)]
    places = ["--port", "0", "--port-file", str(port_file), "--data", str(folder / "data")]
    return ["bulkstream.sandbox", *places, "--validate", "off"]


@asynccontextmanager
async def _serving(bench: Workbench, port_file: Path, module: Sequence[str]) -> AsyncIterator[str]:
    # A session of its own, so that Ctrl-C reaches only the bench, which still needs the server to abort.
    process = bench.server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *module), stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        async with asyncio.timeout(START_S):
            while (port := await to_thread.run_sync(_read, port_file)) is None:
                if process.returncode is not None:
                    raise BulkstreamError(f"{module[0]} ended with code {process.returncode}")
                await asyncio.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        if process.returncode is None:
            process.terminate()
        with anyio.CancelScope(shield=True):
            await process.wait()


def _read(port_file: Path) -> int | None:
    return int(port_file.read_text("ascii")) if port_file.exists() else None


@asynccontextmanager
async def scratch(client: ApiClient, columns: Sequence[Column], say: Callable[[str], None]) -> AsyncIterator[Stream]:
    """Create a stream to measure with, and delete it in the end, also when interrupted.

    Raises:
        ApiError: It can't be created.
        BulkstreamError: It can't be deleted.
    """
    name = f"bulkstream bench (scratch, may be deleted) {datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
    # Between the server's creating it and our knowing its id, an interrupt would leave it behind.
    with anyio.CancelScope(shield=True), anyio.fail_after(TIDY_S):
        stream = await client.streams.create(name=name, columns=columns)
    try:
        yield stream
    except BaseException:
        if error := await _deleted(client, stream):
            say(f"{error}; {error.hint}")
        raise
    if error := await _deleted(client, stream):
        raise error


async def _deleted(client: ApiClient, stream: Stream) -> BulkstreamError | None:
    """Delete a stream, shielded and bounded in time; return what went wrong."""
    cause = "no answer in time"
    with anyio.move_on_after(TIDY_S, shield=True):
        try:
            await client.streams.delete(stream.id)
        except ApiError as error:
            cause = str(error)
        else:
            return None
    return BulkstreamError(
        f"the scratch stream {stream.id} could not be deleted: {cause}",
        hint=f"Delete it with `bulkstream streams delete {stream.id}`.",
    )
