"""Setting the C library's allocator up for a process that makes and drops large parts all the time."""

from __future__ import annotations

import sys
from contextlib import suppress

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""As in glibc's malloc.h."""

KEEP_BYTES = 256 << 20


def keep_freed_memory() -> None:
    """Let the memory of a dropped part serve the next one, instead of going back to the system in between.

    Otherwise glibc maps and unmaps every part, and the kernel clears each of its pages anew: 0.1 s per raw GB. It
    concerns the whole process, so only the command line does it; elsewhere than on glibc it does nothing.
    """
    if sys.platform != "linux":
        return
    import ctypes

    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, KEEP_BYTES)
        mallopt(M_TRIM_THRESHOLD, 2 * KEEP_BYTES)
