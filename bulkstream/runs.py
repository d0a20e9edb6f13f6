"""Runs and their journals: what is written of a load that begins, and a load made of what was written.

prepare ──Job──► recorded ──► pipeline.run ──► the journal holds the outcome
journal ──► unfinished ──Job──► recorded ──► …
"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from anyio import to_thread

from bulkstream import __version__
from bulkstream.errors import JournalUnwritable, NotResumable, SourceChanged, SourceMissing, UsageError
from bulkstream.journal import (
    Journal,
    Phase,
    RunFolder,
    RunPlan,
    RunStore,
    SourceBlob,
    SourceFile,
    Step,
    Unkept,
    kept_name,
    named_path,
    state_dir,
)
from bulkstream.model import Outcome, UpdateMethod
from bulkstream.reporter import Notice
from bulkstream.settle import finished
from bulkstream.sources import (
    CsvFile,
    CsvFiles,
    FileState,
    Inputs,
    RemoteTerms,
    Tables,
    digest_of,
    is_remote,
    remove_copies,
)
from bulkstream.stages import Holder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from pathlib import Path

    from bulkstream.api import ApiClient, Execution
    from bulkstream.journal import RunOutline, RunRecord
    from bulkstream.ledger import Ledger
    from bulkstream.pipeline import Job
    from bulkstream.prepare import Request
    from bulkstream.reporter import Reporter
    from bulkstream.settings import Settings
    from bulkstream.sources import Blob, Source


def store_of(settings: Settings) -> RunStore:
    """Return the runs of the state directory that the settings, or else the environment, name."""
    return RunStore(settings.state.dir or state_dir(os.environ))


def remote_terms(settings: Settings) -> RemoteTerms:
    """Return how patiently remote sources are read: as the account is talked to."""
    return RemoteTerms.of(settings.connection, settings.retry)


def holder_of(client: ApiClient) -> Callable[[Execution, str], Awaitable[Holder | None]]:
    """Return what tells which run of ours, but the named one, has opened an execution of the client's account."""
    store = store_of(client.settings)

    def find(execution: Execution, asking: str) -> Holder | None:
        at = execution.began.timestamp() if execution.began else None
        run = store.holder(client.base, execution.stream_id, execution.id, at, asking=asking)
        return Holder(run.run_id, run.active, run.outline().resumable) if run else None

    async def find_in_thread(execution: Execution, asking: str) -> Holder | None:
        return await to_thread.run_sync(find, execution, asking)

    return find_in_thread


async def begun(job: Job, request: Request, client: ApiClient, ledger: Ledger) -> Journal | Unkept:
    """Begin the journal of a load, before anything of it is sent.

    Raises:
        JournalUnwritable: The state directory can't be written.
        SourceUnreadable: A file can't be read.
    """
    if not request.settings.journal:
        return Unkept()
    store, state = store_of(client.settings), client.settings.state

    def begin() -> Journal:
        plan = _plan(job, request, client, ledger)
        store.prune(state.old_before(time.time()))
        run = store.add(ledger.run_id)
        try:
            return Journal.begin(run, plan)
        except BaseException:
            run.unlock()
            run.remove()
            raise

    try:
        return await acquired(begin)
    except asyncio.CancelledError:  # nothing was begun that could be resumed
        await finished(to_thread.run_sync(RunFolder(store.runs / ledger.run_id).remove))
        raise


async def acquired(make: Callable[[], Journal]) -> Journal:
    """Make a journal in a thread; one that comes too late for a cancelled caller is closed again."""
    making = asyncio.ensure_future(to_thread.run_sync(make))
    try:
        return await finished(making)
    except asyncio.CancelledError:
        if not making.cancelled() and making.exception() is None:
            await finished(making.result().close())
        raise


@asynccontextmanager
async def recorded(journal: Journal | Unkept, ledger: Ledger, reporter: Reporter) -> AsyncIterator[None]:
    """Write how the body ended, and close the journal."""
    try:
        yield
    except BaseException as error:
        ledger.failed(error)
        raise
    finally:
        await finished(_closed(journal, ledger, reporter))


async def _closed(journal: Journal | Unkept, ledger: Ledger, reporter: Reporter) -> None:
    try:
        await journal.note(Step.ENDED, **ledger.report().as_dict())
    except JournalUnwritable as error:  # what has happened at the server stays true, and can be asked there
        reporter.notice(Notice(f"{error}; the run's outcome is not in it"))
    finally:
        await journal.close()


