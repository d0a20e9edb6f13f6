"""A server that answers like the public Streams API and throws part bodies away, to measure uploaders against.

Parsing is just enough for well-formed requests with a Content-Length; no credential is checked. It listens on
loopback only and runs in a process of its own: `python -m bulkstream.sandbox.sink PORT_FILE` writes its port to the
file and serves until it is terminated.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import os
import re
import sys
from pathlib import Path
from typing import cast

JSON = {
    "token": b'{"access_token":"sink","token_type":"bearer","expires_in":3599,"scope":"data"}',
    "stream": b'{"id":1,"dataSet":{"id":"sink","name":"sink"},"updateMethod":"REPLACE"}',
    "active": b'{"id":1,"currentState":"ACTIVE"}',
    "success": b'{"id":1,"currentState":"SUCCESS"}',
    "none": b"{}",
}

ROUTES = (
    (re.compile(rb"POST /oauth/token"), "token"),
    (re.compile(rb"POST /v1/streams/\d+/executions"), "active"),
    (re.compile(rb"PUT /v1/streams/\d+/executions/\d+/commit"), "success"),
    (re.compile(rb"GET /v1/streams/\d+/executions"), "success"),
    (re.compile(rb"(GET|POST) /v1/streams"), "stream"),
)


class Sink(asyncio.Protocol):
    """One connection: read a head, skip its body, answer, repeat."""

    def __init__(self) -> None:
        self.head = b""
        self.skip = 0
        self.answer = b""
        self.transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        self.transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """Take in what arrived, and answer each request whose body is complete."""
        while data:
            if self.skip:
                taken = min(self.skip, len(data))
                self.skip -= taken
                data = data[taken:]
            else:
                data = self._read_head(data)
            if not self.skip and self.answer and self.transport:
                self.transport.write(self.answer)
                self.answer = b""

    def _read_head(self, data: bytes) -> bytes:
        self.head += data
        head, end, rest = self.head.partition(b"\r\n\r\n")
        if not end:
            return b""
        self.head = b""
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        self.skip = int(length[1]) if length else 0
        body = JSON[next((name for route, name in ROUTES if route.match(head)), "none")]
        self.answer = (
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        ) + body
        return rest


async def serve(port_file: Path) -> None:
    """Listen on a free loopback port until the process is ended."""
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
    draft = port_file.with_name(f".{port_file.name}.{os.getpid()}")
    draft.write_text(str(server.sockets[0].getsockname()[1]), "ascii")
    draft.replace(port_file)  # so that nobody ever reads half of it
    async with server:
        await server.serve_forever()


def main(port_file: Path) -> None:
    """Serve, on uvloop where it is installed."""
    uvloop = importlib.import_module("uvloop") if importlib.util.find_spec("uvloop") else None
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if uvloop else None) as runner:
        runner.run(serve(port_file))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
