"""How much memory this process has used."""

from __future__ import annotations

import re
import sys
from pathlib import Path


def peak_rss_mb() -> float:
    """Return the process's largest resident set so far, in megabytes (10^6 bytes).

    On Linux from `VmHWM`, because `ru_maxrss` also remembers the parent's size from before the program was started.
    """
    try:
        match = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text("ascii"))
    except OSError:
        match = None
    if match:
        return int(match[1]) * 1024 / 1e6
    import resource  # noqa: PLC0415 - not on Windows, and not needed on Linux

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
