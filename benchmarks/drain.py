"""A server for what nginx can't stand in for: it may answer late, as if far away, and it says what pydomo asks for.

It throws part bodies away; parsing is just enough for well-formed requests with a Content-Length. In a process of its
own, `python -m benchmarks.drain PORT_FILE` writes its port to the file and serves until it is terminated.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import ssl
from pathlib import Path
from typing import cast

JSON = {
    # The token reads as a JWT that is valid until 2100: pydomo asks for a new one before each request otherwise.
    "token": b'{"access_token":"sink.eyJleHAiOjQxMDI0NDQ4MDB9.sink","token_type":"bearer","expires_in":3599}',
    "stream": b'{"id":1,"dataSet":{"id":"sink","name":"sink"},"updateMethod":"REPLACE"}',
    "streams": b'[{"id":1}]',
    "dataset": b'{"id":"sink","name":"sink","schema":{"columns":[]}}',
    "active": b'{"id":1,"currentState":"ACTIVE"}',
    "success": b'{"id":1,"currentState":"SUCCESS"}',
    "none": b"{}",
}

ROUTES = (
    (re.compile(rb"POST /oauth/token"), "token"),
    (re.compile(rb"POST /v1/streams/\d+/executions"), "active"),
    (re.compile(rb"PUT /v1/streams/\d+/executions/\d+/commit"), "success"),
    (re.compile(rb"GET /v1/streams/\d+/executions"), "success"),
    (re.compile(rb"GET /v1/streams/search"), "streams"),
    (re.compile(rb"GET /v1/datasets/"), "dataset"),
    (re.compile(rb"(GET|POST) /v1/streams"), "stream"),
)


class Drain(asyncio.Protocol):
    """One connection: read a head, skip its body, answer, repeat."""

    def __init__(self, delay_s: float = 0) -> None:
        self.delay_s = delay_s
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
            if not self.skip and self.answer:
                self._send(self.answer)
                self.answer = b""

    def _send(self, answer: bytes) -> None:
        if self.transport and self.delay_s:
            asyncio.get_running_loop().call_later(self.delay_s, self.transport.write, answer)
        elif self.transport:
            self.transport.write(answer)

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


async def serve(port_file: Path, *, host: str, delay_s: float, tls: ssl.SSLContext | None) -> None:
    """Listen on a free port until the process is ended."""
    server = await asyncio.get_running_loop().create_server(lambda: Drain(delay_s), host, 0, ssl=tls)
    port_file.write_text(str(server.sockets[0].getsockname()[1]), "ascii")  # noqa: ASYNC240 - once, at the start
    async with server:
        await server.serve_forever()


def main() -> None:
    """Parse the command line and serve."""
    import uvloop  # noqa: PLC0415 - importers want the answers only

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port_file", type=Path)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--delay-ms", type=float, default=0)
    parser.add_argument("--tls", type=Path, nargs=2, metavar=("CERTIFICATE", "KEY"))
    args = parser.parse_args()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH) if args.tls else None
    if tls:
        tls.load_cert_chain(*args.tls)
    uvloop.run(serve(args.port_file, host=args.host, delay_s=args.delay_ms / 1e3, tls=tls))


if __name__ == "__main__":
    main()
