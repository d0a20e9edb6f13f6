"""What comes before a load: look at the source, find or create the stream, choose the tuning.

Everything that can be wrong with the source is found before anything is created, and a wrong credential with the
first request.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from bulkstream.api import SearchKey
from bulkstream.cores import usable_cores
from bulkstream.deadline import DeadlineWatch, parse_deadline
from bulkstream.errors import DeadlineMissed, SchemaError, SourceError, UsageError
from bulkstream.fitting import fitted
from bulkstream.holding import holding, waited
from bulkstream.model import Check, Dialect, Plan, UpdateMethod
from bulkstream.pipeline import Job
from bulkstream.rejects import check_place
from bulkstream.reporter import Notice
from bulkstream.rows import can_judge, checker_of, sifter_of
from bulkstream.runs import holder_of
from bulkstream.sources import CsvFiles, Inputs, Tables, compare
from bulkstream.stages import Buffer, Cutter, Terms, rejected
from bulkstream.tune import tuned
from bulkstream.verify import Verification, with_before

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bulkstream.api import ApiClient, Stream
    from bulkstream.fitting import Fitted
    from bulkstream.model import Chunk, Column, Reject
    from bulkstream.reporter import Reporter
    from bulkstream.settings import Upload
    from bulkstream.sources import CsvPipes, Match, Named, RemoteTerms, Types
    from bulkstream.stages import RowChecker
    from bulkstream.tune import Tuning

_GUESSED = ("dialect", "sheet")
"""Facts of a source that are said when a load begins, since the wrong ones make a wrong dataset."""
_USUAL = "delimiter ',', quote '\"'"


@dataclass(frozen=True, slots=True)
class Request:
    """What the user wants loaded, and where.

    Attributes:
        sources: Paths, glob patterns and URLs, `-` for standard input; queries; what a program hands over.
        stream_id: The stream to load into; exactly one of this and `dataset_name` is given.
        dataset_name: Name of the dataset whose stream is to be found, or created if there is none.
        update_method: Overrides the stream's own; for a new stream, the default is REPLACE.
        key_columns: Key of an UPSERT.
        schema: Columns of a new dataset, instead of inferred ones.
        settings: How to cut, compress, send and finalize.
        take_over: Abort what others have left open on the stream.
        profile: Name of the profile that the settings were read with.
    """

    sources: tuple[Named, ...]
    settings: Upload
    stream_id: int | None = None
    dataset_name: str | None = None
    update_method: UpdateMethod | None = None
    key_columns: tuple[str, ...] = ()
    schema: tuple[Column, ...] | None = None
    take_over: bool = False
    profile: str | None = None


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a load would do, and what that was derived from.

    Attributes:
        target: What the load would create, or where it would go.
        first_bad: The first of the bad rows.
    """

    source: CsvFiles | CsvPipes | Tables
    types: Types
    tuning: Tuning
    plan: Plan
    target: str
    first_bad: Reject | None = None


@dataclass(slots=True)
class _Count:
    """What was seen of the source."""

    rows: int = 0
    parts: int = 0
    raw_bytes: int = 0
    bad_rows: int | None = None
    first_bad: Reject | None = None

    def add(self, chunk: Chunk, checker: RowChecker | None) -> None:
        self.rows, self.parts, self.raw_bytes = self.rows + chunk.rows, self.parts + 1, self.raw_bytes + len(chunk.data)
        if checker is None:
            return
        faults = checker.faults(chunk)
        first = next(faults, None)
        self.bad_rows = (self.bad_rows or 0) + (first is not None) + sum(1 for _ in faults)
        if first is not None and self.first_bad is None:
            self.first_bad = next(rejected(chunk, [first]))


async def dry_run(request: Request, reporter: Reporter, terms: RemoteTerms | None = None) -> DryRun:
    """Read the whole source without a request to the account, and say what a load of it would do.

    Raises:
        SourceError: As a load would.
    """
    async with holding(Inputs(request.sources, terms=terms)) as inputs:
        await waited(inputs.find)
        for text in inputs.waiting:
            reporter.notice(Notice(text))
        source = await _open(inputs, request, request.schema)
        fit = await waited(fitted, source, request.settings, request.schema, "of the schema file")
        tuning = _tuning(request.settings, fit.source)
        count = await waited(_count, fit, tuning, request.settings)
    plan = Plan(count.rows, count.parts, count.raw_bytes, fit.columns, tuning.peak_memory_bytes, count.bad_rows)
    return DryRun(fit.source, fit.types, tuning, plan, _target(request, fit), count.first_bad)


def _target(request: Request, fit: Fitted) -> str:
    """Say what a load would create, or change; no server was asked."""
    columns = f"{len(fit.columns)} column{'s' * (len(fit.columns) != 1)}"
    if request.dataset_name is None:
        return "nothing is named to load into" if request.stream_id is None else f"stream {request.stream_id}"
    method = request.update_method or UpdateMethod.REPLACE
    return f"dataset {request.dataset_name!r}; if there is none, it is created with {columns} ({method})"


