"""What of the source fits the dataset is loaded by name; what does not is told before anything is sent."""

from __future__ import annotations

import gzip
import threading
from typing import TYPE_CHECKING, Any

import pytest

from bulkstream import Column, ColumnType, Dialect, UpdateMethod, prepare
from bulkstream.errors import BadRow, SchemaError
from bulkstream.fitting import fitted
from bulkstream.rows import sifter_of
from bulkstream.settings import Upload
from bulkstream.sources import Inputs
from tests.test_load import Recorder, client_of, rows_of

if TYPE_CHECKING:
    from pathlib import Path

    from bulkstream import Client

EVOLVE: Any = {"evolve": True}
COLUMNS = [Column("id", ColumnType.LONG), Column("day", ColumnType.DATE), Column("text", ColumnType.STRING)]


async def stream_of(client: Client) -> int:
    stream = await client.streams.create(name="A", columns=COLUMNS, update_method=UpdateMethod.APPEND)
    return stream.id


def started(recorder: Recorder) -> bool:
    """Whether an execution was asked for."""
    return any(line.endswith("/executions") and line.startswith("POST") for line in recorder.seen)


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize("packed", [False, True])
async def test_columns_are_found_by_their_names(tmp_path: Path, dialect: Dialect, packed: bool) -> None:
    """A header in another order, and in another case, fills the columns that it names."""
    data = "TEXT,id,day\na,1,2026-01-31\n,2,\n"
    (tmp_path / "a.csv").write_bytes(gzip.compress(data.encode()) if packed else data.encode())
    recorder = Recorder()
    async with client_of(recorder, dialect=dialect) as client:
        report = await client.upload(tmp_path / "a.csv", stream=await stream_of(client))

        assert report.rows == 2
        if dialect is Dialect.PUBLIC:
            assert await rows_of(client, report.stream_id or 0, recorder) == b'"1","2026-01-31","a"\n"2",,\n'


@pytest.mark.parametrize("dialect", list(Dialect))
async def test_a_conflict_is_told_before_anything_is_sent(tmp_path: Path, dialect: Dialect) -> None:
    """Each column that the dataset can't hold is a row of a table, with a value that shows it."""
    (tmp_path / "a.csv").write_text("id,day,text\n1,2026-01-31,a\nx1,31.01.2026,b\n", "utf-8")
    recorder = Recorder()
    async with client_of(recorder, dialect=dialect) as client:
        stream = await stream_of(client)
        with pytest.raises(SchemaError) as caught:
            await client.upload(tmp_path / "a.csv", stream=stream)

        assert not started(recorder)
    lines = [line.split() for line in str(caught.value).splitlines()]
    assert ["id", "LONG", "STRING", "'x1'"] in lines
    assert ["day", "DATE", "STRING", "'31.01.2026'"] in lines
    assert "--evolve" in caught.value.hint


@pytest.mark.parametrize("dialect", list(Dialect))
async def test_a_dataset_evolves_where_that_is_wanted(tmp_path: Path, dialect: Dialect) -> None:
    """New columns are added behind the others, types widened, and columns that the source lacks left empty."""
    (tmp_path / "a.csv").write_text("id,day,text\n1,2026-01-31,a\n", "utf-8")
    (tmp_path / "b.csv").write_text("id,more,text\n1.5,9,b\n", "utf-8")
    recorder = Recorder()
    async with client_of(recorder, dialect=dialect) as client:
        stream = await stream_of(client)
        await client.upload(tmp_path / "a.csv", stream=stream)
        with pytest.raises(SchemaError, match="more"):
            await client.upload(tmp_path / "b.csv", stream=stream)
        await client.upload(tmp_path / "b.csv", stream=stream, **EVOLVE)
        columns = (await client.streams.get(stream)).columns

        assert columns == (Column("id", ColumnType.DECIMAL), *COLUMNS[1:], Column("more", ColumnType.LONG))
        if dialect is Dialect.PUBLIC:
            assert await rows_of(client, stream, recorder) == b'1,2026-01-31,a,\n"1.5",,"b","9"\n'


@pytest.mark.parametrize("columns", [("text", "number=id"), ("text", "number=ID")])
async def test_columns_are_chosen_and_renamed(tmp_path: Path, columns: Any) -> None:
    """Only what was named is loaded, in that order and by the new names."""
    (tmp_path / "a.csv").write_text('id,day,text\n1,2026-01-31,"a\nb"\n', "utf-8")
    options: Any = {"columns": columns}
    recorder = Recorder()
    async with client_of(recorder) as client:
        report = await client.upload(tmp_path / "a.csv", dataset_name="A", **options)
        stream = await client.streams.get(report.stream_id or 0)

        assert stream.columns == (Column("text"), Column("number", ColumnType.LONG))
        assert await rows_of(client, stream.id, recorder) == b'"a\nb","1"\n'


async def test_guessed_types_are_verified_while_the_rows_go(tmp_path: Path) -> None:
    """A value behind the sample that its column can't hold ends the load that has created the dataset."""
    rows = [f"{n},a\n" for n in range(100_000)]
    rows[90_000] = "n/a,a\n"
    (tmp_path / "a.csv").write_text("id,text\n" + "".join(rows), "utf-8")
    async with client_of(Recorder()) as client:
        options: Any = {"sample_size": "1KiB", "dataset_name": "A"}
        with pytest.raises(BadRow, match=r"line 90,002 .*'n/a'"):
            await client.upload(tmp_path / "a.csv", **options)
        report = await client.upload(tmp_path / "a.csv", **{**options, "dataset_name": "B", "check": "rows"})

        assert report.rows == 100_000


async def test_what_judges_values_is_loaded_in_a_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its import would hold up the event loop of whoever loads a first file."""
    found: list[threading.Thread] = []

    def noted(*args: Any, **options: Any) -> Any:
        found.append(threading.current_thread())
        return sifter_of(*args, **options)

    monkeypatch.setattr(prepare, "sifter_of", noted)
    (tmp_path / "a.csv").write_text("id\n1\n", "utf-8")
    async with client_of(Recorder()) as client:
        await client.upload(tmp_path / "a.csv", dataset_name="A")

    assert found
    assert threading.main_thread() not in found


async def test_what_was_seen_whole_is_not_verified_again(tmp_path: Path) -> None:
    """Nothing is guessed of a file that the sample has room for; a column of mixed values is a STRING then."""
    (tmp_path / "a.csv").write_text("id,text\n" + "1,a\n" * 1000 + "n/a,a\n", "utf-8")
    async with client_of(Recorder()) as client:
        report = await client.upload(tmp_path / "a.csv", dataset_name="A")
        stream = await client.streams.get(report.stream_id or 0)

        assert stream.columns == (Column("id"), Column("text"))


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_types_are_guessed_for_a_new_dataset_alone(tmp_path: Path, name: str) -> None:
    """Where there is a dataset, its own types count, or, if nobody tells them, none."""
    data = b"id,day,text\n" + b"1,2026-01-31,a\n" * 50_000
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    settings = Upload(sample_size=1024)
    inputs = Inputs([tmp_path / name])
    inputs.find()

    wanted: tuple[list[Column] | None, ...] = (None, [], COLUMNS)
    guessed = [fitted(inputs.open(settings), settings, columns, "A").guessed for columns in wanted]

    assert guessed == [True, False, False]
