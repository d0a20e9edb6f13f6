"""What was measured and what follows from it, as frozen values; the keys of `bench --json` are their fields."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bulkstream.model import Limit


@dataclass(frozen=True, slots=True)
class Rate:
    """One speed, measured several times; MB/s, of 10^6 bytes."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, samples: Iterable[float]) -> Rate:
        """Summarize the measurements, of which there is at least one."""
        found = sorted(samples)
        return cls(round(statistics.median(found), 1), round(found[0], 1), round(found[-1], 1))


@dataclass(frozen=True, slots=True)
class Rung:
    """A level of the gzip ladder, on a sample of the data.

    Attributes:
        ratio: Raw bytes per compressed byte.
        one_thread_mb_s: Raw MB/s on one thread.
        all_threads_mb_s: Raw MB/s on all workers together.
    """

    level: int
    library: str
    library_level: int
    ratio: float
    one_thread_mb_s: Rate
    all_threads_mb_s: Rate


@dataclass(frozen=True, slots=True)
class Sending:
    """Parts that were compressed before, sent over so many connections; MB/s on the wire."""

    concurrency: int
    sent_mb_s: Rate


@dataclass(frozen=True, slots=True)
class Cell:
    """Whole loads with one pair of settings; raw MB/s."""

    concurrency: int
    part_bytes: int
    raw_mb_s: Rate


@dataclass(frozen=True, slots=True)
class Stages:
    """The stages, each measured alone.

    Attributes:
        workers: Threads of `Rung.all_threads_mb_s`.
        read_mb_s: Reading the source, one thread.
        cut_mb_s: Reading and scanning it for record ends, one thread.
        ladder: By level, from 0 without gaps.
        sending: By concurrency, ascending.
    """

    workers: int
    read_mb_s: Rate
    cut_mb_s: Rate
    ladder: tuple[Rung, ...]
    sending: tuple[Sending, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """Tuning values of one load."""

    level: int
    concurrency: int
    workers: int
    part_bytes: int


@dataclass(frozen=True, slots=True)
class Load:
    """Whole loads with one choice of settings; raw MB/s.

    Attributes:
        auto_level: The level was not set; it is the one that `auto` begins with.
    """

    choice: Choice
    raw_mb_s: Rate
    auto_level: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the model makes of the stages, for one choice.

    Attributes:
        source_mb_s: Raw MB/s that could be read and cut.
        compress_mb_s: Raw MB/s that could be compressed.
        upload_mb_s: Raw MB/s that could be sent.
        whole_mb_s: The least of these.
        limited_by: The stage that has it.
        sentence: The same in words.
        one_more_core_pct: By how much one more core for compression would raise the whole, percent.
        one_more_connection_pct: By how much one more upload in flight would.
        reached_pct: How much of `whole_mb_s` a whole load really made.
    """

    source_mb_s: float
    compress_mb_s: float
    upload_mb_s: float
    whole_mb_s: float
    limited_by: Limit
    sentence: str
    one_more_core_pct: float
    one_more_connection_pct: float
    reached_pct: float


@dataclass(frozen=True, slots=True)
class Data:
    """What was loaded.

    Attributes:
        files: Paths, empty where rows were made.
        raw_bytes: Bytes of them that were used, without headers.
    """

    files: tuple[str, ...]
    raw_bytes: int
    rows: int


@dataclass(frozen=True, slots=True)
class Machine:
    """Where it was measured."""

    cores: int
    python: str
    system: str


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that a bench found out."""

    target: str
    url: str
    data: Data
    machine: Machine
    repeats: int
    seconds: float
    stages: Stages
    grid: tuple[Cell, ...]
    as_set: Load
    recommended: Load
    verdict: Verdict

    def as_dict(self) -> dict[str, Any]:
        """As printed by `--json`."""
        return asdict(self)
