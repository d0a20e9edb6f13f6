"""One load: killed, judged, resumed, until it ends by itself."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bulkstream.journal import Phase, Step
from bulkstream.model import Dialect, UpdateMethod
from tests.crash.moments import Moment, Pace, drawn
from tests.crash.processes import Ended, killed_or_ended, last_record, started
from tests.crash.source import BASE, KINDS, PART_BYTES

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from bulkstream.journal import RunRecord
    from tests.crash.counts import Counts
    from tests.crash.witness import Desk, Seen, Witness

SETTINGS = "[retry]\nbase_s = 0.05\ncap_s = 0.5\nattempts = 20\n\n[upload]\ncommit_timeout_s = 1.0\n"
TOLD = ("--json", "--quiet")
UPLOAD = ("--part-size", str(PART_BYTES), "--concurrency", "4", *TOLD)
ENOUGH = 40
"""Processes after which a load should have ended."""

_STAGES = {
    Phase.BEGUN: "starting",
    Phase.CREATING: "creating the execution",
    Phase.OPEN: "uploading",
    Phase.COMMITTING: "committing",
    Phase.COMMITTED: "told its outcome",
    Phase.ABORTED: "told its outcome",
}


@dataclass(frozen=True, slots=True)
class Place:
    """What loads share: the server, the source, the counts."""

    witness: Witness
    desk: Desk
    sources: Path
    data: bytes
    counts: Counts


@dataclass(frozen=True, slots=True)
class Case:
    """What a load is: how it speaks, and what becomes of the rows that are there."""

    dialect: Dialect
    method: UpdateMethod

    def __str__(self) -> str:
        return f"{self.method}, {self.dialect}"


CASES = (
    Case(Dialect.INSTANCE, UpdateMethod.REPLACE),
    Case(Dialect.PUBLIC, UpdateMethod.REPLACE),
    Case(Dialect.PUBLIC, UpdateMethod.APPEND),
    Case(Dialect.INSTANCE, UpdateMethod.APPEND),
)


class Load:
    """One load with all its processes; `run` takes it to its end."""

    def __init__(self, place: Place, case: Case, kind: str, state: Path, draw: random.Random) -> None:
        self._kind = kind
        self._place = place
        self._case = case
        self._state = state
        self._draw = draw
        self._stream = 0
        self._sent: set[int] = set()

    async def run(self, kills: int, pace: Pace) -> int:
        """Kill so many of its processes, if they live long enough; return how many were."""
        counts, killed = self._place.counts, 0
        self._stream = await self._place.desk.stream(self._case.method)
        counts.numbers["loads"] += 1
        counts.numbers[f"loads of {self._kind}"] += 1
        for _ in range(ENOUGH):
            before = self._record()
            moment = drawn(self._draw, pace, before) if killed < kills else None
            ended = await self._process(before, moment)
            if not ended.killed:
                await self._conclude(ended)
                return killed
            killed += 1
        self._mismatch("came to no end")
        return killed

    async def undisturbed(self) -> Pace:
        """Run without a kill, to learn the pace."""
        began, number = asyncio.get_running_loop().time(), self._place.witness.processes + 1
        await self.run(0, Pace(0, 0))
        return Pace(self._place.witness.seen[number].first_at - began, len(self._sent))

    async def _process(self, before: RunRecord | None, moment: Moment | None) -> Ended:
        """Run one process, killed or not, and hold the journal to what the server saw."""
        command = "resume" if before else "upload"
        arguments = (before.run_id, *TOLD) if before else (KINDS[self._kind], *UPLOAD, "--stream", str(self._stream))
        number, ended = await self._ran((command, *arguments), moment)
        after = self._record()
        self._judge(before, after, self._place.witness.seen[number])
        if ended.killed:
            self._place.counts.kills[stage_of(before, after), command] += 1
        return ended

    async def _ran(self, arguments: tuple[str, ...], moment: Moment | None = None) -> tuple[int, Ended]:
        witness = self._place.witness
        number = witness.new_process()
        environ = witness.environ(number, self._place.desk.url, self._case.dialect)
        places = {"BULKSTREAM_STATE_DIR": str(self._state), "BULKSTREAM_CONFIG": str(self._state / "settings.toml")}
        self._state.mkdir(exist_ok=True)
        (self._state / "settings.toml").write_text(SETTINGS, "utf-8")
        seen = witness.seen[number]
        if moment and moment.call:
            seen.awaited, seen.lost = (moment.call, moment.count), moment.lost
        else:
            seen.arrived.set()
        process = await started(self._place.sources, environ | places, *arguments)
        self._place.counts.numbers["processes"] += 1
        return number, await killed_or_ended(process, moment.after_s if moment else None, seen.arrived)

    def _judge(self, before: RunRecord | None, after: RunRecord | None, seen: Seen) -> None:
        """A part with a receipt was not sent, and a receipt was not written without its part."""
        numbers = self._place.counts.numbers
        known = set(before.receipts) if before else set()
        told = set(after.receipts) if after else set()
        began, stored = set(seen.began) - {0}, {number for number, times in seen.stored.items() if times}
        if again := began & known:
            self._mismatch(f"parts {sorted(again)} have receipts and were sent again")
        if unsent := told - known - stored:
            self._mismatch(f"parts {sorted(unsent)} got receipts and were not sent")
        if lost := known - told:
            self._mismatch(f"parts {sorted(lost)} lost their receipts")
        numbers["parts sent for the first time"] += len(began - self._sent)
        numbers["parts sent again, for want of a receipt"] += len(began & self._sent)
        numbers["parts passed over, having a receipt"] += len(known)
        self._sent |= began

    async def _conclude(self, ended: Ended) -> None:
        """Compare the dataset with the source, and settle what can't be known."""
        outcome, before = ended.outcome, BASE if self._case.method is UpdateMethod.APPEND else b""
        rows = await self._place.desk.rows(self._stream)
        if ended.code == 0 and outcome == "committed":
            self._complete(rows, before + self._place.data)
        elif ended.code == 5 and before:
            outcome = await self._settled(rows)
        else:
            self._mismatch(f"ended with {ended.code}: {ended.err.decode()}")
        if left := await self._place.desk.open_executions(self._stream):
            self._mismatch(f"{left} executions are open in the end")
        self._place.counts.outcomes[str(self._case), outcome] += 1

    def _complete(self, rows: bytes, expected: bytes) -> None:
        """Check a committed load: the rows, and that each part was acknowledged."""
        record = self._record()
        if rows != expected:
            self._mismatch(f"the dataset has {len(rows)} bytes and not the {len(expected)} of the source")
        if record is None or record.phase is not Phase.COMMITTED or set(record.receipts) != self._sent:
            self._mismatch("the journal does not tell what happened")

    async def _settled(self, rows: bytes) -> str:
        """Check an unknown outcome: the rows are there once or not at all, and what is not is given up."""
        record = self._record()
        if record is None or rows not in {BASE, BASE + self._place.data}:
            self._mismatch("unknown, and the rows are there in part")
            return "unknown"
        there = rows != BASE
        _, ended = await self._ran(("resume", record.run_id, *(() if there else ("--abort",)), *TOLD))
        if ended.code or await self._place.desk.rows(self._stream) != rows:
            self._mismatch(f"could not be settled, {ended.code}: {ended.err.decode()}")
        return f"unknown; then {ended.outcome}"

    def _record(self) -> RunRecord | None:
        return last_record(self._state)

    def _mismatch(self, text: str) -> None:
        self._place.counts.mismatches.append(f"{self._case}, {self._kind}, {self._state.name}: {text}")


def stage_of(before: RunRecord | None, after: RunRecord | None) -> str:
    """Say where a process was when it was killed; a resume that has not said so in the journal was starting."""
    if after is None or (before and _resumes(before) == _resumes(after)):
        return _STAGES[Phase.BEGUN]
    return _STAGES[after.phase]


def _resumes(record: RunRecord) -> int:
    return sum(event.step is Step.RESUMED for event in record.events)