@asynccontextmanager
async def clearing(record: RunRecord, ledger: Ledger, reporter: Reporter) -> AsyncIterator[None]:
    """Remove the copies that the run has made of pipes, if the body has brought it to its end."""
    try:
        yield
    finally:
        if ledger.outcome in {Outcome.COMMITTED, Outcome.ABORTED}:
            removing = to_thread.run_sync(remove_copies, map(named_path, record.plan.spooled))
            tell_kept(await finished(removing), reporter)


def tell_kept(copies: Sequence[Path], reporter: Reporter) -> None:
    """Say which copies of pipes are still there."""
    for path in copies:
        reporter.notice(Notice(f"kept {path}, a copy of what can't be read again"))


def plan_file(file: CsvFile) -> SourceFile:
    """Describe a file so that it can be recognized. Blocking."""
    state = file.state
    return SourceFile(
        path=kept_name(file.path),
        start=file.start,
        size=state.size,
        mtime_ns=state.mtime_ns,
        inode=state.inode,
        digest=digest_of(file.path, state.size),
        first_line=file.first_line,
    )


def plan_blob(blob: Blob) -> SourceBlob:
    """Describe a file or an object so that it can be recognized. Blocking."""
    found = blob.fingerprint()
    name = blob.name if blob.path is None else kept_name(blob.path)
    return SourceBlob(name=name, size=found.size, version=found.version, digest=found.digest)


def inputs_of(plan: RunPlan, terms: RemoteTerms) -> Inputs:
    """Return what the source of a run was made of, to be found again."""
    return Inputs((name if is_remote(name) else named_path(name) for name in plan.inputs), terms=terms)


def file_of(kept: SourceFile) -> CsvFile:
    """Return the file that was described."""
    return CsvFile(named_path(kept.path), kept.start, FileState(kept.size, kept.mtime_ns, kept.inode), kept.first_line)


def check_unchanged(record: RunRecord, inputs: Inputs) -> None:
    """Compare all files, `inputs_of` the run, with how they were when it began. Blocking.

    Raises:
        NotResumable: The source can't be read again.
        SourceChanged: A file is not what it was.
    """
    if record.plan.unrepeatable:
        raise NotResumable(
            f"run {record.run_id} can't be resumed: {record.plan.unrepeatable}",
            hint=f"Give it up with `bulkstream resume {record.run_id} --abort`, and load again.",
        )
    changes = [change for kept in record.plan.files if (change := _change(kept))]
    if record.plan.blobs:
        changes += _changed_blobs(record.plan, inputs)
    _refuse(record.plan, changes)


def reopened(plan: RunPlan, inputs: Inputs) -> None:
    """Find what a run was made of again, to be opened as it was found. Blocking.

    Raises:
        SourceChanged: It is not what it was.
    """
    _refuse(plan, _changed_blobs(plan, inputs))


def _refuse(plan: RunPlan, changes: Sequence[str]) -> None:
    if not changes:
        return
    more = f", and {len(changes) - 3} more" if len(changes) > 3 else ""  # noqa: PLR2004 - three are enough to see
    raise SourceChanged(
        f"run {plan.run_id} can't be resumed, because its source has changed: {'; '.join(changes[:3])}{more}",
        hint=f"Put the files back as they were, or give the run up with `bulkstream resume {plan.run_id} --abort`"
        " and load again.",
    )


def check_account(record: RunRecord, client: ApiClient) -> None:
    """Refuse an account other than the run's.

    A server on this machine may have come back on another port; the run's execution can tell, where there is one.

    Raises:
        UsageError: It is another one.
    """
    if record.plan.dialect is not client.dialect:
        raise UsageError(
            f"run {record.run_id} speaks the {record.plan.dialect} dialect, and the settings say {client.dialect}",
            hint="Choose the account by BULKSTREAM_DIALECT or --profile.",
        )
    moved = client.is_local(record.plan.url) and client.is_local(client.base) and record.execution is not None
    if record.plan.url != client.base and not moved:
        raise other_account(record, client)


def other_account(record: RunRecord, client: ApiClient) -> UsageError:
    """Make the error for an account that is not the run's."""
    return UsageError(
        f"run {record.run_id} loads into {record.plan.url}, and the settings name {client.base}",
        hint="Choose the account by BULKSTREAM_URL or --profile.",
    )


