"""Every kind of fault, over a real socket."""

from __future__ import annotations

import asyncio
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from bulkstream.errors import UsageError
from bulkstream.sandbox import FaultPlan, SandboxSettings, create_app, running
from bulkstream.sandbox.faults import (
    Bandwidth,
    Burst,
    DiskFull,
    DuplicateDelivery,
    EmptyAnswer,
    ExpireToken,
    Fault,
    ForgetExecution,
    Html,
    IgnoredCommit,
    LateEffect,
    Latency,
    LostAnswer,
    LostPart,
    MalformedJson,
    ResetAfter,
    ResetBefore,
    ResetDuring,
    Restart,
    SlowAnswer,
    Stall,
    Status,
    TruncatedAnswer,
    WrongJson,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    Desk = Any
    Opener = Callable[..., Any]

ROWS = b"1,a\n"
EITHER_RESET = (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)


def plan(*faults: Any, seed: int = 0) -> FaultPlan:
    return FaultPlan(faults, seed)


async def prepared(desk: Desk) -> tuple[Any, Any]:
    """A stream and an open execution."""
    stream = await desk.stream()
    return stream, await desk.execution(stream)


# ---- answers in place of the effect


@pytest.mark.parametrize("retry_after", ["3", "Wed, 21 Oct 2015 07:28:00 GMT", "soon", None])
async def test_status(open_desk: Opener, retry_after: str | None) -> None:
    """The status, the header's text as it is, the message, and no effect."""
    fault = Status(at="part", status=599, retry_after=retry_after, message="boo")
    async with open_desk(faults=plan(fault)) as desk:
        _, execution = await prepared(desk)
        answer = await desk.part(execution, 1, ROWS)

        assert (answer.status, answer.body["status"], answer.body["message"]) == (599, 599, "boo")
        assert answer.headers.get("Retry-After") == retry_after
        assert desk.files() == 0
        assert (await desk.part(execution, 1, ROWS)).status == 200


async def test_status_with_a_date_ahead(open_desk: Opener) -> None:
    """A script can't know today's date, so it says how far ahead."""
    async with open_desk(faults=plan(Status(at="list_streams", status=429, retry_date_s=3600))) as desk:
        answer = await desk.instance("GET", "/streams")

        assert abs(parsedate_to_datetime(answer.headers["Retry-After"]).timestamp() - time.time() - 3600) < 60


async def test_status_before_the_body(open_desk: Opener) -> None:
    """An early answer does not wait for the rows."""
    async with open_desk(faults=plan(Status(at="part", early=True))) as desk:
        _, execution = await prepared(desk)
        path = f"/api/data/v1/streams/{execution['streamId']}/data/{execution['dataId']}/parts/1"
        reader, writer = await asyncio.open_connection("127.0.0.1", desk.sandbox.port)
        writer.write(f"PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n1".encode())

        assert b" 503 " in await reader.readline()
        writer.close()


async def test_burst(open_desk: Opener) -> None:
    """One trigger, and everything is 429, the token call included, until it is over."""
    async with open_desk(faults=plan(Burst(at="list_streams", seconds=0.1, retry_after="1"))) as desk:
        first = await desk.instance("GET", "/streams")
        token = await desk.call("POST", "/oauth/token")
        await asyncio.sleep(0.12)

        assert (first.status, first.headers["Retry-After"], token.status) == (429, "1", 429)
        assert (await desk.instance("GET", "/streams")).status == 200


@pytest.mark.parametrize("effect", [False, True])
async def test_html(open_desk: Opener, effect: bool) -> None:
    """A page instead of JSON, with status 200 and, if wanted, with the effect."""
    async with open_desk(faults=plan(Html(at="part", effect=effect))) as desk:
        _, execution = await prepared(desk)
        answer = await desk.part(execution, 1, ROWS)

        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert desk.files() == effect
        assert desk.sandbox.requests.parts(execution["id"]).keys() == ({1} if effect else set())


async def test_expire_token_public(open_desk: Opener) -> None:
    """All tokens that were issued are refused; a new one is good."""
    async with open_desk(faults=plan(ExpireToken(at="any"))) as desk:
        old = [{"Authorization": f"bearer {await desk.token()}"} for _ in range(2)]
        answers = [await desk.call("GET", "/v1/streams", headers=headers) for headers in (old[0], old[0], old[1])]

        assert [answer.status for answer in answers] == [401, 401, 401]
        assert (await desk.public("GET", "/streams")).status == 200


async def test_expire_token_instance(open_desk: Opener) -> None:
    """A developer token is refused once, and access tokens stay good."""
    async with open_desk(faults=plan(ExpireToken(at="list_streams"))) as desk:
        bearer = {"Authorization": f"bearer {await desk.token()}"}

        assert [(await desk.instance("GET", "/streams")).status for _ in range(2)] == [401, 200]
        assert (await desk.call("GET", "/v1/streams", headers=bearer)).status == 200


@pytest.mark.parametrize("status", [500, 507])
async def test_disk_full(open_desk: Opener, status: int) -> None:
    """The part is not kept; a second try is."""
    async with open_desk(faults=plan(DiskFull(at="part", status=status))) as desk:
        _, execution = await prepared(desk)

        assert (await desk.part(execution, 1, ROWS)).status == status
        assert desk.files() == 0
        assert (await desk.part(execution, 1, ROWS)).status == 200


async def test_forget_execution(open_desk: Opener) -> None:
    """A part's 404 holds for its execution in both dialects, by number and by data, until it is over."""
    async with open_desk(faults=plan(ForgetExecution(at="part", seconds=0.1))) as desk:
        stream, execution = await prepared(desk)
        path = f"/streams/{stream['id']}/executions/{execution['id']}"
        found = [
            (await desk.part(execution, 1, ROWS)).status,
            (await desk.public("GET", path)).status,
            (await desk.finalize(execution)).status,
        ]
        await asyncio.sleep(0.12)

        assert found == [404, 404, 404]
        assert (await desk.public("GET", path)).status == 200


# ---- connections


@pytest.mark.parametrize("fault", [ResetBefore(at="part"), ResetDuring(at="part"), ResetAfter(at="part")])
async def test_reset_without_an_effect(open_desk: Opener, fault: Fault) -> None:
    """The client gets no answer, the server keeps nothing, and the next try is fine."""
    async with open_desk(faults=plan(fault)) as desk:
        _, execution = await prepared(desk)
        with pytest.raises(EITHER_RESET):
            await desk.part(execution, 1, ROWS)

        assert desk.files() == 0
        assert (await desk.part(execution, 1, ROWS)).status == 200
        assert desk.sandbox.faults.struck == (1,)


@pytest.mark.parametrize("fault", [ResetDuring(at="part", bytes=3), ResetDuring(at="part", fraction=0.003)])
async def test_reset_in_the_middle_of_a_body(open_desk: Opener, fault: Fault) -> None:
    """It is an RST, and comes when so many bytes have arrived and not before."""
    async with open_desk(faults=plan(fault)) as desk:
        reader, writer = await asyncio.open_connection("127.0.0.1", desk.sandbox.port)
        writer.write(b"PUT /v1/streams/1/executions/1001/part/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n12")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.03)
        writer.write(b"3")

        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        writer.close()


