"""What a process holds: descriptors, tasks and threads, to be compared before and after."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

DESCRIPTORS = Path("/proc/self/fd")


def open_files() -> dict[int, str]:
    """Return what each descriptor of this process leads to; nothing where the system doesn't tell."""
    found: dict[int, str] = {}
    for path in DESCRIPTORS.iterdir() if DESCRIPTORS.exists() else ():
        with suppress(FileNotFoundError):  # the listing's own
            found[int(path.name)] = str(path.readlink())
    return found


def threads() -> set[str]:
    """Return the names of our threads, without those that the event loop and its libraries keep for later."""
    return {each.name for each in threading.enumerate() if each.name.startswith("bulkstream")}
