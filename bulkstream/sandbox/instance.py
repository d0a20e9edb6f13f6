"""The instance dialect: routes under `/api/data/v1`, and its JSON.

Streams keep every field that they were sent, known or not, and give it back. An update changes `dataSource` (name,
description, schema, and whatever else it holds), `account`, `streamConfiguration` and `schemaDefinition`; other
fields that a stream has are left alone, so that a client may send back what it got, and unknown ones are kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from bulkstream.sandbox import datasets, executions, parts, streams
from bulkstream.sandbox.auth import USER_ID
from bulkstream.sandbox.bodies import Json, instance_time, json_response
from bulkstream.sandbox.context import SANDBOX
from bulkstream.sandbox.datasets import DatasetFields
from bulkstream.sandbox.errors import bad_request
from bulkstream.sandbox.inputs import END, ID, json_object, number, page
from bulkstream.sandbox.search import search
from bulkstream.sandbox.streams import StreamFields

if TYPE_CHECKING:
    import sqlite3

    from bulkstream.sandbox.executions import Execution
    from bulkstream.sandbox.streams import Stream

_STREAMS = "/api/data/v1/streams"
_STREAM = f"{_STREAMS}/{{stream:{ID}}}"
_DATA = f"{_STREAM}/data/{{data:[A-Za-z0-9-]{{1,64}}}}"
_EXECUTION = f"{_STREAM}/executions/{{execution:{ID}}}"
_SHOWN_EXECUTIONS = 25
_SHOWN_CHANGES = 100
_OWN = frozenset({"id", "executions", "changes", "createdAt", "createdBy", "modifiedAt", "modifiedBy"})
_FIXED = _OWN | {
    "configuration", "dataProvider", "keyColumnNames", "playbookRegistryId", "schedule", "schema", "transport",
    "updateMethod", "valid",
}  # fmt: skip
_DEFAULTS: Json = {
    "valid": True,
    "configuration": {},
    "schedule": {"expression": "MANUAL", "cron": None, "start": None, "end": None},
    "account": None,
    "dataProvider": {"id": 1, "key": "sandbox", "name": "Sandbox"},
    "playbookRegistryId": None,
}


def add_routes(app: web.Application) -> None:
    """Register the dialect's calls; the most frequent first, since routes are tried in turn."""
    table = (
        ("PUT", f"{_DATA}/parts/{{part:{ID}}}", _start_or_upload),
        ("PUT", f"{_DATA}/{{action:[A-Za-z]+}}", _finalize),
        ("GET", _EXECUTION, _get_execution),
        ("PUT", _EXECUTION, _update_execution),
        ("DELETE", _EXECUTION, _delete_execution),
        ("POST", f"{_STREAM}/executions", _create_execution),
        ("GET", f"{_STREAM}/executions", _list_executions),
        ("GET", _STREAM, _get),
        ("PUT", _STREAM, _update),
        ("DELETE", _STREAM, _delete),
        ("GET", f"{_STREAMS}/search", _search),
        ("GET", _STREAMS, _list),
        ("POST", _STREAMS, _create),
    )
    for method, path, handler in table:
        app.router.add_route(method, path + END, handler)


def execution_json(execution: Execution) -> Json:
    """An execution, with the fields that it was sent."""
    return {
        **execution.document,
        "id": execution.id,
        "executionId": execution.id,
        "streamId": execution.stream_id,
        "dataId": execution.data_id,
        "currentState": execution.state.shown,
        "updateMethod": execution.method.update.value,
        "keyColumnNames": list(execution.method.keys),
        "rowsInserted": execution.rows,
        "bytesInserted": execution.raw_bytes,
        "errors": [{"message": execution.error}] if execution.error else [],
        "startedAt": instance_time(execution.created),
        "endedAt": instance_time(execution.ended),
        "createdAt": instance_time(execution.created),
        "modifiedAt": instance_time(execution.modified),
    }


def stream_json(stream: Stream, latest: list[Execution]) -> Json:
    """A stream, with the fields that it was sent and its latest executions."""
    schema = datasets.schema_json(stream.dataset.columns)
    return {
        **_DEFAULTS,
        **stream.document,
        "id": stream.id,
        "dataSource": {
            **stream.document.get("dataSource", {}),
            "id": stream.dataset.id,
            "name": stream.dataset.name,
            "description": stream.dataset.description,
            "owner": {"id": USER_ID, "name": "Sandbox"},
            "rowCount": stream.dataset.rows,
        },
        "updateMethod": stream.method.update.value,
        "keyColumnNames": list(stream.method.keys),
        "schemaDefinition": schema,
        "schema": schema,
        "executions": [execution_json(execution) for execution in latest],
        "changes": stream.document.get("changes", []),
        "createdAt": instance_time(stream.created),
        "createdBy": USER_ID,
        "modifiedAt": instance_time(stream.modified),
        "modifiedBy": USER_ID,
    }


async def _create(request: web.Request) -> web.Response:
    sandbox, body = request.app[SANDBOX], await json_object(request)
    document = {name: value for name, value in body.items() if name not in _OWN}
    fields = StreamFields(_dataset_fields(body), streams.method_of(body), document)
    stream = await sandbox.store.run(streams.insert, fields, sandbox.clock())
    return json_response(stream_json(stream, []), status=201, headers={"Location": f"{_STREAMS}/{stream.id}"})


