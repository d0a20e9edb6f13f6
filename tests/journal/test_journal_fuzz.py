"""Journals that a disk, or somebody, has spoilt: they are read, or refused, and nothing else happens."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulkstream.errors import JournalDamaged
from bulkstream.journal import Journal, Phase, RunStore, Step, read_record
from bulkstream.journal.tables import APPLICATION_ID, RECEIPT
from bulkstream.ledger import Ledger
from bulkstream.runs import standing
from tests.support.made_runs import OPENED, RUN_ID, ended, made_run, plan, written

if TYPE_CHECKING:
    from pathlib import Path

FUZZ = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
EDITS = st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=8))
NAMES = ("journal.sqlite", "journal.sqlite-wal")


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal as a crash leaves it: half of it in the write-ahead log."""
    folder = tmp_path_factory.mktemp("crashed")

    async def make() -> None:
        journal = Journal.begin(RunStore(folder / "live").add(RUN_ID), plan())
        await written(journal, [*OPENED, (Step.COMMITTING, {}), ended("unknown")], parts=20)
        for name in NAMES:
            shutil.copy(journal.run.path / name, folder / name)
        await journal.close()

    asyncio.run(make())
    return folder


def examined(path: Path) -> Phase | None:
    """Read a journal and ask it everything; None if it is refused."""
    try:
        record = read_record(path)
    except JournalDamaged:
        return None
    ledger = Ledger()
    ledger.begin(record.plan.stream_id, None, record.receipts)
    assert standing(record)
    assert (record.execution_id is None) == (record.execution is None)
    assert record.outcome is None or record.report is not None
    assert record.may_have_created(1000.0) in {True, False}
    if record.ended:
        ledger.recall(record.receipts, record.report or {})
    return record.phase


def copied(crashed: Path, folder: Path) -> Path:
    shutil.rmtree(folder / "copy", ignore_errors=True)
    (folder / "copy").mkdir()
    for name in NAMES:
        shutil.copy(crashed / name, folder / "copy" / name)
    return folder / "copy" / NAMES[0]


def test_journal_is_read_as_a_crash_has_left_it(crashed: Path, tmp_path: Path) -> None:
    """What was durable is there, whether it has got into the database's own file or not."""
    record = read_record(copied(crashed, tmp_path))

    assert (record.phase, len(record.receipts)) == (Phase.COMMITTING, 20)


@given(name=st.sampled_from(NAMES), edits=st.lists(EDITS, max_size=6))
@FUZZ
def test_mutated_bytes_are_read_or_refused(
    crashed: Path, tmp_path: Path, name: str, edits: list[tuple[float, bytes]]
) -> None:
    """Any bytes of the database or its log may be others."""
    path = copied(crashed, tmp_path)
    data = bytearray((path.parent / name).read_bytes())
    for place, other in edits:
        offset = int(place * (len(data) - 1))
        data[offset : offset + len(other)] = other
    (path.parent / name).write_bytes(data)

    examined(path)


@given(name=st.sampled_from(NAMES), length=st.floats(0, 1))
@FUZZ
def test_truncated_files_are_read_or_refused(crashed: Path, tmp_path: Path, name: str, length: float) -> None:
    """A log that ends early tells less; nothing is made up."""
    path = copied(crashed, tmp_path)
    data = (path.parent / name).read_bytes()
    (path.parent / name).write_bytes(data[: int(length * len(data))])

    assert examined(path) in {None, *Phase} - {Phase.COMMITTED, Phase.ABORTED}


@given(data=st.binary(max_size=400))
@FUZZ
def test_garbage_is_refused(tmp_path: Path, data: bytes) -> None:
    """What was never a journal is none."""
    path = tmp_path / "journal.sqlite"
    path.write_bytes(data)

    assert examined(path) is None


VALUES = (
    st.none()
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.floats()
    | st.text(st.characters(codec="utf-8"), max_size=20)
    | st.binary(max_size=20)
    | st.sampled_from(["creating", "opened", "committing", "ended", "resumed"])
    | st.sampled_from(
        ['{"execution": {"id": 1}}', '{"outcome": "kept", "stream_id": 1}', '{"server_time": 1e400}', "[]"]
    )
)


@given(
    plans=st.lists(VALUES | st.just(plan().model_dump_json()), min_size=1, max_size=2),
    parts=st.lists(st.tuples(*[VALUES] * len(RECEIPT)), max_size=3),
    steps=st.lists(st.tuples(VALUES, VALUES, VALUES), max_size=3),
)
@FUZZ
def test_values_of_any_kind_are_read_or_refused(tmp_path: Path, plans: Any, parts: Any, steps: Any) -> None:
    """SQLite keeps any value in any column; each is looked at before it is believed."""
    path = tmp_path / "journal.sqlite"
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute("PRAGMA user_version = 1")
        db.execute("CREATE TABLE run (plan)")
        db.execute(f"CREATE TABLE parts ({', '.join(RECEIPT)})")
        db.execute("CREATE TABLE steps (id INTEGER PRIMARY KEY, at, step, detail)")
        db.executemany("INSERT INTO run VALUES (?)", [(each,) for each in plans])
        db.executemany(f"INSERT INTO parts VALUES ({', '.join('?' * len(RECEIPT))})", parts)
        db.executemany("INSERT INTO steps (at, step, detail) VALUES (?, ?, ?)", steps)
        db.commit()

    examined(path)


async def test_spoilt_runs_hinder_nobody(tmp_path: Path, crashed: Path) -> None:
    """Listing, pruning and looking for a holder pass over what can't be read."""
    store = RunStore(tmp_path)
    await made_run(store, *OPENED, run_id="good")
    for number, data in enumerate((b"", b"x", (crashed / NAMES[0]).read_bytes()[:5000])):
        (await made_run(store, run_id=f"bad{number}")).journal.write_bytes(data)

    assert [run.run_id for run, _ in store.outlines()] == ["good"]
    assert store.prune(float("inf")) == 0
    holder = store.holder(plan().url, 1, 7)
    assert holder is not None
    assert holder.run_id == "good"
