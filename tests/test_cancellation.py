"""A load is cancelled at every `await` of the package that it comes to, and leaves nothing: each function is a test."""

from __future__ import annotations

import asyncio
import gzip
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
from aiohttp import web

from bulkstream import Outcome, upload
from bulkstream.client import take_up
from bulkstream.errors import BulkstreamError, NotFound
from bulkstream.journal import Journal, Step
from bulkstream.ledger import Ledger
from bulkstream.model import Dialect
from bulkstream.runs import store_of
from tests.support.accounts import account, cut_off, kept_run, losing, moved, refusing, run_of, write_csv
from tests.support.leftovers import open_files, threads
from tests.support.stepping import PACKAGE, SteppingLoop, Victim, awaiting_functions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
    from pathlib import Path

    from bulkstream import Client, Report
    from tests.support.accounts import Account
    from tests.support.stepping import Place

MODULES = (
    "client.py",
    "pipeline.py",
    "resume.py",
    "runs.py",
    "settle.py",
    "sources/given",
    "journal",
    "stages",
    "api/sessions.py",
    "api/transport.py",
)
PATIENCE_S = 5.0

ELSEWHERE = {
    "client.py:upload_sync.<locals>.load_once": "runs in a loop of its own, which nobody cancels",
    "settle.py:_given": "runs behind a cancellation; tests/stages/test_settling.py cancels it again",
    "api/transport.py:_watched": "never suspended itself, but only around what `send` awaits",
    "api/transport.py:_hurried": "as the former",
    "api/transport.py:Transport.open": "opens no connection yet, so there is nothing to wait for",
}
"""Functions that await and are not cancelled here, and why."""

POINTS = [each for each in awaiting_functions(*MODULES) if each not in ELSEWHERE]


@dataclass
class Witness:
    """A reporter that keeps what it hears."""

    reports: list[Report] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def planned(self, plan: Any) -> None: ...

    def progress(self, progress: Any) -> None: ...

    def notice(self, notice: Any) -> None:
        self.notices.append(notice.text)

    def finished(self, report: Report) -> None:
        self.reports.append(report)


@dataclass
class Scene:
    """What is cancelled: an account, a source, and what is done with them."""

    opened: Account
    folder: Path
    client: Client
    witness: Witness = field(default_factory=Witness)

    async def load(self, *, source: Any = None, **options: Any) -> None:
        options = {"dataset_name": "A", "part_size": "1KiB", "concurrency": 2, "workers": 2, **options}
        await upload(source or str(self.folder / "*.csv"), client=self.client, reporter=self.witness, **options)

    async def resume(self, run_id: str) -> None:
        await self.client.resume(run_id, reporter=self.witness)

    async def give_up(self, run_id: str) -> None:
        run = store_of(self.client.settings).get(run_id).lock()
        await take_up(run, self.client, ledger=Ledger(run_id=run_id), reporter=self.witness, give_up=True)


async def loading(scene: Scene) -> Coroutine[Any, Any, None]:
    return scene.load()


async def feeding(scene: Scene) -> Coroutine[Any, Any, None]:
    """What is loaded is read on the loop, by a generator that waits at its beginning, in its middle and at its end."""

    async def load() -> None:
        await scene.load(source=pieces_of(scene.folder))

    return load()


async def refusing_rows(scene: Scene) -> Coroutine[Any, Any, None]:
    """What a generator gives can't be loaded, so it is left in its middle."""
    return scene.load(source=no_rows())


async def no_rows() -> AsyncIterator[int]:
    try:
        while True:
            yield 7
    finally:
        await turns(3)


async def pieces_of(folder: Path) -> AsyncIterator[bytes]:
    """Yield the files as one, and clean up slowly."""
    try:
        await turns(3)
        yield b"id,text\n"
        for number in range(3):
            data = await asyncio.to_thread((folder / f"{number}.csv").read_bytes)
            yield data.removeprefix(b"id,text\n")
            await turns(3)
    finally:
        await turns(3)


async def announcing(scene: Scene) -> Coroutine[Any, Any, None]:
    return scene.load(limit_rate="100MB/s")


async def failing(scene: Scene) -> Coroutine[Any, Any, None]:
    scene.opened.answer = refusing(4)
    return scene.load()


async def losing_the_creation(scene: Scene) -> Coroutine[Any, Any, None]:
    """The first answer that creates an execution is lost; it is found and aborted, and another one created."""
    lose, times = losing("/executions", effect=True), 0

    async def once(request: Any, handler: Any) -> Any:
        nonlocal times
        times += request.method == "POST" and request.path.endswith("/executions")
        return await lose(request, handler) if times == 1 else None

    scene.opened.answer = once
    return scene.load()


async def never_creating(scene: Scene) -> Coroutine[Any, Any, None]:
    """No creation arrives, so each is asked for again after a wait."""
    scene.opened.answer = losing("/executions", effect=False)
    return scene.load()


async def losing_the_commit(scene: Scene) -> Coroutine[Any, Any, None]:
    scene.opened.answer = losing("/commit", effect=True)
    return scene.load()


