"""What can be read only once and only forwards: standard input, a named pipe, the end of a process substitution.

A read waits for the producer, who may send nothing for hours, and must end all the same when the load does. So
nothing here blocks in the system for longer than `POLL_S`: the wait is for readiness, in short turns, and each turn
looks whether the pipe was closed.
"""

from __future__ import annotations

import fcntl
import os
import select
import stat
import sys
import threading
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

from bulkstream.errors import SourceUnreadable
from bulkstream.sources.locate import STDIN

if TYPE_CHECKING:
    from pathlib import Path

POLL_S = 0.1
"""Seconds after which a wait looks whether the pipe was closed."""

AHEAD_BYTES = 64 << 10
"""Bytes of one read ahead; what a pipe of Linux holds unless it was told otherwise."""

_PIPE_BYTES = 1 << 20
"""Bytes that a pipe is asked to hold, so that producer and reader change turns less often."""


class Pipe:
    """Reads a pipe. Blocking: one thread at a time reads, while any other may close.

    Attributes:
        name: For messages.
        ahead: Bytes that were read ahead; reads begin with them.
        ended: The end was seen; what is still to come is in `ahead`.
    """

    def __init__(self, name: str, descriptor: int, *, owned: bool = True) -> None:
        """Read from a descriptor, which `close` closes if it is `owned`."""
        self.name = name
        self.ahead = bytearray()
        self.ended = False
        self._descriptor = descriptor
        self._owned = owned
        self._stopped = False
        self._reading = threading.Lock()
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            with suppress(OSError):  # no pipe, or the user's share of such memory is used up
                fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    def __repr__(self) -> str:
        return f"Pipe({self.name!r}, {len(self.ahead)} bytes ahead{', ended' if self.ended else ''})"

    @classmethod
    def open(cls, path: Path) -> Pipe:
        """Open a named pipe, without waiting for somebody to write into it; or take standard input.

        Raises:
            SourceUnreadable: The system refused, or standard input is closed.
        """
        if path == STDIN:
            if sys.__stdin__ is None:
                raise SourceUnreadable("standard input is closed")
            return cls("standard input", 0, owned=False)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise SourceUnreadable(f"{path}: {error.strerror}") from error
        if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise SourceUnreadable(f"{path} was a pipe, and has been replaced")
        return cls(str(path), descriptor)

    @property
    def identity(self) -> tuple[int, int]:
        """Device and inode: two descriptors of one pipe would take bytes from each other."""
        found = os.fstat(self._descriptor)
        return found.st_dev, found.st_ino

    @property
    def terminal(self) -> bool:
        """Whether somebody has to type."""
        return os.isatty(self._descriptor)

    @property
    def drained(self) -> bool:
        """Whether nothing is left to be read."""
        return self.ended and not self.ahead

    def look_ahead(self, deadline: float | None = None) -> bool:
        """Read on into `ahead`; False if nothing came, because of the end or the deadline.

        Args:
            deadline: By `time.monotonic`; None waits for as long as it takes.

        Raises:
            SourceUnreadable: The system refused, or the pipe was closed meanwhile.
        """
        with self._reading:
            piece = bytearray(AHEAD_BYTES)
            size = 0 if self.ended else self._read([piece], deadline)
            self.ahead += memoryview(piece)[:size]
            return size > 0

    def readinto(self, view: memoryview) -> int:
        """Fill `view`, and find out whether a byte follows; only at the end is it not filled.

        So what a read returns does not depend on the pieces in which the producer writes.

        Raises:
            SourceUnreadable: The system refused, or the pipe was closed meanwhile.
        """
        with self._reading:
            size, one = min(len(view), len(self.ahead)), bytearray(1)
            view[:size] = self.ahead[:size]
            del self.ahead[:size]
            while not self.ended and not self.ahead:
                room = len(view) - size
                count = self._read([view[size:], one])
                size += min(count, room)
                self.ahead += one[: count - room] if count > room else b""
            return size

    def take(self, view: memoryview) -> int:
        """Read what there is, at least a byte; 0 at the end only.

        Raises:
            SourceUnreadable: The system refused, or the pipe was closed meanwhile.
        """
        with self._reading:
            if not self.ahead:
                return 0 if self.ended else self._read([view])
            size = min(len(view), len(self.ahead))
            view[:size] = self.ahead[:size]
            del self.ahead[:size]
            return size

    def stop(self) -> None:
        """End a read that waits in another thread, and all to come, with an error."""
        self._stopped = True

    def close(self) -> None:
        """Stop, and close the descriptor as soon as no read uses it; may be called again."""
        self.stop()
        with self._reading:
            if self._owned:
                self._owned = False
                os.close(self._descriptor)

    def _read(self, views: list[memoryview | bytearray], deadline: float | None = None) -> int:
        """Read what there is, at least a byte; 0 at the end and at the deadline."""
        while self._ready(deadline):
            try:
                size = os.readv(self._descriptor, views)
            except BlockingIOError:  # somebody else was quicker
                continue
            except OSError as error:
                raise SourceUnreadable(f"{self.name}: {error.strerror}") from error
            self.ended = size == 0
            return size
        return 0

    def _ready(self, deadline: float | None) -> bool:
        """Wait until a read would not block; False at the deadline."""
        while not self._stopped:
            left = POLL_S if deadline is None else max(0.0, min(POLL_S, deadline - monotonic()))
            if self._poll.poll(1000 * left):
                return True
            if left < POLL_S:
                return False
        raise SourceUnreadable(f"{self.name} was closed while it was read")