async def test_lost_answer(open_desk: Opener) -> None:
    """A commit takes effect, and its client does not learn of it."""
    async with open_desk(faults=plan(LostAnswer(at="commit"))) as desk:
        stream, execution = await prepared(desk)
        await desk.part(execution, 1, ROWS)
        with pytest.raises(EITHER_RESET):
            await desk.finalize(execution)

        assert await desk.rows(stream) == ROWS
        assert await desk.state(execution) == "SUCCESS"


async def test_lost_answer_of_a_download(open_desk: Opener) -> None:
    """Not even its beginning arrives, though the server streams it."""
    async with open_desk(faults=plan(LostAnswer(at="export"))) as desk:
        stream = await desk.stream()
        await desk.load(stream, [ROWS])
        with pytest.raises(EITHER_RESET):
            await desk.rows(stream)

        assert await desk.rows(stream) == ROWS


@pytest.mark.parametrize("at", ["part", "commit"])
async def test_late_effect(open_desk: Opener, at: str) -> None:
    """The connection breaks at once, and what was asked for happens some time later."""
    async with open_desk(faults=plan(LateEffect(at=at, seconds=0.1))) as desk:
        stream, execution = await prepared(desk)
        if at == "part":
            with pytest.raises(EITHER_RESET):
                await desk.part(execution, 1, ROWS)
            assert desk.files() == 0
            await desk.until_files(1)
            assert (await desk.finalize(execution)).status == 200
        else:
            await desk.part(execution, 1, ROWS)
            with pytest.raises(EITHER_RESET):
                await desk.finalize(execution)
            assert await desk.state(execution) == "ACTIVE"
            await desk.until_state(execution, "SUCCESS")

        assert await desk.rows(stream) == ROWS


