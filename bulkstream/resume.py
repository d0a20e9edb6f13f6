"""Going on with a run whose process was cut off, or that was kept: finishing it, or giving it up."""

from __future__ import annotations

import os
import socket
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from anyio import to_thread
from pydantic import ValidationError

from bulkstream.api import Execution, ExecutionState
from bulkstream.cores import usable_cores
from bulkstream.errors import ApiError, CommitRefused, JournalDamaged, OutcomeUnknown, SourceChanged, StreamBusy
from bulkstream.fitting import fitted
from bulkstream.holding import holding, waited
from bulkstream.journal import Phase, Step, named_path
from bulkstream.model import OnFailure, Outcome, Verify
from bulkstream.pipeline import Job, run
from bulkstream.reporter import Notice
from bulkstream.rows import sifter_of
from bulkstream.runs import REPEATABLE, file_of, holder_of, inputs_of, other_account, remote_terms, reopened, standing
from bulkstream.settings import READING, Upload, overridden
from bulkstream.sources import CsvFiles, HeaderDecision, Tables
from bulkstream.stages import Ending, Opening, Terms, look_up
from bulkstream.tune import tuned
from bulkstream.verify import Before, Verification, verify, with_before

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bulkstream.api import ApiClient
    from bulkstream.journal import Journal, RunRecord
    from bulkstream.ledger import Ledger
    from bulkstream.reporter import Reporter
    from bulkstream.sources import Inputs
    from bulkstream.tune import Tuning