async def too_soon(scene: Scene) -> Coroutine[Any, Any, None]:
    await scene.load()
    scene.witness.reports.clear()
    return scene.load()


async def resuming(scene: Scene) -> Coroutine[Any, Any, None]:
    return scene.resume((await kept(scene)).run_id)


async def resuming_packed(scene: Scene) -> Coroutine[Any, Any, None]:
    """The source has to be opened again, to be unpacked."""
    for path in scene.folder.glob("*.csv"):
        path.with_suffix(".gz").write_bytes(gzip.compress(path.read_bytes()))
    return scene.resume((await kept(scene, "*.gz")).run_id)


async def resuming_elsewhere(scene: Scene) -> Coroutine[Any, Any, None]:
    """The server has come back on another port."""
    report = await kept(scene)
    moved(run_of(scene.opened, report.run_id), "http://127.0.0.1:9")
    return scene.resume(report.run_id)


async def settling(scene: Scene) -> Coroutine[Any, Any, None]:
    """The commit of the run did not arrive, and nobody knows."""
    scene.opened.answer = losing("/commit", effect=False, blind=True)
    with suppress(BulkstreamError):
        await scene.load()
    scene.opened.forget()
    return scene.resume(scene.witness.reports.pop().run_id)


async def giving_up(scene: Scene) -> Coroutine[Any, Any, None]:
    return scene.give_up((await kept(scene)).run_id)


async def dropping_orphans(scene: Scene) -> Coroutine[Any, Any, None]:
    """The process was killed before it knew of its execution."""
    report = await kept(scene)
    cut_off(run_of(scene.opened, report.run_id), back_to="opened")
    return scene.give_up(report.run_id)


async def losing_the_abort(scene: Scene) -> Coroutine[Any, Any, None]:
    lose = losing("/abort", effect=True)

    async def refuse_and_lose(request: Any, handler: Any) -> Any:
        return await refusing(4)(request, handler) or await lose(request, handler)

    scene.opened.answer = refuse_and_lose
    return scene.load()


async def slow_disk(scene: Scene) -> Coroutine[Any, Any, None]:
    """Receipts become durable only a while after somebody has begun to wait for that."""
    release, holding = threading.Event(), threading.Event()
    receipt, flush, settled = Journal.receipt, Journal.flush, Journal._settled

    def held(self: Journal, *given: Any) -> None:
        if not holding.is_set():
            holding.set()
            self._thread.submit(release.wait)
        receipt(self, *given)

    async def awaited(wait: Callable[..., Awaitable[None]], *given: Any) -> None:
        if holding.is_set():
            asyncio.ensure_future(turns(10)).add_done_callback(lambda _: release.set())
        await wait(*given)

    async def load() -> None:
        with (
            patch.object(Journal, "receipt", held),
            patch.object(Journal, "flush", lambda self: awaited(flush, self)),
            patch.object(Journal, "_settled", lambda self, done: awaited(settled, self, done)),
        ):
            await scene.load()

    return load()


async def alone(scene: Scene) -> Coroutine[Any, Any, None]:
    """A client is opened for one load."""

    async def load() -> None:
        async with scene.opened.client(scene.client.dialect) as scene.client:
            await scene.load()

    return load()


async def reading_back(scene: Scene) -> Coroutine[Any, Any, None]:
    await scene.load()
    stream = await scene.client.streams.get(1)
    return export(scene, stream.dataset_id, 200)


async def reading_what_is_not_there(scene: Scene) -> Coroutine[Any, Any, None]:
    return export(scene, "none", 404)


async def export(scene: Scene, dataset_id: str, status: int) -> None:
    """Read a dataset whose blocks are slow to come."""

    async def slowly(request: web.Request, _: Any) -> web.StreamResponse | None:
        if not request.path.endswith("/data"):
            return None
        response = web.StreamResponse(status=status, headers={"Content-Type": "text/csv"})
        await response.prepare(request)
        for _ in range(3):
            await turns(20)
            await response.write(b"1,a\n")
        return response

    scene.opened.answer = slowly
    async for _ in scene.client.datasets.export(dataset_id, include_header=False):
        pass


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def kept(scene: Scene, pattern: str = "*.csv") -> Report:
    client = scene.opened.client(scene.client.dialect)
    return await kept_run(scene.opened, str(scene.folder / pattern), client=client, refused=4)


@dataclass(frozen=True)
class Play:
    """How a scene is set."""

    set_up: Callable[[Scene], Awaitable[Coroutine[Any, Any, None]]]
    dialect: Dialect = Dialect.PUBLIC
    sandbox: tuple[tuple[str, float], ...] = ()


