"""The bench from start to end: the stages alone, whole loads, and what follows from both.

Rounds are interleaved: each combination is measured once before any is measured again, so that a neighbour who is
busy for some seconds disturbs all of them a little and none of them much.
"""

from __future__ import annotations

import platform
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar

from anyio import to_thread

from bulkstream.api import ApiClient
from bulkstream.bench import local
from bulkstream.bench.excerpt import Excerpt, excerpt
from bulkstream.bench.findings import Cell, Choice, Data, Findings, Load, Machine, Rate, Rung, Sending, Stages
from bulkstream.bench.model import best_cell, recommend, verdict
from bulkstream.bench.rehearsal import load_rate, request_for, send_rate
from bulkstream.bench.target import Target, Workbench, reachable, scratch
from bulkstream.cores import usable_cores
from bulkstream.size import KIB, MIB
from bulkstream.sources import open_csv
from bulkstream.stages import LADDER, codec_for
from bulkstream.tune import tuned

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator
    from pathlib import Path

    from bulkstream.prepare import Request
    from bulkstream.settings import Settings, Upload
    from bulkstream.sources import CsvFiles
    from bulkstream.tune import Tuning

T = TypeVar("T")
CONCURRENCIES = (1, 2, 4, 8)
PART_SIZES = (MIB, 4 * MIB, 16 * MIB, 64 * MIB)
FEWEST_PARTS = 4
"""Parts that a load must have for its part size to be worth trying."""
BODIES_BYTES = 32 * MIB
"""Raw bytes of the parts that are compressed beforehand to measure sending."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be measured.

    Attributes:
        size: Bytes of the files that are used at most.
        repeats: How often each rate is measured.
        part_sizes: To try, in bytes; empty for some that suit the data.
        concurrencies: To try.
        made: The files were made for the bench.
    """

    files: tuple[Path, ...]
    target: Target
    size: int
    repeats: int = 3
    part_sizes: tuple[int, ...] = ()
    concurrencies: tuple[int, ...] = CONCURRENCIES
    made: bool = False


async def measure(
    plan: Plan, settings: Settings, bench: Workbench, *, step: Callable[[str], None], note: Callable[[str], None]
) -> Findings:
    """Measure all of it. Cancelling aborts what is open and deletes the scratch stream; the caller clears `bench`.

    Args:
        plan: What to measure.
        settings: The account of target `profile`, and how to upload.
        bench: Where its temporary files and processes go.
        step: Is told what is measured next.
        note: Is told what the user should know.

    Raises:
        UsageError: The settings lead to no account, or the files hold no rows.
        SourceError: The files can't be read or cut.
        ApiError: The target refused.
        BulkstreamError: The target's server did not start, or something was left behind at the target.
    """
    began = perf_counter()
    upload = settings.upload
    source = await to_thread.run_sync(partial(open_csv, plan.files, header=upload.header))
    data = await _thread(excerpt, source, plan.size, upload.max_record_size)
    plan = replace(plan, part_sizes=plan.part_sizes or sizes_for(data.total_bytes))
    async with _target(plan, settings, bench, source, note) as (client, stream_id):
        rounds = _Rounds(client, stream_id, data, request_for(plan.files, stream_id, upload), plan, step)
        stages = await rounds.stages()
        grid = await rounds.grid()
        as_set, recommended = await rounds.chosen(stages, grid)
        url = client.settings.connection.url or ""
    return Findings(
        target=plan.target,
        url=url,
        data=Data(() if plan.made else tuple(map(str, plan.files)), data.total_bytes, data.rows),
        machine=Machine(usable_cores(), platform.python_version(), platform.platform()),
        repeats=plan.repeats,
        seconds=round(perf_counter() - began, 1),
        stages=stages,
        grid=grid,
        as_set=as_set,
        recommended=recommended,
        verdict=verdict(stages, recommended.choice, recommended.raw_mb_s.median),
    )


def sizes_for(total_bytes: int) -> tuple[int, ...]:
    """Choose the part sizes that leave enough parts; for little data, one that does."""
    largest = total_bytes // FEWEST_PARTS
    return tuple(size for size in PART_SIZES if size <= largest) or (max(KIB, largest),)


@asynccontextmanager
async def _target(
    plan: Plan, settings: Settings, bench: Workbench, source: CsvFiles, note: Callable[[str], None]
) -> AsyncIterator[tuple[ApiClient, int]]:
    """Yield a client of the target and the id of a scratch stream with the source's columns."""
    columns = (await _thread(source.types, settings.upload.sample_size)).columns
    async with reachable(plan.target, settings, bench) as reached, ApiClient(reached) as client:
        if plan.target is Target.PROFILE:
            note(_warning(plan, reached))
        async with scratch(client, columns, note) as stream:
            yield client, stream.id


def _warning(plan: Plan, settings: Settings) -> str:
    loads = plan.repeats * (len(plan.concurrencies) * len(plan.part_sizes) + 2)
    return (
        f"at {settings.connection.url}: creating a scratch stream with a dataset of its own, uploading {loads} times "
        f"{plan.size / 1e6:,.0f} MB of CSV at most, gzipped, aborting each execution, and deleting the stream; its "
        "empty dataset stays"
    )


