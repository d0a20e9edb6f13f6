"""A journal, read back: what a run was begun with, what it did, and where it stands."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import ValidationError

from bulkstream.errors import JournalDamaged
from bulkstream.journal.parts import receipt_of
from bulkstream.journal.plan import LATEST, RunPlan
from bulkstream.journal.tables import RECEIPT, check
from bulkstream.model import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from bulkstream.model import Receipt

CLOCK_S = 2.0
"""Times of the server are in whole seconds, and so is what we know of its clock."""

LATE_S = 300.0
"""An execution that was asked for comes into being within this."""


class Step(StrEnum):
    """A change of a run's state, as the journal has it."""

    CREATING = "creating"
    """An execution is about to be created."""
    OPENED = "opened"
    """It was created; the detail holds it."""
    COMMITTING = "committing"
    """The commit is about to be sent."""
    RESUMED = "resumed"
    """Another process goes on."""
    ENDED = "ended"
    """The run, or one process's share of it, has come to an outcome; the detail holds the report."""


class Phase(StrEnum):
    """Where a run stands, as far as its journal tells."""

    BEGUN = "begun"
    """No execution was asked for."""
    CREATING = "creating"
    """One was asked for, and perhaps created."""
    OPEN = "open"
    """One is open."""
    COMMITTING = "committing"
    """Its commit was sent, perhaps."""
    COMMITTED = "committed"
    ABORTED = "aborted"


_PHASES = {Step.CREATING: Phase.CREATING, Step.OPENED: Phase.OPEN, Step.COMMITTING: Phase.COMMITTING}
FINAL = {Outcome.COMMITTED: Phase.COMMITTED, Outcome.ABORTED: Phase.ABORTED}


def may_answer(created: float, begin: float, end: float) -> bool:
    """Whether an execution came into being so soon that it may be what was asked for, from `begin` to `end`.

    All in seconds since the epoch, by the server's clock.
    """
    return begin - CLOCK_S <= created <= end + LATE_S


@dataclass(frozen=True, slots=True)
class Event:
    """A step, when it was taken (seconds since the epoch), and what belongs to it."""

    at: float
    step: Step
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RunOutline:
    """What a journal tells of a run, but for its parts.

    Attributes:
        events: In their order.
    """

    plan: RunPlan
    events: tuple[Event, ...]

    @property
    def run_id(self) -> str:
        """Name of the run."""
        return self.plan.run_id

    @property
    def phase(self) -> Phase:
        """Where the run stands."""
        phase = Phase.BEGUN
        for event in self.events:
            outcome = event.detail.get("outcome") if event.step is Step.ENDED else None
            if outcome == Outcome.KEPT and phase is Phase.COMMITTING:
                phase = Phase.OPEN  # the server has refused the commit
            else:
                phase = FINAL[Outcome(outcome)] if outcome in FINAL else _PHASES.get(event.step, phase)
        return phase

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to be done."""
        return self.phase in {Phase.COMMITTED, Phase.ABORTED}

    @property
    def resumable(self) -> bool:
        """Whether `resume` can bring it to its end: a commit can always be settled, a pipe is not read again."""
        return not self.ended and (self.phase is Phase.COMMITTING or not self.plan.unrepeatable)

    @property
    def outcome(self) -> Outcome | None:
        """How the last process that worked on it ended; None if that was cut off."""
        last = next((each for each in reversed(self.events) if each.step in {Step.ENDED, Step.RESUMED}), None)
        return Outcome(last.detail["outcome"]) if last and last.step is Step.ENDED else None

    @property
    def execution(self) -> Mapping[str, Any] | None:
        """The JSON of the execution, if one was created."""
        found = self._last(Step.OPENED)
        return None if found is None else found.detail["execution"]

    @property
    def execution_id(self) -> int | None:
        """The execution's id, if one was created."""
        return None if self.execution is None else int(self.execution["id"])

    @property
    def report(self) -> Mapping[str, Any] | None:
        """The last report, as `--json` shows it."""
        found = self._last(Step.ENDED)
        return None if found is None else found.detail

    @property
    def asked(self) -> tuple[float, ...]:
        """When an execution was asked for, by the server's clock: by each process that worked on the run."""
        return tuple(each.detail["server_time"] for each in self.events if each.step is Step.CREATING)

    def may_have_created(self, created: float | None) -> bool:
        """Whether the run asked for an execution just before one was created, and never heard what became of that."""
        if created is None or self.ended or self.execution is not None:
            return False
        return any(may_answer(created, asked, asked) for asked in self.asked)

    def _last(self, step: Step) -> Event | None:
        return next((each for each in reversed(self.events) if each.step is step), None)


