"""The load, wired: source -> cut and pack -> upload -> finalize.

    Cutter --Chunk--> pack x threads --Part--> upload x concurrency --Receipt--> Ledger --> gate --> commit

The stream between the stages holds nothing, so what is in memory is what somebody works on: per thread a raw chunk
and a finished part, and `concurrency` parts in flight. `Tuning.peak_memory_bytes` is that sum.
One task group runs the stages; the first error cancels all others, and the execution is aborted.
"""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import anyio
from anyio import CapacityLimiter, Event, create_memory_object_stream, create_task_group, to_thread

from bulkstream.api.watch import Watch
from bulkstream.errors import BulkstreamError, GateFailed
from bulkstream.holding import waited
from bulkstream.journal import Unkept
from bulkstream.model import Part
from bulkstream.pilot import Pilot
from bulkstream.rejects import RejectFile, reject_path
from bulkstream.reporter import Notice
from bulkstream.settle import finished
from bulkstream.stages import Crew, Cutter, Packer, finalizing, gate, pack, upload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
    from pathlib import Path

    from bulkstream.api import ApiClient, Execution
    from bulkstream.deadline import DeadlineWatch
    from bulkstream.journal import Journal
    from bulkstream.ledger import Ledger
    from bulkstream.model import Column, Receipt, UpdateMethod
    from bulkstream.reporter import Reporter
    from bulkstream.sources import Source
    from bulkstream.stages import Sifter, Terms
    from bulkstream.tune import Tuning
    from bulkstream.verify import Verification

TICK_S = 0.2
"""Seconds between two snapshots for the reporter."""


@dataclass(frozen=True, slots=True)
class Job:
    """Everything that a load needs to know beforehand.

    Attributes:
        announce_parts: Announce each part before its body, as the instance dialect may want it.
        done: Receipts of an earlier process that worked on this run, by number.
        columns: Of the dataset.
        method: What the commit does with the dataset's rows; None if it is not known.
        deadline: Ends the load before its commit when it can't end in time.
        verification: What is to be compared after the commit; that is the caller's part.
        sifter: Checks the rows; None sends them as they are.
        guessed: The columns' types are from a sample of the source.
        reject_file: Where rows go that are left out, None for the usual place.
        unresumable: Why no other process can find the source again; empty if one can, or as the source says.
    """

    source: Source
    terms: Terms
    tuning: Tuning
    max_record_bytes: int
    announce_parts: bool = False
    done: Mapping[int, Receipt] = field(default_factory=dict)
    columns: tuple[Column, ...] = ()
    method: UpdateMethod | None = None
    deadline: DeadlineWatch | None = None
    verification: Verification | None = None
    sifter: Sifter | None = None
    guessed: bool = False
    reject_file: Path | None = None
    unresumable: str = ""

    def cutter(self) -> Cutter:
        """Return what cuts the source; blocking."""
        return Cutter(
            self.source,
            part_bytes=self.tuning.part_bytes,
            max_record_bytes=self.max_record_bytes,
            done=self.done,
            marking=self.sifter is not None,
        )


async def run(
    job: Job, client: ApiClient, *, ledger: Ledger, reporter: Reporter, journal: Journal | Unkept | None = None
) -> None:
    """Load the source into an execution and commit it; the ledger tells how it went.

    Cancelling aborts the execution, bounded in time, and leaves nothing open.

    Raises:
        SourceError: The source can't be read or cut, or a row in it is bad.
        TooManyBadRows: More rows are bad than may be left out.
        RejectsUnwritable: The reject file can't be written.
        PartFailed: A part was refused for good, or its retries ran out.
        GateFailed: What was acknowledged is not what was read.
        CommitRefused: The server did not commit.
        OutcomeUnknown: Nobody knows whether the commit took effect.
        StreamBusy: Another execution of the stream is open.
        JournalUnwritable: What has to be durable could not be written.
        DeadlineMissed: It could not end in time.
        ApiError: The execution could not be created.
    """
    journal = journal or Unkept()
    cutter = job.cutter()
    folder = journal.run.path if journal.run else None
    rejects = RejectFile(reject_path(job.reject_file, ledger.run_id, folder), ledger, reporter)
    ledger.budget = job.sifter.budget if job.sifter else ledger.budget
    ledger.unrepeatable, ledger.total_rows = job.source.unrepeatable or job.unresumable, job.source.rows
    ledger.begin(job.terms.stream_id, job.source.total_bytes, job.done)

    pilot = Pilot(job.tuning, ledger)
    packer = Packer(cutter, pilot, job.sifter)
    with one_error():
        async with (
            _reporting(ledger, reporter, job.deadline),
            rejects.saved_on_failure(),
            finalizing(
                client,
                job.terms,
                check=partial(_check, job, cutter, ledger=ledger, journal=journal, rejects=rejects),
                ledger=ledger,
                journal=journal,
                tell=lambda text: reporter.notice(Notice(text)),
            ) as execution,
            _closing(packer, job.source),
        ):
            put = _put(job, client, execution, ledger, pilot)

            def acknowledge(receipt: Receipt) -> None:
                journal.receipt(receipt, partial(ledger.receipt, receipt))

            await _pump(packer, Uploads(put, acknowledge), tuning=job.tuning, pilot=pilot, ledger=ledger)