class Resumption:
    """One process's share of a run that another one has begun; the ledger tells how it went.

    Whoever makes it has restored the receipts, and seen that the account is the run's and, where rows are to be sent,
    that the source is what it was.
    """

    def __init__(
        self, record: RunRecord, client: ApiClient, journal: Journal, ledger: Ledger, reporter: Reporter
    ) -> None:
        self._record = record
        self._client = client
        self._journal = journal
        self._ledger = ledger
        self._reporter = reporter

    def __repr__(self) -> str:
        return f"Resumption({self._record.run_id}, {self._record.phase}, {len(self._record.receipts)} receipts)"

    async def finish(self) -> None:
        """Send what has no receipt and commit, or find out what became of the commit.

        Raises:
            CommitRefused: The execution is gone, or the server did not commit.
            BulkstreamError: As a load does.
        """
        try:
            await self._take_up()
            if self._record.phase is Phase.COMMITTING:
                await self._settle()
            else:
                await self._go_on(await self._execution())
        finally:
            self._ledger.outcome = self._ledger.outcome or standing(self._record)

    async def give_up(self) -> None:
        """Abort what the run has left open; where its commit was sent, find out what became of it.

        Raises:
            OutcomeUnknown: The commit was sent, and nobody can tell what became of it.
            ApiError: The execution could not be aborted.
        """
        try:
            await self._take_up()
            if self._record.execution is not None:
                await self._ending(OnFailure.ABORT).give_up(committing=self._record.phase is Phase.COMMITTING)
            else:
                await self._drop_orphans()
        finally:
            self._ledger.outcome = self._ledger.outcome or standing(self._record)

    async def _take_up(self) -> None:
        if self._record.plan.url != self._client.base:
            await self._recognize()
        await self._journal.note(Step.RESUMED, process=os.getpid(), host=socket.gethostname())
        count = len(self._record.receipts)
        self._tell(f"run {self._record.run_id}: {count:,} part{'' if count == 1 else 's'} acknowledged so far")

    async def _recognize(self) -> None:
        """Let a server on another port of this machine pass if it has the run's execution.

        Raises:
            UsageError: It is another server.
        """
        kept = self._kept()  # `check_account` lets no run pass that has none
        found = await look_up(self._client, kept)
        if found is None or not _alike(kept, found):
            raise other_account(self._record, self._client)

    async def _execution(self) -> Execution | None:
        """Return the execution to go on with, None if one is to be created.

        Raises:
            CommitRefused: It is not open any more.
        """
        if self._record.execution is None:
            await self._client.streams.get(self._record.plan.stream_id)  # its answer tells the server's clock
            return None
        kept = self._kept()
        latest = await look_up(self._client, kept)
        state, word = ExecutionState.FAILED, "not known to the server"
        if latest is not None:
            state, word = latest.state, latest.current_state
        if state is ExecutionState.OPEN:
            return kept
        self._ledger.outcome = Outcome.UNKNOWN if state is ExecutionState.COMMITTED else Outcome.ABORTED
        if state is ExecutionState.COMMITTED:
            raise OutcomeUnknown(
                f"execution {kept.id} was committed, but not by run {self._record.run_id}",
                hint="Compare the dataset with the source before you load again.",
            )
        raise CommitRefused(
            f"run {self._record.run_id} can't be resumed: execution {kept.id} is {word}; none of its rows are in the "
            "dataset",
            hint="Load again.",
        )

    async def _go_on(self, execution: Execution | None) -> None:
        async with self._opened() as source:
            await self._send(source, execution)

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[CsvFiles | Tables]:
        """Open the source again, and close what was opened for it."""
        if not self._record.plan.blobs:
            yield self._files
            return
        async with holding(inputs_of(self._record.plan, remote_terms(self._client.settings))) as inputs:
            yield await waited(self._tables, inputs)

    async def _send(self, source: CsvFiles | Tables, execution: Execution | None) -> None:
        plan, settings = self._record.plan, self._settings
        if (verification := await self._verification(source)) is not None:
            verification = await with_before(verification, self._client, self._reporter)
        job = Job(
            source=source,
            terms=self._terms(settings.on_failure, execution),
            tuning=self._tuning(settings, source),
            max_record_bytes=plan.max_record_bytes,
            announce_parts=plan.announce_parts,
            done=self._record.receipts if execution else {},
            columns=plan.columns,
            method=plan.method,
            verification=verification,
            sifter=await to_thread.run_sync(
                partial(sifter_of, settings, plan.columns, well_formed=source.well_formed, guessed=plan.guessed)
            ),
            guessed=plan.guessed,
            reject_file=named_path(plan.reject_file) if plan.reject_file else None,
        )
        await run(job, self._client, ledger=self._ledger, reporter=self._reporter, journal=self._journal)
        await verify(job.verification, self._client, ledger=self._ledger, reporter=self._reporter)

    def _tables(self, inputs: Inputs) -> Tables:
        """Open what is no CSV as it is, if it still is what it was. Blocking.

        Raises:
            SourceChanged: It isn't, or is read otherwise.
        """
        plan, settings = self._record.plan, self._settings
        reopened(plan, inputs)
        fit = fitted(inputs.open_tables(settings, plan.columns), settings, plan.columns, plan.dataset_name or "")
        if not isinstance(fit.source, Tables) or fit.columns != plan.columns:
            raise SourceChanged(f"run {plan.run_id} can't be resumed: its source is read otherwise now")
        return fit.source

    @property
    def _files(self) -> CsvFiles:
        plan = self._record.plan
        decision = HeaderDecision(present=False, reason=f"as run {plan.run_id} has found them", told=True)
        return CsvFiles(tuple(map(file_of, plan.files)), decision, tuple(c.name for c in plan.columns))

    async def _verification(self, source: CsvFiles | Tables) -> Verification | None:
        """Return what is to be compared after the commit, without a look at the dataset before it."""
        settings = self._settings
        if settings.verify is Verify.OFF:
            return None
        try:
            stream = await self._client.streams.get(self._record.plan.stream_id)
        except ApiError as error:  # no reason not to go on
            self._tell(f"the run can't be verified: {error}")
            return None
        plan = self._record.plan
        return Verification.of(
            settings, source=source, dataset_id=stream.dataset_id, columns=plan.columns, method=plan.method
        )

    async def _settle(self) -> None:
        ending = self._ending(self._settings.on_failure)
        try:
            await ending.reconcile(repeatable=self._record.plan.method in REPEATABLE)
        except BaseException:
            await ending.abort()
            raise
        if (load := await self._verification(self._files)) is not None:
            load = replace(load, how=Verify.ROWS, before=Before(self._record.plan.rows_before, None))
            await verify(load, self._client, ledger=self._ledger, reporter=self._reporter)

    async def _drop_orphans(self) -> None:
        """Abort an execution whose creation was asked for, if its answer was lost."""
        self._ledger.outcome = Outcome.KEPT
        terms = self._terms(OnFailure.ABORT, None)
        if terms.asked:
            try:
                await Opening(self._client, terms, self._tell, self._record.run_id).clear()
            except StreamBusy as busy:  # somebody else's
                self._tell(f"left alone: {busy}")
        self._ledger.outcome = Outcome.ABORTED

    @property
    def _settings(self) -> Upload:
        """What the run was begun with; of how a source is read, nothing else counts."""
        own = self._client.settings.upload.model_dump(exclude_unset=True, exclude=set(READING))
        return overridden(Upload(**own), self._record.plan.settings)

    def _tuning(self, settings: Upload, source: CsvFiles | Tables) -> Tuning:
        kept = overridden(settings, {"part_size": self._record.plan.part_bytes})
        total = self._record.plan.total_bytes
        return tuned(kept, total_bytes=total, ahead_bytes=source.ahead_bytes, cores=usable_cores())

    def _ending(self, on_failure: OnFailure) -> Ending:
        terms = self._terms(on_failure, self._kept())
        return Ending(self._client, terms, self._ledger, self._journal, self._tell)

    def _kept(self) -> Execution:
        """Return the execution as the journal has it.

        Raises:
            JournalDamaged: What it has is none.
        """
        try:
            return Execution.model_validate(self._record.execution)
        except ValidationError as error:
            raise JournalDamaged(self._journal.run.journal, "its execution is none") from error

    def _terms(self, on_failure: OnFailure, execution: Execution | None) -> Terms:
        plan = self._record.plan
        return replace(
            Terms.of(self._settings, plan.stream_id),
            update_method=plan.mode,
            key_columns=plan.key_columns,
            on_failure=on_failure,
            resumed=execution,
            asked=() if execution else self._record.asked,
            holder=holder_of(self._client),
        )

    def _tell(self, text: str) -> None:
        self._reporter.notice(Notice(text))


def _alike(kept: Execution, found: Execution) -> bool:
    """Whether two readings are of one execution, by what never changes of it; each server counts its own ids."""
    pairs = [(kept.created_at, found.created_at), (kept.started_at, found.started_at)]
    pairs.append((kept.sent_data_id, found.sent_data_id))
    shown = [one == other for one, other in pairs if one is not None and other is not None]
    return bool(shown) and all(shown)
