"""Runs whose rows are made, by unpacking or rendering: they go on only where the same rows are made again."""

from __future__ import annotations

import gzip
import os
import shutil
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from bulkstream import Outcome
from bulkstream.errors import NotResumable, SourceChanged
from bulkstream.journal import Phase
from bulkstream.sources.render.renderer import Renderer
from bulkstream.sources.text_table import TextTable
from tests.support.accounts import account, kept_run, run_of
from tests.support.derived import HEADER, MAKERS, expected, parsed, table
from tests.support.leftovers import open_files, threads
from tests.support.pipes import filled

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.accounts import Account
    from tests.support.derived import Make

ROWS = 500
kinds = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


@kinds
async def test_kept_run_makes_its_rows_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Make) -> None:
    """What has a receipt is made again and not sent; the dataset is what one load would have made it."""
    monkeypatch.chdir(tmp_path)  # a relative name, and a process in another folder
    name = make(tmp_path, ROWS)
    async with account() as opened:
        kept = await kept_run(opened, name)
        had = set(run_of(opened, kept.run_id).record().receipts)
        monkeypatch.chdir("/")
        async with opened.client() as client:
            report = await client.resume(kept.run_id)

        assert report.outcome is Outcome.COMMITTED
        assert report.rows == ROWS
        assert sorted([*opened.sent, *had]) == list(range(1, report.parts + 1))
        assert had
        assert parsed(await opened.rows()) == parsed(expected(ROWS))
    assert not threads()
    assert not [path for path in open_files().values() if path.startswith(str(tmp_path))]


@kinds
async def test_rows_are_made_once_more_to_be_verified(tmp_path: Path, make: Make) -> None:
    """`verify="full"` reads the source a second time, behind a load and behind a resumed one."""
    path = str(tmp_path / make(tmp_path, ROWS))
    async with account() as opened:
        kept = await kept_run(opened, path, verify="full")
        async with opened.client() as client:
            resumed = await client.resume(kept.run_id)
            loaded = await client.upload(path, dataset_name="B", verify="full", part_size="1KiB")

        assert (resumed.verified, loaded.verified) == (True, True)
    assert not threads()
    assert not [path for path in open_files().values() if path.startswith(str(tmp_path))]


@pytest.mark.parametrize("refused", [2, 3, 4])
async def test_line_feeds_between_files_are_compared_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: int
) -> None:
    """A part that has got one is made again as it was, on whichever side of the interruption it is."""
    bodies = [expected(n % 3 * 15, 100 * n).removesuffix(b"\n") for n in range(9)]
    for n, body in enumerate(bodies):
        (tmp_path / f"{n}.csv.gz").write_bytes(gzip.compress(HEADER.encode() + body))
    async with account() as opened:
        kept = await kept_run(opened, str(tmp_path / "*.gz"), refused=refused, concurrency=1)
        had = set(run_of(opened, kept.run_id).record().receipts)
        with monkeypatch.context() as patched:
            blocks = TextTable._blocks
            patched.setattr(TextTable, "_blocks", lambda self: map(_ends_otherwise, blocks(self)))
            await is_refused(opened, kept.run_id, "part 1 can't be made again as it was")
        opened.forget()
        async with opened.client() as client:
            report = await client.resume(kept.run_id)

        assert sorted([*opened.sent, *had]) == list(range(1, report.parts + 1))
        assert await opened.rows() == b"\n".join(body for body in bodies if body)


def _ends_otherwise(block: memoryview) -> memoryview:
    return memoryview(bytes(block[:-2]) + b'y"')


async def test_settings_that_have_changed_since_decide_nothing(tmp_path: Path) -> None:
    """How a source is read is the run's; a settings file that says otherwise by now is not asked."""
    name = MAKERS["semicolons"](tmp_path, ROWS)
    async with account() as opened:
        kept = await kept_run(opened, tmp_path / name)
        upload = {"dialect": "tab", "encoding": "utf-16", "columns": ["text"], "header": "no", "format": "jsonl"}
        async with opened.client(upload=upload) as client:
            report = await client.resume(kept.run_id)

        assert report.outcome is Outcome.COMMITTED
        assert parsed(await opened.rows()) == parsed(expected(ROWS))


async def test_columns_that_were_chosen_and_added_stay_so(tmp_path: Path) -> None:
    """What the first process did to the dataset's schema holds for the next."""
    name = MAKERS["parquet"](tmp_path, ROWS)
    (tmp_path / "first.csv").write_text("text\nhello\n", "utf-8")
    async with account() as opened:
        async with opened.client() as client:
            await client.upload(tmp_path / "first.csv", dataset_name="A")
        kept = await kept_run(opened, tmp_path / name, columns=("number=id", "text"), evolve=True)
        async with opened.client() as client:
            report = await client.resume(kept.run_id)

        assert report.rows == ROWS
        assert [row[1] for row in parsed(await opened.rows())] == [str(n) for n in range(ROWS)]


async def test_plain_csv_goes_on_where_its_header_is_the_evolved_dataset_s(tmp_path: Path) -> None:
    """By now the header repeats the dataset's columns, so that nothing has to be parsed; the rows are the same."""
    (tmp_path / "first.csv").write_text("text\nhello\n", "utf-8")
    rows = "".join(f"text {n},{n}\n" for n in range(ROWS))
    (tmp_path / "a.csv").write_text(f"text,more\n{rows}", "utf-8")
    async with account() as opened:
        async with opened.client() as client:
            await client.upload(tmp_path / "first.csv", dataset_name="A")
        kept = await kept_run(opened, tmp_path / "a.csv", evolve=True)
        had = set(run_of(opened, kept.run_id).record().receipts)
        opened.forget()
        async with opened.client() as client:
            report = await client.resume(kept.run_id)

        assert report.rows == ROWS
        assert had
        assert sorted([*opened.sent, *had]) == list(range(1, report.parts + 1))
        assert await opened.rows() == rows.encode()


