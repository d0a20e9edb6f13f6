"""Plans, receipts and whole journals of runs that never took place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bulkstream.journal import Journal, RunPlan, RunStore, Step
from bulkstream.model import Dialect, Receipt

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from bulkstream.journal import RunFolder

RUN_ID = "20260102T030405Z-abcdef"
EXECUTION = {"id": 7, "streamId": 1, "currentState": "ACTIVE"}


def plan(run_id: str = RUN_ID, **fields: Any) -> RunPlan:
    known: dict[str, Any] = {
        "created": 1767323045.0,
        "version": "0",
        "url": "http://127.0.0.1:1",
        "dialect": Dialect.PUBLIC,
        "stream_id": 1,
        "part_bytes": 10,
        "max_record_bytes": 100,
    }
    return RunPlan(run_id=run_id, **{**known, **fields})


def receipt(number: int) -> Receipt:
    return Receipt(number, 10, 5, 2, 10 * number - 10, 10 * number)


def ended(outcome: str) -> tuple[Step, dict[str, Any]]:
    return Step.ENDED, {"outcome": outcome, "stream_id": 1, "execution_id": 7, "error": None, "verified": None}


OPENED = ((Step.CREATING, {"server_time": 1000.0}), (Step.OPENED, {"execution": EXECUTION}))
"""Steps of a run whose execution was created."""


async def made_run(
    store: RunStore | Path, *steps: tuple[Step, dict[str, Any]], run_id: str = RUN_ID, parts: int = 0, **fields: Any
) -> RunFolder:
    """Write the journal of a run that has taken these steps, and let go of it."""
    store = store if isinstance(store, RunStore) else RunStore(store)
    run = store.add(run_id)
    journal = Journal.begin(run, plan(run_id, **fields))
    await written(journal, steps, parts)
    await journal.close()
    return run


async def written(journal: Journal, steps: Iterable[tuple[Step, dict[str, Any]]], parts: int) -> None:
    for number in range(1, parts + 1):
        journal.receipt(receipt(number), lambda: None)
    for step, detail in steps:
        await journal.note(step, **detail)
    await journal.flush()
