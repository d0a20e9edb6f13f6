"""Sources that fail, hang or change while they are loaded: the load ends soon, aborted, and says why."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from bulkstream import Outcome
from bulkstream.errors import BulkstreamError, GateFailed, PartFailed, SourceChanged, SourceUnreadable
from bulkstream.sources.files import FileSegment
from tests.support.accounts import account, refusing, write_csv
from tests.support.leftovers import open_files, threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SOON_S = 2.0


@contextmanager
def before_read(monkeypatch: pytest.MonkeyPatch, number: int, act: Callable[[FileSegment], None]) -> Iterator[None]:
    """Do something in the thread that reads, before its n-th read."""
    read, count = FileSegment.readinto, 0

    def readinto(self: FileSegment, view: memoryview) -> int:
        nonlocal count
        count += 1
        if count == number:
            act(self)
        return read(self, view)

    with monkeypatch.context() as patched:
        patched.setattr(FileSegment, "readinto", readinto)
        yield


async def failed(opened: Any, path: Path) -> BulkstreamError | Exception:
    """Load a file that can't be loaded; return the error, which comes soon, behind an abort."""
    async with opened.client() as client:
        began = time.monotonic()
        with pytest.raises(Exception) as caught:  # noqa: PT011 - the caller looks at it
            await client.upload(path, dataset_name="A", part_size="1KiB", concurrency=2)
        assert time.monotonic() - began < SOON_S
    assert await opened.states() == ["ABORTED"]
    assert not opened.count("/commit")
    return caught.value


@pytest.mark.parametrize("number", [1, 2, 30])
@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), RuntimeError("a bug of the source's")])
async def test_source_that_raises_in_mid_read_aborts_the_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, error: Exception
) -> None:
    """Whatever it raises, at whatever read, comes out within two seconds, and nothing hangs on what never comes."""
    write_csv(tmp_path / "a.csv", 2000)

    def fail(_: FileSegment) -> None:
        raise SourceUnreadable("a.csv: Input/output error") if isinstance(error, OSError) else error

    async with account() as opened:
        with before_read(monkeypatch, number, fail):
            raised = await failed(opened, tmp_path / "a.csv")

    assert isinstance(raised, SourceUnreadable if isinstance(error, OSError) else RuntimeError)


async def test_source_that_hangs_does_not_keep_a_failed_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read that never returns is left behind when a part fails; whatever it holds goes when it returns."""
    write_csv(tmp_path / "a.csv", 3000)
    # A worker reports each part by itself, so that the first is on its way when the third read hangs.
    monkeypatch.setattr(sys.modules["bulkstream.stages.pack"], "BATCH_BYTES", 1)
    release, hanging = threading.Event(), threading.Event()

    def hang(_: FileSegment) -> None:
        hanging.set()
        release.wait()

    async with account() as opened:
        refuse = refusing(1)

        async def refuse_while_it_hangs(request: Any, handler: Any) -> Any:
            if "/part" in request.path:
                await asyncio.to_thread(hanging.wait)
            return await refuse(request, handler)

        opened.answer = refuse_while_it_hangs
        try:
            with before_read(monkeypatch, 3, hang):
                assert isinstance(await failed(opened, tmp_path / "a.csv"), PartFailed)
        finally:
            release.set()
        async with asyncio.timeout(5):
            while threads() or str(tmp_path / "a.csv") in open_files().values():  # noqa: ASYNC110 - they send no events
                await asyncio.sleep(0.001)


def append(path: Path) -> None:
    with path.open("a") as file:
        file.write('9999,"more"\n')


def cut_short(path: Path) -> None:
    os.truncate(path, 10_000)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def replace(path: Path) -> None:
    other = path.with_suffix(".new")
    other.write_bytes(path.read_bytes())
    other.replace(path)


def rewrite(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"xxx", b"yyy"))


@pytest.mark.parametrize("number", [1, 2, 20, 50])
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (append, "and now has"),
        (cut_short, "cut short|and now has"),
        (empty, "cut short|and now has"),
        (replace, "modified or replaced"),
        (rewrite, "modified or replaced|cut short"),
        (os.remove, "is gone|No such file"),
    ],
)
async def test_source_that_changes_while_it_is_read_is_not_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None], reason: str, number: int
) -> None:
    """At whichever read a writer strikes, the load is aborted, and the error names the file and what became of it."""
    path = tmp_path / "a.csv"
    write_csv(path, 2000)
    async with account() as opened:
        with before_read(monkeypatch, number, lambda _: change(path)):
            raised = await failed(opened, path)

    assert isinstance(raised, SourceChanged | GateFailed | SourceUnreadable)
    assert raised.report is not None
    assert raised.report.outcome is Outcome.ABORTED
    assert re.search(reason, str(raised))
    assert "a.csv" in str(raised)
