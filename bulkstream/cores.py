"""The machine's cores: how many this process may use, and who is served first."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from math import ceil
from pathlib import Path

NICE = 5
"""Steps below the event loop's priority. With workers on every core, a loop of equal rank waits for a time slice; with
many more steps, a worker that other processes displace keeps the loop waiting for the GIL that it holds."""


def usable_cores() -> int:
    """Count the cores that this process may really use: its affinity, bounded by the cgroup's quota."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(affinity, _quota_cores(Path("/sys/fs/cgroup/cpu.max"))))


def step_back(steps: int = NICE) -> None:
    """Lower this thread's priority by so many steps, where the system has one per thread."""
    if sys.platform == "linux":
        with suppress(OSError):  # not everywhere allowed, and never needed
            thread = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + steps)


def _quota_cores(cpu_max: Path) -> int:
    """Read a cgroup v2 quota ("200000 100000" is two cores); without one, no bound."""
    try:
        quota, period = cpu_max.read_text("ascii").split()
        return ceil(int(quota) / int(period))
    except (OSError, ValueError):
        return 1 << 16
