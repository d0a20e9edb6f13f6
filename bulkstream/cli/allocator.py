"""Setting the C library's allocator up for a process that makes and drops large parts all the time."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""As in glibc's malloc.h."""

KEEP_BYTES = 256 << 20


def keep_freed_memory() -> None:
    """Let the memory of a dropped part serve the next one, instead of going back to the system in between.

    Otherwise glibc maps and unmaps every part, and the kernel clears each of its pages anew: 0.1 s per raw GB. It
    concerns the whole process, so only the command line does it; elsewhere than on glibc it does nothing.

    Arrow, if it comes to be imported, takes its memory there too: its own allocator holds on to as much again as it
    has in use, 50 MB more for a load of Parquet, and takes 0.4 s/GB longer to ask the system for it.
    """
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    if sys.platform != "linux":
        return
    import ctypes

    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, KEEP_BYTES)
        mallopt(M_TRIM_THRESHOLD, 2 * KEEP_BYTES)
