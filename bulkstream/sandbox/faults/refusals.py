"""Faults that answer in place of the API: the request has no effect."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import TYPE_CHECKING

from aiohttp import web

from bulkstream.sandbox import auth
from bulkstream.sandbox.errors import ApiFault, answered

if TYPE_CHECKING:
    from bulkstream.sandbox.faults.kinds import Burst, DiskFull, ExpireToken, ForgetExecution, Html, Status
    from bulkstream.sandbox.faults.scene import Scene

_PAGE = "<!DOCTYPE html>\n<html><head><title>Maintenance</title></head><body><h1>Back soon</h1></body></html>\n"


async def status(fault: Status, scene: Scene) -> web.StreamResponse:
    """Answer with the status."""
    if not fault.early:
        await scene.swallow()
    retry_after = fault.retry_after
    if fault.retry_date_s is not None:
        retry_after = formatdate(time.time() + fault.retry_date_s, usegmt=True)
    return _refused(scene, fault.status, fault.message, retry_after)


async def burst(fault: Burst, scene: Scene) -> web.StreamResponse:
    """Answer with 429, without reading anything."""
    return _refused(scene, 429, "too many requests (injected fault)", fault.retry_after)


async def html(fault: Html, scene: Scene) -> web.StreamResponse:
    """Answer with a maintenance page."""
    if fault.effect:
        await scene.silently()
    else:
        await scene.swallow()
    return web.Response(text=_PAGE, status=fault.status, content_type="text/html")


async def expire_token(_: ExpireToken, scene: Scene) -> web.StreamResponse:
    """Forget all access tokens, and answer with 401; a developer token is only refused this once."""
    if not auth.is_developer(scene.request):
        await scene.sandbox.store.renew_secret()
    return _refused(scene, 401, "the token has expired (injected fault)")


async def disk_full(fault: DiskFull, scene: Scene) -> web.StreamResponse:
    """Read the body, and say that there is no space for it."""
    await scene.swallow()
    return _refused(scene, fault.status, "no space left on device (injected fault)")


async def forget_execution(_: ForgetExecution, scene: Scene) -> web.StreamResponse:
    """Answer with 404."""
    await scene.swallow()
    return _refused(scene, 404, f"there is no execution {scene.call.execution} (injected fault)")


def _refused(scene: Scene, code: int, message: str, retry_after: str | None = None) -> web.Response:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return answered(scene.request, ApiFault(code, message, headers))
