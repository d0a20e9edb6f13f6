"""The contract with a server: every call in both dialects, against the sandbox."""

from __future__ import annotations

import asyncio
import gzip
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from bulkstream.api import ApiClient, ExecutionState, SearchKey
from bulkstream.errors import Conflict, NotFound, NotInDialect, Unauthorized
from bulkstream.model import Column, ColumnType, Dialect, UpdateMethod
from bulkstream.sandbox import SandboxSettings, running
from bulkstream.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bulkstream.settings import Settings

COLUMNS = (Column("id", ColumnType.LONG), Column("text"))
BOTH = pytest.mark.parametrize("dialect", list(Dialect))


def account(url: str, dialect: Dialect, secret: str = "sandbox") -> Settings:
    environ = {
        "BULKSTREAM_URL": url,
        "BULKSTREAM_DIALECT": dialect,
        "BULKSTREAM_TOKEN": secret,
        "BULKSTREAM_CLIENT_ID": "sandbox",
        "BULKSTREAM_CLIENT_SECRET": secret,
        "HOME": "/nowhere",
    }
    return load_settings({"retry": {"base_s": 0.0}}, environ=environ)


@asynccontextmanager
async def connected(dialect: Dialect, **settings: float) -> AsyncIterator[ApiClient]:
    async with (
        running(SandboxSettings(port=0, **settings)) as sandbox,  # type: ignore[arg-type] # floats only
        ApiClient(account(sandbox.url, dialect)) as client,
    ):
        yield client


async def rows_of(client: ApiClient, dataset_id: str) -> bytes:
    """Read a dataset back over the dialect that can."""
    base = client.settings.connection.url or ""
    async with ApiClient(account(base, Dialect.PUBLIC)) as public:
        return b"".join([block async for block in public.datasets.export(dataset_id, include_header=True)])


@BOTH
async def test_parts_in_any_order_become_rows_in_order(dialect: Dialect) -> None:
    """Create, announce, upload at once, commit, read back; a part that is sent again counts once."""
    async with connected(dialect) as client:
        stream = await client.streams.create(name="Orders", columns=COLUMNS, description="all")
        execution = await client.executions.create(stream.id)
        assert (execution.stream_id, execution.state) == (stream.id, ExecutionState.OPEN)

        async def part(number: int) -> None:
            body = gzip.compress(b"%d,part\n" % number)
            if dialect is Dialect.INSTANCE:
                await client.executions.start_part(execution, number)
            await client.executions.upload_part(execution, number, memoryview(body))

        await asyncio.gather(*(part(number) for number in (3, 1, 2, 1)))
        await client.executions.commit(execution)

        assert (await client.executions.get(execution)).state is ExecutionState.COMMITTED
        assert await rows_of(client, stream.dataset_id) == b"id,text\n1,part\n2,part\n3,part\n"
        assert client.retries == 0


@BOTH
async def test_a_stream_lives_and_dies(dialect: Dialect) -> None:
    """Created, got, listed page by page, found, changed, deleted; both dialects show it alike."""
    async with connected(dialect) as client:
        made = [await client.streams.create(name=f"S{n}", columns=COLUMNS) for n in range(5)]
        stream = await client.streams.get(made[2].id)

        assert (stream.name, stream.columns, stream.method) == ("S2", COLUMNS, UpdateMethod.REPLACE)
        assert stream.dataset_id
        listed = [each.id async for each in client.streams.list(page_size=2)]
        assert listed == [each.id for each in made]
        found = [each.id async for each in client.streams.search(SearchKey.DATASET_NAME, "S2")]
        assert found == [stream.id]

        await client.streams.delete(stream.id)
        with pytest.raises(NotFound):
            await client.streams.get(stream.id)


@BOTH
@pytest.mark.parametrize("key", list(SearchKey))
async def test_every_search_key_is_answered(dialect: Dialect, key: SearchKey) -> None:
    """What nothing matches is an empty listing and no error."""
    async with connected(dialect) as client:
        await client.streams.create(name="S", columns=COLUMNS)

        assert [each async for each in client.streams.search(key, "no-such-thing")] == []


async def test_streams_are_changed_as_their_dialect_has_it() -> None:
    """Public changes the update method, an instance the dataset; either by a stream that was read."""
    async with connected(Dialect.PUBLIC) as client:
        stream = await client.streams.create(name="S", columns=COLUMNS)
        await client.streams.update(stream.model_copy(update={"update_method": "APPEND"}))
        assert (await client.streams.get(stream.id)).method is UpdateMethod.APPEND

    async with connected(Dialect.INSTANCE) as client:
        stream = await client.streams.create(name="S", columns=COLUMNS)
        await client.streams.update(stream.id, {"dataSource": {"name": "T"}})
        assert (await client.streams.get(stream.id)).name == "T"


