"""A whole process, timed from outside: wall time and processor time of it and its children."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).parents[1]
LIMIT_S = 1800.0
"""A process that takes longer is ended, and the comparison fails."""
SAID_CHARACTERS = 2000


@dataclass(frozen=True, slots=True)
class Timed:
    """What one process took.

    Attributes:
        seconds: From before its start to after its end.
        cpu_s: Processor seconds of it and of the children that it waited for, user and system.
        printed: Its standard output.
    """

    seconds: float
    cpu_s: float
    printed: bytes


def timed(command: Sequence[str], environ: Mapping[str, str] | None = None, *, limit_s: float = LIMIT_S) -> Timed:
    """Run a command to its end; nothing else of ours may be waited for meanwhile.

    Raises:
        RuntimeError: It failed; with what it wrote to standard error.
        subprocess.TimeoutExpired: It took longer than `limit_s`.
    """
    before, began = _children_cpu_s(), time.perf_counter()
    done = subprocess.run(
        command, check=False, capture_output=True, cwd=ROOT, env={**os.environ, **(environ or {})}, timeout=limit_s
    )
    seconds, cpu_s = time.perf_counter() - began, _children_cpu_s() - before
    if done.returncode:
        said = done.stderr.decode(errors="replace")[-SAID_CHARACTERS:]
        raise RuntimeError(f"{command[0]} … ended with {done.returncode}: {said}")
    return Timed(seconds, cpu_s, done.stdout)


def python(*arguments: str) -> list[str]:
    """Return the command that runs this interpreter."""
    return [sys.executable, *arguments]


def _children_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