@dataclass(frozen=True, slots=True)
class _Rounds:
    """The measurements, over one client and one stream."""

    client: ApiClient
    stream_id: int
    data: Excerpt
    request: Request
    plan: Plan
    step: Callable[[str], None]

    @property
    def _upload(self) -> Upload:
        return self.request.settings

    @property
    def _tuning(self) -> Tuning:
        """What a plain upload of this data would choose."""
        return tuned(self._upload, total_bytes=self.data.total_bytes, cores=usable_cores())

    async def stages(self) -> Stages:
        """Measure each stage alone."""
        part, longest = self.plan.part_sizes[len(self.plan.part_sizes) // 2], self._upload.max_record_size
        self.step("reading and cutting")
        read = [await _thread(local.read_rate, self.data) for _ in range(self.plan.repeats)]
        cut = [await _thread(local.cut_rate, self.data, part, longest) for _ in range(self.plan.repeats)]
        ladder = await self._ladder()
        sending = await self._sending(part)
        return Stages(self._tuning.workers, Rate.of(read), Rate.of(cut), ladder, sending)

    async def _ladder(self) -> tuple[Rung, ...]:
        slices = await _thread(local.sample, self.data)
        threads = (1, self._tuning.workers)
        rates: dict[tuple[int, int], list[float]] = {pair: [] for pair in product(local.levels(), (0, 1))}
        for number, (level, at) in self._rounds(rates):
            self.step(f"gzip level {level}, {threads[at]} thread{'' if threads[at] == 1 else 's'} ({number})")
            rates[level, at].append(await _thread(local.compress_rate, slices, level, threads[at]))
        ratios = [await _thread(local.ratio, slices, level) for level in local.levels()]
        return tuple(
            Rung(level, rung.library, rung.level, round(ratio, 3), Rate.of(rates[level, 0]), Rate.of(rates[level, 1]))
            for level, (rung, ratio) in enumerate(zip(LADDER, ratios, strict=True))
        )

    async def _sending(self, part_bytes: int) -> tuple[Sending, ...]:
        bodies = await _thread(_bodies, self.data, part_bytes, self._tuning.level, self._upload.max_record_size)
        rates: dict[int, list[float]] = {concurrency: [] for concurrency in self.plan.concurrencies}
        for number, concurrency in self._rounds(rates):
            self.step(f"sending, {concurrency} at a time ({number})")
            rate = await send_rate(self.client, self.stream_id, bodies, concurrency=concurrency)
            rates[concurrency].append(rate)
        return tuple(Sending(concurrency, Rate.of(each)) for concurrency, each in sorted(rates.items()))

    async def grid(self) -> tuple[Cell, ...]:
        """Measure whole loads with each pair of concurrency and part size, at the level that is set or begun with."""
        pairs = product(self.plan.concurrencies, self.plan.part_sizes)
        rates: dict[tuple[int, int], list[float]] = {pair: [] for pair in pairs}
        for number, (concurrency, part_bytes) in self._rounds(rates):
            self.step(f"whole load, {concurrency} at a time, parts of {part_bytes / MIB:g} MiB ({number})")
            rate = await self._load(concurrency=concurrency, part_size=part_bytes, level=self._tuning.level)
            rates[concurrency, part_bytes].append(rate)
        return tuple(Cell(*pair, Rate.of(each)) for pair, each in sorted(rates.items()))

    async def chosen(self, stages: Stages, grid: tuple[Cell, ...]) -> tuple[Load, Load]:
        """Measure whole loads as a plain upload makes them, and with the recommended settings.

        Where a level that the model prefers turns out slower than the best of the grid, the level stays as set.
        """
        tuning = self._tuning
        # This machine's loopback has no latency, so it can't show that few connections are enough.
        cell = best_cell(grid, least=1 if self.plan.target is Target.PROFILE else tuning.concurrency)
        wanted = recommend(stages, cell)
        plain = Choice(tuning.level, tuning.concurrency, tuning.workers, tuning.part_bytes)
        rates: dict[str, list[float]] = {"as set": [], "as recommended": []}
        for number, name in self._rounds(rates):
            self.step(f"whole load, {name} ({number})")
            rates[name].append(await self._load(**({} if name == "as set" else _values(wanted))))
        best = Load(replace(wanted, level=plain.level), cell.raw_mb_s)
        found = Load(wanted, Rate.of(rates["as recommended"]))
        slower = found.raw_mb_s.median < best.raw_mb_s.median and wanted.level != plain.level
        auto = self._upload.level == "auto"
        return Load(plain, Rate.of(rates["as set"]), auto), best if slower else found

    async def _load(self, **values: int) -> float:
        return await load_rate(self.client, self.data, self.request, values)

    def _rounds(self, what: Iterable[T]) -> Iterator[tuple[str, T]]:
        """Walk over all of it `repeats` times, counting; a whole round before any second measurement."""
        every = list(what) * self.plan.repeats
        return ((f"{number} of {len(every)}", each) for number, each in enumerate(every, 1))


def _values(choice: Choice) -> dict[str, int]:
    """Name a choice's values as the upload settings do."""
    return {
        "level": choice.level,
        "concurrency": choice.concurrency,
        "workers": choice.workers,
        "part_size": choice.part_bytes,
    }


def _bodies(source: Excerpt, part_bytes: int, level: int, max_record_bytes: int) -> list[bytes]:
    """Compress the first parts of the source."""
    encode, bodies, size = codec_for(level), list[bytes](), 0
    with closing(local.chunks(source, part_bytes, max_record_bytes)) as chunks:
        for chunk in chunks:
            bodies.append(encode(memoryview(chunk)))
            size += len(chunk)
            if size >= BODIES_BYTES:
                break
    return bodies


async def _thread(function: Callable[..., T], *arguments: object) -> T:
    """Call a function in a thread; after a cancellation nobody waits for it."""
    return await to_thread.run_sync(function, *arguments, abandon_on_cancel=True)