def longer(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"\0")


def touched(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def other_content(path: Path) -> None:
    state, data = path.stat(), bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    with path.open("r+b") as file:  # the same inode
        file.write(data)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def replaced(path: Path) -> None:
    state = path.stat()
    shutil.copy(path, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


CHANGES = [
    (longer, "bytes and now has"),
    (touched, "modified or replaced since the run began"),
    (other_content, "has other content"),
    (replaced, "modified or replaced since the run began"),
    (os.remove, "is gone|no such file"),
]


async def is_refused(opened: Account, run_id: str, reason: str) -> None:
    """Resume what can't be, and see that nothing came of it."""
    async with opened.client() as client:
        with pytest.raises(SourceChanged, match=reason) as caught:
            await client.resume(run_id)
    assert caught.value.report is not None
    assert caught.value.report.outcome is Outcome.KEPT
    assert opened.changes == []
    assert await opened.states() == ["ACTIVE"]
    assert run_of(opened, run_id).record().phase is Phase.OPEN
    assert not threads()


@pytest.mark.parametrize(("change", "reason"), CHANGES, ids=lambda value: getattr(value, "__name__", ""))
@pytest.mark.parametrize("kind", ["gzip", "parquet", "zip"])
async def test_source_that_has_changed_is_refused(
    tmp_path: Path, kind: str, change: Callable[[Path], None], reason: str
) -> None:
    """Nothing is sent, and the run stays as it was."""
    path = tmp_path / MAKERS[kind](tmp_path, ROWS)
    async with account() as opened:
        kept = await kept_run(opened, path)
        change(path)

        await is_refused(opened, kept.run_id, reason)


async def test_folder_that_has_got_or_lost_a_file_is_refused(tmp_path: Path) -> None:
    """A folder is all that is in it; putting it back as it was makes the run resumable again."""
    folder = tmp_path / MAKERS["parquet folder"](tmp_path, ROWS)
    async with account() as opened:
        kept = await kept_run(opened, folder)
        shutil.copy(folder / "a.parquet", folder / "c.parquet")
        await is_refused(opened, kept.run_id, r"c\.parquet has come")
        (folder / "c.parquet").unlink()
        (folder / "b.parquet").rename(tmp_path / "b.parquet")
        await is_refused(opened, kept.run_id, r"b\.parquet is gone")
        (tmp_path / "b.parquet").rename(folder / "b.parquet")
        async with opened.client() as client:
            report = await client.resume(kept.run_id)

        assert report.outcome is Outcome.COMMITTED
        assert parsed(await opened.rows()) == parsed(expected(ROWS))


@pytest.mark.parametrize("kind", ["parquet", "json lines", "excel", "semicolons"])
async def test_rows_that_are_rendered_otherwise_now_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Another version of a library may write a value in another way, as long as before: checksums tell."""
    path = tmp_path / MAKERS[kind](tmp_path, ROWS)
    render = Renderer.__call__

    def otherwise(self: Renderer, batch: pa.RecordBatch) -> pa.Buffer:
        return pa.py_buffer(render(self, batch).to_pybytes().replace(b"row", b"ROW"))

    async with account() as opened:
        kept = await kept_run(opened, path)
        monkeypatch.setattr(Renderer, "__call__", otherwise)

        await is_refused(opened, kept.run_id, r"part 1 can't be made again as it was")


async def test_packed_text_that_ends_sooner_now_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of which there is too little is not the part that was sent."""
    path = tmp_path / MAKERS["gzip"](tmp_path, ROWS)
    async with account() as opened:
        kept = await kept_run(opened, path, refused=9)
        short = HEADER.encode() + expected(3)
        monkeypatch.setattr(TextTable, "_blocks", lambda _: iter([memoryview(short)]))

        await is_refused(opened, kept.run_id, "can't be made again as it was")


async def test_pipe_of_packed_text_goes_on_from_its_copy(tmp_path: Path, state_dir: Path) -> None:
    """With a copy, what came out of a pipe is resumed, and the copy is removed with the end of the run."""
    del state_dir
    path = tmp_path / MAKERS["gzip"](tmp_path, ROWS)
    spool = tmp_path / "spool"
    spool.mkdir()
    async with account() as opened:
        with filled(path.read_bytes()) as (pipe,):
            kept = await kept_run(opened, pipe, spool=spool)
        assert list(spool.iterdir())
        async with opened.client() as client:
            report = await client.resume(kept.run_id)

        assert report.outcome is Outcome.COMMITTED
        assert parsed(await opened.rows()) == parsed(expected(ROWS))
    assert not list(spool.iterdir())


async def test_pipe_of_packed_text_without_a_copy_is_given_up(tmp_path: Path) -> None:
    """There is nothing to read again."""
    path = tmp_path / MAKERS["gzip"](tmp_path, ROWS)
    async with account() as opened:
        with filled(path.read_bytes()) as (pipe,):
            kept = await kept_run(opened, pipe)
        async with opened.client() as client:
            with pytest.raises(NotResumable, match="can't be read again"):
                await client.resume(kept.run_id)

        assert not opened.sent


@pytest.mark.parametrize("refused", [1, 5])
async def test_rows_of_a_program_s_object_end_with_it(tmp_path: Path, refused: int) -> None:
    """A table in memory can be read again by nobody else; without a receipt, too, nothing empty is committed."""
    async with account() as opened:
        kept = await kept_run(opened, table(ROWS), refused=refused)
        async with opened.client() as client:
            with pytest.raises(NotResumable, match="in the memory of the process"):
                await client.resume(kept.run_id)

        assert opened.seen == []
