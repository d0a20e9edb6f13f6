"""Any faults, any actions, in any order: what is reported is true, and no row is there twice or in part."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bulkstream import Dialect, OnFailure, Outcome, UpdateMethod
from bulkstream.cleanup import Fate, sweep
from bulkstream.cli.exits import Exit
from bulkstream.errors import BulkstreamError, StreamBusy
from bulkstream.runs import store_of
from bulkstream.sandbox import executions
from tests.faults.judge import untruth, wrong_rows
from tests.faults.schedules import LATE, LOSSY, plans
from tests.faults.stage import ROWS_A_PART, staged
from tests.support.warped import WarpedLoop, warped

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from bulkstream.sandbox.faults import FaultPlan
    from tests.faults.stage import Stage, Told, Truth

T = TypeVar("T")
DIALECT_METHODS = st.tuples(st.sampled_from(Dialect), st.sampled_from(UpdateMethod))
FINAL = {Outcome.COMMITTED, Outcome.ABORTED}


class Loads(RuleBasedStateMachine):
    """Loads into one stream, whose dataset holds rows before.

    What has happened to a run is kept in `told`; its last report must be true now and, if it is final, for ever.
    """

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self._stage_stack = AsyncExitStack()
        self.runner = self._stack.enter_context(warped())
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self.told: dict[str, Told] = {}
        self.foreign: set[int] = set()
        self.loads = 0
        self.lossy = self.late = False
        self.stage: Stage

    # ---- the rules

    @initialize(how=DIALECT_METHODS)
    def open(self, how: tuple[Dialect, UpdateMethod]) -> None:
        self.stage = self._await(self._stage_stack.enter_async_context(staged(self.folder, *how)))

    @rule(
        plan=st.none() | plans(),
        parts=st.integers(1, 4),
        requests=st.none() | st.integers(1, 12),
        keep=st.booleans(),
        take_over=st.booleans(),
        overlap=st.booleans(),
    )
    def load(
        self,
        *,
        plan: FaultPlan | None,
        parts: int,
        requests: int | None,
        keep: bool,
        take_over: bool,
        overlap: bool,
    ) -> None:
        """Load under other faults or the same; somebody interrupts it when so many requests have arrived, perhaps."""
        self._plan(plan)
        self.loads += 1
        name = f"{self.loads}.csv"
        start = self.loads * 1000 if not overlap else 5  # keys of an UPSERT that are there
        data = self.stage.write(name, parts * ROWS_A_PART - 3, start)
        on_failure = OnFailure.KEEP if keep else OnFailure.ABORT
        work = self.stage.load(name, data, take_over=take_over, on_failure=on_failure)
        self._report(self._await(self._interrupted(work, requests)))

    @precondition(lambda self: self._unfinished())
    @rule(plan=st.none() | plans(), data=st.data(), requests=st.none() | st.integers(1, 8), give_up=st.booleans())
    def take_up(self, plan: FaultPlan | None, data: st.DataObject, requests: int | None, *, give_up: bool) -> None:
        self._plan(plan)
        run_id = data.draw(st.sampled_from(self._unfinished()))
        work = self.stage.resume(run_id, give_up=give_up)
        self._report(self._await(self._interrupted(work, requests)))

    @rule(what=st.sampled_from(["gc", "foreign", "restart", "wait", "wait long"]))
    def meanwhile(self, what: str) -> None:
        self._await(self._happens(what))

    async def _happens(self, what: str) -> None:
        match what:
            case "gc":
                await self._sweep()
            case "foreign":
                await self._foreign()
            case "restart":
                await self.stage.settled()
                self.stage.sandbox.faults.restart(0.5)
                await asyncio.sleep(0.2)
            case _:
                await asyncio.sleep(60 if "long" in what else 2)

    async def _foreign(self) -> None:
        """Let somebody else open an execution, some time before we do anything."""
        loop, store, stream_id = asyncio.get_running_loop(), self.stage.sandbox.store, self.stage.stream.id
        assert isinstance(loop, WarpedLoop)
        if await store.run(executions.current, stream_id) is None:
            self.foreign.add((await store.run(executions.insert, stream_id, {}, loop.wall())).id)
        await asyncio.sleep(400)

    # ---- what must hold

    @invariant()
    def truthful(self) -> None:
        if not hasattr(self, "stage"):
            return
        truth = self._await(self.stage.truth())
        assert not (wrong := wrong_rows(self.stage, truth, lossy=self.lossy)), wrong
        for run_id, told in self.told.items():
            if told.outcome in FINAL:
                assert not (wrong := untruth(told, self.stage, truth)), f"{run_id}: {wrong} ({told.error!r})"
        strangers = set(truth.open) - self.foreign - self._known()
        assert self.late or not strangers, f"executions {strangers} are open, and no run will care"

    def teardown(self) -> None:
        try:
            if hasattr(self, "stage"):
                self._await(self._end())
        finally:
            self._await(self._stage_stack.aclose())
            self._stack.close()

    async def _end(self) -> None:
        """Nothing goes wrong any more: every run comes to an end, and the stream is free for the next load."""
        stage = self.stage
        stage.sandbox.faults.clear()
        await stage.settled()
        stage.sandbox.faults.restart(0.0)  # ends commits that never end
        await stage.settled()
        for give_up in (False, True):
            for run_id in self._unfinished():
                self._report(await stage.resume(run_id, give_up=give_up), await stage.truth())
        await self._sweep()
        assert not self._unfinished(), [f"{told.outcome}: {told.error!r}" for told in self.told.values()]
        await self._next_load()

    async def _next_load(self) -> None:
        stage = self.stage
        data = stage.write("last.csv", 5, 900_000)
        told = await stage.load("last.csv", data)
        if isinstance(told.error, StreamBusy):
            busy, truth = told.error, await stage.truth()
            assert self.late or busy.execution_id in self.foreign, busy
            assert busy.execution_id in truth.open
            told = await stage.load("last.csv", data, take_over=True)
        self._report(told, await stage.truth())
        assert told.outcome is Outcome.COMMITTED, told.error
        truth = await stage.truth()
        assert not truth.open
        assert not (wrong := wrong_rows(stage, truth, lossy=self.lossy)), wrong

    # ---- helpers

    def _await(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def _plan(self, plan: FaultPlan | None) -> None:
        if plan is None:
            return
        self.lossy = self.lossy or any(isinstance(fault, LOSSY) for fault in plan.faults)
        self.late = self.late or any(isinstance(fault, LATE) for fault in plan.faults)
        self.stage.sandbox.faults.load(plan)

    def _unfinished(self) -> list[str]:
        return [run_id for run_id, told in self.told.items() if told.outcome not in FINAL]

    def _known(self) -> set[int]:
        """Executions that a run which came to no end will ask for."""
        return {key for key, run_id in self.stage.owners.items() if run_id in self._unfinished()} | {
            each
            for run_id in self._unfinished()
            if self.told[run_id].report.execution_id is None
            for each in self._opened_by_nobody()
        }

    def _opened_by_nobody(self) -> set[int]:
        return set(self._await(self.stage.truth()).open) - set(self.stage.owners)

    def _report(self, told: Told, truth: Truth | None = None) -> None:
        """Check a report at once, and keep it."""
        truth = truth or self._await(self.stage.truth())
        run_id = told.report.run_id
        assert not (wrong := untruth(told, self.stage, truth)), f"{wrong} ({told.error!r})"
        assert told.report.verified is not False or self.lossy
        done = told.outcome is Outcome.COMMITTED or (told.given_up and told.error is None)
        assert (told.code in {Exit.COMMITTED, Exit.UNVERIFIED}) == done
        if isinstance(told.error, BulkstreamError):
            assert told.hint, f"no next step: {told.error!r}"
        if self.stage.has_journal(run_id):
            self.told[run_id] = told
        else:
            assert told.outcome is Outcome.ABORTED

    async def _interrupted(self, work: Coroutine[Any, Any, T], requests: int | None) -> T:
        """Cancel the work when so many requests have arrived."""
        task = asyncio.ensure_future(work)
        counters = self.stage.sandbox.requests
        begin, left = counters.begin, requests

        def count(endpoint: str) -> None:
            nonlocal left
            begin(endpoint)
            if left is not None and (left := left - 1) == 0:
                task.cancel()

        counters.begin = count  # type: ignore[method-assign]
        try:
            return await task
        finally:
            del counters.begin

    async def _sweep(self) -> None:
        """Clear away; what was aborted must be so, and what was committed after all is told by a resume."""
        for swept in await sweep(self.stage.client):
            told = self.told.get(swept.run_id)
            if swept.fate is Fate.ABORT and told is not None:
                record = store_of(self.stage.client.settings).get(swept.run_id).record()
                assert record.ended, swept
                self._report(await self.stage.resume(swept.run_id), await self.stage.truth())
