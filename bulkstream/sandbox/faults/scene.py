"""What a fault has at hand when it strikes."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from bulkstream.sandbox import executions, parts
from bulkstream.sandbox.context import SANDBOX
from bulkstream.sandbox.errors import ApiFault
from bulkstream.sandbox.faults.wire import muted, pieces

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from aiohttp import web
    from aiohttp.typedefs import Handler

    from bulkstream.sandbox.context import Sandbox
    from bulkstream.sandbox.executions import Execution
    from bulkstream.sandbox.faults.calls import Call

_IN_MEMORY_BYTES = 1 << 20


class Stage(Protocol):
    """What outlives a request."""

    @property
    def closing(self) -> bool:
        """Whether the server stops."""

    async def pause(self, seconds: float) -> None:
        """Wait, or less when the server stops."""

    def spawn(self, work: Coroutine[object, object, None]) -> None:
        """Do this beside the requests; dropped when the server stops."""

    def restart(self, seconds: float) -> None:
        """Begin to kill the server and to start it again after some seconds."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One request that is struck."""

    request: web.Request
    handler: Handler
    call: Call
    stage: Stage

    @property
    def sandbox(self) -> Sandbox:
        """The running sandbox."""
        return self.request.app[SANDBOX]

    def with_request(self, request: web.Request) -> Scene:
        """The same with another request in place of the first."""
        return replace(self, request=request)

    def with_handler(self, handler: Handler) -> Scene:
        """The same with another handler in place of the API's."""
        return replace(self, handler=handler)

    async def silently(self) -> web.StreamResponse:
        """Let the request take effect; what the answer would be, which nobody gets to see."""
        return await self.handler(muted(self.request))

    async def swallow(self) -> None:
        """Read the body to its end and throw it away."""
        async for _ in pieces(self.request, self.sandbox.settings.stall_timeout_s):
            pass

    async def spooled(self) -> BinaryIO:
        """The body in a temporary file, which the caller closes.

        Raises:
            ApiFault: 413, it is larger than a part may be.
        """
        settings = self.sandbox.settings
        with ExitStack() as stack:
            file = stack.enter_context(SpooledTemporaryFile(_IN_MEMORY_BYTES))
            async for piece in pieces(self.request, settings.stall_timeout_s):
                if file.tell() + len(piece) > settings.max_part_bytes:
                    raise parts.too_large(settings.max_part_bytes)
                file.write(piece)
            stack.pop_all()
        return cast("BinaryIO", file)

    async def execution(self) -> Execution | None:
        """The execution that the request names, if there is one."""
        return await named_execution(self.sandbox, self.call)


async def named_execution(sandbox: Sandbox, call: Call) -> Execution | None:
    """The execution that a call names, by its id or by its data, if there is one."""
    if call.stream is None:
        return None
    try:
        if call.execution is not None:
            return await sandbox.store.ask(executions.get, call.stream, call.execution)
        if call.data is not None:
            return await sandbox.store.ask(executions.by_data, call.stream, call.data)
    except ApiFault:
        return None
    return None
