"""Where a run stands, as its journal tells."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from bulkstream.errors import JournalDamaged
from bulkstream.journal import Event, Phase, RunRecord, RunStore, Step, Tally, read_record
from bulkstream.model import Outcome
from bulkstream.runs import standing
from tests.support.made_runs import EXECUTION, OPENED, ended, made_run, plan

if TYPE_CHECKING:
    from pathlib import Path

CREATING, OPEN = OPENED
COMMITTING: tuple[Step, dict[str, Any]] = (Step.COMMITTING, {})
RESUMED: tuple[Step, dict[str, Any]] = (Step.RESUMED, {"process": 1, "host": "here"})


def record_of(*steps: tuple[Step, dict[str, Any]]) -> RunRecord:
    return RunRecord(plan(), tuple(Event(float(at), step, detail) for at, (step, detail) in enumerate(steps)), {})


@pytest.mark.parametrize(
    ("steps", "phase", "outcome", "true"),
    [
        ((), Phase.BEGUN, None, Outcome.ABORTED),
        ((CREATING,), Phase.CREATING, None, Outcome.KEPT),
        ((CREATING, OPEN), Phase.OPEN, None, Outcome.KEPT),
        ((CREATING, OPEN, COMMITTING), Phase.COMMITTING, None, Outcome.UNKNOWN),
        ((CREATING, ended("aborted")), Phase.ABORTED, Outcome.ABORTED, Outcome.ABORTED),
        ((CREATING, ended("kept")), Phase.CREATING, Outcome.KEPT, Outcome.KEPT),
        ((CREATING, OPEN, ended("kept")), Phase.OPEN, Outcome.KEPT, Outcome.KEPT),
        ((CREATING, OPEN, ended("kept"), RESUMED), Phase.OPEN, None, Outcome.KEPT),
        ((CREATING, OPEN, ended("kept"), RESUMED, ended("aborted")), Phase.ABORTED, Outcome.ABORTED, Outcome.ABORTED),
        ((CREATING, ended("kept"), RESUMED, CREATING, OPEN), Phase.OPEN, None, Outcome.KEPT),
        ((CREATING, OPEN, COMMITTING, ended("committed")), Phase.COMMITTED, Outcome.COMMITTED, Outcome.COMMITTED),
        ((CREATING, OPEN, COMMITTING, ended("aborted")), Phase.ABORTED, Outcome.ABORTED, Outcome.ABORTED),
        ((CREATING, OPEN, COMMITTING, ended("unknown")), Phase.COMMITTING, Outcome.UNKNOWN, Outcome.UNKNOWN),
        ((CREATING, OPEN, COMMITTING, ended("unknown"), RESUMED), Phase.COMMITTING, None, Outcome.UNKNOWN),
        ((CREATING, OPEN, COMMITTING, RESUMED, ended("committed")), Phase.COMMITTED, Outcome.COMMITTED, "committed"),
    ],
)
def test_phase_follows_from_the_steps(steps: Any, phase: Phase, outcome: Outcome | None, true: Outcome) -> None:
    """Only an outcome that settles it ends a run; a commit that was announced stays open until then."""
    record = record_of(*steps)

    assert (record.phase, record.outcome, standing(record)) == (phase, outcome, true)
    assert record.ended == (phase in {Phase.COMMITTED, Phase.ABORTED})


@pytest.mark.parametrize(
    ("steps", "created", "perhaps"),
    [
        ((CREATING,), 1000.0, True),
        ((CREATING,), 998.0, True),
        ((CREATING,), 997.0, False),
        ((CREATING,), 1300.0, True),
        ((CREATING,), 1301.0, False),
        ((CREATING,), None, False),
        ((), 1000.0, False),
        ((CREATING, OPEN), 1000.0, False),
        ((CREATING, ended("aborted")), 1000.0, False),
        ((CREATING, ended("kept")), 1000.0, True),
        ((CREATING, RESUMED, (Step.CREATING, {"server_time": 5000.0})), 1000.0, True),
        ((CREATING, RESUMED, (Step.CREATING, {"server_time": 5000.0})), 5000.0, True),
        ((CREATING, RESUMED, (Step.CREATING, {"server_time": 5000.0})), 3000.0, False),
    ],
)
def test_execution_may_be_of_a_run_that_asked_just_before(steps: Any, created: float | None, perhaps: bool) -> None:
    """Each time that one was asked for counts; a run that has ended, or has its execution, is out of question."""
    assert record_of(*steps).may_have_created(created) is perhaps


async def test_record_tells_its_execution(tmp_path: Path) -> None:
    """The execution is there as it was opened, and there is none before."""
    run = await made_run(tmp_path, *OPENED)
    record = run.record()

    assert (record.execution, record.execution_id, record.asked) == (EXECUTION, 7, (1000.0,))
    assert (record_of(CREATING).execution, record_of(CREATING).execution_id) == (None, None)


async def spoilt(folder: Path, *statements: str) -> Path:
    run = await made_run(folder, *OPENED, ended("kept"), parts=2)
    with closing(sqlite3.connect(run.journal)) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()
    return run.journal


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("PRAGMA application_id = 1", "not a journal of bulkstream"),
        ("PRAGMA user_version = 99", "version 99"),
        ("DROP TABLE parts", "no such table"),
        ("DELETE FROM run", "no plan"),
        ("INSERT INTO run SELECT plan FROM run", "no plan"),
        ("UPDATE run SET plan = '{}'", "Field required"),
        ("UPDATE run SET plan = replace(plan, '1767323045.0', 'Infinity')", "created"),
        ("UPDATE run SET plan = x'ff'", "plan"),
        ("UPDATE parts SET rows = 'many'", "numbers are none"),
        ("UPDATE parts SET rows = -1", "numbers are none"),
        ('UPDATE parts SET "begin" = 1e30', "numbers are none"),
        ('UPDATE parts SET "end" = 0, "begin" = 5', "impossible"),
        ("UPDATE steps SET step = 'slept'", "slept"),
        ("UPDATE steps SET at = 'noon'", "time"),
        ("UPDATE steps SET at = 9e999", "time"),
        ("UPDATE steps SET detail = '[1'", "unexpected end of data"),
        ("UPDATE steps SET detail = '[]'", "no detail"),
        ("UPDATE steps SET detail = '{\"server_time\": \"noon\"}' WHERE step = 'creating'", "time"),
        ('UPDATE steps SET detail = \'{"execution": {"id": "x"}}\' WHERE step = \'opened\'', "'x'"),
        ("UPDATE steps SET detail = '{\"execution\": []}' WHERE step = 'opened'", "indices"),
        ("UPDATE steps SET detail = '{\"outcome\": \"fine\"}' WHERE step = 'ended'", "fine"),
        ("UPDATE steps SET detail = '{\"outcome\": []}' WHERE step = 'ended'", "Outcome"),
    ],
)
async def test_journal_that_makes_no_sense_is_refused(tmp_path: Path, statement: str, reason: str) -> None:
    """Whatever is in the file, it is told in one line which is wrong, and what to do."""
    path = await spoilt(tmp_path, statement)

    with pytest.raises(JournalDamaged) as caught:
        read_record(path)

    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.path == path


async def test_journal_of_another_run_is_refused(tmp_path: Path) -> None:
    """A folder that was renamed or copied is not taken for the run of its name."""
    run = await made_run(tmp_path)
    moved = run.path.rename(run.path.with_name("other"))

    with pytest.raises(JournalDamaged, match="it is of run"):
        RunStore(tmp_path).get("other").record()
    assert moved.exists()


async def test_an_outline_does_not_read_the_parts(tmp_path: Path) -> None:
    """Whoever looks through hundreds of runs waits for none of their parts, not even for damaged ones."""
    run = await made_run(tmp_path, *OPENED, parts=3)
    assert (run.outline().events, run.tally()) == (run.record().events, Tally(3, 6, 30))
    with closing(sqlite3.connect(run.journal)) as db:
        db.execute("UPDATE parts SET begin = 'x'")
        db.commit()

    with pytest.raises(JournalDamaged):
        run.record()
    assert run.outline().execution_id == 7
