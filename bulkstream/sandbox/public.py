"""The public dialect: routes under `/v1`, and its JSON (developer portal, Streams API)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from bulkstream.sandbox import datasets, executions, parts, streams
from bulkstream.sandbox.auth import USER_ID
from bulkstream.sandbox.bodies import Json, json_response, public_time
from bulkstream.sandbox.context import SANDBOX
from bulkstream.sandbox.errors import bad_request
from bulkstream.sandbox.inputs import END, ID, json_object, number, page
from bulkstream.sandbox.search import search
from bulkstream.sandbox.streams import StreamFields

if TYPE_CHECKING:
    from bulkstream.sandbox.datasets import Dataset
    from bulkstream.sandbox.executions import Execution
    from bulkstream.sandbox.streams import Stream

_STREAMS = "/v1/streams"
_STREAM = f"{_STREAMS}/{{stream:{ID}}}"
_EXECUTION = f"{_STREAM}/executions/{{execution:{ID}}}"
OWNER: Json = {"id": USER_ID, "name": "Sandbox"}


def add_routes(app: web.Application) -> None:
    """Register the dialect's calls; the most frequent first, since routes are tried in turn."""
    table = (
        ("PUT", f"{_EXECUTION}/part/{{part:{ID}}}", _upload_part),
        ("GET", _EXECUTION, _get_execution),
        ("PUT", f"{_EXECUTION}/commit", _commit),
        ("PUT", f"{_EXECUTION}/abort", _abort),
        ("POST", f"{_STREAM}/executions", _create_execution),
        ("GET", f"{_STREAM}/executions", _list_executions),
        ("PUT", f"{_STREAM}/executions/abort", _abort_current),
        ("GET", _STREAM, _get),
        ("PATCH", _STREAM, _update),
        ("DELETE", _STREAM, _delete),
        ("GET", f"{_STREAMS}/search", _search),
        ("GET", _STREAMS, _list),
        ("POST", _STREAMS, _create),
    )
    for method, path, handler in table:
        app.router.add_route(method, path + END, handler)


def dataset_json(dataset: Dataset) -> Json:
    """A dataset, as this dialect shows it."""
    return {
        "id": dataset.id,
        "name": dataset.name,
        "description": dataset.description,
        "rows": dataset.rows,
        "columns": len(dataset.names),
        "schema": datasets.schema_json(dataset.columns),
        "owner": OWNER,
        "createdAt": public_time(dataset.created),
        "updatedAt": public_time(dataset.updated),
        "pdpEnabled": False,
    }


def stream_json(stream: Stream) -> Json:
    """A stream with its dataset."""
    return {
        "id": stream.id,
        "dataSet": dataset_json(stream.dataset),
        "updateMethod": stream.method.update.value,
        "keyColumnNames": list(stream.method.keys),
        "createdAt": public_time(stream.created),
        "modifiedAt": public_time(stream.modified),
    }


def execution_json(execution: Execution) -> Json:
    """An execution."""
    return {
        "id": execution.id,
        "startedAt": public_time(execution.created),
        "currentState": execution.state.shown,
        "createdAt": public_time(execution.created),
        "modifiedAt": public_time(execution.modified),
        "updateMethod": execution.method.update.value,
    }


async def _create(request: web.Request) -> web.Response:
    sandbox, fields = request.app[SANDBOX], _fields(await json_object(request))
    stream = await sandbox.store.run(streams.insert, fields, sandbox.clock())
    return json_response(stream_json(stream), status=201, headers={"Location": f"{_STREAMS}/{stream.id}"})


async def _get(request: web.Request) -> web.Response:
    stream = await request.app[SANDBOX].store.run(streams.get, number(request, "stream"))
    return json_response(stream_json(stream))


async def _update(request: web.Request) -> web.Response:
    sandbox, stream_id = request.app[SANDBOX], number(request, "stream")
    body = await json_object(request)
    stream = await sandbox.store.run(streams.get, stream_id)
    fields = _fields(body, stream)
    return json_response(stream_json(await sandbox.store.run(streams.update, stream_id, fields, sandbox.clock())))


async def _delete(request: web.Request) -> web.Response:
    store = request.app[SANDBOX].store
    store.discard(await store.run(streams.delete, number(request, "stream")))
    return web.Response(status=204)


async def _list(request: web.Request) -> web.Response:
    window = page(request)
    found = await request.app[SANDBOX].store.run(streams.listed, window.limit, window.offset)
    return json_response([stream_json(stream) for stream in found])


async def _search(request: web.Request) -> web.Response:
    found = search(await request.app[SANDBOX].store.run(streams.listed), request.query.get("q", ""))
    return json_response([stream_json(stream) for stream in found])


async def _create_execution(request: web.Request) -> web.Response:
    sandbox, body = request.app[SANDBOX], await json_object(request)
    created = await sandbox.store.run(executions.insert, number(request, "stream"), body, sandbox.clock())
    location = f"{_STREAMS}/{created.stream_id}/executions/{created.id}"
    return json_response(execution_json(created), status=201, headers={"Location": location})


async def _get_execution(request: web.Request) -> web.Response:
    return json_response(execution_json(await _execution(request)))


async def _list_executions(request: web.Request) -> web.Response:
    window, stream_id = page(request), number(request, "stream")
    found = await request.app[SANDBOX].store.run(executions.listed, stream_id, window.limit, window.offset)
    return json_response([execution_json(execution) for execution in found])


async def _upload_part(request: web.Request) -> web.Response:
    return await parts.take(request, await _execution(request), number(request, "part"))


async def _commit(request: web.Request) -> web.Response:
    done = await request.app[SANDBOX].committer.commit(await _execution(request))
    return json_response(execution_json(done))


async def _abort(request: web.Request) -> web.Response:
    done = await request.app[SANDBOX].committer.abort(await _execution(request))
    return json_response(execution_json(done))


async def _abort_current(request: web.Request) -> web.Response:
    sandbox = request.app[SANDBOX]
    if execution := await sandbox.store.run(executions.current, number(request, "stream")):
        await sandbox.committer.abort(execution)
    return web.Response(status=204)


async def _execution(request: web.Request) -> Execution:
    store = request.app[SANDBOX].store
    return await store.ask(executions.get, number(request, "stream"), number(request, "execution"))


def _fields(body: Json, stream: Stream | None = None) -> StreamFields:
    described = body.get("dataSet") or {}
    if not isinstance(described, dict):
        raise bad_request("dataSet must be an object")
    known = {"dataSet", "updateMethod", "keyColumnNames"}
    document = {name: value for name, value in body.items() if name not in known}
    method = streams.method_of(body, stream.method if stream else None)
    return StreamFields(datasets.fields_of(described), method, document)
