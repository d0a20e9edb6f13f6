"""Clearing away what runs have left behind: executions that nobody will finish, and old journals."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from anyio import to_thread

from bulkstream.client import take_up
from bulkstream.errors import BulkstreamError, JournalDamaged, JournalEmpty, RunActive
from bulkstream.journal import Phase
from bulkstream.ledger import Ledger
from bulkstream.model import OnFailure, Outcome
from bulkstream.reporter import Silent
from bulkstream.runs import store_of

if TYPE_CHECKING:
    from bulkstream.api import ApiClient
    from bulkstream.journal import RunFolder, RunOutline


class Fate(StrEnum):
    """What is done with a run."""

    REMOVE = "remove"
    """It has ended long ago, or was never begun: its journal goes."""
    ABORT = "abort"
    """It was cut off: its execution is aborted."""
    LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class Sweep:
    """What is, or was, done with one run, and why."""

    run_id: str
    fate: Fate
    reason: str


async def sweep(client: ApiClient, *, dry_run: bool = False) -> list[Sweep]:
    """Abort executions of runs that were cut off, and remove journals of runs that ended `keep_days` ago.

    A run that is alive, that was kept on purpose, or whose commit has not been settled is left alone.

    Raises:
        OSError: The state directory can't be read.
    """
    before = client.settings.state.old_before(time.time())
    runs = await to_thread.run_sync(lambda: list(store_of(client.settings).list()))
    swept = []
    for run in runs:
        found = await to_thread.run_sync(judged, run, before)
        swept.append(found if dry_run else await _carried_out(run, found, client))
    return swept


def judged(run: RunFolder, before: float) -> Sweep:
    """Decide what becomes of a run. Blocking.

    Args:
        run: Its folder.
        before: Runs that began earlier, in seconds since the epoch, are old.
    """
    if run.active:
        return Sweep(run.run_id, Fate.LEAVE, "alive")
    try:
        outline = run.outline()
    except JournalEmpty:  # nobody makes it right now, since that is done under the lock
        return Sweep(run.run_id, Fate.REMOVE, "cut off before it had begun")
    except JournalDamaged as error:
        return Sweep(run.run_id, Fate.LEAVE, str(error))
    fate, reason = _fate(outline, old=outline.plan.created < before)
    return Sweep(run.run_id, fate, reason)


def _fate(record: RunOutline, *, old: bool) -> tuple[Fate, str]:
    if record.ended:
        return (Fate.REMOVE, f"{record.phase} long ago") if old else (Fate.LEAVE, str(record.phase))
    if record.phase is Phase.COMMITTING:
        return Fate.LEAVE, "its commit is not settled: resume it"
    on_purpose = record.outcome is Outcome.KEPT and record.plan.settings.get("on_failure") == OnFailure.KEEP
    if on_purpose and not old:
        return Fate.LEAVE, "kept to be resumed"
    return Fate.ABORT, "kept, and not resumed since" if on_purpose else "cut off"


async def _carried_out(run: RunFolder, found: Sweep, client: ApiClient) -> Sweep:
    try:
        if found.fate is Fate.REMOVE:
            await to_thread.run_sync(_remove, run)
        elif found.fate is Fate.ABORT:
            ledger = Ledger(run_id=run.run_id)
            await take_up(run.lock(), client, ledger=ledger, reporter=Silent(), give_up=True)
    except BulkstreamError as error:
        return Sweep(run.run_id, Fate.LEAVE, str(error))
    return found


def _remove(run: RunFolder) -> None:
    with suppress(RunActive), run.lock().held():
        run.remove()