def standing(record: RunOutline) -> Outcome:
    """Say what is true of a run that nobody works on, by its journal alone."""
    match record.phase:
        case Phase.COMMITTED:
            return Outcome.COMMITTED
        case Phase.COMMITTING:
            return Outcome.UNKNOWN
        case Phase.OPEN | Phase.CREATING:
            return Outcome.KEPT
        case Phase.BEGUN | Phase.ABORTED:
            return Outcome.ABORTED


def _change(kept: SourceFile) -> str | None:
    file = file_of(kept)
    if (change := file.changed()) is not None:
        return change.replace("during the load", "since the run began")
    return None if digest_of(file.path, kept.size) == kept.digest else f"{kept.path} has other content"


def _changed_blobs(plan: RunPlan, inputs: Inputs) -> list[str]:
    """Find what a plan names, and say in a sentence each how it differs from what it was."""
    try:
        inputs.find()
        found = {each.name: each for each in map(plan_blob, inputs.blobs)}
    except SourceMissing as error:
        return [str(error)]
    kept = {each.name: each for each in plan.blobs}
    return [
        *(f"{name} is gone" for name in kept if name not in found),
        *(f"{name} has come" for name in found if name not in kept),
        *(change for name, blob in kept.items() if name in found and (change := _blob_change(blob, found[name]))),
    ]


def _blob_change(kept: SourceBlob, found: SourceBlob) -> str | None:
    if kept.size != found.size:
        return f"{kept.name} had {kept.size:,} bytes and now has {found.size:,}"
    if kept.version != found.version:
        return f"{kept.name} was modified or replaced since the run began"
    return None if kept.digest == found.digest else f"{kept.name} has other content"


def _plan(job: Job, request: Request, client: ApiClient, ledger: Ledger) -> RunPlan:
    settings = request.settings
    return RunPlan(
        run_id=ledger.run_id,
        created=time.time(),
        version=__version__,
        url=client.base,
        dialect=client.dialect,
        stream_id=job.terms.stream_id,
        part_bytes=job.tuning.part_bytes,
        max_record_bytes=job.max_record_bytes,
        profile=request.profile,
        dataset_name=request.dataset_name,
        mode=job.terms.update_method,
        method=job.method,
        key_columns=job.terms.key_columns,
        columns=job.columns,
        guessed=job.guessed,
        total_bytes=job.source.total_bytes,
        rows_before=job.verification.before.rows if job.verification else None,
        announce_parts=job.announce_parts,
        settings=settings.model_dump(mode="json", exclude_unset=True, exclude={"spool", "reject_file"}),
        reject_file=kept_name(settings.reject_file) if settings.reject_file else None,
        unrepeatable=_unrepeatable(job.source) or job.unresumable,
        **({} if job.unresumable else _sources(job.source)),
    )


def _unrepeatable(source: Source) -> str:
    """Say why another process can't read a source again."""
    if isinstance(source, Tables):
        return "; ".join(filter(None, (source.unrepeatable, source.recall.unrepeatable)))
    return source.unrepeatable


def _sources(source: Source) -> dict[str, Any]:
    """Return the plan's fields that describe what can be read again."""
    if isinstance(source, CsvFiles):
        return {"files": tuple(map(plan_file, source.files)), "spooled": tuple(map(kept_name, source.spooled))}
    if not isinstance(source, Tables) or _unrepeatable(source):
        return {}
    recall = source.recall
    return {
        "inputs": tuple(name if is_remote(name) else kept_name(name) for name in recall.names),
        "blobs": tuple(map(plan_blob, recall.blobs)),
        "spooled": tuple(map(kept_name, recall.spooled)),
    }


REPEATABLE = frozenset({UpdateMethod.REPLACE, UpdateMethod.UPSERT})
"""Methods by which a second commit of the same rows changes nothing."""


def unfinished(store: RunStore, run_id: str | None) -> RunFolder:
    """Find the run to go on with: the one that is named, or the only one that came to no end. Blocking.

    Raises:
        UsageError: There is no such run, or there are several.
    """
    if run_id is not None:
        return store.get(run_id)
    found = [run for run, outline in store.outlines() if not outline.ended and not run.active]
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(f"no run in {store.folder} was interrupted", hint="See `bulkstream runs list`.")
    names = ", ".join(run.run_id for run in found)
    raise UsageError(
        f"{len(found)} runs were interrupted: {names}",
        hint=f"Name one of them, as in `bulkstream resume {found[0].run_id}`.",
    )
