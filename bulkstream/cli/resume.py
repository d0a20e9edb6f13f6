"""`bulkstream resume`: a run that was cut off goes on, or is given up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulkstream.cli.exits import Exit, exit_code
from bulkstream.cli.progress import reporter_for
from bulkstream.cli.run import INTERRUPTS, run
from bulkstream.cli.upload import WayOut, concluded, interruption, say_left, show
from bulkstream.client import Client, take_up
from bulkstream.ledger import Ledger
from bulkstream.model import OnFailure
from bulkstream.runs import standing, store_of, unfinished
from bulkstream.settings import Settings, load_settings, overridden

if TYPE_CHECKING:
    from bulkstream.journal import RunFolder, RunOutline
    from bulkstream.model import Report


def resume(run_id: str | None, *, profile: str | None, give_up: bool, as_json: bool, quiet: bool) -> Exit:
    """Finish a run or give it up, and tell how it went; return the exit code.

    Args:
        run_id: The run; None for the only one that came to no end.
        profile: Name of a profile; None for the run's own.
        give_up: Abort what it has left open, instead of finishing it.
        as_json: Print the report as JSON.
        quiet: Show no progress and no report, errors only.
    """
    ledger, error, on_failure = Ledger(), None, OnFailure.KEEP
    try:
        found = unfinished(store_of(load_settings(profile=profile)), run_id)
        ledger.run_id = found.run_id
        record = found.outline()
        settings = settings_of(record, profile)
        on_failure = overridden(settings.upload, record.plan.settings).on_failure
        ledger.stream_id, ledger.execution_id = record.plan.stream_id, record.execution_id
        ledger.outcome = standing(record)
        found.lock()
        ledger.outcome = None
        work = _worked(found, settings, ledger, give_up=give_up, quiet=quiet)
        run(
            work,
            interrupted=lambda: interruption(ledger, on_failure),
            leaving=lambda: say_left(ledger, WayOut.FINISH),
        )
    except (Exception, *INTERRUPTS) as raised:  # noqa: BLE001 - told below, and its code returned
        error = raised
    report = concluded(ledger, error)
    show(report, error, as_json=as_json, quiet=quiet, way=WayOut.FINISH)
    return exit_code(error, report, given_up=give_up)


def settings_of(record: RunOutline, profile: str | None) -> Settings:
    """Return the settings to go on with; the run knows its account where nothing else names one.

    Raises:
        UsageError: A setting is invalid.
    """
    settings = load_settings(profile=profile or record.plan.profile)
    if settings.connection.url is not None:
        return settings
    known = {"url": record.plan.url, "dialect": record.plan.dialect}
    return settings.model_copy(update={"connection": settings.connection.model_copy(update=known)})


async def _worked(found: RunFolder, settings: Settings, ledger: Ledger, *, give_up: bool, quiet: bool) -> Report:
    reporter = reporter_for(quiet=quiet, interval_s=settings.upload.progress_interval_s)
    async with Client(settings) as client:
        return await take_up(found, client, ledger=ledger, reporter=reporter, give_up=give_up)