async def test_stall(open_desk: Opener) -> None:
    """The effect takes place, no answer ever comes, and when the client goes the server lets go."""
    async with open_desk(faults=plan(Stall(at="commit"))) as desk:
        stream, execution = await prepared(desk)
        await desk.part(execution, 1, ROWS)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(desk.finalize(execution), 0.1)

        assert await desk.rows(stream) == ROWS
        assert desk.sandbox.requests.endpoints["commit"].answered == {}


@pytest.mark.parametrize(
    "fault", [Stall(at="list_streams"), Latency(at="list_streams", seconds=3600), LateEffect(at="list_streams")]
)
async def test_no_fault_keeps_a_sandbox_from_stopping(fault: Any) -> None:
    """What waits ends at once when the server does."""
    async with asyncio.timeout(3), aiohttp.ClientSession() as client:
        async with running(SandboxSettings(port=0), faults=plan(fault)) as sandbox:
            headers = {"X-DOMO-Developer-Token": "sandbox"}
            asked = asyncio.create_task(client.get(f"{sandbox.url}/api/data/v1/streams", headers=headers))
            while not sandbox.faults.struck[0]:  # noqa: ASYNC110 - the server says nothing
                await asyncio.sleep(0)
        await asyncio.gather(asked, return_exceptions=True)


@pytest.mark.parametrize("given", [True, False])
async def test_restart(open_desk: Opener, tmp_path: Any, given: bool) -> None:
    """Connections break, nobody listens for a while, and then everything acknowledged is there on the same port."""
    more = {"data": tmp_path} if given else {}
    async with open_desk(faults=plan(Restart(at="commit", seconds=0.05)), **more) as desk:
        stream, execution = await prepared(desk)
        token = await desk.token()
        await desk.part(execution, 1, ROWS)
        other = await desk.session.request("POST", "/oauth/token", data=_endless())
        with pytest.raises(EITHER_RESET):
            await desk.finalize(execution)
        with pytest.raises(aiohttp.ClientConnectorError):
            await _while_down(desk)
        await _until_up(desk)

        other.close()
        assert desk.sandbox.requests.endpoints["part"].received == 1
        assert (await desk.call("GET", "/v1/streams", headers={"Authorization": f"bearer {token}"})).status == 200
        assert (await desk.finalize(execution)).status == 200
        assert await desk.rows(stream) == ROWS
        assert desk.files() == 1


async def test_restart_ends_what_is_under_way(open_desk: Opener) -> None:
    """A part whose body was arriving is gone with its file, and its client is told by its connection."""
    async with open_desk(faults=plan(Restart(at="list_streams", seconds=0.0))) as desk:
        _, execution = await prepared(desk)
        half = asyncio.create_task(desk.part(execution, 1, _endless()))
        await desk.until_files(1)
        with pytest.raises(EITHER_RESET):
            await desk.instance("GET", "/streams")
        with pytest.raises(EITHER_RESET):
            await half
        await _until_up(desk)

        assert desk.files() == 0
        assert await desk.state(execution) == "ACTIVE"


async def test_stopping_in_the_middle_of_a_restart(tmp_path: Any) -> None:
    """Nothing comes up again, and the folder is free."""
    settings = SandboxSettings(port=0, data=tmp_path)
    async with running(settings, faults=plan(Restart(at="any", seconds=3600))) as sandbox, aiohttp.ClientSession() as c:
        with pytest.raises(EITHER_RESET):
            await c.get(sandbox.url)
    async with running(settings):
        pass


def test_an_application_alone_cant_be_restarted() -> None:
    """There is nobody to do it, so such a plan is refused."""
    with pytest.raises(UsageError, match="can't be restarted"):
        create_app(SandboxSettings(faults=plan(Restart(at="any"))))


