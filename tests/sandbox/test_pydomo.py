"""Domo's own Python client, unmodified, works against the sandbox."""

from __future__ import annotations

import asyncio
import gzip
import sys
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from pydomo import Domo

from bulkstream.sandbox import RunningSandbox, SandboxSettings, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

COLUMNS = [{"type": "LONG", "name": "id"}, {"type": "STRING", "name": "text"}]
FRAME = pd.DataFrame({"id": [1, 2, 3], "text": ["a", 'b,"b"', "c\nc"]})


@pytest.fixture
async def sandbox() -> AsyncIterator[RunningSandbox]:
    async with running(SandboxSettings(port=0)) as opened:
        yield opened


async def on_thread(sandbox: RunningSandbox, tour: Callable[[Any], Any]) -> Any:
    """Run a blocking tour with a client of its own beside the sandbox's loop."""

    def visit() -> Any:
        return tour(Domo("sandbox", "sandbox", api_host=f"127.0.0.1:{sandbox.port}", use_https=False))

    return await asyncio.to_thread(visit)


def new_stream(domo: Any, **fields: Any) -> Any:
    return domo.streams.create({"dataSet": {"name": "tour", "schema": {"columns": COLUMNS}}, **fields})


async def test_streams_are_created_listed_found_updated_and_deleted(sandbox: RunningSandbox) -> None:
    """Every call on streams answers as pydomo expects it."""

    def tour(domo: Any) -> None:
        made = new_stream(domo, updateMethod="REPLACE")
        dataset_id = made["dataSet"]["id"]
        assert domo.streams.get(made["id"])["dataSet"]["schema"]["columns"] == COLUMNS
        assert [stream["id"] for stream in domo.streams.list(10, 0)] == [made["id"]]
        for query in (f"dataSource.id:{dataset_id}", "dataSource.owner.id:27", "dataSource.name:to*"):
            assert [stream["id"] for stream in domo.streams.search(query)] == [made["id"]]
        assert domo.streams.update(made["id"], {"updateMethod": "APPEND"})["updateMethod"] == "APPEND"
        domo.streams.delete(made["id"])
        assert domo.streams.list(10, 0) == []
        assert domo.datasets.get(dataset_id)["name"] == "tour"

    await on_thread(sandbox, tour)


async def test_parts_of_every_kind_are_committed(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Text, files, and the gzip of files, in parts from 0, become one dataset."""
    plain, packed = tmp_path / "plain.csv", tmp_path / "packed.csv.gz"
    plain.write_bytes(b"2,b\n")
    packed.write_bytes(gzip.compress(b"3,c\n"))

    def tour(domo: Any) -> str:
        stream = new_stream(domo)
        execution = domo.streams.create_execution(stream["id"])
        where = (stream["id"], execution["id"])
        domo.streams.upload_part(*where, 0, "1,a\n")
        domo.streams.upload_csv_part_from_file(*where, 1, str(plain), None)
        if sys.version_info < (3, 13):
            domo.streams.upload_csv_part_from_file(*where, 2, str(packed), "gzip")
        else:  # there pydomo announces the packed size and sends the unpacked text, which no server can take
            domo.streams.upload_part(*where, 2, "3,c\n")
        domo.streams.upload_gzip_part_from_file(*where, 3, str(plain), stream_file=True, chunk_size=2)
        domo.streams.upload_gzip_part_from_file(*where, 4, str(plain), stream_file=False, chunk_size=0)
        assert domo.streams.get_execution(*where)["currentState"] == "ACTIVE"
        assert domo.streams.commit_execution(*where)["currentState"] == "SUCCESS"
        assert [entry["id"] for entry in domo.streams.list_executions(stream["id"], 10, 0)] == [execution["id"]]
        return str(domo.datasets.data_export(stream["dataSet"]["id"], include_csv_header=True))

    assert await on_thread(sandbox, tour) == "id,text\n1,a\n2,b\n3,c\n2,b\n2,b\n"


async def test_executions_are_aborted_by_id_and_by_stream(sandbox: RunningSandbox) -> None:
    """Both kinds of abort end the open execution, and another can be created."""

    def tour(domo: Any) -> list[str]:
        stream = new_stream(domo)
        first = domo.streams.create_execution(stream["id"])
        domo.streams.abort_execution(stream["id"], first["id"])
        domo.streams.create_execution(stream["id"])
        domo.streams.abort_current_execution(stream["id"])
        return [entry["currentState"] for entry in domo.streams.list_executions(stream["id"], 10, 0)]

    assert await on_thread(sandbox, tour) == ["ABORTED", "ABORTED"]


async def test_a_frame_is_replaced_and_comes_back_the_same(sandbox: RunningSandbox) -> None:
    """`stream_upload` of a frame with another schema changes the dataset's, and `ds_get` gives the frame back."""
    wider = FRAME.assign(score=[0.5, 1.5, 2.5])

    def tour(domo: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
        dataset_id = domo.ds_create(FRAME, "frame")
        first = domo.ds_get(dataset_id)
        domo.ds_update(dataset_id, wider)
        return first, domo.ds_get(dataset_id)

    first, second = await on_thread(sandbox, tour)

    assert first.to_dict("list") == FRAME.to_dict("list")
    assert second.to_dict("list") == wider.to_dict("list")


async def test_a_frame_is_upserted_by_its_keys(sandbox: RunningSandbox) -> None:
    """Rows with known keys are replaced in place, others are added."""
    changes = pd.DataFrame({"id": [2, 4], "text": ["new", "d"]})

    def tour(domo: Any) -> pd.DataFrame:
        dataset_id = domo.ds_create(FRAME, "upserts", update_method="UPSERT", key_column_names=["id"])
        domo.ds_update(dataset_id, changes)
        return domo.ds_get(dataset_id)

    found = await on_thread(sandbox, tour)

    assert found.to_dict("list") == {"id": [1, 2, 3, 4], "text": ["a", "new", "c\nc", "d"]}


async def test_datasets_are_created_and_listed(sandbox: RunningSandbox) -> None:
    """Datasets exist without streams, and are found by part of their name."""

    def tour(domo: Any) -> list[str]:
        made = domo.datasets.create({"name": "Alone", "description": "", "schema": {"columns": COLUMNS}})
        domo.datasets.update(made["id"], {"name": "Alone still"})
        return [found["name"] for found in domo.datasets.list(name_like="alone")]

    assert await on_thread(sandbox, tour) == ["Alone still"]
