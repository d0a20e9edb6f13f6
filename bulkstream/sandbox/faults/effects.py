"""Faults that let the request take an effect, and answer something else, or let it take another effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from bulkstream.sandbox import segments
from bulkstream.sandbox.faults.wire import muted, replayed

if TYPE_CHECKING:
    from bulkstream.sandbox.faults.kinds import (
        DuplicateDelivery,
        EmptyAnswer,
        IgnoredCommit,
        LostPart,
        MalformedJson,
        WrongJson,
    )
    from bulkstream.sandbox.faults.scene import Scene

_OK = 200


async def malformed_json(_: MalformedJson, scene: Scene) -> web.StreamResponse:
    """Leave the last byte of the JSON out."""
    response = await scene.silently()
    return _json(response, _body(response)[:-1] or b"{")


async def empty_answer(_: EmptyAnswer, scene: Scene) -> web.StreamResponse:
    """Leave the body out."""
    return _json(await scene.silently(), b"")


async def wrong_json(fault: WrongJson, scene: Scene) -> web.StreamResponse:
    """Answer another text."""
    return _json(await scene.silently(), fault.body.encode())


async def duplicate_delivery(fault: DuplicateDelivery, scene: Scene) -> web.StreamResponse:
    """Handle the request twice, and answer once."""
    with await scene.spooled() as file:
        if fault.answer == "second":
            await scene.handler(muted(replayed(scene.request, file)))
            return await scene.handler(replayed(scene.request, file))
        response = await scene.handler(replayed(scene.request, file))
        await scene.handler(muted(replayed(scene.request, file)))
        return response


async def ignored_commit(fault: IgnoredCommit, scene: Scene) -> web.StreamResponse:
    """Have the commit accepted, and not done."""
    if execution := await scene.execution():
        scene.sandbox.committer.ignore(execution.id, fault.seconds if fault.ends == "failed" else None)
    return await scene.handler(scene.request)


async def lost_part(_: LostPart, scene: Scene) -> web.StreamResponse:
    """Let the part be taken and acknowledged, and lose it."""
    response = await scene.handler(scene.request)
    if response.status == _OK and (execution := await scene.execution()):
        store = scene.sandbox.store
        store.discard(await store.ask(segments.drop_part, execution.id, scene.call.part or 0))
    return response


def _body(response: web.StreamResponse) -> bytes:
    body = getattr(response, "body", None)
    return body if isinstance(body, bytes) else b""


def _json(response: web.StreamResponse, body: bytes) -> web.Response:
    """An answer like this one, with another body."""
    headers = {name: value for name, value in response.headers.items() if name in {"Location", "Retry-After"}}
    return web.Response(body=body, status=response.status, headers=headers, content_type="application/json")
