"""How programs use the library, by its public names alone. mypy reads it, nobody runs it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa

from bulkstream import Client, Column, ColumnType, Query, Report, upload, upload_sync

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


def paths() -> Iterator[Path]:
    yield from Path().glob("*.parquet")


def dicts() -> Iterator[dict[str, object]]:
    yield {"id": 1, "text": None}


def tuples() -> Iterator[tuple[int, str]]:
    yield (1, "a")


async def batches() -> AsyncIterator[pa.RecordBatch]:
    yield pa.record_batch({"id": [1]})


async def pieces() -> AsyncIterator[bytes]:
    yield b"id,text\n"


async def load(client: Client) -> Report:
    """Load all that can be loaded."""
    await client.upload("sales/*.csv", dataset_name="A", format="csv", encoding="cp1252", dialect="delimiter=;")
    await client.upload([Path("a.xlsx"), Path("b.xlsx")], dataset_name="A", sheet="2", columns=["id", "total=amount"])
    await client.upload(paths(), dataset_name="A", binary="base64", evolve=True)
    await client.upload(Query("postgresql://host/name", "SELECT 1"), dataset_name="A")
    await client.upload(pa.table({"id": [1]}), dataset_name="A")
    await client.upload(pl.DataFrame({"id": [1]}), dataset_name="A")
    await client.upload(pd.DataFrame({"id": [1]}), dataset_name="A")
    await client.upload(duckdb.connect().table("sales"), dataset_name="A")
    await client.upload(dicts(), dataset_name="A", mode="append")
    await client.upload([{"id": 1}], dataset_name="A", mode="upsert", key=["id"])
    await client.upload([("a", 1)], dataset_name="A", schema=[Column("text"), Column("id", ColumnType.LONG)])
    await upload(tuples(), client=client, stream=1)
    await upload(batches(), stream=1)
    return await upload(pieces(), stream=1, deadline="2h")


def load_without_a_loop() -> Report:
    """Load from code that is not asynchronous."""
    return upload_sync([b"id,text\n", b"1,a\n"], dataset_name="A")
