"""Whether what a load reports is true."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulkstream import Outcome, UpdateMethod
from bulkstream.sandbox.executions import State
from tests.faults.stage import OPEN

if TYPE_CHECKING:
    from tests.faults.stage import Stage, Told, Truth


def untruth(told: Told, stage: Stage, truth: Truth) -> str:
    """Say what is wrong with a reported outcome; empty if it is true."""
    state = truth.states.get(told.report.execution_id or 0)
    match told.outcome:
        case Outcome.COMMITTED if state is not State.SUCCESS:
            return f"committed, and the execution is {state}"
        case Outcome.ABORTED if state is State.SUCCESS or state in OPEN:
            return f"aborted, and the execution is {state}"
        case Outcome.KEPT if state is State.SUCCESS:
            return "kept, and the execution is SUCCESS"
        case Outcome.UNKNOWN if not stage.commit_was_sent(told.report.run_id):
            return "unknown, and no commit was sent"
    return ""


def wrong_rows(stage: Stage, truth: Truth, *, lossy: bool = False) -> str:
    """Say how the dataset differs from what the executions that succeeded have brought; empty if it does not.

    Args:
        stage: Knows which rows these are.
        truth: What there is.
        lossy: The sandbox has lost parts that it had acknowledged, so that rows may be missing.
    """
    expected = stage.before
    for execution in truth.committed:
        if execution == stage.first:
            continue
        if (run_id := stage.owners.get(execution)) is None:
            return f"execution {execution} succeeded, and no run says that it is its own"
        expected = _after(stage.sources[run_id], expected, stage.stream.method)
    there, due = truth.rows.splitlines(), expected.splitlines()
    if stage.stream.method is UpdateMethod.UPSERT:
        there, due = sorted(there), sorted(due)
    if there == due:
        return ""
    doubled = len(there) - len(set(there))
    missing, strange = set(due) - set(there), set(there) - set(due)
    if lossy and not doubled and (not strange or stage.stream.method is not UpdateMethod.APPEND):
        return ""
    return f"of {len(due)} rows {len(missing)} are missing; {doubled} are there twice, {len(strange)} should not be"


def _after(rows: bytes, before: bytes, method: UpdateMethod | None) -> bytes:
    match method:
        case UpdateMethod.APPEND:
            return before + rows
        case UpdateMethod.UPSERT:
            merged = {line.split(b",", 1)[0]: line for line in (before + rows).splitlines(keepends=True)}
            return b"".join(merged.values())
        case _:
            return rows