async def _endless() -> Any:
    yield b"1,"
    await asyncio.sleep(3600)


async def _while_down(desk: Desk) -> None:
    async with asyncio.timeout(10):
        while True:
            await desk.call("GET", "/")


async def _until_up(desk: Desk) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                await desk.call("GET", "/")
            except aiohttp.ClientError:
                await asyncio.sleep(0.005)
            else:
                return


# ---- pace


async def _timed(work: Any) -> tuple[float, Any]:
    start = time.perf_counter()
    result = await work
    return time.perf_counter() - start, result


async def test_latency(open_desk: Opener) -> None:
    """Before the handling and before the answer."""
    async with open_desk(faults=plan(Latency(at="list_streams", seconds=0.05, late=0.05))) as desk:
        seconds, answer = await _timed(desk.instance("GET", "/streams"))

        assert (answer.status, seconds >= 0.1) == (200, True)


async def test_bandwidth_of_a_body(open_desk: Opener) -> None:
    """10 kB at 100 kB/s; the part is whole."""
    async with open_desk(faults=plan(Bandwidth(at="part", read=100_000))) as desk:
        _, execution = await prepared(desk)
        seconds, answer = await _timed(desk.part(execution, 1, ROWS * 2500))

        assert (answer.status, answer.body["bytes"], seconds >= 0.1) == (200, 10_000, True)


async def test_bandwidth_of_a_json_body(open_desk: Opener) -> None:
    """Other bodies than parts are read at the rate as well."""
    async with open_desk(faults=plan(Bandwidth(at="create_stream", read=1_000))) as desk:
        seconds, answer = await _timed(desk.instance("POST", "/streams", json={"dataSource": {"name": "x" * 100}}))

        assert (answer.status, seconds >= 0.1) == (201, True)


async def test_bandwidth_of_an_answer(open_desk: Opener) -> None:
    """10 kB at 100 kB/s, of a download that is streamed."""
    async with open_desk(faults=plan(Bandwidth(at="export", write=100_000))) as desk:
        stream = await desk.stream()
        await desk.load(stream, [ROWS * 2500])
        seconds, rows = await _timed(desk.rows(stream))

        assert (rows, seconds >= 0.1) == (ROWS * 2500, True)


async def test_slow_answer(open_desk: Opener) -> None:
    """The bytes come one by one, and all of them."""
    async with open_desk(faults=plan(SlowAnswer(at="part", bytes=5, seconds=0.02))) as desk:
        _, execution = await prepared(desk)
        seconds, answer = await _timed(desk.part(execution, 1, ROWS))

        assert (answer.body, seconds >= 0.08) == ({"partId": 1, "bytes": 4}, True)


async def test_pace_goes_along_with_another_fault(open_desk: Opener) -> None:
    """A slow maintenance page."""
    faults = plan(Latency(at="any", seconds=0.05), SlowAnswer(at="any", bytes=50, seconds=0.01), Html(at="any"))
    async with open_desk(faults=faults) as desk:
        seconds, answer = await _timed(desk.instance("GET", "/streams"))

        assert (b"Back soon" in answer.body, seconds >= 0.055) == (True, True)
        assert desk.sandbox.faults.struck == (1, 1, 1)


# ---- answers after the effect


async def test_truncated_answer(open_desk: Opener) -> None:
    """The part is there, its answer ends too early."""
    async with open_desk(faults=plan(TruncatedAnswer(at="part", bytes=1000))) as desk:
        _, execution = await prepared(desk)
        with pytest.raises(aiohttp.ClientPayloadError):
            await desk.part(execution, 1, ROWS)

        assert desk.files() == 1
        assert (await desk.part(execution, 2, ROWS)).status == 200


async def test_truncated_download(open_desk: Opener) -> None:
    """A streamed answer stops after so many bytes, without its end."""
    async with open_desk(faults=plan(TruncatedAnswer(at="export", bytes=6))) as desk:
        stream = await desk.stream()
        await desk.load(stream, [ROWS, ROWS])
        path = f"/v1/datasets/{stream['dataSet']['id']}/data"
        headers = {"X-DOMO-Developer-Token": "sandbox"}
        async with desk.session.get(path, headers=headers) as response:
            got = await response.content.read(6)
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()

        assert got == b"1,a\n1,"