@dataclass(frozen=True, slots=True)
class RunRecord(RunOutline):
    """Everything that a journal tells.

    Attributes:
        receipts: By number.
    """

    receipts: Mapping[int, Receipt]


@dataclass(frozen=True, slots=True)
class Tally:
    """What the parts of a run come to."""

    parts: int
    rows: int
    raw_bytes: int


def read_record(path: Path) -> RunRecord:
    """Read a journal; 100,000 parts take a second. Blocking, as the others.

    Raises:
        JournalEmpty: It was never begun.
        JournalDamaged: It is none, or it is torn.
    """
    with _reading(path) as db:
        parts = db.execute(f"SELECT {', '.join(RECEIPT)} FROM parts ORDER BY number")  # noqa: S608 - our own names
        return RunRecord(_plan(db), _events(db), {row[0]: receipt_of(row) for row in parts})


def read_outline(path: Path) -> RunOutline:
    """Read a journal without its parts.

    Raises:
        JournalEmpty: As above.
        JournalDamaged: As above.
    """
    with _reading(path) as db:
        return RunOutline(_plan(db), _events(db))


def read_tally(path: Path) -> Tally:
    """Add up the parts of a journal.

    Raises:
        JournalEmpty: As above.
        JournalDamaged: As above.
    """
    with _reading(path) as db:
        return Tally(*map(int, db.execute("SELECT count(*), total(rows), total(raw_bytes) FROM parts").fetchone()))


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Show one moment of all tables; what can't be read in the body means that the journal is damaged."""
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            check(db, path)
            db.execute("BEGIN")
            yield db
    except JournalDamaged:  # which is a ValueError too
        raise
    except (sqlite3.Error, ValidationError, ValueError, TypeError, KeyError, OverflowError) as error:
        raise JournalDamaged(path, _told(error)) from error


def _plan(db: sqlite3.Connection) -> RunPlan:
    rows = db.execute("SELECT plan FROM run").fetchall()
    if len(rows) != 1:
        raise ValueError("it holds no plan")
    return RunPlan.model_validate_json(rows[0][0])


def _events(db: sqlite3.Connection) -> tuple[Event, ...]:
    return tuple(map(_event, db.execute("SELECT at, step, detail FROM steps ORDER BY id")))


def _event(row: tuple[Any, ...]) -> Event:
    at, step, detail = row
    event = Event(_time(at), Step(step), orjson.loads(detail))
    if not isinstance(event.detail, dict):
        raise ValueError(f"step {step} has no detail")  # noqa: TRY004 - of what was read
    if event.step is Step.CREATING:
        _time(event.detail["server_time"])
    if event.step is Step.OPENED:
        int(event.detail["execution"]["id"])
    if event.step is Step.ENDED:
        Outcome(event.detail["outcome"])
        int(event.detail["stream_id"])
    return event


def _time(value: Any) -> float:
    if not isinstance(value, int | float) or not 0 <= value < LATEST:
        raise ValueError("a time is none")
    return float(value)


def _told(error: Exception) -> str:
    """Say in one line what is wrong; pydantic's own text has many, and repeats what it read."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc'])) or 'plan'}: {first['msg']}"
    return " ".join(str(error).split()) or type(error).__name__
