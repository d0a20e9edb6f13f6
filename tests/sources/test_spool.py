"""Copies of pipes: complete, private, on the disk, and removed when nothing can follow any more."""

from __future__ import annotations

import errno
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from bulkstream.errors import SourceError, SourceUnreadable, UsageError
from bulkstream.model import Outcome
from bulkstream.settings import Upload
from bulkstream.sources import CsvFiles, Inputs, spool
from tests.support.pipes import filled, producing

if TYPE_CHECKING:
    from pathlib import Path

DATA = b'id,text\n1,"a\nb"\n2,c'


def copied(folder: Path, name: str) -> Inputs:
    """Open a pipe by way of a copy."""
    inputs = Inputs([name], spool=folder, run_id="R")
    inputs.find()
    source = inputs.open(Upload())
    assert isinstance(source, CsvFiles)
    assert source.unrepeatable == ""
    assert [file.path for file in source.files] == list(inputs.spooled)
    return inputs


def test_a_copy_is_complete_and_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All bytes, header included, in a file that nobody else may read, named by the run and flushed to the disk."""
    flushed, fsync = list[int](), os.fsync

    def noted(descriptor: int) -> None:
        flushed.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    with filled(DATA) as (name,):
        inputs = copied(tmp_path, name)

    path = tmp_path / "bulkstream-R-1.csv"
    assert inputs.spooled == (path,)
    assert path.read_bytes() == DATA
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert flushed == [path.stat().st_ino, tmp_path.stat().st_ino]


@pytest.mark.parametrize(
    ("outcome", "kept"),
    [
        (Outcome.COMMITTED, False),
        (Outcome.ABORTED, False),
        (Outcome.KEPT, True),
        (Outcome.UNKNOWN, True),
        (None, True),
    ],
)
def test_a_copy_is_removed_when_nothing_can_follow(tmp_path: Path, outcome: Outcome | None, kept: bool) -> None:
    """It stays where the load may go on, or nobody knows how it ended."""
    with filled(DATA) as (name,):
        inputs = copied(tmp_path, name)

    assert inputs.conclude(outcome) == inputs.spooled
    assert len(list(tmp_path.iterdir())) == len(inputs.spooled) == kept


def test_a_full_disk_is_told_and_leaves_no_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the copy and says what to do."""

    def full(descriptor: int, data: memoryview) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with filled(DATA) as (name,), Inputs([name], spool=tmp_path, run_id="R") as inputs:
        inputs.find()
        monkeypatch.setattr(os, "write", full)

        with pytest.raises(SourceError, match=r"bulkstream-R-1\.csv: No space left") as caught:
            inputs.open(Upload())
    assert "--spool" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_what_is_interrupted_leaves_no_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a copy is of no use to anyone; a long one is flushed now and then."""
    monkeypatch.setattr(spool, "BLOCK_BYTES", 4)
    monkeypatch.setattr(spool, "SYNC_BYTES", 8)
    flushed, fsync = list[int](), os.fsync
    with producing() as producer, ThreadPoolExecutor(1) as threads:
        inputs = Inputs([producer.name], spool=tmp_path)
        inputs.find()
        closing = []

        def noted(descriptor: int) -> None:
            flushed.append(descriptor)
            fsync(descriptor)
            closing.append(threads.submit(inputs.close))

        monkeypatch.setattr(os, "fsync", noted)
        producer.send(b"1,2\n3,4\n5,")
        with pytest.raises(SourceUnreadable, match="was closed"):
            inputs.open(Upload())
        closing[0].result()

    assert len(flushed) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_already_is_not_overwritten(tmp_path: Path) -> None:
    """Nobody can make a copy go elsewhere, or lose what was there."""
    there = tmp_path / "bulkstream-R-1.csv"
    there.write_bytes(b"old")

    with filled(DATA) as (name,), pytest.raises(SourceError, match="File exists"):
        copied(tmp_path, name)
    assert there.read_bytes() == b"old"


def test_a_missing_folder_is_found_before_anything_is_read(tmp_path: Path) -> None:
    """Usage is checked first; files need no folder at all."""
    (tmp_path / "a.csv").write_bytes(DATA)
    refused = pytest.raises(UsageError, match="there is no folder")
    with producing() as producer, Inputs([producer.name], spool=tmp_path / "none") as inputs, refused:
        inputs.find()
    with Inputs([tmp_path / "a.csv"], spool=tmp_path / "none") as inputs:
        inputs.find()
        assert inputs.once == ()
