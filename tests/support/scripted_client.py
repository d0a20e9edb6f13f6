"""An API client that plays a script: what each call answers, raises or waits for."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from bulkstream.api import Execution
from bulkstream.errors import Exchange

if TYPE_CHECKING:
    from bulkstream.api.watch import Watch
    from bulkstream.errors import ApiError

Step = Exception | Callable[[], Awaitable[None]] | str | None


OURS = 7
"""Id of the execution that is created."""


def execution(state: str = "ACTIVE", number: int = OURS, created: float | None = None) -> Execution:
    """Make an execution; times are seconds since the epoch, by the server's clock."""
    at = None if created is None else int(created * 1000)
    return Execution.model_validate({"id": number, "currentState": state, "stream_id": 1, "createdAt": at})


def exchange(status: int | None = None) -> Exchange:
    return Exchange("PUT", "http://sandbox/v1/streams/1/executions/7/commit", status, "as scripted")


@dataclass
class ScriptedClient:
    """Plays, call by call, the steps of its script; a call without steps simply succeeds.

    A step is an exception to raise, an async function to await, a state to answer with, or None. The last step of
    a call is repeated. `found` is what a listing shows; what is aborted is found no more. `waited` is told of each
    attempt that was held off.
    """

    script: dict[str, list[Step]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    found: list[Execution] = field(default_factory=list)
    waited: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._steps = {name: deque(steps) for name, steps in self.script.items()}
        self.executions = SimpleNamespace(
            create=self._create,
            commit=self._commit,
            abort=self._abort,
            get=self._get,
            list=self._list,
            upload_part=self._upload_part,
        )

    def server_time(self) -> float:
        return 1000.0

    async def hold_off(self, _: str, error: ApiError, attempt: int) -> bool:
        self.waited.append(attempt)
        return error.retryable and attempt < 3

    async def _list(self, _: int) -> AsyncIterator[Execution]:
        await self._play("list", "ACTIVE")
        for each in list(self.found):
            yield each

    async def _play(self, call: str, state: str) -> Execution:
        self.calls.append(call)
        steps = self._steps.get(call.split(maxsplit=1)[0])
        step = None if not steps else steps.popleft() if len(steps) > 1 else steps[0]
        if isinstance(step, Exception):
            raise step
        if callable(step):
            await step()
        return execution(step if isinstance(step, str) else state)

    async def _create(self, *_: Any, **__: Any) -> Execution:
        return await self._play("create", "ACTIVE")

    async def _commit(self, _: Execution) -> Execution:
        return await self._play("commit", "SUCCESS")

    async def _abort(self, target: Execution) -> None:
        await self._play("abort" if target.id == OURS else f"abort {target.id}", "ABORTED")
        self.found = [each for each in self.found if each.id != target.id]

    async def _get(self, *_: int) -> Execution:
        return await self._play("get", "ACTIVE")

    async def _upload_part(self, _: Execution, number: int, body: bytes, *, watch: Watch) -> None:
        await self._play(f"part {number}", "ACTIVE")
        watch.sent(len(body))
