"""What testers ask of a running sandbox, beside the API: its faults and its counters. No fault strikes here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from bulkstream.errors import UsageError
from bulkstream.sandbox.bodies import json_response
from bulkstream.sandbox.errors import bad_request
from bulkstream.sandbox.faults import read_plan, written
from bulkstream.sandbox.inputs import END, in_time

if TYPE_CHECKING:
    from bulkstream.sandbox.faults import Faults


def add_routes(app: web.Application, faults: Faults) -> None:
    """Register the calls; they take the developer token."""

    async def show(_: web.Request) -> web.Response:
        return json_response({"plan": written(faults.plan), "struck": faults.struck})

    async def load(request: web.Request) -> web.Response:
        """Replace the plan by a script, TOML or JSON."""
        try:
            faults.load(
                read_plan(await in_time(request, request.read()), json=request.content_type == "application/json")
            )
        except UsageError as error:
            raise bad_request(str(error)) from None
        return await show(request)

    async def clear(_: web.Request) -> web.Response:
        faults.clear()
        return web.Response(status=204)

    async def count(_: web.Request) -> web.Response:
        return json_response(faults.requests.as_json())

    for method, path, handler in (
        ("GET", "/admin/faults", show),
        ("PUT", "/admin/faults", load),
        ("DELETE", "/admin/faults", clear),
        ("GET", "/admin/requests", count),
    ):
        app.router.add_route(method, path + END, handler)
