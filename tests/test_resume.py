"""Runs that were kept or cut off, and how they come to an end; in the sandbox, through the library."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from bulkstream import Client, Column, ColumnType, Dialect, Outcome, UpdateMethod
from bulkstream.errors import (
    BulkstreamError,
    CommitRefused,
    JournalDamaged,
    NotResumable,
    OutcomeUnknown,
    PartFailed,
    RunActive,
    SourceChanged,
    StreamBusy,
    UsageError,
)
from bulkstream.journal import Phase, Step
from bulkstream.runs import store_of
from tests.support.accounts import account, cut_off, kept_run, losing, refusing, run_of, write_csv
from tests.support.made_runs import OPENED, ended, made_run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bulkstream.model import Report

SHORT = {"commit_timeout_s": 0.3}


@pytest.mark.parametrize("dialect", list(Dialect))
async def test_kept_run_sends_only_what_is_missing(tmp_path: Path, dialect: Dialect) -> None:
    """Parts with a receipt are not sent again; the dataset is byte for byte what one load would have made it."""
    data = write_csv(tmp_path / "a.csv", 1000)
    async with account() as opened:
        kept = await kept_run(opened, tmp_path / "a.csv", client=opened.client(dialect))
        had = set(run_of(opened, kept.run_id).record().receipts)
        async with opened.client(dialect) as client:
            report = await client.resume(kept.run_id)

        assert report.outcome is Outcome.COMMITTED
        assert (report.run_id, report.execution_id) == (kept.run_id, kept.execution_id)
        assert (report.rows, report.raw_bytes) == (1000, len(data))
        assert sorted([*opened.sent, *had]) == list(range(1, report.parts + 1))
        assert had
        assert opened.count("/executions") == 0, "no other execution was created"
        assert await opened.rows() == data
        record = run_of(opened, kept.run_id).record()
        assert [each.step for each in record.events][-3:] == [Step.RESUMED, Step.COMMITTING, Step.ENDED]
        assert not run_of(opened, kept.run_id).active


async def test_run_that_was_cut_off_is_found_and_finished(tmp_path: Path) -> None:
    """Without a name, the only run that came to no end is meant."""
    data = write_csv(tmp_path / "a.csv", 500)
    async with account() as opened:
        kept = await kept_run(opened, tmp_path / "a.csv")
        cut_off(run_of(opened, kept.run_id))
        async with opened.client() as client:
            report = await client.resume()

        assert (report.run_id, report.outcome) == (kept.run_id, Outcome.COMMITTED)
        assert await opened.rows() == data


async def test_server_that_came_back_on_another_port_is_recognized(tmp_path: Path) -> None:
    """What it has of the run's execution tells; another server, with the same ids, is another account."""
    data, here = write_csv(tmp_path / "a.csv", 1000), Dialect.INSTANCE
    async with account(data=tmp_path / "server") as opened:
        kept = await kept_run(opened, tmp_path / "a.csv", client=opened.client(here))
    async with account() as other:
        others = await kept_run(other, tmp_path / "a.csv", client=other.client(here))
        assert others.execution_id == kept.execution_id
        async with other.client(here) as client:
            with pytest.raises(UsageError, match="and the settings name"):
                await client.resume(kept.run_id)
    async with account(data=tmp_path / "server") as again:
        async with again.client(here) as client:
            report = await client.resume(kept.run_id)

        assert report.outcome is Outcome.COMMITTED
        assert await again.rows() == data


async def test_run_is_resumed_as_often_as_it_needs(tmp_path: Path) -> None:
    """Each process goes on where the last one stopped."""
    data = write_csv(tmp_path / "a.csv", 1000)
    async with account() as opened:
        kept = await kept_run(opened, tmp_path / "a.csv")
        for _ in range(2):
            had = set(run_of(opened, kept.run_id).record().receipts)
            opened.answer = refusing(next(number for number in range(1, 999) if number not in had))
            async with opened.client() as client:
                with pytest.raises(PartFailed) as caught:
                    await client.resume(kept.run_id)
            assert caught.value.report is not None
            assert caught.value.report.outcome is Outcome.KEPT
        had = set(run_of(opened, kept.run_id).record().receipts)
        opened.forget()
        async with opened.client() as client:
            report = await client.resume(kept.run_id)

        assert sorted([*opened.sent, *had]) == list(range(1, report.parts + 1))
        assert await opened.rows() == data


