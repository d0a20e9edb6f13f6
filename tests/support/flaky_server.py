"""A web server of one file that does what real ones do on bad days: cuts off, refuses, replaces, ignores ranges."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmap import mmap
    from types import TracebackType
    from typing import Self


@dataclass
class Asked:
    """One request: what was asked for, and how many bytes of it were sent."""

    path: str
    wanted: str
    sent: int = 0


@dataclass
class FlakyServer:
    """Serves `data` at every path; as a context manager, on a free port of the loopback.

    Attributes:
        cuts: Byte of the file behind which the connection is cut off, once each.
        refusals: Statuses of the next answers.
        asked: The requests so far.
        ranges: Whether ranges are given.
        sized: Whether the size is told.
        answering: While it is not set, no request is answered.
        asking: Is set by each request.
        hold_from: How many requests are answered before one isn't.
        held: Is set when one isn't.
    """

    data: bytes | mmap
    tag: str = '"one"'
    ranges: bool = True
    sized: bool = True
    cuts: list[int] = field(default_factory=list)
    refusals: list[int] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    answering: threading.Event = field(default_factory=threading.Event)
    asking: threading.Event = field(default_factory=threading.Event)
    hold_from: int | None = None
    held: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.answering.set()

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"script": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.answering.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def sent(self) -> int:
        """Bytes of the file that were sent so far."""
        return sum(request.sent for request in self.asked)

    def cut_in(self, start: int, stop: int) -> int | None:
        """Take the first cut within a range, if there is one."""
        with self._lock:
            cut = min((cut for cut in self.cuts if start <= cut < stop), default=None)
            if cut is not None:
                self.cuts.remove(cut)
            return cut

    def refusal(self) -> int | None:
        with self._lock:
            return self.refusals.pop(0) if self.refusals else None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    script: FlakyServer

    def do_GET(self) -> None:
        asked = Asked(self.path, self.headers.get("Range", ""))
        self.script.asked.append(asked)
        self.script.asking.set()
        if self.script.hold_from is not None and len(self.script.asked) > self.script.hold_from:
            self.script.answering.clear()
            self.script.held.set()
        self.script.answering.wait(30)
        if status := self.script.refusal():
            self._head(status, 0)
            return
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", asked.wanted) if self.script.ranges else None
        size = len(self.script.data)
        if match and int(match[1]) >= size:
            self._head(416, 0, f"bytes */{size}")
            return
        start, stop = (int(match[1]), min(int(match[2]) + 1, size)) if match else (0, size)
        self._head(206 if match else 200, stop - start, f"bytes {start}-{stop - 1}/{size}" if match else "")
        self._body(start, stop, asked)

    def do_HEAD(self) -> None:
        self.script.asked.append(Asked(self.path, "HEAD"))
        self._head(200, len(self.script.data))

    def _head(self, status: int, length: int, content_range: str = "") -> None:
        self.send_response(status)
        self.send_header("ETag", self.script.tag)
        self.send_header("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT")
        if content_range:
            self.send_header("Content-Range", content_range)
        if self.script.sized:
            self.send_header("Content-Length", str(length))
        else:
            self.send_header("Connection", "close")
        self.end_headers()

    def _body(self, start: int, stop: int, asked: Asked) -> None:
        cut = self.script.cut_in(start, stop)
        end = stop if cut is None else cut
        try:
            while start < end:
                piece = self.script.data[start : min(end, start + (64 << 10))]
                self.wfile.write(piece)
                start += len(piece)
                asked.sent += len(piece)
        except OSError:
            cut = start
        if cut is not None or not self.script.sized:
            self.close_connection = True

    def log_message(self, *args: object) -> None:
        """Say nothing."""
