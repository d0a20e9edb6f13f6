"""A process that is killed while it makes its journal."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from bulkstream.cleanup import Fate, judged
from bulkstream.errors import JournalDamaged, JournalEmpty
from bulkstream.journal import RunFolder, RunStore

if TYPE_CHECKING:
    from pathlib import Path

RUN_ID = "20200101T000000Z-abcdef"


def empty(run: RunFolder) -> None:
    """The file was created, and nothing more."""
    run.journal.touch()


def headed(run: RunFolder) -> None:
    """SQLite has written its header, and no table."""
    with closing(sqlite3.connect(run.journal)) as db:
        db.execute("PRAGMA journal_mode = WAL")


@pytest.fixture(params=[empty, headed])
def unborn(request: pytest.FixtureRequest, tmp_path: Path) -> RunFolder:
    """The folder of a run whose process was killed in that moment."""
    run = RunStore(tmp_path).add(RUN_ID)
    request.param(run)
    run.unlock()
    return run


def test_it_is_said_that_nothing_was_sent(unborn: RunFolder) -> None:
    """The error tells what to do."""
    with pytest.raises(JournalEmpty, match="cut off before it had begun") as caught:
        unborn.record()

    assert caught.value.hint.startswith("Nothing was sent: load again.")


def test_it_is_no_run(unborn: RunFolder, tmp_path: Path) -> None:
    """There is nothing to list or to resume."""
    assert list(RunStore(tmp_path).outlines()) == []


def test_it_is_swept(unborn: RunFolder, tmp_path: Path) -> None:
    """Whoever clears away removes it: `runs gc` at once, a later load when it is old."""
    assert judged(unborn, 0.0).fate is Fate.REMOVE

    assert RunStore(tmp_path).prune(unborn.began + 1) == 1
    assert not unborn.path.exists()


def test_it_is_left_alone_while_its_process_lives(unborn: RunFolder) -> None:
    """An empty journal under a lock is one that is just being made."""
    with unborn.lock().held():
        assert judged(unborn, 0.0).fate is Fate.LEAVE


def test_other_files_are_not_taken_for_it(tmp_path: Path) -> None:
    """A database of somebody else's in the place of a journal is not removed."""
    run = RunStore(tmp_path).add(RUN_ID)
    with closing(sqlite3.connect(run.journal)) as db:
        db.execute("CREATE TABLE theirs (x)")
    run.unlock()

    with pytest.raises(JournalDamaged, match="not a journal of bulkstream") as caught:
        run.record()
    assert str(caught.value).count(str(run.journal)) == 1
    assert judged(run, 0.0).fate is Fate.LEAVE