async def _get(request: web.Request) -> web.Response:
    return json_response(await request.app[SANDBOX].store.run(_whole, number(request, "stream")))


async def _update(request: web.Request) -> web.Response:
    sandbox, stream_id, body = request.app[SANDBOX], number(request, "stream"), await json_object(request)
    stream = await sandbox.store.run(streams.get, stream_id)
    now = sandbox.clock()
    fields = StreamFields(_dataset_fields(body), None, _changed(stream, body, now))
    await sandbox.store.run(streams.update, stream_id, fields, now)
    return json_response(await sandbox.store.run(_whole, stream_id))


async def _delete(request: web.Request) -> web.Response:
    store = request.app[SANDBOX].store
    store.discard(await store.run(streams.delete, number(request, "stream")))
    return web.Response(status=204)


async def _list(request: web.Request) -> web.Response:
    window, store = page(request), request.app[SANDBOX].store
    found = await store.run(streams.listed, window.limit, window.offset)
    return json_response([await store.run(_whole, stream.id) for stream in found])


async def _search(request: web.Request) -> web.Response:
    store = request.app[SANDBOX].store
    found = search(await store.run(streams.listed), request.query.get("q", ""))
    return json_response([await store.run(_whole, stream.id) for stream in found])


async def _create_execution(request: web.Request) -> web.Response:
    sandbox, body = request.app[SANDBOX], await json_object(request)
    created = await sandbox.store.run(executions.insert, number(request, "stream"), body, sandbox.clock())
    return json_response(execution_json(created), status=201)


async def _get_execution(request: web.Request) -> web.Response:
    return json_response(execution_json(await _execution(request)))


async def _update_execution(request: web.Request) -> web.Response:
    sandbox, execution = request.app[SANDBOX], await _execution(request)
    body = await json_object(request)
    return json_response(execution_json(await sandbox.store.run(executions.update, execution, body, sandbox.clock())))


async def _delete_execution(request: web.Request) -> web.Response:
    store, execution = request.app[SANDBOX].store, await _execution(request)
    store.discard(await store.run(executions.delete, execution))
    return web.Response(status=204)


async def _list_executions(request: web.Request) -> web.Response:
    window, stream_id = page(request), number(request, "stream")
    found = await request.app[SANDBOX].store.run(executions.listed, stream_id, window.limit, window.offset)
    return json_response([execution_json(execution) for execution in found])


async def _start_or_upload(request: web.Request) -> web.Response:
    """Two calls share this path: rows upload a part; a JSON object, or nothing at all, only announces it."""
    execution, part_id = await _of_data(request), number(request, "part")
    if parts.is_announcement(request):
        return await _start(request, execution, part_id)
    return await parts.take(request, execution, part_id)


async def _start(request: web.Request, execution: Execution, part_id: int) -> web.Response:
    """Note an announced part's update method, if it brings one; any number of times."""
    sandbox, body = request.app[SANDBOX], await json_object(request)
    executions.check_open(execution)
    if body:
        await sandbox.store.run(executions.update, execution, body, sandbox.clock())
    return json_response({"dataId": execution.data_id, "partId": part_id})


async def _finalize(request: web.Request) -> web.Response:
    committer, execution = request.app[SANDBOX].committer, await _of_data(request)
    match request.match_info["action"]:
        case "commit":
            return json_response(execution_json(await committer.commit(execution)))
        case "abort":
            return json_response(execution_json(await committer.abort(execution)))
        case other:
            raise bad_request(f"{other!r} is no action; known are commit and abort")


async def _execution(request: web.Request) -> Execution:
    store = request.app[SANDBOX].store
    return await store.run(executions.get, number(request, "stream"), number(request, "execution"))


async def _of_data(request: web.Request) -> Execution:
    store = request.app[SANDBOX].store
    return await store.ask(executions.by_data, number(request, "stream"), request.match_info["data"])


def _whole(db: sqlite3.Connection, stream_id: int) -> Json:
    return stream_json(streams.get(db, stream_id), executions.latest(db, stream_id, _SHOWN_EXECUTIONS))


def _dataset_fields(body: Json) -> DatasetFields:
    """Name and description from `dataSource`; the schema from `schemaDefinition` or `dataSource.schema`."""
    source = body.get("dataSource") or {}
    if not isinstance(source, dict):
        raise bad_request("dataSource must be an object")
    fields = datasets.fields_of(source)
    columns = datasets.columns_of(body.get("schemaDefinition")) or fields.columns
    return DatasetFields(fields.name, fields.description, columns)


def _changed(stream: Stream, body: Json, now: float) -> Json:
    """The fields of the document that an update sets, and the note that it did."""
    changed: dict[str, Any] = {name: value for name, value in body.items() if name not in _FIXED}
    if isinstance(source := changed.get("dataSource"), dict):
        changed["dataSource"] = {**stream.document.get("dataSource", {}), **source}
    if isinstance(configuration := changed.get("streamConfiguration"), dict):
        changed["configuration"] = configuration
    note = {"fields": sorted(set(body) - _FIXED), "at": instance_time(now), "by": USER_ID}
    changed["changes"] = [*stream.document.get("changes", []), note][-_SHOWN_CHANGES:]
    return changed
