"""Loads of what lies far away: many small objects, a large one through cuts, resumed, cancelled."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from bulkstream import Outcome
from bulkstream.errors import NotResumable, SourceChanged, SourceMissing, SourceUnreadable
from bulkstream.sources import Inputs
from bulkstream.sources.side_by_side import THREADS, side_by_side
from tests.support.accounts import account, cut_off, kept_run, run_of
from tests.support.buckets import Bucket, bucket
from tests.support.flaky_server import FlakyServer
from tests.support.leftovers import open_files, threads

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MIB = 1 << 20
QUERY = "?X-Amz-Signature=s1gn4ture-0e5d"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """Serve an empty bucket, and name it in the environment."""
    with bucket() as opened:
        for name, value in opened.environ.items():
            monkeypatch.setenv(name, value)
        yield opened


def rows_from(start: int, count: int) -> str:
    return "".join(f"{n},row {n}\n" for n in range(start, start + count))


def as_csv(start: int, count: int) -> bytes:
    return b"id,text\n" + rows_from(start, count).encode()


def as_parquet(start: int, count: int) -> bytes:
    file = io.BytesIO()
    numbers = range(start, start + count)
    parquet.write_table(pa.table({"id": numbers, "text": [f"row {n}" for n in numbers]}), file)
    return file.getvalue()


def filled(s3: Bucket, *, objects: int, rows: int) -> bytes:
    """Put so many objects, and return the rows of all."""
    for number in range(objects):
        s3.put(f"day/{number:03}.csv", as_csv(number * rows, rows))
    return rows_from(0, objects * rows).encode()


@pytest.mark.parametrize(("make", "url"), [(as_csv, "day/*"), (as_parquet, "day/*"), (as_parquet, "day/")])
async def test_fifty_small_objects_are_each_asked_for_once(s3: Bucket, make: Any, url: str) -> None:
    """What the first look has brought serves all others and the load; two listings find them unchanged."""
    for number in range(50):
        s3.put(f"day/{number:03}.data", make(number * 10, 10))
    async with account() as opened:
        async with opened.client() as client:
            report = await client.upload(f"s3://rows/{url}", dataset_name="A")

        assert (report.outcome, report.rows) == (Outcome.COMMITTED, 500)
        assert (await opened.rows()).replace(b'"', b"") == rows_from(0, 500).encode()
        assert dict(s3.asked) == {"GET": 52}


async def test_a_large_file_is_loaded_through_cuts() -> None:
    """64 MB whose connection breaks twice: committed, and byte for byte what the server has."""
    data = as_csv(0, 3_400_000)
    assert len(data) > 60_000_000
    async with account() as opened:
        with FlakyServer(data, cuts=[len(data) // 3, len(data) // 5 * 4]) as server:
            async with opened.client() as client:
                report = await client.upload(f"{server.address}/rows.csv", dataset_name="A", part_size="4MiB")

            assert server.cuts == []
            assert report.outcome is Outcome.COMMITTED
        assert await opened.rows() == data.partition(b"\n")[2]


async def test_a_run_of_objects_is_resumed(s3: Bucket) -> None:
    """What has a receipt is not sent again, and the dataset is what one load would have made it."""
    data = filled(s3, objects=20, rows=40)
    async with account() as opened:
        kept = await kept_run(opened, "s3://rows/day/*.csv")
        cut_off(run_of(opened, kept.run_id))
        had = set(run_of(opened, kept.run_id).record().receipts)
        async with opened.client() as client:
            report = await client.resume(kept.run_id)

        assert report.outcome is Outcome.COMMITTED
        assert had
        assert sorted([*opened.sent, *had]) == list(range(1, report.parts + 1))
        assert await opened.rows() == data
    assert threads() == set()


async def test_a_run_whose_object_was_replaced_is_refused(s3: Bucket) -> None:
    """By as many bytes: its entity tag tells. Nothing is sent."""
    filled(s3, objects=20, rows=40)
    async with account() as opened:
        kept = await kept_run(opened, "s3://rows/day/*.csv")
        s3.put("day/003.csv", as_csv(120, 40).replace(b"row", b"ROW"))
        async with opened.client() as client:
            with pytest.raises(SourceChanged, match=r"s3://rows/day/003\.csv was modified or replaced"):
                await client.resume(kept.run_id)

        assert opened.sent == []


async def test_a_signed_url_is_not_written_down(state_dir: Path) -> None:
    """So that such a run can't be resumed, which is said before; its name without the query is no secret."""
    with FlakyServer(as_csv(0, 2000)) as server:
        async with account() as opened:
            told = Told()
            kept = await kept_run(opened, f"{server.address}/rows.csv{QUERY}", reporter=told)
            async with opened.client() as client:
                with pytest.raises(NotResumable, match="was named with a query, which is never written down"):
                    await client.resume(kept.run_id)

        assert f"/rows.csv{QUERY}" in [asked.path for asked in server.asked]
    assert any("with a query" in text and "can't be resumed" in text for text in told.texts)
    assert not any(b"s1gn4ture" in each for each in [*written_in(state_dir), "".join(told.texts).encode()])


