"""Writing a journal: what it acknowledges is durable, and what it can't write it says."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulkstream import Client
from bulkstream.errors import JournalUnwritable
from bulkstream.journal import Journal, RunPlan, RunStore, SourceFile, Step, read_record
from bulkstream.journal.parts import values_of
from bulkstream.ledger import Ledger
from bulkstream.model import Column, ColumnType, Dialect, Outcome, Receipt, UpdateMethod
from bulkstream.sandbox import SandboxSettings, running
from bulkstream.settings import load_settings
from tests.support.made_runs import OPENED, ended, made_run, plan, receipt

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bulkstream.journal import RunRecord

BIG = st.integers(0, (1 << 62) - 1)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20)
FILES = st.builds(
    SourceFile,
    path=TEXT,
    start=BIG,
    size=BIG,
    mtime_ns=st.integers(-(1 << 62), 1 << 62),
    inode=BIG,
    digest=TEXT,
)
PLANS = st.builds(
    RunPlan,
    run_id=TEXT,
    created=st.floats(0, 1e10),
    version=TEXT,
    url=TEXT,
    dialect=st.sampled_from(Dialect),
    stream_id=BIG,
    part_bytes=st.integers(1, 1 << 40),
    max_record_bytes=st.integers(1, 1 << 40),
    profile=st.none() | TEXT,
    dataset_name=st.none() | TEXT,
    mode=st.none() | st.sampled_from(UpdateMethod),
    method=st.none() | st.sampled_from(UpdateMethod),
    key_columns=st.lists(TEXT, max_size=3).map(tuple),
    columns=st.lists(st.builds(Column, TEXT, st.sampled_from(ColumnType)), max_size=3).map(tuple),
    total_bytes=st.none() | BIG,
    announce_parts=st.booleans(),
    settings=st.dictionaries(TEXT, st.none() | st.booleans() | st.integers(-(1 << 53), 1 << 53) | TEXT, max_size=3),
    files=st.lists(FILES, max_size=3).map(tuple),
    unrepeatable=st.just("") | TEXT,
    rows_before=st.none() | BIG,
)
RECEIPTS = st.builds(
    lambda number, raw, sent, rows, begin, length: Receipt(number, raw, sent, rows, begin, begin + length),
    number=st.integers(1, 1 << 40),
    raw=BIG,
    sent=BIG,
    rows=BIG,
    begin=st.integers(0, 1 << 60),
    length=st.integers(0, 1 << 60),
)
DETAIL = st.dictionaries(TEXT, st.none() | st.booleans() | st.integers(-(1 << 53), 1 << 53) | TEXT, max_size=3)


async def record_of(store: RunStore, given_plan: RunPlan, receipts: Sequence[Receipt], *details: Any) -> RunRecord:
    run = store.add(f"{len(list(store.list())):04}")
    journal = Journal.begin(run, given_plan)
    for each in receipts:
        journal.receipt(each, lambda: None)
    for detail in details:
        await journal.note(Step.RESUMED, **detail)
    await journal.flush()
    await journal.close()
    return read_record(run.journal)


@given(
    plan=PLANS, receipts=st.lists(RECEIPTS, max_size=5, unique_by=lambda each: each.number), details=st.lists(DETAIL)
)
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_is_read_back(
    tmp_path: Path, plan: RunPlan, receipts: list[Receipt], details: list[dict[str, Any]]
) -> None:
    """Any plan, receipts and steps come back as they were, the steps in their order."""
    record = asyncio.run(record_of(RunStore(tmp_path), plan, receipts, *details))

    assert record.plan == plan
    assert record.receipts == {each.number: each for each in receipts}
    assert [(each.step, dict(each.detail)) for each in record.events] == [(Step.RESUMED, each) for each in details]


async def test_receipt_of_a_part_that_was_sent_twice_is_the_last(tmp_path: Path) -> None:
    """A part has one receipt, however often the server had to be asked."""
    run = await made_run(tmp_path, *OPENED, parts=2)
    journal = Journal.go_on(run.lock())
    journal.receipt(Receipt(2, 9, 4, 1, 10, 19), lambda: None)
    await journal.flush()
    await journal.close()

    assert run.record().receipts == {1: receipt(1), 2: Receipt(2, 9, 4, 1, 10, 19)}


def rows_seen_by_others(path: Path) -> int:
    """Count the parts that another connection sees, so that are committed."""
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("SELECT count(*) FROM parts").fetchone()[0])


async def test_receipt_is_counted_once_it_is_durable(tmp_path: Path) -> None:
    """When the callback runs, on the event loop's thread, everybody else can read the receipt."""
    journal = Journal.begin(RunStore(tmp_path).add("1"), plan("1"))
    seen: list[tuple[int, bool]] = []

    def counted() -> None:
        seen.append((rows_seen_by_others(journal.run.journal), threading.current_thread() is threading.main_thread()))

    for number in range(1, 4):
        journal.receipt(receipt(number), counted)
        await journal.flush()
    assert rows_seen_by_others(journal.run.journal) == 3
    await journal.close()

    assert seen == [(1, True), (2, True), (3, True)]


