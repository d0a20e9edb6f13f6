"""`bulkstream upload`: one load, shown while it goes on, and its exit code."""

from __future__ import annotations

import sys
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from bulkstream.cli.exits import Exit, exit_code
from bulkstream.cli.output import print_dry_run, print_json, print_report
from bulkstream.cli.progress import PlainLines, reporter_for
from bulkstream.cli.run import INTERRUPTS, run, say_error
from bulkstream.client import Client, load
from bulkstream.errors import BadRow, BulkstreamError, RunActive, SchemaError, UsageError
from bulkstream.ledger import Ledger
from bulkstream.model import OnFailure, Outcome, UpdateMethod
from bulkstream.prepare import Request, dry_run
from bulkstream.reporter import Notice
from bulkstream.runs import remote_terms
from bulkstream.settings import load_settings
from bulkstream.sources import Query, read_schema

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bulkstream.model import Column, Report
    from bulkstream.reporter import Reporter
    from bulkstream.settings import Settings
    from bulkstream.sources import Named


class WayOut(StrEnum):
    """What can be done about an execution that a load has left open."""

    FINISH = "finish"
    """Resume the run."""
    GIVE_UP = "give up"
    """The run has a journal, but its source can't be read again."""
    ABORT = "abort"
    """There is no journal."""


def upload(
    sources: Sequence[Named], target: Mapping[str, Any], flags: Mapping[str, Any], *, as_json: bool, quiet: bool
) -> Exit:
    """Load, and tell how it went; return the exit code.

    Args:
        sources: Paths, patterns and URLs, `-` for standard input; a query.
        target: `stream`, `dataset_name`, `mode`, `key`, `schema`, `profile` as given.
        flags: Fields of the upload settings as given, None where they were not.
        as_json: Print the report as JSON.
        quiet: Show no progress and no report, errors only.
    """
    ledger, error, on_failure = Ledger(), None, OnFailure.ABORT
    journaled = False
    try:
        settings = load_settings({"upload": flags}, profile=target["profile"])
        on_failure = settings.upload.on_failure
        journaled = settings.upload.journal
        reporter = reporter_for(quiet=quiet, interval_s=settings.upload.progress_interval_s)
        request = request_of(sources, target, settings)
        run(
            load_once(request, settings, ledger, reporter),
            interrupted=lambda: interruption(ledger, on_failure),
            leaving=lambda: say_left(ledger, _way_out(journaled=journaled, ledger=ledger)),
        )
    except (Exception, *INTERRUPTS) as raised:  # noqa: BLE001 - told below, and its code returned
        error = raised
    report = concluded(ledger, error)
    way = _way_out(journaled=journaled, ledger=ledger)
    show(report, error, as_json=as_json, quiet=quiet, way=way)
    return exit_code(error, report, resumable=way is WayOut.FINISH or on_failure is OnFailure.KEEP)


async def load_once(request: Request, settings: Settings, ledger: Ledger, reporter: Reporter) -> Report:
    """Load with a client of its own."""
    async with Client(settings) as client:
        return await load(request, client, ledger=ledger, reporter=reporter)


def plan(sources: Sequence[Named], target: Mapping[str, Any], flags: Mapping[str, Any], *, as_json: bool) -> None:
    """Show what a load would do; nothing is sent to anyone.

    Raises:
        BulkstreamError: As the load would raise before its first request.
    """
    settings = load_settings({"upload": flags}, profile=target["profile"])
    reporter = PlainLines(sys.stderr, settings.upload.progress_interval_s)
    dry = run(dry_run(request_of(sources, target, settings), reporter, remote_terms(settings)))
    if as_json:
        print_json(dry.plan.as_dict())
        if dry.first_bad is not None:
            reporter.notice(Notice(f"{dry.plan.bad_rows:,} bad rows; {BadRow(dry.first_bad)}"))
    else:
        print_dry_run(dry)


def named(sources: Sequence[str], *, query: str | None, database: str | None) -> tuple[Named, ...]:
    """Return what is to be loaded: what was named, or a query.

    Raises:
        UsageError: There is neither, or both, or a query without a database.
    """
    if query is None and database is None:
        if not sources:
            raise UsageError(
                "Missing argument 'SOURCE': name files, a quoted pattern or a URL, or give a --query",
                hint="Try `bulkstream upload --help` for help.",
            )
        return tuple(sources)
    if query is None or database is None:
        raise UsageError(
            "a query needs a database, and a database a query",
            hint="Write --query 'SELECT …' --from postgresql://host/name.",
        )
    if sources:
        raise UsageError("files and a query can't be loaded together", hint="Load one after the other.")
    return (Query(database, query),)


