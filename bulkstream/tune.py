"""Choosing part size, workers, concurrency and gzip level: pure functions of the settings and the machine."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from bulkstream.size import MIB

if TYPE_CHECKING:
    from bulkstream.settings import Upload

LARGEST_PART = 256 * MIB
AHEAD_PART = 24 * MIB
"""The usual part of a source that is read ahead: a load of Parquet takes 370 MB with it, where 64 MiB make it 580."""
AUTO_CONCURRENCY = 4
"""Where the search begins."""
MOST_CONCURRENCY = 32
IN_FLIGHT_BYTES = 512 * MIB
"""What parts in flight may take, uncompressed, when nobody has said how many there may be."""
AUTO_LEVEL = 1
"""Where the climb begins."""
CONSTANT_BYTES = 64 * MIB
"""The interpreter, its modules, the read-ahead of the connections."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """The choices for one load.

    Attributes:
        part_bytes: Raw bytes per part.
        workers: Compression threads.
        concurrency: Uploads in flight, to begin with where it adapts.
        level: Rung of the gzip ladder, to begin with where it adapts.
        adapts_concurrency: Nobody has chosen the concurrency, so the load finds it.
        adapts_level: Nobody has chosen the level, so the load finds it.
        limit_rate: Bytes per second that may be sent, as `bulkstream.rate` reads it.
        ahead_bytes: Bytes that the source may hold on its own.
    """

    part_bytes: int
    workers: int
    concurrency: int
    level: int
    adapts_concurrency: bool = False
    adapts_level: bool = False
    limit_rate: str = "unlimited"
    ahead_bytes: int = 0

    @property
    def threads(self) -> int:
        """Threads that cut and compress: one more than workers, so that none of the cores waits for the event loop."""
        return self.workers + 1

    @property
    def most_uploads(self) -> int:
        """Most uploads that may come to be in flight: as chosen, or up to 512 MiB of parts, at least 4, at most 32."""
        if not self.adapts_concurrency:
            return self.concurrency
        return max(AUTO_CONCURRENCY, min(MOST_CONCURRENCY, IN_FLIGHT_BYTES // self.part_bytes))

    @property
    def peak_memory_bytes(self) -> int:
        """Upper bound of the memory for data, plus a constant for the rest.

        Each thread holds a raw chunk and a finished part that it has not yet handed over, each upload its part;
        compressed, they are at most as large as raw. A record longer than a part comes on top.
        """
        return (2 * self.threads + self.most_uploads) * self.part_bytes + self.ahead_bytes + CONSTANT_BYTES


def tuned(settings: Upload, *, total_bytes: int | None, cores: int, ahead_bytes: int = 0) -> Tuning:
    """Resolve every `auto`.

    Args:
        settings: What the user has chosen.
        total_bytes: Of the source as CSV, or about so many; None if nobody knows.
        cores: That may be used.
        ahead_bytes: That the source may hold on its own.
    """
    return Tuning(
        part_bytes=_part_bytes(settings, total_bytes, ahead_bytes),
        workers=cores if settings.workers == "auto" else settings.workers,
        concurrency=AUTO_CONCURRENCY if settings.concurrency == "auto" else settings.concurrency,
        level=AUTO_LEVEL if settings.level == "auto" else settings.level,
        adapts_concurrency=settings.concurrency == "auto",
        adapts_level=settings.level == "auto",
        limit_rate=settings.limit_rate,
        ahead_bytes=ahead_bytes,
    )


def _part_bytes(settings: Upload, total_bytes: int | None, ahead_bytes: int) -> int:
    """Take the part size as given; unless it was, let large sources have larger parts.

    Where the source needs memory itself, parts take less.
    """
    if "part_size" in settings.model_fields_set:
        return settings.part_size
    usual = min(settings.part_size, AHEAD_PART) if ahead_bytes else settings.part_size
    wanted = ceil((total_bytes or 0) / settings.max_parts)
    return max(usual, min(ceil(wanted / MIB) * MIB, LARGEST_PART))