@pytest.mark.parametrize("refused", [1, 2, 4, 6])
async def test_files_without_a_last_line_feed_are_resumed_as_they_were_cut(tmp_path: Path, refused: int) -> None:
    """Line feeds between files are added once, on whichever side of the interruption their part is."""
    data = [write_csv(tmp_path / f"{n}.csv", 30 + n, ends=n % 2 == 0) for n in range(5)]
    async with account() as opened:
        kept = await kept_run(opened, str(tmp_path / "*.csv"), refused=refused, concurrency=1)
        had = set(run_of(opened, kept.run_id).record().receipts)
        async with opened.client() as client:
            report = await client.resume(kept.run_id)

        assert report.rows == sum(30 + n for n in range(5))
        assert sorted([*opened.sent, *had]) == list(range(1, report.parts + 1))
        assert await opened.rows() == b"".join(each if each.endswith(b"\n") else each + b"\n" for each in data)


async def test_settings_that_have_changed_since_decide_nothing(tmp_path: Path) -> None:
    """Part size, header and mode are the run's; a settings file that says otherwise by now is not asked."""
    path = tmp_path / "a.csv"
    data = write_csv(path, 500)
    async with account() as opened:
        stream = await stream_of_text(opened)
        kept = await kept_run(opened, path, header="no", mode="append", stream=stream, dataset_name=None)
        had = set(run_of(opened, kept.run_id).record().receipts)
        upload = {"part_size": "7KiB", "header": "yes", "max_record_size": "2KiB", "on_failure": "abort"}
        async with opened.client(upload=upload) as client:
            report = await client.resume(kept.run_id)

        assert sorted([*opened.sent, *had]) == list(range(1, report.parts + 1))
        assert report.raw_bytes == len(b"id,text\n" + data)
        assert await opened.rows() == b"id,text\n" + data


async def stream_of_text(opened: Any) -> int:
    columns = [Column("id", ColumnType.STRING), Column("text", ColumnType.STRING)]
    async with opened.client() as client:
        stream = await client.streams.create(name="A", columns=columns, update_method=UpdateMethod.APPEND)
        return int(stream.id)


def longer(path: Path) -> None:
    with path.open("a") as file:
        file.write("1,more\n")