@pytest.mark.parametrize(
    ("fault", "body"),
    [
        (MalformedJson(at="part"), b'{"partId":1,"bytes":4'),
        (EmptyAnswer(at="part"), b""),
        (WrongJson(at="part", body='["a"]'), b'["a"]'),
    ],
)
async def test_wrong_bodies(open_desk: Opener, fault: Fault, body: bytes) -> None:
    """Status, type and effect are right; the body is not, and acknowledges nothing."""
    async with open_desk(faults=plan(fault)) as desk:
        _, execution = await prepared(desk)
        path = f"/api/data/v1/streams/{execution['streamId']}/data/{execution['dataId']}/parts/1"
        headers = {"X-DOMO-Developer-Token": "sandbox", "Content-Type": "text/csv"}
        async with desk.session.put(path, data=ROWS, headers=headers) as response:
            got = await response.read()

        assert (response.status, response.content_type, got) == (200, "application/json", body)
        assert desk.files() == 1
        assert desk.sandbox.requests.parts(execution["id"])[1].acknowledged == 0


# ---- effects


async def test_duplicate_delivery_of_a_commit(open_desk: Opener) -> None:
    """It is committed, and the client gets the answer of the second delivery."""
    async with open_desk(faults=plan(DuplicateDelivery(at="commit"))) as desk:
        stream, execution = await prepared(desk)
        await desk.part(execution, 1, ROWS)
        answer = await desk.finalize(execution)

        assert answer.status == 409
        assert await desk.rows(stream) == ROWS


@pytest.mark.parametrize("answer", ["first", "second"])
async def test_duplicate_delivery_of_a_part(open_desk: Opener, answer: Any) -> None:
    """The body arrives twice, whole, and the part is there once."""
    async with open_desk(faults=plan(DuplicateDelivery(at="part", answer=answer))) as desk:
        stream, execution = await prepared(desk)
        sent = await desk.part(execution, 1, ROWS * 100_000)
        await desk.finalize(execution)

        assert (sent.status, sent.body["bytes"]) == (200, 400_000)
        assert desk.sandbox.requests.parts(execution["id"])[1].received == 2
        assert await desk.rows(stream) == ROWS * 100_000


async def test_duplicate_delivery_of_a_download(open_desk: Opener) -> None:
    """The client gets the rows once."""
    async with open_desk(faults=plan(DuplicateDelivery(at="export"))) as desk:
        stream = await desk.stream()
        await desk.load(stream, [ROWS])

        assert await desk.rows(stream) == ROWS


async def test_ignored_commit_that_never_ends(open_desk: Opener) -> None:
    """Answered with 200 and ACTIVE, and nothing more happens."""
    async with open_desk(faults=plan(IgnoredCommit())) as desk:
        stream, execution = await prepared(desk)
        await desk.part(execution, 1, ROWS)
        answer = await desk.finalize(execution)

        assert (answer.status, answer.body["currentState"]) == (200, "ACTIVE")
        assert await desk.state(execution) == "ACTIVE"
        assert (await desk.finalize(execution, "abort")).status == 409
        assert await desk.rows(stream) == b""


async def test_ignored_commit_that_fails(open_desk: Opener) -> None:
    """Answered with 200 and ACTIVE, and FAILED when one looks again."""
    async with open_desk(faults=plan(IgnoredCommit(ends="failed", seconds=0.05))) as desk:
        stream, execution = await prepared(desk)
        await desk.part(execution, 1, ROWS)
        answer = await desk.finalize(execution)
        await desk.until_state(execution, "FAILED")

        assert (answer.status, answer.body["currentState"]) == (200, "ACTIVE")
        assert await desk.rows(stream) == b""
        await desk.until_files(0)


async def test_lost_part(open_desk: Opener) -> None:
    """Acknowledged as if it were there; the commit misses it."""
    async with open_desk(faults=plan(LostPart(part=1))) as desk:
        _, execution = await prepared(desk)
        answers = [await desk.part(execution, number, ROWS) for number in (1, 2)]

        assert [answer.status for answer in answers] == [200, 200]
        assert "lacks part 1" in (await desk.finalize(execution)).body["message"]
        await desk.until_files(1)