def request_of(sources: Sequence[Named], target: Mapping[str, Any], settings: Settings) -> Request:
    """Make a request of what the command line gave.

    Raises:
        UsageError: The schema file can't be read.
    """
    return Request(
        sources=tuple(sources),
        settings=settings.upload,
        stream_id=target["stream"],
        dataset_name=target["dataset_name"],
        update_method=UpdateMethod(target["mode"].upper()) if target["mode"] else None,
        key_columns=tuple(target["key"] or ()),
        schema=schema_of(target["schema"]),
        take_over=target.get("take_over", False),
        profile=target.get("profile"),
    )


def schema_of(path: Path | None) -> tuple[Column, ...] | None:
    """Read a schema file if one was given.

    Raises:
        UsageError: It can't be read.
    """
    try:
        return read_schema(path) if path else None
    except SchemaError as error:
        raise UsageError(str(error), hint=error.hint) from None


def concluded(ledger: Ledger, error: BaseException | None) -> Report:
    """Return the report, also of a load that failed before it had begun."""
    if error is not None:
        ledger.failed(error)
    return ledger.report()


def show(
    report: Report, error: BaseException | None, *, as_json: bool, quiet: bool, way: WayOut = WayOut.ABORT
) -> None:
    """Write the report to stdout, and the error to stderr."""
    if error is not None:
        say_error(error)
        if (
            report.outcome is Outcome.KEPT
            and not isinstance(error, RunActive)
            and "bulkstream resume" not in hint_of(error)
        ):
            _say_open(report, way)
    if as_json:
        print_json(report.as_dict())
    elif not quiet and (error is None or report.execution_id is not None) and not isinstance(error, RunActive):
        print_report(report)


def hint_of(error: BaseException) -> str:
    """Return what an error says about what to do."""
    return error.hint if isinstance(error, BulkstreamError) else ""


def _way_out(*, journaled: bool, ledger: Ledger) -> WayOut:
    if not journaled:
        return WayOut.ABORT
    lost = ledger.unrepeatable and ledger.outcome is not Outcome.UNKNOWN  # a commit can always be settled
    return WayOut.GIVE_UP if lost else WayOut.FINISH


def _say_open(report: Report, way: WayOut) -> None:
    import typer

    which = "an execution" if report.execution_id is None else f"execution {report.execution_id}"
    what = f"{which} of stream {report.stream_id} may still be open"
    run = f"bulkstream resume {report.run_id}"
    if way is WayOut.GIVE_UP:
        typer.echo(f"hint: {what}, and can't be finished; drop it with `{run} --abort`", err=True)
    elif way is WayOut.FINISH:
        typer.echo(f"hint: {what}; finish it with `{run}`, or drop it with `{run} --abort`", err=True)
    elif report.execution_id is None:
        typer.echo(f"hint: {what}; see `bulkstream executions list {report.stream_id}`", err=True)
    else:
        typer.echo(
            f"hint: {what}; abort it with `bulkstream executions abort {report.stream_id} {report.execution_id}`",
            err=True,
        )


def interruption(ledger: Ledger, on_failure: OnFailure) -> str:
    """Say what an interrupt leads to; a commit that was begun is never aborted."""
    if ledger.execution_id is None or ledger.outcome is Outcome.COMMITTED:
        return "interrupted"
    ending = "aborting" if on_failure is OnFailure.ABORT else "keeping"
    doing = "waiting for the commit of" if ledger.outcome is Outcome.UNKNOWN else ending
    return f"interrupted: {doing} execution {ledger.execution_id} (again to leave at once)"


def say_left(ledger: Ledger, way: WayOut) -> None:
    """Say how to go on with a load that is left in the middle; nobody else will."""
    if ledger.execution_id is not None and ledger.outcome not in {Outcome.COMMITTED, Outcome.ABORTED}:
        with suppress(OSError):  # the terminal may be gone
            _say_open(ledger.report(), way)
