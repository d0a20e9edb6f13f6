"""Executions whose creation was never answered: whose they are is told by when they were asked for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from bulkstream.api import Execution
from bulkstream.errors import StreamBusy
from bulkstream.journal import Event, RunRecord, Step
from bulkstream.stages import Terms
from bulkstream.stages.opening import Opening
from tests.support.made_runs import plan
from tests.support.scripted_client import ScriptedClient

if TYPE_CHECKING:
    from collections.abc import Mapping

PLAN = plan()


def record(*steps: tuple[Step, Mapping[str, object]]) -> RunRecord:
    """Return a journal of these steps."""
    return RunRecord(PLAN, tuple(Event(0.0, step, detail) for step, detail in steps), {})


def opening(created: float, *asked: float) -> tuple[ScriptedClient, Opening]:
    """Return an opening after processes that asked at these times; the server has an execution created at another."""
    at = datetime.fromtimestamp(created, UTC).isoformat()
    found = Execution.model_validate({"id": 6, "currentState": "ACTIVE", "stream_id": 1, "createdAt": at})
    client = ScriptedClient(found=[found])
    terms = Terms(stream_id=1, asked=asked)
    return client, Opening(client, terms, lambda _: None, "r")  # type: ignore[arg-type]


def test_every_request_for_an_execution_counts_until_one_is_opened() -> None:
    """A resume that was cut off before it looked around doesn't hide what the process before it has left open."""
    asked: list[tuple[Step, Mapping[str, object]]] = [
        (Step.CREATING, {"server_time": 1000.0}),
        (Step.RESUMED, {}),
        (Step.CREATING, {"server_time": 5000.0}),
    ]
    opened = (Step.OPENED, {"execution": {"id": 7}})

    assert record(*asked).asked == (1000.0, 5000.0)
    assert [record(*asked).may_have_created(created) for created in (1000.0, 3000.0, 5000.0)] == [True, False, True]
    assert not record(*asked, opened).may_have_created(5000.0)


@pytest.mark.parametrize("created", [999.0, 1001.0, 5001.0])
async def test_execution_that_one_of_the_processes_asked_for_is_aborted(created: float) -> None:
    """Whichever of them it was."""
    client, opens = opening(created, 1000.0, 5000.0)

    await opens.open()

    assert client.calls == ["list", "abort 6", "create"]


@pytest.mark.parametrize("created", [990.0, 3000.0, 90_000.0])
async def test_execution_of_another_time_is_left_alone(created: float) -> None:
    """Days may lie between a crash and its resume: what somebody else has opened meanwhile is theirs."""
    client, opens = opening(created, 1000.0, 5000.0)

    with pytest.raises(StreamBusy, match="not by a run of this machine"):
        await opens.open()

    assert client.calls == ["list"]
