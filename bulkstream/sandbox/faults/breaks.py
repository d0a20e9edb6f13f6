"""Faults that break the connection, or never answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from bulkstream.sandbox.faults.wire import is_open, muted, pieces, replayed, reset, truncated

if TYPE_CHECKING:
    from typing import BinaryIO

    from bulkstream.sandbox.faults.kinds import (
        LateEffect,
        LostAnswer,
        ResetAfter,
        ResetBefore,
        ResetDuring,
        Restart,
        Stall,
        TruncatedAnswer,
    )
    from bulkstream.sandbox.faults.scene import Scene

_GLANCE_S = 0.02


async def reset_before(_: ResetBefore, scene: Scene) -> web.StreamResponse:
    """Reset at once."""
    return _broken(scene)


async def reset_during(fault: ResetDuring, scene: Scene) -> web.StreamResponse:
    """Reset when so much of the body has arrived."""
    left = fault.bytes or max(1, int(fault.fraction * (scene.request.content_length or 0)))
    async for piece in pieces(scene.request, scene.sandbox.settings.stall_timeout_s):
        left -= len(piece)
        if left <= 0:
            break
    return _broken(scene)


async def reset_after(_: ResetAfter, scene: Scene) -> web.StreamResponse:
    """Reset when the whole body has arrived."""
    await scene.swallow()
    return _broken(scene)


async def lost_answer(_: LostAnswer, scene: Scene) -> web.StreamResponse:
    """Let the request take effect, and reset."""
    await scene.silently()
    return _broken(scene)


async def late_effect(fault: LateEffect, scene: Scene) -> web.StreamResponse:
    """Reset when the whole body has arrived, and let the request take effect later."""
    file = await scene.spooled()
    scene.stage.spawn(_later(scene, file, fault.seconds))
    return _broken(scene)


async def stall(_: Stall, scene: Scene) -> web.StreamResponse:
    """Let the request take effect, and hold the connection until somebody ends it."""
    await scene.silently()
    while is_open(scene.request) and not scene.stage.closing:
        await scene.stage.pause(_GLANCE_S)
    return _broken(scene)


async def restart(fault: Restart, scene: Scene) -> web.StreamResponse:
    """Kill the server, which ends this connection too."""
    scene.stage.restart(fault.seconds)
    return _broken(scene)


async def truncated_answer(fault: TruncatedAnswer, scene: Scene) -> web.StreamResponse:
    """Send the beginning of the answer, and close."""
    response = await scene.handler(truncated(scene.request, fault.bytes))
    body = getattr(response, "body", None)
    most = min(fault.bytes, len(body) - 1) if isinstance(body, bytes) and body else fault.bytes
    sent = truncated(scene.request, most)
    await response.prepare(sent)  # neither does anything to an answer that the handler has written itself
    await response.write_eof()
    response.force_close()
    return response


async def _later(scene: Scene, file: BinaryIO, seconds: float) -> None:
    with file:
        await scene.stage.pause(seconds)
        if not scene.stage.closing:
            await scene.handler(muted(replayed(scene.request, file)))


def _broken(scene: Scene) -> web.StreamResponse:
    """Reset the connection; what is returned finds nobody to be sent to."""
    reset(scene.request.transport)
    return web.Response()
