"""The state directory: who works on a run, who may read it, and what is cleared away."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bulkstream.errors import JournalDamaged, JournalUnwritable, RunActive, UsageError
from bulkstream.journal import Journal, RunFolder, RunStore, Step, state_dir
from bulkstream.journal.folder import PRUNED_AT_ONCE
from tests.support.leftovers import open_files
from tests.support.made_runs import OPENED, RUN_ID, ended, made_run, plan

CREATING, _ = OPENED
HOLD = """
import sys
from pathlib import Path
from bulkstream.journal import RunFolder
RunFolder(Path(sys.argv[1])).lock()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "state")


def test_run_is_taken_once_within_a_process(store: RunStore) -> None:
    """Two loads of one process don't work on one run either; letting go frees it."""
    run = store.add("1")
    other = RunFolder(run.path)
    assert [run.active, other.active] == [True, True]
    with pytest.raises(RunActive, match=f"process {os.getpid()} on "):
        other.lock()
    run.unlock()

    assert [run.active, other.active] == [False, False]
    with other.lock().held():
        assert [run.active, other.active] == [True, True]
    assert [run.active, other.active] == [False, False]


def test_run_of_another_process_is_free_when_that_dies(store: RunStore) -> None:
    """The lock is the system's: it goes with the process, whatever that could still do."""
    run = store.add("1")
    run.unlock()
    command = [sys.executable, "-c", HOLD, str(run.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert [run.active] == [True]
        with pytest.raises(RunActive) as caught:
            run.lock()
        process.kill()
        process.wait()

    assert f"process {process.pid} on " in caught.value.owner
    assert not run.active
    run.lock().unlock()


def test_looking_whether_a_run_is_active_takes_nothing(store: RunStore) -> None:
    """Asking leaves no lock, no file and no descriptor behind; a folder without a lock is nobody's."""
    run = store.add("1")
    run.unlock()
    before = open_files()
    assert not run.active
    assert not RunFolder(store.runs / "none").active

    assert [path.name for path in run.path.iterdir()] == ["lock"]
    assert open_files() == before


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EIO])
def test_file_system_without_locks_is_an_error_of_ours(
    store: RunStore, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """A network file system that can't lock is told as what it is, and no descriptor is left."""
    run = store.add("1")
    run.unlock()

    def refuse(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    before = open_files()
    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(JournalUnwritable, match=os.strerror(number)):
        run.lock()

    assert open_files() == before


async def test_others_can_t_read_a_journal(store: RunStore) -> None:
    """Folders are 0700 and files 0600, whatever the umask: a journal names files, datasets and columns."""
    before = os.umask(0)
    try:
        run = store.add("1")
        journal = Journal.begin(run, plan("1"))
        await journal.note(Step.RESUMED)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in run.path.iterdir()}
        await journal.close()
    finally:
        os.umask(before)

    assert modes == dict.fromkeys(("lock", "journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm"), 0o600)
    assert stat.S_IMODE(run.path.stat().st_mode) == stat.S_IMODE(store.runs.stat().st_mode) == 0o700


async def test_runs_are_found_by_name_and_listed(store: RunStore) -> None:
    """Only folders that hold a journal are runs; names lead nowhere else."""
    assert list(store.list()) == []
    for name in ("b", "a"):
        await made_run(store, run_id=name)
    (store.runs / "empty").mkdir()
    (store.runs / "stray").touch()

    assert [run.run_id for run in store.list()] == ["a", "b"]
    assert [run.run_id for run, _ in store.outlines()] == ["b", "a"]
    assert store.get("a").run_id == "a"
    for name in ("c", "empty", "", ".", "..", "../runs/a", "a\0"):
        with pytest.raises(UsageError, match="there is no run"):
            store.get(name)


async def test_damaged_journal_hides_no_other(store: RunStore) -> None:
    """One journal that can't be read doesn't keep the rest from being listed."""
    for name in ("a", "b"):
        await made_run(store, run_id=name)
    store.get("a").journal.write_bytes(b"nothing")

    assert [run.run_id for run, _ in store.outlines()] == ["b"]
    with pytest.raises(JournalDamaged):
        store.get("a").record()


def test_folder_that_can_t_be_made_is_an_error_of_ours(tmp_path: Path) -> None:
    """A state directory below a file is told with its path."""
    (tmp_path / "file").touch()

    with pytest.raises(JournalUnwritable, match="file"):
        RunStore(tmp_path / "file").add("1")
    assert list(RunStore(tmp_path / "file").list()) == []


def name(day: int, what: str = "aaaaaa") -> str:
    return f"202601{day:02}T000000Z-{what}"


async def test_pruning_removes_what_has_ended_long_ago(store: RunStore) -> None:
    """Kept, unsettled, cut off, damaged, living and young runs stay."""
    gone = [name(1), name(2, "bbbbbb")]
    await made_run(store, *OPENED, (Step.COMMITTING, {}), ended("committed"), run_id=gone[0])
    await made_run(store, CREATING, ended("aborted"), run_id=gone[1])
    kept = [name(3), name(4), name(5), name(6), name(7), name(20)]
    await made_run(store, *OPENED, ended("kept"), run_id=kept[0])
    await made_run(store, *OPENED, (Step.COMMITTING, {}), ended("unknown"), run_id=kept[1])
    await made_run(store, *OPENED, run_id=kept[2])
    (await made_run(store, ended("aborted"), run_id=kept[3])).journal.write_bytes(b"x" * 5000)
    alive = (await made_run(store, ended("aborted"), run_id=kept[4])).lock()
    await made_run(store, ended("aborted"), run_id=kept[5])

    removed = store.prune(RunFolder(Path(name(15))).began)

    assert (removed, [run.run_id for run in store.list()]) == (2, kept)
    assert alive.active
    assert [run.active for run in store.list()] == [each == kept[4] for each in kept]
    alive.unlock()


async def test_pruning_takes_a_few_at_a_time(store: RunStore) -> None:
    """A load that begins is not held up by a year of journals."""
    for number in range(PRUNED_AT_ONCE + 3):
        await made_run(store, ended("aborted"), run_id=name(1, f"{number:06}"))

    assert store.prune(2e9) == PRUNED_AT_ONCE
    assert store.prune(2e9) == 3


async def test_holder_is_the_run_that_opened_the_execution(store: RunStore) -> None:
    """Account, stream and execution must agree; a run that may have asked for it counts only if no other did."""
    await made_run(store, *OPENED, run_id="owner", stream_id=1)
    await made_run(store, CREATING, run_id="perhaps", stream_id=1)
    url = plan().url

    def held_by(*where: Any) -> str | None:
        found = store.holder(*where)
        return found.run_id if found else None

    assert held_by(url, 1, 7) == "owner"
    assert held_by(url, 1, 7, 1000.0) == "owner"
    assert held_by(url, 1, 8) is None
    assert held_by(url, 1, 8, 1001.0) == "perhaps"
    assert held_by(url, 1, 8, 2000.0) is None
    assert held_by(url, 2, 7) is None
    assert held_by("http://elsewhere", 1, 7) is None


async def test_run_that_asks_who_holds_an_execution_is_none_of_the_answers(store: RunStore) -> None:
    """It has asked for one at the same time as the run whose answer was lost, and is not to hide it."""
    await made_run(store, CREATING, run_id="20260102T030405Z-first0", stream_id=1)
    await made_run(store, CREATING, run_id="20260102T030406Z-second", stream_id=1)

    found = store.holder(plan().url, 1, 8, 1001.0, asking="20260102T030406Z-second")

    assert found is not None
    assert found.run_id == "20260102T030405Z-first0"


def test_time_of_a_run_is_in_its_name() -> None:
    """A name that tells no time is never taken for an old one."""
    assert RunFolder(Path(RUN_ID)).began == 1767323045.0
    assert RunFolder(Path("mine")).began == float("inf")


@pytest.mark.parametrize(
    ("environ", "place"),
    [
        ({"BULKSTREAM_STATE_DIR": "/a", "XDG_STATE_HOME": "/b", "HOME": "/c"}, "/a"),
        ({"XDG_STATE_HOME": "/b", "HOME": "/c"}, "/b/bulkstream"),
        ({"HOME": "/c", "XDG_STATE_HOME": ""}, "/c/.local/state/bulkstream"),
    ],
)
def test_state_directory_is_the_user_s(environ: dict[str, str], place: str) -> None:
    """Our variable beats the system's, which beats the home directory."""
    assert state_dir(environ) == Path(place)
