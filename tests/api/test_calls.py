"""Every call in both dialects: method, path, query and body, and what the sandbox makes of them."""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import aiohttp
import orjson
import pytest
from aioresponses import CallbackResult, aioresponses

from bulkstream.api import ApiClient, Execution, ExecutionState, SearchKey
from bulkstream.errors import ApiError, Conflict, NotFound, NotInDialect, UsageError
from bulkstream.model import Column, ColumnType, Dialect, UpdateMethod
from bulkstream.sandbox import SandboxSettings, running
from bulkstream.settings import Settings, load_settings

COLUMNS = (Column("id", ColumnType.LONG), Column("text"))
WIRE_COLUMNS = [{"type": "LONG", "name": "id"}, {"type": "STRING", "name": "text"}]
EXECUTION = Execution.model_validate({"id": 7, "streamId": 1, "dataId": "d/1", "updateMethod": "REPLACE"})
INS, PUB = Dialect.INSTANCE, Dialect.PUBLIC
IN, PU = "https://acme.domo.com/api/data/v1/streams", "https://acme.domo.com/v1/streams"

Call = Callable[[ApiClient], Awaitable[Any]]


class Answer(aiohttp.ClientResponse):
    """What aioresponses builds, for versions of aiohttp that want to know the stream writer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("stream_writer", SimpleNamespace(output_size=0))
        super().__init__(*args, **kwargs)


async def everything(items: Any) -> list[Any]:
    return [item async for item in items]


REPLACE = {"updateMethod": "REPLACE"}

CALLS: list[tuple[Dialect, Call, str, str, Any]] = [
    (
        INS,
        lambda c: c.streams.create(name="S", columns=COLUMNS, description="about"),
        "POST",
        IN,
        {
            "transport": {"type": "API"},
            "dataSource": {"name": "S", "description": "about"},
            "updateMethod": "REPLACE",
            "schemaDefinition": {"columns": WIRE_COLUMNS},
        },
    ),
    (
        PUB,
        lambda c: c.streams.create(name="S", columns=COLUMNS, update_method="upsert", key_columns=["id"]),
        "POST",
        PU,
        {
            "dataSet": {"name": "S", "description": "", "schema": {"columns": WIRE_COLUMNS}},
            "updateMethod": "UPSERT",
            "keyColumnNames": ["id"],
        },
    ),
    (INS, lambda c: c.streams.get(1), "GET", f"{IN}/1", None),
    (PUB, lambda c: c.streams.get(1), "GET", f"{PU}/1?fields=all", None),
    (INS, lambda c: c.streams.update(1, {"account": {"id": 2}}), "PUT", f"{IN}/1", {"account": {"id": 2}}),
    (PUB, lambda c: c.streams.update(1, {"updateMethod": "APPEND"}), "PATCH", f"{PU}/1", {"updateMethod": "APPEND"}),
    (INS, lambda c: c.streams.delete(1), "DELETE", f"{IN}/1", None),
    (PUB, lambda c: c.streams.delete(1), "DELETE", f"{PU}/1", None),
    (INS, lambda c: everything(c.streams.list()), "GET", f"{IN}?limit=50&offset=0", None),
    (PUB, lambda c: everything(c.streams.list(page_size=900)), "GET", f"{PU}?fields=all&limit=500&offset=0", None),
    *(
        (dialect, lambda c, key=key: everything(c.streams.search(key, "x*")), "GET", url.format(key=key.value), None)
        for key in SearchKey
        for dialect, url in ((INS, IN + "/search?q={key}:x*"), (PUB, PU + "/search?q={key}:x*&fields=all"))
    ),
    (INS, lambda c: c.executions.create(1), "POST", f"{IN}/1/executions", {}),
    (
        PUB,
        lambda c: c.executions.create(1, update_method=UpdateMethod.UPSERT, key_columns=["id"]),
        "POST",
        f"{PU}/1/executions",
        {"updateMethod": "UPSERT", "keyColumnNames": ["id"]},
    ),
    (INS, lambda c: c.executions.get(1, 7), "GET", f"{IN}/1/executions/7", None),
    (PUB, lambda c: c.executions.get(1, 7), "GET", f"{PU}/1/executions/7", None),
    (INS, lambda c: everything(c.executions.list(1)), "GET", f"{IN}/1/executions?limit=50&offset=0", None),
    (PUB, lambda c: everything(c.executions.list(1)), "GET", f"{PU}/1/executions?limit=50&offset=0", None),
    (INS, lambda c: c.executions.update(1, 7, {"a": 1}), "PUT", f"{IN}/1/executions/7", {"a": 1}),
    (INS, lambda c: c.executions.delete(1, 7), "DELETE", f"{IN}/1/executions/7", None),
    (
        INS,
        lambda c: c.executions.start_part(EXECUTION, 3),
        "PUT",
        f"{IN}/1/data/d%2F1/parts/3",
        {"updateMethod": "REPLACE"},
    ),
    (INS, lambda c: c.executions.upload_part(EXECUTION, 3, b"x"), "PUT", f"{IN}/1/data/d%2F1/parts/3", b"x"),
    (PUB, lambda c: c.executions.upload_part(EXECUTION, 3, b"x"), "PUT", f"{PU}/1/executions/7/part/3", b"x"),
    (INS, lambda c: c.executions.commit(EXECUTION), "PUT", f"{IN}/1/data/d%2F1/commit", {}),
    (PUB, lambda c: c.executions.commit(EXECUTION), "PUT", f"{PU}/1/executions/7/commit", {}),
    (INS, lambda c: c.executions.abort(EXECUTION), "PUT", f"{IN}/1/data/d%2F1/abort", {}),
    (PUB, lambda c: c.executions.abort(EXECUTION), "PUT", f"{PU}/1/executions/7/abort", {}),
    (PUB, lambda c: c.executions.abort_current(1), "PUT", f"{PU}/1/executions/abort", {}),
]


def settings_of(dialect: Dialect, url: str = "https://acme.domo.com") -> Settings:
    secrets = {f"BULKSTREAM_{name}": "sandbox" for name in ("TOKEN", "CLIENT_ID", "CLIENT_SECRET")}
    return load_settings(environ={**secrets, "BULKSTREAM_URL": url, "BULKSTREAM_DIALECT": dialect, "HOME": "/nowhere"})


@pytest.mark.parametrize(("dialect", "call", "method", "url", "body"), CALLS)
async def test_a_call_is_this_request(dialect: Dialect, call: Call, method: str, url: str, body: Any) -> None:
    """Method, address, query and body are those of the API's description, with the dialect's credential."""
    seen: list[Any] = []

    def answer(_: Any, **sent: Any) -> CallbackResult:
        seen.append(sent)
        listing = method == "GET" and ("limit=" in url or "search" in url)
        return CallbackResult(body="[]" if listing else '{"id": 1}', response_class=Answer)

    token = {"access_token": "t", "expires_in": 3599}
    with aioresponses() as server:
        server.post("https://acme.domo.com/oauth/token", payload=token, response_class=Answer)
        server.add(url, method, callback=answer)
        async with ApiClient(settings_of(dialect)) as client:
            await call(client)

    sent = seen[0]
    credential = {"X-DOMO-Developer-Token": "sandbox"} if dialect is INS else {"Authorization": "bearer t"}
    assert credential.items() <= sent["headers"].items()
    data = bytes(sent["data"]._view) if sent.get("data") else None
    if isinstance(body, bytes):
        assert data == body
        assert sent["headers"]["Content-Encoding"] == "gzip"
    else:
        assert (orjson.loads(data) if data else None) == body


@pytest.mark.parametrize(
    ("dialect", "call", "words"),
    [
        (INS, lambda c: c.executions.abort_current(1), "abort whatever is open"),
        (INS, lambda c: c.datasets.get("x"), "get a dataset"),
        (INS, lambda c: everything(c.datasets.export("x", include_header=True)), "export a dataset"),
        (PUB, lambda c: c.executions.update(1, 7, {}), "update an execution"),
        (PUB, lambda c: c.executions.delete(1, 7), "delete an execution"),
        (PUB, lambda c: c.executions.start_part(EXECUTION, 1), "start a part"),
    ],
)
async def test_a_call_that_a_dialect_lacks_says_so(dialect: Dialect, call: Call, words: str) -> None:
    """Nothing is sent; the message names call and dialect."""
    with aioresponses() as server:
        async with ApiClient(settings_of(dialect)) as client:
            with pytest.raises(NotInDialect, match=f"the {dialect} dialect has no call to {words}"):
                await call(client)

    assert not server.requests


async def test_what_an_instance_cannot_update_is_refused_here() -> None:
    """The API takes four parts of a stream; anything else is named before it is sent."""
    async with ApiClient(settings_of(INS)) as client:
        with pytest.raises(UsageError, match="can't update transport, updateMethod; it can update dataSource"):
            await client.streams.update(1, {"transport": {}, "updateMethod": "APPEND", "account": {}})


@pytest.mark.parametrize("dialect", list(Dialect))
async def test_the_whole_life_of_a_stream_in_the_sandbox(dialect: Dialect) -> None:
    """Client and sandbox, written apart, agree on every call."""
    async with running(SandboxSettings(port=0)) as sandbox, ApiClient(settings_of(dialect, sandbox.url)) as client:
        stream = await client.streams.create(name="Life", columns=COLUMNS)
        other = await client.streams.create(name="Other")
        assert (await client.streams.get(stream.id)).columns == COLUMNS
        assert [each.id async for each in client.streams.list(page_size=1)] == [stream.id, other.id]
        found = client.streams.search(SearchKey.DATASET_NAME, "Li*")
        assert [each.id async for each in found] == [stream.id]

        lost = await client.executions.create(stream.id)
        with pytest.raises(Conflict):
            await client.executions.create(stream.id)
        await client.executions.abort(lost)
        assert (await client.executions.get(stream.id, lost.id)).state is ExecutionState.FAILED

        execution = await client.executions.create(stream.id, update_method=UpdateMethod.APPEND)
        if dialect is INS:
            await client.executions.start_part(execution, 1)
        await client.executions.upload_part(execution, 2, b"3,c\n", gzipped=False)
        await client.executions.upload_part(execution, 1, gzip.compress(b"1,a\n2,b\n"))
        await client.executions.commit(execution)
        done = await client.executions.get(stream.id, execution.id)
        assert (done.state, done.stream_id) == (ExecutionState.COMMITTED, stream.id)
        with pytest.raises(ApiError):
            await client.executions.upload_part(execution, 3, b"4,d\n", gzipped=False)
        states = {each.id: each.state async for each in client.executions.list(stream.id)}
        assert states == {lost.id: ExecutionState.FAILED, execution.id: ExecutionState.COMMITTED}

        await client.streams.delete(other.id)
        with pytest.raises(NotFound):
            await client.streams.get(other.id)


async def test_an_instance_stream_is_read_changed_and_written_in_the_sandbox() -> None:
    """Fields that only the server knows survive a change made here."""
    async with running(SandboxSettings(port=0)) as sandbox, ApiClient(settings_of(INS, sandbox.url)) as client:
        stream = await client.streams.create(name="S", extra={"account": {"id": 5, "secretSauce": [1]}})
        assert stream.data_source is not None
        renamed = stream.data_source.model_copy(update={"name": "New"})

        await client.streams.update(stream.model_copy(update={"data_source": renamed}))

        after = await client.streams.get(stream.id)
        assert after.name == "New"
        assert after.as_json()["account"]["secretSauce"] == [1]


async def test_a_public_dataset_is_shown_changed_and_exported_in_the_sandbox() -> None:
    """The calls about datasets agree as well."""
    async with running(SandboxSettings(port=0)) as sandbox, ApiClient(settings_of(PUB, sandbox.url)) as client:
        stream = await client.streams.create(name="S", columns=COLUMNS)
        execution = await client.executions.create(stream.id)
        await client.executions.upload_part(execution, 1, b"1,a\n", gzipped=False)
        await client.executions.commit(execution)
        await client.datasets.update(stream.dataset_id, {"name": "Renamed"})

        dataset = await client.datasets.get(stream.dataset_id)
        exported = b"".join([block async for block in client.datasets.export(stream.dataset_id, include_header=True)])
        execution = await client.executions.create(stream.id)
        await client.executions.abort_current(stream.id)

        assert (dataset.name, dataset.rows) == ("Renamed", 1)
        assert exported == b"id,text\n1,a\n"
        assert (await client.executions.get(stream.id, execution.id)).state is ExecutionState.FAILED
