"""What each kind of fault does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from aiohttp import web

from bulkstream.sandbox.faults import breaks, effects, kinds, refusals
from bulkstream.sandbox.faults.scene import Scene
from bulkstream.sandbox.faults.wire import rate_pieces, slow_to_answer, slow_to_read

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

    from bulkstream.sandbox.faults.kinds import Fault

Deed: TypeAlias = Callable[[Any, Scene], Awaitable[web.StreamResponse]]

DECISIVE: dict[type[Fault], Deed] = {
    kinds.Status: refusals.status,
    kinds.Burst: refusals.burst,
    kinds.Html: refusals.html,
    kinds.ExpireToken: refusals.expire_token,
    kinds.DiskFull: refusals.disk_full,
    kinds.ForgetExecution: refusals.forget_execution,
    kinds.ResetBefore: breaks.reset_before,
    kinds.ResetDuring: breaks.reset_during,
    kinds.ResetAfter: breaks.reset_after,
    kinds.LostAnswer: breaks.lost_answer,
    kinds.LateEffect: breaks.late_effect,
    kinds.Stall: breaks.stall,
    kinds.Restart: breaks.restart,
    kinds.TruncatedAnswer: breaks.truncated_answer,
    kinds.MalformedJson: effects.malformed_json,
    kinds.EmptyAnswer: effects.empty_answer,
    kinds.WrongJson: effects.wrong_json,
    kinds.DuplicateDelivery: effects.duplicate_delivery,
    kinds.IgnoredCommit: effects.ignored_commit,
    kinds.LostPart: effects.lost_part,
}
"""What becomes of a request that a decisive fault strikes."""


async def decide(fault: Fault | None, scene: Scene) -> web.StreamResponse:
    """Let a decisive fault have its way, or the API."""
    return await (scene.handler(scene.request) if fault is None else DECISIVE[type(fault)](fault, scene))


async def accompany(fault: Fault, scene: Scene) -> Scene:
    """The scene as an accompanying fault leaves it."""
    pause, request = scene.stage.pause, scene.request
    match fault:
        case kinds.Latency():
            await pause(fault.seconds)
            return scene.with_handler(partial(_late, scene, fault.late))
        case kinds.Bandwidth():
            if fault.read:
                request = slow_to_read(request, fault.read, pause)
            if fault.write:
                request = slow_to_answer(request, *rate_pieces(fault.write), pause)
            return scene.with_request(request)
        case kinds.SlowAnswer():
            return scene.with_request(slow_to_answer(request, fault.bytes, fault.seconds, pause))
        case _:
            return scene


async def _late(scene: Scene, seconds: float, request: web.Request) -> web.StreamResponse:
    handler: Handler = scene.handler
    response = await handler(request)
    await scene.stage.pause(seconds)
    return response
