"""The fault matrix: each kind of fault at each step of a load, and what becomes of the load.

`python -m tests.faults.matrix` writes the table into docs/reliability.md; a test holds the page to it.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulkstream import Dialect, Outcome
from bulkstream.cli.exits import Exit
from bulkstream.errors import StreamBusy
from bulkstream.model import Verify
from bulkstream.sandbox.faults import (
    AnyFault,
    Bandwidth,
    Burst,
    DiskFull,
    DuplicateDelivery,
    EmptyAnswer,
    ExpireToken,
    FaultPlan,
    ForgetExecution,
    Html,
    IgnoredCommit,
    LateEffect,
    Latency,
    LostAnswer,
    LostPart,
    MalformedJson,
    ResetAfter,
    ResetBefore,
    ResetDuring,
    Restart,
    SlowAnswer,
    Stall,
    Status,
    TruncatedAnswer,
    WrongJson,
)
from tests.faults.judge import untruth, wrong_rows
from tests.faults.stage import ROWS_A_PART, staged
from tests.support.marked import write
from tests.support.warped import warped

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from tests.faults.stage import Stage, Told

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
MARK = "<!-- fault matrix -->"
STEPS = ("create", "part", "commit", "abort")
PARTS = 4
ALWAYS = 1_000_000

Make = Callable[..., AnyFault]


@dataclass(frozen=True)
class Kind:
    """A row of the table.

    Attributes:
        name: What goes wrong, in words.
        make: Makes the fault, given what it strikes.
        steps: Where it can strike.
        verify: What the load compares after the commit.
        lossy: It loses parts that it has acknowledged, and nobody looks.
    """

    name: str
    make: Make
    steps: tuple[str, ...] = STEPS
    verify: Verify = Verify.OFF
    lossy: bool = False


def _status(status: int, **more: Any) -> Make:
    return partial(Status, status=status, **more)


def _kind(kind: type[AnyFault], **more: Any) -> Make:
    return partial(kind, **more)


def _last_lost(**_: Any) -> AnyFault:
    return LostPart(part=PARTS)


KINDS = (
    Kind("400, refused", _status(400)),
    Kind("401, once: the token has expired", _kind(ExpireToken)),
    Kind("401, always", _status(401, count=ALWAYS)),
    Kind("403, forbidden", _status(403)),
    Kind("404, unknown", _status(404)),
    Kind("404 for 1 s, to every call about the execution", _kind(ForgetExecution), ("part", "commit", "abort")),
    Kind("409, conflict", _status(409)),
    Kind("413, too large", _status(413)),
    Kind("429 with Retry-After 3 s", _status(429, retry_after="3")),
    Kind("429 with Retry-After 1 h, always", _status(429, retry_after="3600", count=ALWAYS)),
    Kind("429 for 2 s, to every call", _kind(Burst, seconds=2.0)),
    Kind("500 before the effect", _status(500)),
    Kind("500 before the effect, always", _status(500, count=ALWAYS)),
    Kind("500 after the effect", _kind(Html, status=500, effect=True)),
    Kind("503 with Retry-After as a date", _status(503, retry_date_s=3.0)),
    Kind("503, before the body was read", _status(503, early=True)),
    Kind("503, always", _status(503, count=ALWAYS)),
    Kind("507, disk full", _kind(DiskFull)),
    Kind("maintenance page with 200, no effect", _kind(Html)),
    Kind("maintenance page with 200, after the effect", _kind(Html, effect=True)),
    Kind("maintenance page with 200, always", _kind(Html, count=ALWAYS)),
    Kind("reset before the body", _kind(ResetBefore)),
    Kind("reset within the body", _kind(ResetDuring)),
    Kind("reset behind the body, no effect", _kind(ResetAfter)),
    Kind("reset, always", _kind(ResetBefore, count=ALWAYS)),
    Kind("answer lost after the effect", _kind(LostAnswer)),
    Kind("answer lost after the effect, always", _kind(LostAnswer, count=ALWAYS)),
    Kind("reset, the effect comes 1 s later", _kind(LateEffect)),
    Kind("reset, the effect comes 40 s later", _kind(LateEffect, seconds=40.0)),
    Kind("no answer, the connection stays open", _kind(Stall)),
    Kind("no answer, always", _kind(Stall, count=ALWAYS)),
    Kind("server restarts, within 1 s", _kind(Restart)),
    Kind("handled 0.5 s late, answered 0.5 s later", _kind(Latency, seconds=0.5, late=0.5)),
    Kind("slow link, 1,000 bytes/s", _kind(Bandwidth, read=1000, write=1000)),
    Kind("answer dribbles, a byte per 0.1 s", _kind(SlowAnswer)),
    Kind("answer cut off", _kind(TruncatedAnswer)),
    Kind("answer is no JSON", _kind(MalformedJson)),
    Kind("answer is empty", _kind(EmptyAnswer)),
    Kind("answer is another JSON", _kind(WrongJson)),
    Kind("delivered twice, first answer", _kind(DuplicateDelivery, answer="first")),
    Kind("delivered twice, second answer", _kind(DuplicateDelivery, answer="second")),
    Kind("part acknowledged and lost", _kind(LostPart), ("part",)),
    Kind("last part acknowledged and lost", _last_lost, ("part",), lossy=True),
    Kind("last part acknowledged and lost, `--verify rows`", _last_lost, ("part",), Verify.ROWS, lossy=True),
    Kind("commit accepted, never done", _kind(IgnoredCommit), ("commit",)),
    Kind("commit accepted, fails 1 s later", _kind(IgnoredCommit, ends="failed", seconds=1.0), ("commit",)),
)
"""The rows of the table, in its order."""

REFUSED = Status(at="part", part=3, status=400, message="this part is refused")
"""Makes a load abort."""


@dataclass(frozen=True)
class Cell:
    """What became of one load.

    Attributes:
        text: In words.
        wrong: What should not have been, one sentence each.
    """

    text: str
    wrong: tuple[str, ...] = ()


def plan_of(kind: Kind, step: str) -> FaultPlan:
    """What goes wrong in a cell."""
    where: dict[str, Any] = {"at": step, **({"part": 2} if step == "part" else {})}
    fault = kind.make(**where)
    return FaultPlan((fault, REFUSED) if step == "abort" else (fault,))


async def cell(kind: Kind, step: str, dialect: Dialect) -> Cell:
    """Load under one fault, then resume without it what came to no end, and load once more."""
    with tempfile.TemporaryDirectory() as folder:
        async with staged(Path(folder), dialect) as stage:
            data = stage.write("load.csv", PARTS * ROWS_A_PART - 5, 1000)
            stage.sandbox.faults.load(plan_of(kind, step))
            told = await stage.load("load.csv", data, verify=kind.verify)
            if not stage.sandbox.faults.struck[0]:
                return Cell("", ("the fault did not strike",))
            wrong = [*await _wrong(told, stage, kind)]
            text = [_words(told)]
            stage.sandbox.faults.clear()
            await stage.settled()
            async for name, later in _ended(told, stage):
                wrong += await _wrong(later, stage, kind)
                text.append(f"{name}: {_words(later)}")
            orphan, stuck = await _next_load(stage)
            return Cell("; ".join(text + orphan), tuple(wrong + stuck))


async def _ended(told: Told, stage: Stage) -> AsyncIterator[tuple[str, Told]]:
    """Bring a run to its end; yield what was done for that, and how it went."""
    for name, give_up in (("resume", False), ("resume --abort", True), ("server restarted, resume --abort", True)):
        if told.outcome not in {Outcome.KEPT, Outcome.UNKNOWN}:
            return
        if "restarted" in name:
            stage.sandbox.faults.restart(0.0)
            await stage.settled()
        told = await stage.resume(told.report.run_id, give_up=give_up)
        yield name, told


async def _wrong(told: Told, stage: Stage, kind: Kind) -> list[str]:
    truth = await stage.truth()
    found = [untruth(told, stage, truth), wrong_rows(stage, truth, lossy=kind.lossy)]
    if told.error is not None and not told.hint:
        found.append(f"the error names no next step: {told.error}")
    return [each for each in found if each]


async def _next_load(stage: Stage) -> tuple[list[str], list[str]]:
    """Load again; return what that needs in words, and what is wrong.

    The server may have opened an execution that nobody was told of: the next load finds it and says how to go on.
    """
    data = stage.write("next.csv", 5, 5000)
    told = await stage.load("next.csv", data)
    words = []
    if isinstance(told.error, StreamBusy) and "--take-over" in told.hint:
        words = ["the next load: --take-over"]
        told = await stage.load("next.csv", data, take_over=True)
    return words, [] if told.outcome is Outcome.COMMITTED else [f"the next load: {told.outcome}, {told.error}"]


def _words(told: Told) -> str:
    report, code = told.report, told.code
    text = str(report.outcome)
    if report.outcome is Outcome.ABORTED and report.execution_id is None:
        text = "nothing opened"
    if code is not Exit.COMMITTED:
        text += f" (exit {code.value})"
    if report.retries:
        text += f", {report.retries} {'retry' if report.retries == 1 else 'retries'}"
    return text


async def played(dialect: Dialect) -> dict[tuple[str, str], Cell]:
    """Play all cells, some at a time."""
    turns = asyncio.Semaphore(6)

    async def one(kind: Kind, step: str) -> tuple[tuple[str, str], Cell]:
        async with turns:
            return (kind.name, step), await cell(kind, step, dialect)

    cells = [one(kind, step) for kind in KINDS for step in kind.steps]
    return dict(await asyncio.gather(*cells))


def table(cells: Mapping[tuple[str, str], Cell]) -> str:
    """Lay the table out."""
    lines = [f"| what goes wrong | {' | '.join(STEPS)} |", "| --- " * (1 + len(STEPS)) + "|"]
    for kind in KINDS:
        found = [cells[kind.name, step].text if step in kind.steps else "-" for step in STEPS]
        lines.append(f"| {kind.name} | {' | '.join(found)} |")
    return "\n".join(lines)


def untruths(cells: Mapping[tuple[str, str], Cell]) -> list[str]:
    """Everything that is wrong, in words."""
    return [f"{name} / {step}: {wrong}" for (name, step), found in cells.items() for wrong in found.wrong]


def main() -> None:
    """Write the table into the page."""
    with warped() as runner:
        cells = runner.run(played(Dialect.PUBLIC))
    if wrong := untruths(cells):
        raise SystemExit("\n".join(wrong))
    write(PAGE, MARK, table(cells))


if __name__ == "__main__":
    main()