PLAYS = {
    play.set_up.__name__: play
    for play in (
        Play(loading, sandbox=(("commit_delay_s", 0.02),)),
        Play(feeding),
        Play(refusing_rows),
        Play(resuming),
        Play(resuming_packed),
        Play(resuming_elsewhere),
        Play(failing),
        Play(announcing, Dialect.INSTANCE),
        Play(losing_the_creation),
        Play(never_creating),
        Play(losing_the_commit, sandbox=(("commit_delay_s", 0.02),)),
        Play(too_soon, sandbox=(("commit_interval_s", 1.0),)),
        Play(settling),
        Play(losing_the_abort),
        Play(slow_disk),
        Play(alone),
        Play(giving_up),
        Play(dropping_orphans),
        Play(reading_back),
        Play(reading_what_is_not_there),
    )
}


@dataclass
class Stage:
    """Plays scenes, each in a loop, a sandbox and a folder of its own."""

    folder: Path
    number: int = 0
    seen: dict[str, set[Place]] = field(default_factory=dict)

    def survey(self) -> dict[str, set[Place]]:
        """Play everything to its end once; return where each play's tasks were seen."""
        if not self.seen:
            for name in PLAYS:
                self.seen[name] = self.play(name).places
        return self.seen

    def strike(self, target: Place) -> bool:
        """Cancel work at the target, in a play that comes to it; one may pass it once without having to wait there."""
        names = [name for name in PLAYS if target in self.survey()[name]]
        return any(self.play(name, target).struck for name in names)

    def play(self, name: str, target: Place | None = None) -> Victim:
        """Play a scene, cancelled where its work comes to the target; check that nothing is left."""
        self.number += 1
        folder = self.folder / str(self.number)
        folder.mkdir()
        victim = Victim(target)
        with asyncio.Runner(loop_factory=SteppingLoop) as runner:
            runner.run(_played(PLAYS[name], folder, victim))
        return victim


async def _played(play: Play, folder: Path, victim: Victim) -> None:
    data = b"".join(write_csv(folder / f"{n}.csv", 40) for n in range(3))
    async with account(**dict(play.sandbox)) as opened:
        before = sockets()
        upload_settings = {"commit_timeout_s": 0.4}
        async with opened.client(play.dialect, upload=upload_settings, retry={"attempts": 3}) as client:
            scene = Scene(opened, folder, client)
            work = await play.set_up(scene)
            task = await victim.run(work)
            assert task.cancelled() is victim.struck
            await eventually(partial(nothing_runs, folder))
            for report in scene.witness.reports:
                check_journal(client, report)
        await eventually(lambda: sockets() == before)
        opened.forget()
        if scene.witness.reports:
            await check_server(opened, scene.witness.reports[-1], data)


def nothing_runs(folder: Path) -> bool:
    """Whether no task, thread or file of the load is left."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SteppingLoop)
    files = [target for target in open_files().values() if target.startswith(str(folder)) or "/runs/" in target]
    return all(each.done() for each in loop.family) and not threads() and not files


def sockets() -> int:
    """Count the sockets of this process."""
    return sum(target.startswith("socket:") for target in open_files().values())


async def eventually(holds: Callable[[], bool]) -> None:
    """Wait until something holds that threads and servers need a moment for."""
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, f"left: {open_files()}, {threads()}, {asyncio.all_tasks()}"
        await asyncio.sleep(0.001)


def check_journal(client: Client, report: Report) -> None:
    """The run is let go of; its journal says what the report says, or never began."""
    runs = {run.run_id: run for run in store_of(client.settings).list()}
    if (run := runs.get(report.run_id)) is None:
        assert report.execution_id is None
        return
    assert not run.active
    record = run.record()
    assert record.events[-1].step is Step.ENDED
    assert record.outcome is report.outcome
    assert record.execution_id == report.execution_id or record.execution_id is None


async def check_server(opened: Account, report: Report, data: bytes) -> None:
    """What the report says is true at the server, and nothing of ours is open there unless it says so."""
    try:
        states = await opened.states()
    except NotFound:
        assert report.outcome is Outcome.ABORTED
        return
    if report.outcome is Outcome.COMMITTED:
        assert states[-1] == "SUCCESS"
        assert await opened.rows() == data
    if report.outcome is Outcome.ABORTED:
        assert "ACTIVE" not in states
    if report.outcome is Outcome.KEPT:
        assert states.count("ACTIVE") <= 1


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage(tmp_path_factory.mktemp("stage"))


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at a commit more often than people would."""
    monkeypatch.setattr("bulkstream.stages.finalize.POLL_FIRST_S", 0.005)


@pytest.mark.parametrize("function", POINTS)
def test_load_that_is_cancelled_leaves_nothing(stage: Stage, function: str) -> None:
    """At each `await` of this function: no task, thread, file, socket, lock or open execution, and a true report."""
    places = {place for seen in stage.survey().values() for place in seen if place[0] == function}
    struck = [stage.strike(place) for place in sorted(places)]

    assert any(struck), f"no load was ever suspended in {function}: add a play that is, or say why not in ELSEWHERE"


def test_exceptions_are_still_there() -> None:
    """A function that was renamed or went is not excused any longer."""
    assert set(ELSEWHERE) <= set(awaiting_functions(*MODULES))
    assert all((PACKAGE / name).exists() for name in MODULES)