@BOTH
async def test_an_aborted_execution_leaves_the_dataset(dialect: Dialect) -> None:
    """By itself or by its ids; afterwards the next one may be opened."""
    async with connected(dialect) as client:
        stream = await client.streams.create(name="S", columns=COLUMNS)
        first = await client.executions.create(stream.id)
        await client.executions.upload_part(first, 1, b"1,x\n", gzipped=False)
        await client.executions.abort(first)
        second = await client.executions.create(stream.id)
        await client.executions.abort(stream.id, second.id)

        states = [each.state async for each in client.executions.list(stream.id, page_size=1)]
        assert states == [ExecutionState.FAILED, ExecutionState.FAILED]
        assert await rows_of(client, stream.dataset_id) == b"id,text\n"


@BOTH
async def test_an_execution_may_append_to_a_stream_that_replaces(dialect: Dialect) -> None:
    """The execution's word counts before the stream's."""
    async with connected(dialect) as client:
        stream = await client.streams.create(name="S", columns=COLUMNS)
        for number in (1, 2):
            execution = await client.executions.create(stream.id, update_method=UpdateMethod.APPEND)
            await client.executions.upload_part(execution, 1, b"%d,x\n" % number, gzipped=False)
            await client.executions.commit(stream.id, execution.id)

        assert await rows_of(client, stream.dataset_id) == b"id,text\n1,x\n2,x\n"


async def test_whatever_is_open_is_aborted_in_public() -> None:
    """One call, without knowing what it is."""
    async with connected(Dialect.PUBLIC) as client:
        stream = await client.streams.create(name="S", columns=COLUMNS)
        execution = await client.executions.create(stream.id)

        await client.executions.abort_current(stream.id)

        assert (await client.executions.get(stream.id, execution.id)).state is ExecutionState.FAILED


async def test_executions_are_changed_and_deleted_in_an_instance() -> None:
    """The two calls that only this dialect has."""
    async with connected(Dialect.INSTANCE) as client:
        stream = await client.streams.create(name="S", columns=COLUMNS)
        execution = await client.executions.create(stream.id)

        changed = await client.executions.update(stream.id, execution.id, {"updateMethod": "APPEND"})
        assert (changed.id, changed.update_method) == (execution.id, "APPEND")

        await client.executions.delete(stream.id, execution.id)
        with pytest.raises(NotFound):
            await client.executions.get(stream.id, execution.id)
        with pytest.raises(NotInDialect):
            await client.executions.abort_current(stream.id)


async def test_datasets_are_read_and_changed_in_public() -> None:
    """Rows and schema, and a new schema before the first load."""
    async with connected(Dialect.PUBLIC) as client:
        stream = await client.streams.create(name="S", columns=COLUMNS)
        schema = {"columns": [{"type": "STRING", "name": "only"}]}

        await client.datasets.update(stream.dataset_id, {"schema": schema})

        dataset = await client.datasets.get(stream.dataset_id)
        assert dataset.rows == 0
        assert dataset.dataset_schema is not None
        assert [column.column() for column in dataset.dataset_schema.columns or ()] == [Column("only")]


@BOTH
async def test_columns_are_added_and_widened_and_rows_stay(dialect: Dialect) -> None:
    """Rows that are there are empty in a new column, values of a widened one are as they were."""
    wider = (Column("id", ColumnType.DECIMAL), COLUMNS[1], Column("day", ColumnType.DATE))
    async with connected(dialect) as client:
        stream = await client.streams.create(name="S", columns=COLUMNS)
        await loaded(client, stream.id, b"1,x\n", UpdateMethod.REPLACE)

        changed = await client.streams.change_columns(stream, wider)
        again = await client.streams.change_columns(changed, wider)
        await loaded(client, stream.id, b"2.5,y,2026-01-01\n", UpdateMethod.APPEND)

        assert changed.columns == again.columns == (await client.streams.get(stream.id)).columns == wider
        assert (changed.name, changed.method) == (stream.name, stream.method)
        assert await rows_of(client, stream.dataset_id) == b"id,text,day\n1,x,\n2.5,y,2026-01-01\n"


async def loaded(client: ApiClient, stream_id: int, rows: bytes, method: UpdateMethod) -> None:
    """Load one part."""
    execution = await client.executions.create(stream_id, update_method=method)
    await client.executions.upload_part(execution, 1, rows, gzipped=False)
    await client.executions.commit(execution)


@BOTH
async def test_a_second_open_execution_is_a_conflict(dialect: Dialect) -> None:
    """One at a time; it isn't retried."""
    async with connected(dialect) as client:
        stream = await client.streams.create(name="S", columns=COLUMNS)
        await client.executions.create(stream.id)

        with pytest.raises(Conflict) as caught:
            await client.executions.create(stream.id)

    assert caught.value.attempts == 1


@BOTH
async def test_wrong_credentials_are_refused_after_one_request(dialect: Dialect) -> None:
    """Nothing is tried again with what was refused."""
    async with (
        running(SandboxSettings(port=0)) as sandbox,
        ApiClient(account(sandbox.url, dialect, "wrong-and-long-enough")) as client,
    ):
        with pytest.raises(Unauthorized) as caught:
            await client.streams.get(1)

    assert (caught.value.attempts, client.retries) == (1, 0)
    assert "wrong-and-long-enough" not in str(caught.value)
