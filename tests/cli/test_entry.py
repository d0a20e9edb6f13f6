"""Entering and leaving the command line's process."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE

import pytest

from bulkstream.cli import entry, main

LINGERING = """
import sys, threading
from bulkstream.cli import entry, main

def enter(arguments):
    threading.Thread(target=threading.Event().wait).start()
    print("told")
    return 4

entry.enter = enter
main()
"""


def test_stop_before_the_event_loop_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM while modules are still being imported ends the process as Ctrl-C does."""

    def stopped(arguments: list[str]) -> int:
        signal.raise_signal(signal.SIGTERM)
        return 0

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(entry, "enter", stopped)
    try:
        with pytest.raises(SystemExit) as left:
            main()
    finally:
        signal.signal(signal.SIGTERM, before)

    assert left.value.code == 130


async def test_process_does_not_wait_for_abandoned_threads() -> None:
    """What was told is written, the code is the command's, and a thread that would never end keeps nobody waiting."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", LINGERING, stdout=PIPE)
    try:
        out, _ = await asyncio.wait_for(process.communicate(), 30)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert (process.returncode, out) == (4, b"told\n")
