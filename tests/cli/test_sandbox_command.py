"""`bulkstream sandbox`: the local server as a process."""

from __future__ import annotations

import signal
import socket
from typing import TYPE_CHECKING

import pytest

from tests.support.command_line import Shell, ended

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_sandbox_serves_until_it_is_stopped(tmp_path: Path, number: signal.Signals) -> None:
    """It prints its address, has written the port by then, answers the other commands, and ends with 0."""
    arguments = ("sandbox", "--port", "0", "--port-file", "port.txt", "--data", "data")
    async with Shell(tmp_path).started(*arguments) as process:
        assert process.stdout is not None
        url = (await process.stdout.readline()).decode().strip()
        assert url == f"http://127.0.0.1:{(tmp_path / 'port.txt').read_text('ascii').strip()}"
        client = Shell(tmp_path, {"BULKSTREAM_URL": url, "BULKSTREAM_TOKEN": "sandbox"})
        listed = await client.run("streams", "list")
        process.send_signal(number)
        run = await ended(process)

    assert listed.code == 0
    assert (run.code, run.out) == (0, "")
    assert "error" not in run.err
    assert (tmp_path / "data").is_dir()


async def test_commits_that_follow_too_soon_can_be_asked_for(tmp_path: Path) -> None:
    """With `--commit-interval` the second commit of a stream is refused, and nothing but the commit."""
    (tmp_path / "a.csv").write_text("id,text\n1,a\n", "utf-8")
    arguments = ("sandbox", "--port", "0", "--data", "data", "--commit-interval", "3600")
    async with Shell(tmp_path).started(*arguments) as process:
        assert process.stdout is not None
        url = (await process.stdout.readline()).decode().strip()
        client = Shell(tmp_path, {"BULKSTREAM_URL": url, "BULKSTREAM_TOKEN": "sandbox"})
        client.config("[upload]\ncommit_wait_s = 0\n")
        first = await client.run("upload", "a.csv", "--dataset-name", "A", "--json")
        second = await client.run("upload", "a.csv", "--dataset-name", "A", "--json")

    assert (first.code, first.json["outcome"]) == (0, "committed")
    assert (second.code, second.json["outcome"]) == (4, "aborted")
    assert "answered 429" in second.json["error"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--host", "0.0.0.0"), 2, "loopback only, not on '0.0.0.0'"),
        (("--port-file", "none/port.txt"), 1, "none"),
        (("--faults", "none.toml"), 2, "none.toml can't be read"),
        (("--data", "file"), 1, "file"),
    ],
)
async def test_sandbox_that_cant_start_says_why(
    tmp_path: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    """A host that others reach, or a place that can't be written, is an error in words and leaves nothing running."""
    (tmp_path / "file").touch()

    run = await Shell(tmp_path).run("sandbox", "--port", "0", *arguments)

    assert (run.code, run.out) == (code, "")
    assert run.err.startswith("error: ")
    assert message in run.err


async def test_port_that_is_taken_is_told(tmp_path: Path) -> None:
    """A second sandbox on one port is a usage error that names the address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = await Shell(tmp_path).run("sandbox", "--port", str(port))

    assert (run.code, run.out) == (2, "")
    assert run.err.startswith(f"error: can't listen on 127.0.0.1:{port}: ")
