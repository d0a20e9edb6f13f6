"""The server that loads go to: nginx in a process of its own, or the drain where nginx isn't installed."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.machine import find_program
from benchmarks.nginx import Certificate, configuration
from benchmarks.plan import told
from benchmarks.timing import ROOT, python

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

START_LIMIT_S = 20.0
END_LIMIT_S = 10.0
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - bodies shall not meet a disk; each server makes a folder of its own


class Kind(StrEnum):
    """Which program serves."""

    NGINX = "nginx"
    DRAIN = "drain"


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs.

    Attributes:
        kind: Which program it is.
        url: Its address.
        environ: The variables that lead `bulkstream` to it, and away from the user's own settings.
        authority: The certificate to trust, PEM, None without TLS.
        folder: Its files in shared memory; nginx logs each part to `parts.log` there.
    """

    kind: Kind
    url: str
    environ: dict[str, str]
    authority: Path | None
    folder: Path


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server is started.

    Attributes:
        host: The address that it listens on.
        entry: What stands before its command, to start it in a network of its own.
        delay_ms: By how much the drain holds back each answer.
    """

    host: str = "127.0.0.1"
    entry: tuple[str, ...] = ()
    delay_ms: float = 0


HERE = Place()


@contextmanager
def best_server(place: Place = HERE) -> Iterator[Server]:
    """Run nginx, or say that it isn't installed and run the drain."""
    if find_program("nginx"):
        with nginx(place) as server:
            yield server
    else:
        told("nginx isn't installed: loads go to the drain, a Python process, instead")
        with drain(place) as server:
            yield server


@contextmanager
def nginx(place: Place = HERE, *, tls: bool = False) -> Iterator[Server]:
    """Run nginx on a free port, with a folder in shared memory.

    Raises:
        FileNotFoundError: It isn't installed.
        TimeoutError: It did not start.
    """
    program = find_program("nginx")
    if program is None:
        raise FileNotFoundError("nginx is not installed")
    with _folder() as folder:
        for name in ("parts", "bodies"):
            (folder / name).mkdir()
        certificate = self_signed(folder, place.host) if tls else None
        port, config = free_port(), folder / "nginx.conf"
        config.write_text(configuration(folder, host=place.host, port=port, certificate=certificate), "utf-8")
        command = [*place.entry, program, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(config)]
        with _running(command):
            _wait_for(place.host, port)
            yield _server(Kind.NGINX, folder, f"{'https' if tls else 'http'}://{place.host}:{port}", certificate)


@contextmanager
def drain(place: Place = HERE, *, tls: bool = False) -> Iterator[Server]:
    """Run the drain on a free port.

    Raises:
        TimeoutError: It did not start.
    """
    with _folder() as folder:
        port_file, options = folder / "port", ["--host", place.host, "--delay-ms", str(place.delay_ms)]
        certificate = self_signed(folder, place.host) if tls else None
        if certificate:
            options += ["--tls", str(certificate.certificate), str(certificate.key)]
        with _running([*place.entry, *python("-m", "benchmarks.drain", str(port_file), *options)]):
            url = f"{'https' if tls else 'http'}://{place.host}:{_port(port_file)}"
            yield _server(Kind.DRAIN, folder, url, certificate)


def self_signed(folder: Path, host: str) -> Certificate:
    """Make a certificate that is its own authority, with the `openssl` program."""
    made = Certificate(folder / "server.pem", folder / "server.key")
    request = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "30",
        "-subj",
        "/CN=bulkstream",
    ]
    files = ["-keyout", str(made.key), "-out", str(made.certificate)]
    additions = [f"subjectAltName=IP:{host}", "keyUsage=critical,digitalSignature,keyCertSign"]
    options = [option for addition in additions for option in ("-addext", addition)]
    subprocess.run([*request, *files, *options], check=True, capture_output=True, timeout=START_LIMIT_S)
    return made


def free_port() -> int:
    """Return a port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _server(kind: Kind, folder: Path, url: str, certificate: Certificate | None) -> Server:
    settings = folder / "bulkstream.toml"
    authority = certificate.certificate if certificate else None
    settings.write_text(f'[connection]\nca_bundle = "{authority}"\n' if authority else "", "utf-8")
    environ = {
        "BULKSTREAM_URL": url,
        "BULKSTREAM_DIALECT": "public",
        "BULKSTREAM_CLIENT_ID": "sink",
        "BULKSTREAM_CLIENT_SECRET": "sink",
        "BULKSTREAM_TOKEN": "",
        "BULKSTREAM_CONFIG": str(settings),
        "BULKSTREAM_STATE_DIR": str(folder / "state"),
    }
    return Server(kind, url, environ, authority, folder)


@contextmanager
def _folder() -> Iterator[Path]:
    parent = SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="bulkstream-bench-", dir=parent) as name:
        yield Path(name)


@contextmanager
def _running(command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    with ExitStack() as stack:
        process = subprocess.Popen(command, cwd=ROOT)
        stack.callback(_end, process)
        yield process


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(END_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_for(host: str, port: int) -> None:
    """Connect until somebody listens."""
    until = time.monotonic() + START_LIMIT_S
    while time.monotonic() < until:
        try:
            socket.create_connection((host, port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise TimeoutError(f"nothing listens on {host}:{port}")


def _port(port_file: Path) -> int:
    until = time.monotonic() + START_LIMIT_S
    while time.monotonic() < until:
        if port_file.exists() and (text := port_file.read_text("ascii")):
            return int(text)
        time.sleep(0.02)
    raise TimeoutError("the drain did not start")
