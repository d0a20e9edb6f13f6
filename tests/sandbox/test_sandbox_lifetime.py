"""Starting, stopping, and what survives."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web

from bulkstream.errors import UsageError
from bulkstream.sandbox import SandboxSettings, create_app, running, serve
from bulkstream.sandbox.__main__ import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Desk = Any

TOKEN = {"X-DOMO-Developer-Token": "sandbox"}


async def test_everything_survives_a_restart(open_desk: Callable[..., Any], tmp_path: Path) -> None:
    """Streams, rows, and an open execution with its parts, checked or not."""
    async with open_desk(data=tmp_path) as desk:
        stream = await desk.stream(updateMethod="APPEND")
        await desk.load(stream, [b"1,a\n"])
        execution = await desk.execution(stream)
        await desk.part(execution, 1, b"2,b\n")
    async with open_desk(data=tmp_path) as desk:
        await desk.part(execution, 2, b"3,c\n")
        answer = await desk.finalize(execution)

        assert answer.body["rowsInserted"] == 2
        assert await desk.rows(stream) == b"1,a\n2,b\n3,c\n"


async def test_a_promised_commit_is_kept_after_a_restart(open_desk: Callable[..., Any], tmp_path: Path) -> None:
    """It was answered with ACTIVE, so the next start completes it."""
    async with open_desk(data=tmp_path, commit_delay_s=3600.0) as desk:
        stream = await desk.stream()
        execution = (await desk.load(stream, [b"1,a\n"])).body
    async with open_desk(data=tmp_path) as desk:
        await desk.until_state(execution, "SUCCESS")

        assert await desk.rows(stream) == b"1,a\n"


async def test_files_that_nothing_names_are_swept_at_the_start(open_desk: Callable[..., Any], tmp_path: Path) -> None:
    """What a crash left half-written goes; what is known stays."""
    async with open_desk(data=tmp_path) as desk:
        stream = await desk.stream()
        await desk.load(stream, [b"1,a\n"])
        desk.sandbox.store.path(desk.sandbox.store.new_segment()).write_bytes(b"half")
    async with open_desk(data=tmp_path) as desk:
        assert desk.files() == 1
        assert await desk.rows(stream) == b"1,a\n"


async def test_a_killed_sandbox_has_every_part_that_it_acknowledged(
    open_desk: Callable[..., Any], tmp_path: Path
) -> None:
    """kill -9 right after the answer; the commit happens in the next process."""
    port_file, data = tmp_path / "port", tmp_path / "data"
    arguments = ("--port", "0", "--port-file", str(port_file), "--data", str(data))
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "bulkstream.sandbox", *arguments, stdout=-1)
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().strip()
    base = f"{url}/api/data/v1/streams"
    async with aiohttp.ClientSession(headers=TOKEN) as client:
        stream = await (await client.post(base, json={"dataSource": {"name": "x"}})).json()
        execution = await (await client.post(f"{base}/{stream['id']}/executions", json={})).json()
        for number in (1, 2, 3):
            part = f"{base}/{stream['id']}/data/{execution['dataId']}/parts/{number}"
            async with client.put(part, data=b"%d,a\n" % number, headers={"Content-Type": "text/csv"}) as answer:
                assert answer.status == 200
        process.kill()
        await process.wait()
    async with open_desk(data=data) as desk:
        assert (await desk.finalize(execution)).body["rowsInserted"] == 3
        path = f"/datasets/{stream['dataSource']['id']}/data"
        assert (await desk.public("GET", path)).body == b"1,a\n2,a\n3,a\n"


async def test_one_folder_belongs_to_one_sandbox(tmp_path: Path) -> None:
    """A second one is refused with a clear error, and free again after the first."""
    settings = SandboxSettings(port=0, data=tmp_path)
    async with running(settings):
        with pytest.raises(UsageError, match="another sandbox uses"):
            async with running(settings):
                pytest.fail("the second one started")
    async with running(settings):
        pass


async def test_a_temporary_folder_is_removed_at_the_end() -> None:
    """Without a folder of its own a sandbox leaves nothing."""
    async with running(SandboxSettings(port=0)) as sandbox:
        folder = sandbox.store.folder
        assert folder.is_dir()

    assert not folder.exists()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.com"])
async def test_other_hosts_than_loopback_are_refused(host: str) -> None:
    """The credentials are public, so the address must not be."""
    with pytest.raises(UsageError, match="loopback only"):
        await serve(SandboxSettings(host=host, port=0))


async def test_a_taken_port_is_a_clear_error() -> None:
    """Not a traceback from deep inside."""
    async with running(SandboxSettings(port=0)) as sandbox:
        with pytest.raises(UsageError, match="can't listen"):
            await serve(SandboxSettings(port=sandbox.port))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_serving_ends_gracefully_on_signals(number: signal.Signals, tmp_path: Path) -> None:
    """The port file is written before `started` is called; the signal ends `serve` without an error."""
    port_file, started = tmp_path / "port", asyncio.Event()
    urls: list[str] = []

    def note(url: str) -> None:
        urls.append(url)
        started.set()

    task = asyncio.create_task(serve(SandboxSettings(port=0, port_file=port_file), started=note))
    await started.wait()
    os.kill(os.getpid(), number)
    await task

    assert urls == [f"http://127.0.0.1:{int(port_file.read_text())}"]


async def test_serving_can_be_cancelled(tmp_path: Path) -> None:
    """Cancellation closes everything: the folder is free again."""
    settings, started = SandboxSettings(port=0, data=tmp_path), asyncio.Event()
    task = asyncio.create_task(serve(settings, started=lambda _: started.set()))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    async with running(settings):
        pass


async def test_middlewares_run_before_everything_else(open_desk: Callable[..., Any]) -> None:
    """They see requests without credentials, and their answers are not touched."""

    @web.middleware
    async def maintenance(request: web.Request, handler: Any) -> web.StreamResponse:
        if request.path == "/v1/streams":
            return web.Response(text="<html>Domo Maintenance</html>", content_type="text/html")
        answer: web.StreamResponse = await handler(request)
        return answer

    async with open_desk(middlewares=[maintenance]) as desk:
        page = await desk.call("GET", "/v1/streams")
        other = await desk.call("GET", "/v1/datasets")

    assert (page.status, page.body) == (200, b"<html>Domo Maintenance</html>")
    assert other.status == 401


async def test_an_unexpected_failure_is_500_with_a_json_body(
    open_desk: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client gets an answer, and the log the reason."""
    async with open_desk() as desk:
        monkeypatch.setattr(desk.sandbox.store, "run", lambda *_: 1 / 0)

        answer = await desk.instance("GET", "/streams")

    assert (answer.status, answer.body["status"]) == (500, 500)


async def test_the_application_runs_under_any_runner(tmp_path: Path) -> None:
    """`create_app` brings what it needs of the server along."""
    runner = web.AppRunner(create_app(SandboxSettings(data=tmp_path)))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/api/data/v1/streams"
    async with aiohttp.ClientSession(headers=TOKEN) as client, client.get(url) as answer:
        assert await answer.json() == []
    await runner.cleanup()


def test_the_command_refuses_what_makes_no_sense(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and one line that says why."""
    assert main(["--host", "0.0.0.0"]) == 2
    assert "loopback only" in capsys.readouterr().err