async def test_receipts_are_not_counted_before_they_are_written(tmp_path: Path) -> None:
    """Handing a receipt over counts nothing while the thread still writes."""
    journal = Journal.begin(RunStore(tmp_path).add("1"), plan("1"))
    release, counted = threading.Event(), list[int]()
    held = journal._thread.submit(release.wait)
    journal.receipt(receipt(1), lambda: counted.append(1))
    for _ in range(100):
        await asyncio.sleep(0)
    before = list(counted)
    release.set()
    await journal.flush()
    await journal.close()

    assert (held.result(), before, counted) == (True, [], [1])


async def test_thousands_of_receipts_share_few_transactions(tmp_path: Path) -> None:
    """What comes in while the disk is awaited goes into the next transaction together, and in its order."""
    journal = Journal.begin(RunStore(tmp_path).add("1"), plan("1"))
    statements: list[str] = []
    journal._db.set_trace_callback(statements.append)
    counted: list[int] = []
    for number in range(1, 5001):
        journal.receipt(receipt(number), lambda number=number: counted.append(number))  # type: ignore[misc]
        if number % 1000 == 0:
            await asyncio.sleep(0)
    await journal.flush()
    await journal.close()

    assert counted == list(range(1, 5001))
    assert statements.count("COMMIT") <= 7
    assert len(journal.run.record().receipts) == 5000


async def test_step_waits_for_all_that_came_before_it(tmp_path: Path) -> None:
    """A commit's step is durable only together with the receipts that it counts on."""
    journal = Journal.begin(RunStore(tmp_path).add("1"), plan("1"))
    counted: list[int] = []
    for number in range(1, 101):
        journal.receipt(receipt(number), lambda number=number: counted.append(number))  # type: ignore[misc]
    await journal.note(Step.COMMITTING)
    at_the_step = len(counted)
    await journal.close()

    assert at_the_step == 100


async def test_cancelled_note_leaves_the_journal_usable(tmp_path: Path) -> None:
    """Whoever stops waiting for a step stops nobody else."""
    journal = Journal.begin(RunStore(tmp_path).add("1"), plan("1"))
    release = threading.Event()
    journal._thread.submit(release.wait)
    first = asyncio.ensure_future(journal.note(Step.RESUMED, turn=1))
    second = asyncio.ensure_future(journal.note(Step.RESUMED, turn=2))
    await asyncio.sleep(0)
    first.cancel()
    release.set()
    await second
    await journal.close()

    assert first.cancelled()
    assert [each.detail["turn"] for each in journal.run.record().events] == [1, 2]


def full(journal: Journal) -> None:
    """Let the disk have no room for another page."""
    pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
    journal._db.execute(f"PRAGMA max_page_count = {pages}")


LONG = "x" * 100_000


