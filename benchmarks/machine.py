"""Where the figures were taken, and of which versions."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.timing import ROOT
from bulkstream.cores import usable_cores

LIBRARIES = ("bulkstream", "isal", "deflate", "aiohttp", "uvloop", "numpy", "pydomo")
PROGRAMS = (("nginx", "-v"), ("pigz", "--version"), ("igzip", "--version"), ("curl", "--version"))
ASK_LIMIT_S = 20


def machine() -> dict[str, object]:
    """Describe processor, memory, system and versions."""
    return {
        "cpu": _field("/proc/cpuinfo", r"model name\s*:\s*(.+)") or platform.processor(),
        "cores": usable_cores(),
        "memory_gb": round(int(_field("/proc/meminfo", r"MemTotal:\s*(\d+)") or 0) / 1e6, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {**{name: library(name) for name in LIBRARIES}, **{each[0]: program(*each) for each in PROGRAMS}},
    }


def library(name: str) -> str | None:
    """Return the version of an installed package."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def program(name: str, flag: str) -> str | None:
    """Return the version that a program names, None where it isn't installed."""
    path = find_program(name)
    if path is None:
        return None
    done = subprocess.run([path, flag], check=False, capture_output=True, timeout=ASK_LIMIT_S)
    found = re.search(rb"\d+\.[\d.]*\d", done.stdout + done.stderr)
    return found[0].decode() if found else "unknown"


def find_program(name: str) -> str | None:
    """Return where a program is, also in the folders of system programs."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")


def commit() -> str | None:
    """Return the commit that is measured, with a mark where files of the package differ from it."""
    told = [
        subprocess.run(["git", *command], check=False, capture_output=True, cwd=ROOT, timeout=ASK_LIMIT_S).stdout
        for command in (["rev-parse", "--short=12", "HEAD"], ["status", "--porcelain", "bulkstream"])
    ]
    head = told[0].decode().strip()
    return f"{head} + changes" if head and told[1].strip() else head or None


def _field(path: str, pattern: str) -> str | None:
    if not Path(path).exists():
        return None
    found = re.search(pattern, Path(path).read_text("utf-8"))
    return found[1].strip() if found else None