def touched(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def other_content(path: Path) -> None:
    state, data = path.stat(), path.read_bytes()
    with path.open("r+b") as file:  # the same inode
        file.write(data.replace(b"xxxx", b"yyyy"))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def replaced(path: Path) -> None:
    state = path.stat()
    shutil.copy(path, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (longer, "bytes and now has"),
        (touched, "modified or replaced since the run began"),
        (other_content, "has other content"),
        (replaced, "modified or replaced since the run began"),
        (os.remove, "is gone"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_source_that_has_changed_is_refused(tmp_path: Path, change: Callable[[Path], None], reason: str) -> None:
    """Nothing is sent, the run stays as it was, and putting the file back makes it resumable again."""
    path = tmp_path / "a.csv"
    write_csv(path, 500)
    async with account() as opened:
        kept = await kept_run(opened, path)
        change(path)
        async with opened.client() as client:
            with pytest.raises(SourceChanged, match=reason) as caught:
                await client.resume(kept.run_id)

        assert caught.value.report is not None
        assert caught.value.report.outcome is Outcome.KEPT
        assert f"resume {kept.run_id} --abort" in caught.value.hint
        assert opened.seen == []
        assert await opened.states() == ["ACTIVE"]
        assert run_of(opened, kept.run_id).record().phase is Phase.OPEN


async def test_source_that_can_t_be_read_again_is_refused(tmp_path: Path) -> None:
    """A run whose source was a stream can only be given up."""
    async with account() as opened:
        async with opened.client() as client:
            store = store_of(client.settings)
            await made_run(store, *OPENED, url=opened.sandbox.url, unrepeatable="it was loaded from standard input")
            with pytest.raises(NotResumable, match="standard input"):
                await client.resume()

        assert opened.seen == []


async def test_execution_that_somebody_has_aborted_ends_the_run(tmp_path: Path) -> None:
    """There is nothing left to go on with: the run is aborted, and says so from then on."""
    write_csv(tmp_path / "a.csv", 500)
    async with account() as opened:
        kept = await kept_run(opened, tmp_path / "a.csv")
        async with opened.client() as client:
            await client.executions.abort(1, kept.execution_id)
            opened.forget()
            with pytest.raises(CommitRefused, match="ABORTED; none of its rows") as caught:
                await client.resume(kept.run_id)

            assert caught.value.report is not None
            assert caught.value.report.outcome is Outcome.ABORTED
            assert opened.changes == []
            opened.forget()
            again = await client.resume(kept.run_id)

        assert (again.outcome, opened.seen) == (Outcome.ABORTED, [])


async def test_execution_that_somebody_has_committed_is_not_ours_to_judge(tmp_path: Path) -> None:
    """Half a load is in the dataset, by somebody's hand: unknown, with a hint to compare."""
    write_csv(tmp_path / "a.csv", 500)
    async with account() as opened:
        kept = await kept_run(opened, tmp_path / "a.csv", refused=1)
        async with opened.client() as client:
            await client.executions.commit(1, kept.execution_id)
            opened.forget()
            with pytest.raises(OutcomeUnknown, match="not by run"):
                await client.resume(kept.run_id)

        assert opened.changes == []


@pytest.mark.parametrize("outcome", [Outcome.COMMITTED, Outcome.ABORTED])
async def test_run_that_has_ended_is_only_reported(outcome: Outcome) -> None:
    """Resuming twice does nothing the second time, and asks nobody."""
    async with account() as opened:
        async with opened.client() as client:
            run = await made_run(store_of(client.settings), *OPENED, ended(outcome), parts=3, url=opened.sandbox.url)
            before = run.record().events
            report = await client.resume(run.run_id)

        assert (report.outcome, report.rows, report.execution_id) == (outcome, 6, 7)
        assert (opened.seen, run.record().events, run.active) == ([], before, False)


async def test_run_of_another_account_is_refused() -> None:
    """An address or dialect that is not the run's is named; nothing is asked there."""
    async with account() as opened, opened.client() as client:
        store = store_of(client.settings)
        await made_run(store, *OPENED, run_id="far", url="https://acme.domo.com")
        await made_run(store, *OPENED, run_id="other", url=opened.sandbox.url, dialect=Dialect.INSTANCE)
        with pytest.raises(UsageError, match=r"loads into https://acme\.domo\.com"):
            await client.resume("far")
        with pytest.raises(UsageError, match="speaks the instance dialect"):
            await client.resume("other")

        assert opened.seen == []
        assert [store.get(name).record().phase for name in ("far", "other")] == [Phase.OPEN, Phase.OPEN]


async def test_run_that_nobody_could_go_on_with_stays_as_it_is(tmp_path: Path) -> None:
    """A wrong account ends no run, not even one that had only begun, and leaves it its copy of a pipe."""
    copy = tmp_path / "copy.csv"
    copy.write_bytes(b"1\n")
    async with account() as opened, opened.client() as client:
        run = await made_run(store_of(client.settings), url="https://acme.domo.com", spooled=(str(copy),))
        with pytest.raises(UsageError, match=r"loads into https://acme\.domo\.com"):
            await client.resume(run.run_id)

        assert (run.record().phase, run.record().events, copy.exists()) == (Phase.BEGUN, (), True)


@pytest.mark.parametrize("clear", ["resume", "remove"])
async def test_copy_of_a_run_that_has_ended_is_cleared_away(tmp_path: Path, clear: str) -> None:
    """A process that died between a run's end and the removal of its copy leaves that to whoever comes next."""
    copy = tmp_path / "copy.csv"
    copy.write_bytes(b"1\n")
    async with account() as opened, opened.client() as client:
        steps = (*OPENED, ended(Outcome.COMMITTED))
        run = await made_run(store_of(client.settings), *steps, url=opened.sandbox.url, spooled=(str(copy),))
        if clear == "resume":
            await client.resume(run.run_id)
        else:
            run.remove()

        assert not copy.exists()


async def test_sandbox_that_came_back_on_another_port_is_the_same(tmp_path: Path) -> None:
    """On this machine, the port is no part of the account."""
    data = write_csv(tmp_path / "a.csv", 300)
    async with account(data=tmp_path / "sandbox") as opened:
        kept = await kept_run(opened, tmp_path / "a.csv")
        before = opened.sandbox.port
    async with account(data=tmp_path / "sandbox") as opened:
        async with opened.client() as client:
            report = await client.resume(kept.run_id)

        assert report.outcome is Outcome.COMMITTED
        assert opened.sandbox.port != before
        assert await opened.rows() == data


async def test_run_must_be_named_unless_one_is_left() -> None:
    """None and several are told apart, and the several named."""
    async with account() as opened, opened.client() as client:
        store = store_of(client.settings)
        with pytest.raises(UsageError, match=r"no run in .* was interrupted"):
            await client.resume()
        await made_run(store, *OPENED, ended("committed"), run_id="done")
        await made_run(store, *OPENED, run_id="one")
        alive = (await made_run(store, *OPENED, run_id="alive")).lock()
        await made_run(store, *OPENED, ended("kept"), run_id="two")
        with pytest.raises(UsageError, match="2 runs were interrupted: two, one"):
            await client.resume()
        with pytest.raises(UsageError, match="there is no run 'three'"):
            await client.resume("three")
        with pytest.raises(RunActive):
            await client.resume("alive")
        alive.unlock()

        assert opened.seen == []


async def test_load_without_a_journal_leaves_none(tmp_path: Path, state_dir: Path) -> None:
    """journal=False writes nothing anywhere."""
    write_csv(tmp_path / "a.csv", 50)
    async with account() as opened, opened.client() as client:
        report = await client.upload(tmp_path / "a.csv", dataset_name="A", journal=False)

        assert report.outcome is Outcome.COMMITTED
        with pytest.raises(UsageError):
            await client.resume(report.run_id)
    assert [path for path, _, _ in os.walk(state_dir)] == [str(state_dir)]


async def test_two_resumes_of_one_run_don_t_meet(tmp_path: Path) -> None:
    """The second is told that the first works on it, and harms nothing."""
    data = write_csv(tmp_path / "a.csv", 500)
    async with account() as opened:
        kept = await kept_run(opened, tmp_path / "a.csv")
        async with opened.client() as client:
            results = await asyncio.gather(
                client.resume(kept.run_id), client.resume(kept.run_id), return_exceptions=True
            )

        assert sorted(type(each).__name__ for each in results) == ["Report", "RunActive"]
        assert opened.count("/commit") == 1
        assert await opened.rows() == data


async def lost_commit(opened: Any, path: Path, *, effect: bool, mode: str) -> Report:
    """Load a file whose commit's answer is lost, and can't be read either."""
    opened.answer = losing("/commit", effect=effect, blind=True)
    async with opened.client(upload=SHORT) as client:
        with pytest.raises(OutcomeUnknown) as caught:
            await client.upload(path, dataset_name="A", mode=mode, part_size="1KiB")
    assert opened.count("/commit") == 1
    opened.forget()
    report: Report | None = caught.value.report
    assert report is not None
    assert f"bulkstream resume {report.run_id}" in caught.value.hint
    return report


@pytest.mark.parametrize("mode", ["replace", "append"])
async def test_commit_whose_answer_was_lost_is_settled_by_reading(tmp_path: Path, mode: str) -> None:
    """It had taken effect: the run is committed, with no second request to commit and no part."""
    data = write_csv(tmp_path / "a.csv", 200)
    async with account() as opened:
        unknown = await lost_commit(opened, tmp_path / "a.csv", effect=True, mode=mode)
        assert unknown.outcome is Outcome.UNKNOWN
        async with opened.client() as client:
            report = await client.resume(unknown.run_id)

        assert (report.outcome, report.rows) == (Outcome.COMMITTED, 200)
        assert opened.changes == []
        assert await opened.rows() == data


async def test_replacing_commit_that_never_arrived_is_sent_again(tmp_path: Path) -> None:
    """Doing it twice would change nothing, so it is done."""
    data = write_csv(tmp_path / "a.csv", 200)
    async with account() as opened:
        unknown = await lost_commit(opened, tmp_path / "a.csv", effect=False, mode="replace")
        async with opened.client() as client:
            report = await client.resume(unknown.run_id)

        assert report.outcome is Outcome.COMMITTED
        assert opened.count("/commit") == len(opened.changes) == 1
        assert await opened.rows() == data


async def test_appending_commit_is_never_sent_again(tmp_path: Path) -> None:
    """The rows might be there twice: it stays unknown until somebody gives the run up."""
    write_csv(tmp_path / "a.csv", 200)
    async with account() as opened:
        unknown = await lost_commit(opened, tmp_path / "a.csv", effect=False, mode="append")
        for _ in range(2):
            async with opened.client(upload=SHORT) as client:
                with pytest.raises(OutcomeUnknown):
                    await client.resume(unknown.run_id)

        assert opened.changes == []
        assert run_of(opened, unknown.run_id).record().phase is Phase.COMMITTING


async def test_run_whose_execution_was_never_answered_begins_anew(tmp_path: Path) -> None:
    """What was created for it and never told is aborted; then the load begins from its first part."""
    data = write_csv(tmp_path / "a.csv", 200)
    async with account() as opened:
        kept = await kept_run(opened, tmp_path / "a.csv")
        cut_off(run_of(opened, kept.run_id), back_to="opened")
        cut_off_parts(run_of(opened, kept.run_id))
        async with opened.client() as client:
            report = await client.resume(kept.run_id)

        assert await opened.states() == ["ABORTED", "SUCCESS"]
        assert report.execution_id != kept.execution_id
        assert await opened.rows() == data


def cut_off_parts(run: Any) -> None:
    """Forget all receipts, which a run without an execution can't have."""
    with closing(sqlite3.connect(run.journal)) as db:
        db.execute("DELETE FROM parts")
        db.commit()


async def test_stream_that_a_dead_run_holds_names_it(tmp_path: Path) -> None:
    """Another load is told which run to resume; taking over aborts that run's execution."""
    data = write_csv(tmp_path / "a.csv", 200)
    async with account() as opened:
        kept = await kept_run(opened, tmp_path / "a.csv")
        async with opened.client() as client:
            with pytest.raises(StreamBusy) as caught:
                await client.upload(tmp_path / "a.csv", dataset_name="A")
            assert (caught.value.execution_id, caught.value.run_id) == (kept.execution_id, kept.run_id)
            assert caught.value.report is not None
            assert caught.value.report.outcome is Outcome.ABORTED

            report = await client.upload(tmp_path / "a.csv", dataset_name="A", take_over=True)

        assert report.outcome is Outcome.COMMITTED
        assert await opened.states() == ["ABORTED", "SUCCESS"]
        assert await opened.rows() == data


async def test_execution_in_a_journal_that_is_none_is_damage(tmp_path: Path) -> None:
    """A traceback of the model's is no message."""
    broken = (Step.OPENED, {"execution": {"id": 7, "currentState": 5}})
    async with account() as opened, opened.client() as client:
        run = await made_run(store_of(client.settings), OPENED[0], broken, url=opened.sandbox.url)
        with pytest.raises(JournalDamaged, match="its execution is none"):
            await client.resume(run.run_id)

        assert (opened.seen, run.active) == ([], False)


async def test_errors_of_a_resumed_run_carry_its_report(tmp_path: Path) -> None:
    """Whatever ends it, the caller gets the run's account, with the rows of all processes."""
    write_csv(tmp_path / "a.csv", 500)
    async with account() as opened:
        kept = await kept_run(opened, tmp_path / "a.csv")
        opened.answer = refusing(5)
        async with opened.client() as client:
            with pytest.raises(BulkstreamError) as caught:
                await client.resume(kept.run_id)

        report = caught.value.report
        assert report is not None
        assert (report.run_id, report.stream_id) == (kept.run_id, 1)
        assert report.rows >= kept.rows > 0


async def test_too_soon_commit_of_one_load_does_not_pause_another(tmp_path: Path) -> None:
    """While a load waits a minute to commit, another one on the same client goes from its first request to its last."""
    write_csv(tmp_path / "a.csv", 50)
    told = asyncio.Event()

    class Listener:
        def notice(self, notice: Any) -> None:
            if "too soon" in notice.text:
                told.set()

        def planned(self, plan: Any) -> None: ...

        def progress(self, progress: Any) -> None: ...

        def finished(self, report: Any) -> None: ...

    async with account(commit_interval_s=3600.0) as opened, opened.client(upload={"commit_wait_s": 4000}) as client:
        await client.upload(tmp_path / "a.csv", dataset_name="A")
        waiting = asyncio.ensure_future(client.upload(tmp_path / "a.csv", dataset_name="A", reporter=Listener()))
        await told.wait()
        async with asyncio.timeout(10):
            other = await client.upload(tmp_path / "a.csv", dataset_name="B")
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

        assert other.outcome is Outcome.COMMITTED
        assert await opened.states() == ["SUCCESS", "ABORTED"]


def test_resume_is_there_for_users() -> None:
    """The client that `bulkstream` exports resumes, and says so with its types."""
    assert Client.resume.__annotations__["return"] == "Report"