@pytest.mark.parametrize("spoil", [full, lambda journal: journal._db.close()], ids=["full", "closed"])
async def test_write_that_fails_reaches_whoever_waits_and_whoever_comes(tmp_path: Path, spoil: Any) -> None:
    """`note` raises, and from then on so do `receipt`, `flush` and `note`; nothing is counted; closing still works."""
    journal = Journal.begin(RunStore(tmp_path).add("1"), plan("1"))
    spoil(journal)
    counted: list[int] = []
    journal.receipt(receipt(1), lambda: counted.append(1))
    with pytest.raises(JournalUnwritable) as caught:
        await journal.note(Step.RESUMED, text=LONG)

    assert caught.value.path == journal.run.journal
    assert "BULKSTREAM_STATE_DIR" in caught.value.hint
    with pytest.raises(JournalUnwritable):
        journal.receipt(receipt(2), lambda: counted.append(2))
    with pytest.raises(JournalUnwritable):
        await journal.flush()
    with pytest.raises(JournalUnwritable):
        await journal.note(Step.RESUMED)
    await journal.close()
    assert not journal.run.active
    assert [number for number in counted if number != 1] == []


async def test_closed_journal_takes_nothing(tmp_path: Path) -> None:
    """A write that comes too late is refused at once, instead of being awaited for ever."""
    journal = Journal.begin(RunStore(tmp_path).add("1"), plan("1"))
    await journal.close()

    with pytest.raises(JournalUnwritable, match="closed"):
        journal.receipt(receipt(1), lambda: None)
    with pytest.raises(JournalUnwritable, match="closed"):
        await journal.note(Step.RESUMED)


@pytest.mark.parametrize("at", [1, 3])
async def test_load_whose_journal_fails_is_aborted(
    tmp_path: Path, state_dir: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """A receipt that can't be kept ends the load; the server's execution is aborted, and the error says why."""
    kept = Journal.receipt

    def receipt_or_not(self: Journal, got: Receipt, counted: Any) -> None:
        if got.number == at:
            self._thread.submit(self._db.close)
        kept(self, got, counted)

    monkeypatch.setattr(Journal, "receipt", receipt_or_not)
    (tmp_path / "a.csv").write_text("id,text\n" + "".join(f"{n},{'x' * 50}\n" for n in range(200)), "utf-8")
    async with running(SandboxSettings(port=0)) as sandbox:
        environ = {
            "BULKSTREAM_URL": sandbox.url,
            "BULKSTREAM_DIALECT": "public",
            "BULKSTREAM_CLIENT_ID": "sandbox",
            "BULKSTREAM_CLIENT_SECRET": "sandbox",
        }
        async with Client(load_settings(environ=environ)) as client:
            with pytest.raises(JournalUnwritable) as caught:
                await client.upload(tmp_path / "a.csv", dataset_name="A", part_size="1KiB")

            assert caught.value.report is not None
            assert caught.value.report.outcome is Outcome.ABORTED
            assert [each.current_state async for each in client.executions.list(1)] == ["ABORTED"]
    (run,) = RunStore(state_dir).list()
    assert not run.active


async def test_report_of_a_load_is_what_recall_shows(tmp_path: Path) -> None:
    """The last step of a run brings back its outcome, and the receipts its rows."""
    run = await made_run(tmp_path, *OPENED, (Step.COMMITTING, {}), ended("committed"), parts=3)
    record, ledger = run.record(), Ledger()
    ledger.recall(record.receipts, record.report or {})
    report = ledger.report()

    assert (report.outcome, report.parts, report.rows, report.execution_id) == (Outcome.COMMITTED, 3, 6, 7)


async def test_receipts_are_encoded_off_the_event_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part's rejects may be many megabytes; making a row of them holds up nobody but the journal's own thread."""
    threads = []

    def values(of: Receipt) -> tuple[Any, ...]:
        threads.append(threading.current_thread().name)
        return values_of(of)

    monkeypatch.setattr("bulkstream.journal.journal.values_of", values)
    run = await made_run(tmp_path, *OPENED, parts=3)

    assert [name.rpartition("_")[0] for name in threads] == ["bulkstream-journal"] * 3
    assert len(run.record().receipts) == 3