async def _check(job: Job, cutter: Cutter, *, ledger: Ledger, journal: Journal | Unkept, rejects: RejectFile) -> None:
    """See that all may be committed: it is durable, accounted for, and what is left out is within bounds and saved."""
    await journal.flush()
    if ledger.total_bytes is None:  # so that a deadline sees that only the commit is left
        ledger.total_bytes = cutter.read_bytes
    changes = await waited(job.source.changes)
    judge = partial(gate, ledger, read_bytes=cutter.read_bytes, added_bytes=cutter.added_bytes, changes=changes)
    if found := await to_thread.run_sync(judge):
        raise GateFailed(found)
    ledger.judge()
    await rejects.save()


@dataclass(frozen=True, slots=True)
class Uploads:
    """What is done with a part, and then with its receipt."""

    put: Callable[[Part], Awaitable[None]]
    acknowledge: Callable[[Receipt], None]


async def _pump(packer: Packer, uploads: Uploads, *, tuning: Tuning, pilot: Pilot, ledger: Ledger) -> None:
    """Run the stages until every part has its receipt, or one of them fails."""
    turns, first_sent = CapacityLimiter(1), Event()
    parts_in, parts_out = create_memory_object_stream[Part](0)
    with Crew(tuning.threads) as crew:
        async with create_task_group() as tasks, parts_in, parts_out:
            for _ in range(tuning.threads):
                work = partial(pack, effort=pilot, crew=crew, first_sent=first_sent, ledger=ledger)
                tasks.start_soon(work, packer, parts_in.clone())
            for _ in range(tuning.most_uploads):
                send = partial(upload, put=uploads.put, acknowledge=uploads.acknowledge)
                tasks.start_soon(partial(send, turns=turns, concurrency=lambda: pilot.concurrency), parts_out.clone())


@asynccontextmanager
async def _closing(packer: Packer, source: Source) -> AsyncIterator[None]:
    """Close the source in the end, in a thread, since an abandoned worker may be reading from it, or wait for it."""

    def close() -> None:
        source.close()
        packer.close()

    try:
        yield
    finally:
        await finished(to_thread.run_sync(close))


def _put(
    job: Job, client: ApiClient, execution: Execution, ledger: Ledger, pilot: Pilot
) -> Callable[[Part], Awaitable[None]]:
    """Bind what all parts of a load have in common."""

    async def put(part: Part) -> None:
        if job.announce_parts:
            await client.executions.start_part(execution, part.number)
        pace = pilot.pace if pilot.limited else None
        watch = Watch(sent=ledger.sent, attempt=partial(pilot.attempt, len(part.body)), pace=pace)
        await client.executions.upload_part(execution, part.number, part.body, watch=watch)

    return put


@asynccontextmanager
async def _reporting(ledger: Ledger, reporter: Reporter, deadline: DeadlineWatch | None) -> AsyncIterator[None]:
    """Show the reporter a snapshot every so often while the body runs, and one at its end.

    Raises:
        DeadlineMissed: A snapshot from before the commit says so; the body is cancelled.
    """

    async def tick() -> None:
        while True:
            reporter.progress(ledger.progress())
            if deadline is not None and ledger.outcome is None:
                deadline.look(ledger.progress())
            await anyio.sleep(TICK_S)

    async with create_task_group() as tasks:
        tasks.start_soon(tick)
        yield
        tasks.cancel_scope.cancel()
    reporter.progress(ledger.progress())


@contextmanager
def one_error() -> Iterator[None]:
    """Let a single error out of nested task groups: the first of ours, the others as notes on it."""
    try:
        yield
    except BaseExceptionGroup as group:
        errors = list(_leaves(group))
        first = next((error for error in errors if isinstance(error, BulkstreamError)), errors[0])
        for other in errors:
            if other is not first:
                first.add_note(f"also failed: {other!r}")
        raise first from first.__cause__


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