async def prepare(request: Request, inputs: Inputs, client: ApiClient, reporter: Reporter) -> Job:
    """Make a job of a request; creates the stream if it was named by its dataset and does not exist.

    The caller closes `inputs`, which are the request's, when the job is done or has failed.

    Raises:
        UsageError: The request contradicts itself or the stream.
        SourceError: The source can't be loaded as it is.
        SchemaError: The source's columns are not the stream's.
        DeadlineMissed: It has passed before there was enough of the source to begin.
        MissingExtra: Types are to be checked, and pyarrow is not installed.
        ApiError: The server refused.
    """
    _check(request)
    deadline = _deadline(request.settings)
    await to_thread.run_sync(checker_of, request.settings.check, ())  # what it needs must be there
    with _until(deadline):
        await waited(inputs.find)  # an iterable is asked whether it holds names
    if (rejects := request.settings.reject_file) is not None:
        await to_thread.run_sync(check_place, rejects, inputs.paths)
    stream = await _find(request, client)
    for text in (*inputs.once, *inputs.waiting):
        reporter.notice(Notice(text))
    with _until(deadline):
        source = await _open(inputs, request, _expected(request, stream))
        if stream is not None:
            _check_heard(source, request.update_method or stream.method)
        reporter.notice(Notice(f"{source.label}: {source.reason}"))
        for label, value in source.facts:
            if label in _GUESSED and not value.startswith(_USUAL):
                reporter.notice(Notice(f"{source.label}: {label} {value}"))
        fit = await waited(fitted, source, request.settings, _wanted(request, stream), _name(request, stream))
        source = fit.source
        if stream is not None:
            _check_filled(request, stream, fit)
        if created := stream is None:
            stream = await _create(request, fit, client)
            reporter.notice(Notice(f"created stream {stream.id} for dataset {stream.name!r}"))
            if fit.guessed and request.settings.check is Check.AUTO and not can_judge():
                reporter.notice(Notice("types are from a sample, and not verified: that needs bulkstream[arrow]"))
        elif fit.match is not None and fit.match.changes_dataset:
            stream = await _evolved(stream, fit.match, client, reporter)
    tuning = _tuning(request.settings, source)
    columns = fit.columns
    sifter = await to_thread.run_sync(  # it imports pyarrow, if nothing has: 0.1 s
        partial(sifter_of, request.settings, columns, well_formed=source.well_formed, guessed=fit.guessed)
    )
    reporter.planned(Plan(None, None, source.total_bytes, columns, tuning.peak_memory_bytes))
    announce = client.dialect is Dialect.INSTANCE and client.settings.connection.start_multipart
    method = request.update_method or stream.method
    verification = Verification.of(
        request.settings, source=source, dataset_id=stream.dataset_id, columns=columns, method=method
    )
    return Job(
        source,
        replace(_terms(request, stream, columns), holder=holder_of(client)),
        tuning,
        request.settings.max_record_size,
        announce,
        columns=columns,
        method=method,
        deadline=deadline,
        verification=verification if created else await with_before(verification, client, reporter),
        sifter=sifter,
        guessed=fit.guessed,
        reject_file=request.settings.reject_file,
        unresumable=inputs.unresumable,
    )


def _check(request: Request) -> None:
    if (request.stream_id is None) == (request.dataset_name is None):
        raise UsageError("name either a stream or a dataset", hint="Use --stream ID or --dataset-name NAME.")


def _tuning(settings: Upload, source: CsvFiles | CsvPipes | Tables) -> Tuning:
    total_bytes = source.likely_bytes if isinstance(source, Tables) else source.total_bytes
    return tuned(settings, total_bytes=total_bytes, ahead_bytes=source.ahead_bytes, cores=usable_cores())


def _check_heard(source: CsvFiles | CsvPipes | Tables, method: UpdateMethod | None) -> None:
    """Refuse to empty a dataset because a producer has failed before its first byte.

    Raises:
        SourceError: A pipe has brought nothing at all, and its rows were to replace those that are there.
    """
    mute = () if isinstance(source, CsvFiles) else source.mute
    if mute and method in {UpdateMethod.REPLACE, None}:
        raise SourceError(
            f"{' and '.join(mute)} ended without a byte, and would empty the dataset",
            hint="Look whether the producer has failed; to empty the dataset on purpose, send the header alone.",
        )


def _deadline(settings: Upload) -> DeadlineWatch | None:
    return DeadlineWatch(parse_deadline(settings.deadline, datetime.now(UTC))) if settings.deadline else None


@contextmanager
def _until(deadline: DeadlineWatch | None) -> Iterator[None]:
    """Cancel the body when the deadline passes: a producer may give nothing, and a copy of what it gives take hours.

    Raises:
        DeadlineMissed: It has passed.
    """
    with anyio.move_on_after(deadline.left_s if deadline else None) as scope:
        yield
    if deadline and scope.cancelled_caught:
        raise DeadlineMissed(deadline.deadline)


def _expected(request: Request, stream: Stream | None) -> tuple[Column, ...] | None:
    """Return the columns that the source must have, if anybody knows them."""
    known = stream.columns if stream else ()
    if known and request.schema and (differences := compare(request.schema, known)):
        raise SchemaError(
            "the given schema is not the stream's: " + "; ".join(differences),
            hint="Leave the schema out, or load into another dataset.",
        )
    return known or request.schema


