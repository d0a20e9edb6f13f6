"""The library's face: a client that loads, and functions for those who need only one load."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from difflib import get_close_matches
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, Unpack

import anyio
from anyio import to_thread

from bulkstream.api import ApiClient, Stream
from bulkstream.errors import BulkstreamError, UsageError
from bulkstream.holding import holding, waited
from bulkstream.journal import Journal, Phase
from bulkstream.ledger import Ledger
from bulkstream.model import Binary, Check, Column, Format, HeaderMode, OnFailure, UpdateMethod, Verify
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
    inputs_of,
    recorded,
    remote_terms,
    standing,
    store_of,
    tell_kept,
    unfinished,
)
from bulkstream.settings import Upload, overridden
from bulkstream.settle import finished
from bulkstream.sources import ArrowStream, HandedRows, Inputs, Query, handed
from bulkstream.verify import verify

if TYPE_CHECKING:
    from bulkstream.journal import RunFolder, RunRecord
    from bulkstream.model import Report

Name: TypeAlias = str | os.PathLike[str] | Query
"""A path, a glob pattern or a URL, `-` for standard input; or a database and what to ask it."""
Item: TypeAlias = Mapping[str, Any] | tuple[Any, ...] | list[Any] | ArrowStream | bytes | bytearray | memoryview
"""A row, an Arrow batch of rows, or a piece of a file."""
Sources: TypeAlias = Name | ArrowStream | Iterable[Name] | Iterable[Item] | AsyncIterable[Item]
"""What can be loaded. An iterable holds names, or rows, or batches, or pieces, as its first item is one."""


class UploadOptions(TypedDict, total=False):
    """What an upload can be told; what is left out comes from the client's settings.

    Attributes:
        stream: The stream to load into, or its id. Exactly one of this and `dataset_name` is needed.
        dataset_name: Name of the dataset; its stream is created if there is none.
        mode: REPLACE, APPEND or UPSERT; the stream's own if left out.
        key: Key columns of an UPSERT.
        schema: Columns of a new dataset, instead of inferred ones.
        header: Whether text begins with a header: auto, yes or no.
        format: Form of files, auto by their first bytes: csv, parquet, arrow, orc, jsonl or excel.
        encoding: Of text, e.g. cp1252; auto is UTF-8, or UTF-16 by its byte order mark.
        dialect: Of CSV, auto by a sample, or such as `delimiter=; quote='`.
        columns: Columns to load, in this order: NAME, or NEW=NAME to rename one; all if left out.
        binary: What is done with binary columns: refuse or base64.
        sheet: Of an Excel file, by its name or its number from 1; the first if left out.
        evolve: Add columns to the dataset and widen types where the source needs it.
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
    format: Format | str
    encoding: str
    dialect: str
    columns: Sequence[str]
    binary: Binary | str
    sheet: str
    evolve: bool
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
        """Load rows and commit them, or leave the dataset as it was.

        Blocks the event loop at no time for longer than a few milliseconds. Cancelling aborts the execution, within
        `abort_timeout_s`, and leaves nothing open.

        Frames are pyarrow's tables and readers, polars', pandas' (without their index), DuckDB's relations, and
        whatever else has `__arrow_c_stream__`; they must not change meanwhile. Iterables are asked in a thread,
        asynchronous ones in a task on this event loop, and only as fast as the load goes on; generators are closed in
        the end, however it comes. One that is asked just then is closed when it comes to its next item.

        The first 1000 rows decide on types and, of dicts, on names; a dataset that is there, and `schema`, widen them.
        Tuples have the dataset's or the schema's names, if these are as many, else `Column 1` and so on. A row that
        does not fit ends the load, and is named. An empty iterable is an error.

        What is no file can't be read again by another process, so such a load can't be resumed.

        Args:
            source: Names of files, of named pipes and of what lies elsewhere, `-` for standard input; queries; a frame;
                an iterable of names, of rows (dicts, tuples, lists), of Arrow record batches, or of bytes of a file.
            **options: See `UploadOptions`.

        Returns:
            The report of a committed load.

        Raises:
            UsageError: The options contradict each other or the stream.
            SourceError: The source can't be loaded as it is.
            LoadError: The load was not committed, nobody knows, or the server does not have what was sent; the
                outcome of `report` tells.
            ApiError: The server refused before there was an execution.
            Exception: What an iterable has raised, as it is, behind the abort.
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
    """Load rows; without a client, with one of its own that the environment describes.

    Raises:
        BulkstreamError: As `Client.upload` does.
    """
    if client is not None:
        return await client.upload(source, **options)
    async with Client.from_env() as own:
        return await own.upload(source, **options)


def upload_sync(source: Sources, **options: Unpack[UploadOptions]) -> Report:
    """Load rows from code that has no event loop; opens a loop and a client of its own.

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
    terms, spool = remote_terms(client.settings), request.settings.spool
    inputs = Inputs(request.sources, terms=terms, spool=spool, run_id=ledger.run_id)
    try:
        async with _feeding(request):
            return await _load(request, inputs, client, ledger=ledger, reporter=reporter)
    finally:
        tell_kept(await finished(to_thread.run_sync(inputs.conclude, ledger.outcome)), reporter)


@asynccontextmanager
async def _feeding(request: Request) -> AsyncIterator[None]:
    """Read asynchronous iterables beside the body, each in a task of its own; behind it they are closed."""
    rows = [each for each in request.sources if isinstance(each, HandedRows) and each.feeds]
    tasks = [asyncio.ensure_future(each.feed()) for each in rows]
    try:
        yield
    finally:
        for each in rows:
            each.close()
        if tasks:
            await finished(asyncio.wait(tasks))


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
            async with holding(inputs_of(record.plan, remote_terms(client.settings))) as inputs:
                await waited(check_unchanged, record, inputs)
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
        sources=(handed(source),),
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
