"""The library's face: a client that loads, and functions for those who need only one load."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from functools import partial
from typing import TYPE_CHECKING, Literal, TypedDict, Unpack

import anyio
from anyio import to_thread

from bulkstream.api import ApiClient, Stream
from bulkstream.errors import BulkstreamError, UsageError
from bulkstream.journal import Journal, Phase
from bulkstream.ledger import Ledger
from bulkstream.model import Check, Column, HeaderMode, OnFailure, UpdateMethod, Verify
from bulkstream.pipeline import run
from bulkstream.prepare import Request, prepare
from bulkstream.reporter import Notice, Reporter, Silent
from bulkstream.resume import Resumption
from bulkstream.runs import (
    acquired,
    begun,
    check_account,
    check_unchanged,
    clearing,
    recorded,
    standing,
    store_of,
    tell_kept,
    unfinished,
)
from bulkstream.settings import Upload, overridden
from bulkstream.settle import finished
from bulkstream.sources import Inputs
from bulkstream.verify import verify

if TYPE_CHECKING:
    from bulkstream.journal import RunFolder, RunRecord
    from bulkstream.model import Report

Sources = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]
"""One path or glob pattern, or several, loaded in their order; `-` is standard input."""


class UploadOptions(TypedDict, total=False):
    """What an upload can be told; what is left out comes from the client's settings.

    Attributes:
        stream: The stream to load into, or its id. Exactly one of this and `dataset_name` is needed.
        dataset_name: Name of the dataset; its stream is created if there is none.
        mode: REPLACE, APPEND or UPSERT; the stream's own if left out.
        key: Key columns of an UPSERT.
        schema: Columns of a new dataset, instead of inferred ones.
        check: What is checked of each row: off, rows or types.
        max_bad_rows: Bad rows to leave out, as a number or a share (`0.1%`, 0.001).
        reject_file: Where they go.
        journal: Keep a journal in the state directory, so that the load can be resumed.
        take_over: Abort what others have left open on the stream.
        verify: What is compared after the commit: off, rows or full.
        deadline: Time of the day, date and time, or time from now by which the load must have ended.
        spool: Folder for copies of standard input and named pipes, which can't be read a second time.
        reporter: Is told how the load goes on.
    """

    stream: int | Stream
    dataset_name: str
    mode: UpdateMethod | str
    key: Sequence[str]
    schema: Sequence[Column]
    part_size: int | str
    concurrency: int | Literal["auto"]
    workers: int | Literal["auto"]
    level: int | Literal["auto"]
    limit_rate: str
    header: HeaderMode | str
    on_failure: OnFailure | str
    check: Check | str
    max_bad_rows: float | str
    reject_file: str | os.PathLike[str]
    journal: bool
    take_over: bool
    verify: Verify | str
    deadline: str
    spool: str | os.PathLike[str]
    reporter: Reporter


class Client(ApiClient):
    """An account's streams, executions and datasets, and loads into them.

    Open it with `async with`; one client serves any number of loads at once, over one pool of connections.
    """

    async def upload(self, source: Sources, **options: Unpack[UploadOptions]) -> Report:
        """Load CSV files and commit them, or leave the dataset as it was.

        Blocks the event loop at no time for longer than a few milliseconds. Cancelling aborts the execution, within
        `abort_timeout_s`, and leaves nothing open.

        Args:
            source: Paths and glob patterns of CSV files and named pipes, `-` for standard input.
            **options: See `UploadOptions`.

        Returns:
            The report of a committed load.

        Raises:
            UsageError: The options contradict each other or the stream.
            SourceError: The source can't be loaded as it is.
            LoadError: The load was not committed, nobody knows, or the server does not have what was sent; the
                outcome of `report` tells.
            ApiError: The server refused before there was an execution.
        """
        request = _request(source, self.settings.upload, options)
        return await load(request, self, ledger=Ledger(), reporter=options.get("reporter") or Silent())

    async def resume(self, run_id: str | None = None, *, reporter: Reporter | None = None) -> Report:
        """Finish a run whose process was cut off, or that was kept: send what has no receipt, and commit.

        A run whose commit was sent is not loaded again, but settled. One that has ended already is only reported.

        Args:
            run_id: The run; if left out, the only one that came to no end.
            reporter: Is told how it goes on.

        Returns:
            The report of a committed run; its rows are those of all processes that worked on it.

        Raises:
            UsageError: There is no such run, or it belongs to another account.
            RunActive: A process works on it.
            SourceChanged: The source is not what it was; nothing was sent.
            NotResumable: The source can't be read again.
            LoadError: As `upload`.
        """
        found = (await to_thread.run_sync(unfinished, store_of(self.settings), run_id)).lock()
        ledger = Ledger(run_id=found.run_id)
        return await take_up(found, self, ledger=ledger, reporter=reporter or Silent(), give_up=False)


async def upload(source: Sources, *, client: Client | None = None, **options: Unpack[UploadOptions]) -> Report:
    """Load CSV files; without a client, with one of its own that the environment describes.

    Raises:
        BulkstreamError: As `Client.upload` does.
    """
    if client is not None:
        return await client.upload(source, **options)
    async with Client.from_env() as own:
        return await own.upload(source, **options)


def upload_sync(source: Sources, **options: Unpack[UploadOptions]) -> Report:
    """Load CSV files from code that has no event loop; opens a loop and a client of its own.

    Raises:
        BulkstreamError: As `Client.upload` does.
        RuntimeError: Called where an event loop runs; await `upload` there.
    """

    async def load_once() -> Report:
        return await upload(source, **options)

    return anyio.run(load_once)


async def load(request: Request, client: ApiClient, *, ledger: Ledger, reporter: Reporter) -> Report:
    """Prepare and run a load, and report on it in every case.

    An error of this package leaves with its `report`; the ledger has the account after any other exception, a
    cancellation included.

    Raises:
        BulkstreamError: As `Client.upload` does.
    """
    inputs = Inputs(request.sources, spool=request.settings.spool, run_id=ledger.run_id)
    try:
        return await _load(request, inputs, client, ledger=ledger, reporter=reporter)
    finally:
        tell_kept(await finished(to_thread.run_sync(inputs.conclude, ledger.outcome)), reporter)


async def _load(request: Request, inputs: Inputs, client: ApiClient, *, ledger: Ledger, reporter: Reporter) -> Report:
    client = client.scoped(reporter.notice)
    with concluding(ledger, client, reporter):
        job = await prepare(request, inputs, client, reporter)
        journal = await begun(job, request, client, ledger)
        async with recorded(journal, ledger, reporter):
            await run(job, client, ledger=ledger, reporter=reporter, journal=journal)
            await verify(job.verification, client, ledger=ledger, reporter=reporter)
    return ledger.report()


async def take_up(found: RunFolder, client: ApiClient, *, ledger: Ledger, reporter: Reporter, give_up: bool) -> Report:
    """Finish a run, or give it up, and report on it in every case; the folder is locked, and let go in the end.

    Raises:
        BulkstreamError: As `Client.resume` does.
    """
    client = client.scoped(reporter.notice)
    with concluding(ledger, client, reporter), found.held():
        record = await finished(_read(found, ledger))
        if record.ended:
            async with clearing(record, ledger, reporter):
                await finished(to_thread.run_sync(ledger.recall, record.receipts, record.report or {}))
            reporter.notice(Notice(f"run {record.run_id} was {record.phase} before: nothing is left to be done"))
            return ledger.report()
        restored = partial(ledger.begin, record.plan.stream_id, record.plan.total_bytes, record.receipts)
        await finished(to_thread.run_sync(restored))  # 100,000 receipts take 0.2 s
        check_account(record, client)
        if not give_up and record.phase is not Phase.COMMITTING:
            await to_thread.run_sync(check_unchanged, record)
        journal = await acquired(partial(Journal.go_on, found))
        async with recorded(journal, ledger, reporter):
            ledger.outcome = None
            resumption = Resumption(record, client, journal, ledger, reporter)
            async with clearing(record, ledger, reporter):
                await (resumption.give_up() if give_up else resumption.finish())
    return ledger.report()


async def _read(found: RunFolder, ledger: Ledger) -> RunRecord:
    """Read where a run stands, and let the ledger say so until more is known."""
    record = await to_thread.run_sync(found.record)
    ledger.stream_id, ledger.execution_id, ledger.outcome = record.plan.stream_id, record.execution_id, standing(record)
    return record


@contextmanager
def concluding(ledger: Ledger, client: ApiClient, reporter: Reporter) -> Iterator[None]:
    """Tell the reporter how the body ended, and let its error carry the report."""
    try:
        yield
    except BaseException as error:
        ledger.failed(error)
        ledger.retries = client.retries
        if isinstance(error, BulkstreamError):
            error.report = ledger.report()
        reporter.finished(ledger.report())
        raise
    ledger.retries = client.retries
    reporter.finished(ledger.report())


def _request(source: Sources, settings: Upload, options: UploadOptions) -> Request:
    _check_names(options)
    stream = options.get("stream")
    schema = options.get("schema")
    return Request(
        sources=(source,) if isinstance(source, str | os.PathLike) else tuple(source),
        settings=overridden(settings, {name: options.get(name) for name in Upload.model_fields}),
        stream_id=stream.id if isinstance(stream, Stream) else stream,
        dataset_name=options.get("dataset_name"),
        take_over=options.get("take_over", False),
        update_method=_method(options.get("mode")),
        key_columns=tuple(options.get("key") or ()),
        schema=tuple(schema) if schema else None,
    )


def _check_names(options: Iterable[str]) -> None:
    """Refuse an option that there is not: one that is misspelt would otherwise be as good as not given.

    Raises:
        UsageError: There is one.
    """
    known = {*UploadOptions.__annotations__, *Upload.model_fields}
    for name in options:
        if name not in known:
            (meant,) = get_close_matches(name, known, 1) or ("",)
            raise UsageError(f"an upload has no option {name!r}", hint=f"Did you mean {meant!r}?" if meant else "")


def _method(mode: str | None) -> UpdateMethod | None:
    try:
        return UpdateMethod(mode.upper()) if mode else None
    except ValueError:
        raise UsageError(f"{mode!r} is no mode", hint=f"There are {', '.join(UpdateMethod)}.") from None