async def _open(inputs: Inputs, request: Request, expected: tuple[Column, ...] | None) -> CsvFiles | CsvPipes | Tables:
    return await waited(inputs.open, request.settings, expected)


async def _find(request: Request, client: ApiClient) -> Stream | None:
    """Get the stream by its id, or look for it by the dataset's name."""
    if request.stream_id is not None:
        return _loadable(await client.streams.get(request.stream_id))
    name = request.dataset_name or ""
    found = [each async for each in client.streams.search(SearchKey.DATASET_NAME, name) if each.name == name]
    if len(found) > 1:
        ids = ", ".join(str(each.id) for each in found)
        raise UsageError(f"{len(found)} streams have a dataset named {name!r}: {ids}", hint="Choose one by --stream.")
    return _loadable(found[0]) if found else None


def _loadable(stream: Stream) -> Stream:
    """Refuse a stream whose executions are made by a connector of Domo's own."""
    if stream.transport_type == "CONNECTOR":
        raise UsageError(
            f"stream {stream.id} is fed by a connector, which takes no parts from outside",
            hint="Load into a stream whose transport type is API.",
        )
    return stream


async def _evolved(stream: Stream, match: Match, client: ApiClient, reporter: Reporter) -> Stream:
    """Give the dataset the columns that the source needs; they stay, whatever becomes of the load."""
    changed = await client.streams.change_columns(stream, match.columns)
    for text in match.told:
        reporter.notice(Notice(f"dataset {stream.name!r}: {text}"))
    return changed


def _wanted(request: Request, stream: Stream | None) -> tuple[Column, ...] | None:
    """Return the columns that the dataset has, or is to have; None if nobody knows that yet."""
    known = _expected(request, stream)
    return known if stream is None else known or ()


def _name(request: Request, stream: Stream | None) -> str:
    return stream.name if stream else request.dataset_name or ""


async def _create(request: Request, fit: Fitted, client: ApiClient) -> Stream:
    columns = request.schema or fit.columns
    if not columns:
        raise SchemaError("the source is empty, so it shows no columns", hint="Give the columns with --schema FILE.")
    method = request.update_method or UpdateMethod.REPLACE
    _check_mode(request, method)
    _check_keys(request.key_columns, method, columns)
    return await client.streams.create(
        name=request.dataset_name or "", columns=columns, update_method=method, key_columns=request.key_columns
    )


def _terms(request: Request, stream: Stream, columns: tuple[Column, ...]) -> Terms:
    keys = request.key_columns or tuple(stream.key_columns)
    _check_keys(keys, request.update_method, columns)
    return replace(
        Terms.of(request.settings, stream.id),
        update_method=request.update_method,
        key_columns=keys if request.update_method is UpdateMethod.UPSERT else (),
        take_over=request.take_over,
    )


def _check_mode(request: Request, method: UpdateMethod | None) -> None:
    if request.key_columns and method not in (None, UpdateMethod.UPSERT):
        raise UsageError("key columns are for an upsert", hint="Say --mode upsert, or leave --key out.")


def _check_keys(keys: tuple[str, ...], method: UpdateMethod | None, columns: tuple[Column, ...]) -> None:
    if method is not UpdateMethod.UPSERT:
        return
    if not keys:
        raise UsageError("an upsert needs its key columns", hint="Name each with --key COLUMN.")
    unknown = [key for key in keys if key not in {column.name for column in columns}]
    if unknown:
        raise UsageError(f"no column is named {', '.join(unknown)}; there are: {', '.join(c.name for c in columns)}")


def _check_filled(request: Request, stream: Stream, fit: Fitted) -> None:
    """Refuse keys that the source does not have, before the dataset is changed.

    Raises:
        UsageError: No row could be told from another by them.
    """
    keys = request.key_columns or tuple(stream.key_columns)
    method = request.update_method or stream.method
    _check_mode(request, method)
    _check_keys(keys, request.update_method, fit.columns)
    if method is UpdateMethod.UPSERT and (lacking := [key for key in keys if key in fit.empty]):
        raise UsageError(
            f"the source has no column {', '.join(map(repr, lacking))}, by which rows are to be replaced",
            hint="Load the key columns as well, or choose others with --key.",
        )


def _count(fit: Fitted, tuning: Tuning, settings: Upload) -> _Count:
    """Cut and check the whole source without compressing it."""
    sifter = sifter_of(settings, fit.columns, well_formed=fit.source.well_formed, guessed=fit.guessed)
    cutter = Cutter(
        fit.source,
        part_bytes=tuning.part_bytes,
        max_record_bytes=settings.max_record_size,
        marking=sifter is not None,
    )
    buffer, count = Buffer(cutter.capacity), _Count(bad_rows=None if sifter is None else 0)
    try:
        while chunk := cutter.next(buffer):
            count.add(chunk, sifter.checker if sifter else None)
    finally:
        cutter.close()
    return count
