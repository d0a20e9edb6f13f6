"""Where a run stands, as its journal tells."""

from __future__ import annotations

from typing import Any

from bulkstream.journal import Event, Phase, RunRecord, Step
from tests.support.made_runs import plan

PLAN = plan()
OPENED = Event(1.0, Step.OPENED, {"execution": {"id": 7}})
COMMITTING = Event(2.0, Step.COMMITTING, {})


def phase(*events: Event) -> Phase:
    return RunRecord(PLAN, events, {}).phase


def ended(outcome: str, **detail: Any) -> Event:
    return Event(3.0, Step.ENDED, {"outcome": outcome, "stream_id": 1, **detail})


def test_run_that_was_kept_behind_a_refused_commit_is_open() -> None:
    """`kept` says that the commit had no effect, so the run can be gone on with and need not be settled."""
    assert phase(OPENED, COMMITTING, ended("kept")) is Phase.OPEN


def test_run_whose_commit_is_unknown_or_was_cut_off_is_to_be_settled() -> None:
    """Nothing but the server can tell what became of such a commit."""
    assert phase(OPENED, COMMITTING) is Phase.COMMITTING
    assert phase(OPENED, COMMITTING, ended("unknown")) is Phase.COMMITTING