def written_in(folder: Path) -> list[bytes]:
    """Return what all files below a folder hold; at least one is there."""
    written = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    assert written
    return written


class Told:
    """Notes what the reporter is told."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def notice(self, notice: Any) -> None:
        self.texts.append(notice.text)

    def planned(self, plan: Any) -> None: ...

    def progress(self, progress: Any) -> None: ...

    def finished(self, report: Any) -> None: ...


@pytest.mark.parametrize(("asked", "rows"), [(0, 1_000_000), (1, 1_000_000), (3, 1_000_000), (2, 10)])
async def test_a_cancelled_load_leaves_nothing(asked: int, rows: int) -> None:
    """While it looks for the file, looks at it, reads on, or sees if it has changed: no thread, task, socket stays."""
    before = len(open_files())
    async with account() as opened, opened.client() as client:
        with FlakyServer(as_csv(0, rows)) as server:
            server.hold_from = asked
            load = asyncio.ensure_future(client.upload(f"{server.address}/rows.csv", dataset_name="A"))
            await asyncio.to_thread(server.held.wait, 30)
            load.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(load, 10)

            assert threads() == set()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert len(open_files()) <= before


async def test_the_accounts_patience_is_the_sources() -> None:
    """As many attempts as the settings say, and no more."""
    with FlakyServer(b"id\n1\n", refusals=[500, 500]) as server:
        async with account() as opened, opened.client(retry={"base_s": 0.0, "attempts": 2}) as client:
            with pytest.raises(SourceUnreadable, match=r"answered 500 \(tried 2 times\)"):
                await client.upload(f"{server.address}/rows.csv", dataset_name="A")

        assert len(server.asked) == 2


def test_the_first_error_is_the_first_objects(s3: Bucket) -> None:
    """Whichever is found first; several names are looked for side by side."""
    filled(s3, objects=3, rows=1)
    names = [f"s3://rows/day/{name}.csv" for name in ("000", "b", "001", "a")]
    with Inputs(names) as inputs, pytest.raises(SourceMissing, match=r"day/b\.csv"):
        inputs.find()


def test_work_side_by_side_keeps_its_order() -> None:
    """More items than threads, some of them worked on by the caller."""
    items = list(range(5 * THREADS))

    assert list(side_by_side(str, items, alone=lambda n: n % 3 == 0)) == list(map(str, items))


def test_closed_inputs_find_nothing() -> None:
    """Who closes them ends a look that comes later, too."""
    inputs = Inputs(["http://127.0.0.1:9/rows.csv"])
    inputs.close()

    with pytest.raises(SourceUnreadable, match="closed while it was opened"):
        inputs.find()
    assert threads() == set()
