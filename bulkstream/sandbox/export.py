"""Datasets over HTTP: what they are, their schema, and their rows as CSV. Either dialect's credentials can read."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from aiohttp import web

from bulkstream.sandbox import datasets, read, segments
from bulkstream.sandbox.blocks import BrokenGzip, TooLarge
from bulkstream.sandbox.bodies import json_response
from bulkstream.sandbox.context import SANDBOX
from bulkstream.sandbox.errors import ApiFault, bad_request
from bulkstream.sandbox.inputs import END, flag, json_object, page
from bulkstream.sandbox.public import dataset_json
from bulkstream.sandbox.upsert import Source

if TYPE_CHECKING:
    from bulkstream.sandbox.context import Sandbox
    from bulkstream.sandbox.datasets import Dataset

log = logging.getLogger(__name__)

_DATASETS = "/v1/datasets"
_DATASET = f"{_DATASETS}/{{dataset:[0-9a-fA-F-]{{36}}}}"


def add_routes(app: web.Application) -> None:
    """Register the calls on datasets."""
    table = (
        ("GET", f"{_DATASET}/data", _export),
        ("GET", _DATASET, _get),
        ("PUT", _DATASET, _update),
        ("GET", _DATASETS, _list),
        ("POST", _DATASETS, _create),
    )
    for method, path, handler in table:
        app.router.add_route(method, path + END, handler)


async def _create(request: web.Request) -> web.Response:
    sandbox, fields = request.app[SANDBOX], datasets.fields_of(await json_object(request))
    dataset = await sandbox.store.run(datasets.insert, fields, sandbox.clock())
    return json_response(dataset_json(dataset), status=201, headers={"Location": f"{_DATASETS}/{dataset.id}"})


async def _get(request: web.Request) -> web.Response:
    """Show a dataset; with validation off this is where its rows are counted, and the result kept."""
    sandbox, dataset = request.app[SANDBOX], await _dataset(request)
    if dataset.rows is None:
        dataset = await _counted(sandbox, dataset)
    return json_response(dataset_json(dataset))


async def _update(request: web.Request) -> web.Response:
    sandbox, fields = request.app[SANDBOX], datasets.fields_of(await json_object(request))
    dataset_id = request.match_info["dataset"].lower()
    return json_response(dataset_json(await sandbox.store.run(datasets.update, dataset_id, fields, sandbox.clock())))


async def _list(request: web.Request) -> web.Response:
    window, like = page(request), request.query.get("nameLike", "")
    found = await request.app[SANDBOX].store.run(datasets.listed, window.limit, window.offset, like)
    return json_response([dataset_json(dataset) for dataset in found])


async def _export(request: web.Request) -> web.StreamResponse:
    """Stream the rows that are there now; what is committed meanwhile doesn't show.

    Reading and decompressing happen in a thread, a block at a time. The first block is read before the answer
    begins, so that data which can't be read at all is a 500 and not a broken download.
    """
    sandbox, include_header = request.app[SANDBOX], flag(request, "includeHeader")
    store, limit = sandbox.store, sandbox.settings.max_raw_part_bytes
    dataset = await _dataset(request)
    if include_header and dataset.columns is None:
        raise bad_request(f"dataset {dataset.id} has no schema, so there is no header; ask for includeHeader=false")
    response = web.StreamResponse(headers={"Content-Type": "text/csv; charset=utf-8"})
    with store.leases.reading(dataset.id):
        listed = await store.run(segments.of_dataset, dataset.id)
        width = len(dataset.names)
        blocks = read.rows(Source.of(segment, store.path(segment.id), limit, width) for segment in listed)
        try:
            block = await asyncio.to_thread(next, blocks, b"")
            await response.prepare(request)
            await response.write(read.header(dataset.names) if include_header else b"")
            while block:
                await response.write(block)
                block = await asyncio.to_thread(next, blocks, b"")
        except (BrokenGzip, TooLarge) as error:
            raise _unreadable(dataset, response, error) from None
        await response.write_eof()
    return response


def _unreadable(dataset: Dataset, response: web.StreamResponse, error: BrokenGzip | TooLarge) -> Exception:
    """500 while that can still be said; after that, an error that breaks the connection off."""
    reason = f"dataset {dataset.id} can't be read: {error}"
    log.warning("%s", reason)
    return ConnectionAbortedError(reason) if response.prepared else ApiFault(500, reason)


async def _counted(sandbox: Sandbox, dataset: Dataset) -> Dataset:
    with sandbox.store.leases.reading(dataset.id):
        unknown = await sandbox.store.run(segments.unchecked, dataset_id=dataset.id)
        await sandbox.inspector.inspect(unknown, len(dataset.names) or None)
    return await sandbox.store.run(datasets.count_rows, dataset.id)


async def _dataset(request: web.Request) -> Dataset:
    return await request.app[SANDBOX].store.run(datasets.get, request.match_info["dataset"].lower())
