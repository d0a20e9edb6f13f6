"""One load, and the codec alone over the same bytes: each as a whole fresh process."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.timing import python, timed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.server import Server

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Load:
    """What compressing or loading `raw_bytes` took.

    Attributes:
        raw_bytes: What was read.
        seconds: Wall time of the process; of the codec, of compressing alone.
        cpu_s: Processor seconds, likewise.
        report: What `bulkstream upload --json` said; empty of the codec.
    """

    raw_bytes: int
    seconds: float
    cpu_s: float
    report: dict[str, Any]

    @property
    def mb_s(self) -> float:
        """Raw megabytes (10^6) per second."""
        return self.raw_bytes / 1e6 / self.seconds

    @property
    def cpu_s_per_gb(self) -> float:
        """Processor seconds per raw gigabyte (10^9)."""
        return self.cpu_s / (self.raw_bytes / 1e9)


def upload(files: Sequence[Path], server: Server, *options: str, module: str = "bulkstream") -> Load:
    """Run `bulkstream upload` from start to end, or that of a module that stands in for it.

    Raises:
        RuntimeError: It failed.
    """
    command = python("-m", module, "upload", *map(str, files), "--stream", "1", "--json", "--quiet", *options)
    done = timed(command, server.environ)
    return Load(sum(file.stat().st_size for file in files), done.seconds, done.cpu_s, json.loads(done.printed))


def codec(file: Path, *, threads: int, chunk_bytes: int = 8 * MIB) -> Load:
    """Compress a file's bytes in memory, in a process of its own."""
    options = ["--threads", str(threads), "--chunk", str(chunk_bytes)]
    told = json.loads(timed(python("-m", "benchmarks.codec", str(file), *options)).printed)
    return Load(told["raw_bytes"], told["seconds"], told["cpu_s"], {})
