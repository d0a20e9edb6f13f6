"""The middleware that lets faults strike, outermost of the application."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from aiohttp import web

from bulkstream.errors import UsageError
from bulkstream.sandbox import parts
from bulkstream.sandbox.context import SANDBOX
from bulkstream.sandbox.errors import ApiFault, answered
from bulkstream.sandbox.faults.calls import call_of
from bulkstream.sandbox.faults.deck import Deck
from bulkstream.sandbox.faults.deeds import accompany, decide
from bulkstream.sandbox.faults.kinds import Restart
from bulkstream.sandbox.faults.plan import FaultPlan
from bulkstream.sandbox.faults.scene import Scene, named_execution
from bulkstream.sandbox.faults.wire import is_open, reset
from bulkstream.sandbox.requests import Requests

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from aiohttp.typedefs import Handler

    from bulkstream.sandbox.faults.calls import Call

log = logging.getLogger(__name__)


class Faults:
    """A plan at work, and the counters of all requests; outlives restarts of the server.

    Args:
        plan: What goes wrong; none at first.
        restart: Begins to kill the server and to start it again after some seconds; None where nobody can.

    Attributes:
        requests: What arrived and what was answered.

    Raises:
        UsageError: The plan restarts a server that can't be restarted.
    """

    def __init__(self, plan: FaultPlan | None = None, *, restart: Callable[[float], None] | None = None) -> None:
        self.requests = Requests()
        self._restart = restart
        self._closing = asyncio.Event()
        self._beside: set[asyncio.Task[None]] = set()
        self._at_work: set[asyncio.Task[object]] = set()
        self.load(plan or FaultPlan())

    def __repr__(self) -> str:
        return f"<Faults: {self._deck!r}>"

    @property
    def plan(self) -> FaultPlan:
        """What goes wrong."""
        return self._deck.plan

    @property
    def struck(self) -> tuple[int, ...]:
        """How often each fault of the plan struck, in its order."""
        return self._deck.struck

    @property
    def closing(self) -> bool:
        """Whether the server stops."""
        return self._closing.is_set()

    def load(self, plan: FaultPlan) -> None:
        """Replace the plan; counting begins anew.

        Raises:
            UsageError: The plan restarts a server that can't be restarted.
        """
        if self._restart is None and any(isinstance(fault, Restart) for fault in plan.faults):
            raise UsageError("this server can't be restarted by a fault", hint="Start it with running() or serve().")
        self._deck = Deck(plan)

    def clear(self) -> None:
        """Let nothing go wrong from now on."""
        self.load(FaultPlan())

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Count a request, and let strike it what the plan has for it."""
        path = request.path
        if path.startswith("/admin/"):
            return await handler(request)
        call = call_of(request.method, path, announces="/parts/" in path and parts.is_announcement(request))
        self.requests.begin(call.endpoint)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a handler always runs in one
        self._at_work.add(task)
        try:
            response = await (self._strike(request, handler, call) if self._deck.plan.faults else handler(request))
        finally:
            self._at_work.discard(task)
        if is_open(request):
            self.requests.answered(call.endpoint, response)
        return response

    async def _strike(self, request: web.Request, handler: Handler, call: Call) -> web.StreamResponse:
        if self._deck.tracks_executions and (execution := await named_execution(request.app[SANDBOX], call)):
            call = replace(call, execution=execution.id)
        verdict = self._deck.draw(call, asyncio.get_running_loop().time())
        scene = Scene(request, handler, call, self)
        try:
            for fault in verdict.accompanying:
                scene = await accompany(fault, scene)
            response = await decide(verdict.decisive, scene)
            if scene.request is not request:  # its writer is not the one that aiohttp would take
                await response.prepare(scene.request)
                await response.write_eof()
        except ApiFault as fault:
            return answered(request, fault)
        except (ConnectionError, TimeoutError):  # the client went away, or stands still
            reset(request.transport)
            return web.Response()
        return response

    # ---- the stage

    async def pause(self, seconds: float) -> None:
        """Wait, or less when the server stops."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)

    def spawn(self, work: Coroutine[object, object, None]) -> None:
        """Do this beside the requests; dropped when the server stops."""
        task = asyncio.create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    def restart(self, seconds: float) -> None:
        """Begin to kill the server."""
        if self._restart:
            self._restart(seconds)

    # ---- the server's life

    async def opened(self, _: web.Application) -> None:
        """The server starts."""
        self._closing.clear()

    async def closed(self, _: web.Application) -> None:
        """The server stops: nothing waits any longer."""
        self._closing.set()
        for task in self._beside:
            task.cancel()
        await asyncio.gather(*self._beside, return_exceptions=True)

    def kill(self) -> None:
        """Break off every request that is being handled."""
        for task in self._at_work:
            task.cancel()
