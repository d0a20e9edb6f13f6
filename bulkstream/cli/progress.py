"""Showing a load while it goes on: one live line on a terminal, plain lines elsewhere. All of it on stderr."""

from __future__ import annotations

import os
import shutil
import sys
from collections import deque
from typing import TYPE_CHECKING, TextIO

from bulkstream.cli.text import progress_line
from bulkstream.reporter import Notice, Progress, Reporter, Silent

if TYPE_CHECKING:
    from bulkstream.model import Plan, Report

WINDOW_S = 4.0
"""Rates are those of the last seconds, so that they tell of now and don't jump with every part."""

_CLEAR = "\r\x1b[K"
_PLAIN_WIDTH = 200


class Rates:
    """Rates over a sliding window of snapshots."""

    def __init__(self) -> None:
        self._seen: deque[Progress] = deque()

    def add(self, now: Progress) -> tuple[float, float]:
        """Take a snapshot; return raw bytes acknowledged and bytes sent, per second."""
        self._seen.append(now)
        while now.seconds - self._seen[0].seconds > WINDOW_S and len(self._seen) > 2:  # noqa: PLR2004 - two make a rate
            self._seen.popleft()
        first = self._seen[0] if len(self._seen) > 1 else Progress(0, None, now.restored_bytes, 0, 0, 0, 0, 0.0)
        passed = max(now.seconds - first.seconds, 1e-3)
        return (now.acked_bytes - first.acked_bytes) / passed, (now.sent_bytes - first.sent_bytes) / passed


class LiveLine:
    """One line that is written over and over; notices scroll away above it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._rates = Rates()
        self._line = ""

    def planned(self, plan: Plan) -> None:
        """Say nothing: the line will."""

    def progress(self, progress: Progress) -> None:
        """Rewrite the line."""
        raw_rate, sent_rate = self._rates.add(progress)
        width = shutil.get_terminal_size().columns - 1
        self._line = progress_line(progress, raw_rate=raw_rate, sent_rate=sent_rate, width=width)
        self._write(_CLEAR + self._line)

    def notice(self, notice: Notice) -> None:
        """Write the notice, and the line again below it."""
        self._write(f"{_CLEAR}{notice.text}\n{self._line}")

    def finished(self, report: Report) -> None:  # noqa: ARG002 - the protocol's
        """Take the line away; the report follows."""
        self._line = ""
        self._write(_CLEAR)

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


class PlainLines:
    """A line every few seconds, for logs."""

    def __init__(self, stream: TextIO, interval_s: float) -> None:
        self._stream = stream
        self._interval_s = interval_s
        self._rates = Rates()
        self._due = interval_s

    def planned(self, plan: Plan) -> None:
        """Say nothing: the first line comes soon."""

    def progress(self, progress: Progress) -> None:
        """Write a line if it is time for one."""
        raw_rate, sent_rate = self._rates.add(progress)
        if progress.seconds >= self._due:
            self._due = progress.seconds + self._interval_s
            self._write(progress_line(progress, raw_rate=raw_rate, sent_rate=sent_rate, width=_PLAIN_WIDTH))

    def notice(self, notice: Notice) -> None:
        """Write the notice."""
        self._write(notice.text)

    def finished(self, report: Report) -> None:
        """Say nothing: the report follows."""

    def _write(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()


def reporter_for(*, quiet: bool, interval_s: float, stream: TextIO | None = None) -> Reporter:
    """Choose how to show progress."""
    stream = stream or sys.stderr
    if quiet:
        return Silent()
    rewritable = stream.isatty() and os.environ.get("TERM") != "dumb"
    return LiveLine(stream) if rewritable else PlainLines(stream, interval_s)
