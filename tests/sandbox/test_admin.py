"""What testers ask of a running sandbox: its faults and its counters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bulkstream.sandbox import FaultPlan
from bulkstream.sandbox.__main__ import main
from bulkstream.sandbox.faults import LostAnswer, Status
from bulkstream.sandbox.requests import Requests
from bulkstream.sandbox.segments import Slot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Desk = Any

TOKEN = {"X-DOMO-Developer-Token": "sandbox"}
SCRIPT = 'seed = 3\n[[fault]]\nat = "list_streams"\nkind = "status"\nstatus = 418\n'


async def admin(desk: Desk, method: str, path: str = "/admin/faults", **options: Any) -> Any:
    return await desk.call(method, path, headers={**TOKEN, **options.pop("headers", {})}, **options)


async def test_a_plan_is_replaced_shown_and_removed_while_the_sandbox_runs(desk: Desk) -> None:
    """TOML comes in, JSON that can be put back goes out, with how often each fault struck."""
    put = await admin(desk, "PUT", data=SCRIPT)
    struck = await desk.instance("GET", "/streams")
    shown = (await admin(desk, "GET")).body
    again = await admin(desk, "PUT", json=shown["plan"])
    gone = await admin(desk, "DELETE")

    assert (put.status, put.body["struck"]) == (200, [0])
    assert struck.status == 418
    assert (shown["plan"]["seed"], shown["plan"]["fault"][0]["kind"], shown["struck"]) == (3, "status", [1])
    assert (again.status, again.body) == (200, {"plan": shown["plan"], "struck": [0]})
    assert (gone.status, (await desk.instance("GET", "/streams")).status) == (204, 200)
    assert (await admin(desk, "GET")).body == {"plan": {"seed": 0, "fault": []}, "struck": []}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"data": '[[fault]]\nkind = "stall"'}, "fault 1 (stall): at: Field required"),
        ({"data": b"\xff"}, "is not TOML"),
        ({"json": {"fault": [{"kind": "stall", "at": "nowhere"}]}}, "'nowhere' is no endpoint"),
        ({"json": []}, "the whole: Input should be"),
        ({"data": b"{", "headers": {"Content-Type": "application/json"}}, "is not JSON"),
    ],
)
async def test_a_wrong_script_leaves_the_plan_alone(
    open_desk: Callable[..., Any], options: dict[str, Any], said: str
) -> None:
    """400 says what is wrong."""
    plan = FaultPlan((Status(at="export"),))
    async with open_desk(faults=plan) as desk:
        answer = await admin(desk, "PUT", **options)

        assert (answer.status, said in answer.body["message"]) == (400, True)
        assert desk.sandbox.faults.plan == plan


@pytest.mark.parametrize("path", ["/admin/faults", "/admin/requests"])
async def test_only_the_developer_token_opens_it(desk: Desk, path: str) -> None:
    """An access token does not."""
    bearer = {"Authorization": f"bearer {await desk.token()}"}

    assert (await desk.call("GET", path, headers=bearer)).status == 401
    assert (await desk.call("GET", path)).status == 401
    assert (await admin(desk, "GET", path)).status == 200


async def test_it_is_never_struck(open_desk: Callable[..., Any]) -> None:
    """Else a plan that strikes everything could not be removed, and it is not counted either."""
    async with open_desk(faults=FaultPlan((Status(at="any", probability=1),))) as desk:
        assert (await admin(desk, "DELETE")).status == 204
        assert (await admin(desk, "GET", "/admin/requests")).body == {"endpoints": {}, "executions": {}}


async def test_requests_are_counted_by_endpoint_and_by_part(open_desk: Callable[..., Any]) -> None:
    """An answer that was lost is no acknowledgement, in either dialect, and both name the execution by its id."""
    async with open_desk(faults=FaultPlan((LostAnswer(at="part", part=1),))) as desk:
        stream = await desk.stream()
        execution = await desk.execution(stream)
        with pytest.raises(OSError, match="reset"):
            await desk.part(execution, 1, b"1,a\n")
        await desk.part(execution, 1, b"1,a\n")
        path = f"/streams/{stream['id']}/executions/{execution['id']}/part/2"
        await desk.public("PUT", path, data=b"1,a\n", headers={"Content-Type": "text/csv"})
        await desk.finalize(execution)
        await desk.part(execution, 3, b"1,a\n")
        counts = (await admin(desk, "GET", "/admin/requests")).body

        assert counts["endpoints"]["part"] == {"received": 4, "answered": {"200": 2, "409": 1}}
        assert counts["executions"][str(execution["id"])] == {
            "1": {"received": 2, "acknowledged": 1},
            "2": {"received": 1, "acknowledged": 1},
        }
        assert desk.sandbox.requests.as_json() == counts


def test_counters_take_a_bounded_memory() -> None:
    """Old executions make room, and so many numbers of one are enough."""
    requests = Requests()
    for execution in range(1, 301):
        requests.stored(Slot(1, execution, 1))
    for part in range(30_000):
        requests.stored(Slot(1, 300, part))

    assert len(requests.as_json()["executions"]) == 100
    assert requests.parts(1) == {}
    assert len(requests.parts(300)) == 20_000


def test_a_wrong_script_stops_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and the place."""
    script = tmp_path / "faults.toml"
    script.write_text("[[fault]]\nkind = 'stall'\n")

    assert main(["--port", "0", "--faults", str(script)]) == 2
    assert f"error: {script}: fault 1 (stall): at: Field required" in capsys.readouterr().err
