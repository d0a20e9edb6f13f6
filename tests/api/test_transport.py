"""One request over a real connection: what arrives, and what becomes of each way to fail."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web

from bulkstream.api import ApiClient, Execution
from bulkstream.api.body import SLICE_BYTES
from bulkstream.api.watch import Watch
from bulkstream.errors import (
    ApiDisconnected,
    ApiTimeout,
    ApiUnreachable,
    CertificateRefused,
    RequestRejected,
    UnexpectedAnswer,
    UsageError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkstream.settings import Settings

Served = Any  # the fixture's context manager
EXECUTION = Execution.model_validate({"id": 7, "streamId": 1, "dataId": "d"})
ONE_TRY = {"attempts": 1, "base_s": 0.0}


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("size", [0, 1, 262_144, 3_000_001])
async def test_a_part_arrives_whole(served: Served, kind: Callable[[bytes], Any], size: int) -> None:
    """A body goes out byte for byte, with its length, type and encoding, and its progress adds up to its size."""
    seen: dict[str, Any] = {}

    async def take(request: web.Request) -> web.Response:
        seen.update(body=await request.content.read(-1) if size else b"", headers=request.headers)
        return web.json_response({})

    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    sent: list[int] = []
    async with served(take) as client:
        await client.executions.upload_part(EXECUTION, 3, kind(body), gzipped=False, watch=Watch(sent=sent.append))

    assert seen["body"] == body
    assert seen["headers"]["Content-Length"] == str(size)
    assert "Transfer-Encoding" not in seen["headers"]
    assert seen["headers"]["Content-Type"] == "text/csv"
    assert sum(sent) == size


async def test_a_gzipped_part_says_so(served: Served) -> None:
    """The encoding header stands beside the type, as Domo's own client sends it."""
    headers: dict[str, str] = {}

    async def take(request: web.Request) -> web.Response:
        headers.update(request.headers)
        return web.json_response({})

    async with served(take) as client:
        await client.executions.upload_part(EXECUTION, 3, b"\x1f\x8b")

    assert (headers["Content-Encoding"], headers["Content-Type"]) == ("gzip", "text/csv")
    assert headers["User-Agent"].startswith("bulkstream/")


async def test_a_server_that_says_nothing_is_given_up(served: Served) -> None:
    """After stall_timeout_s without a byte the request ends, whatever it waits for."""
    forever = asyncio.Event()

    async def hang(_: web.Request) -> web.Response:
        await forever.wait()
        raise AssertionError

    async with served(hang, connection={"stall_timeout_s": 0.05}, retry=ONE_TRY) as client:
        with pytest.raises(ApiTimeout, match=r"no byte moved for 0.05 s"):
            await client.streams.get(1)
        forever.set()


async def test_a_slow_transfer_is_no_stall(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every slice that is handed over and every block that comes back puts the watchdog off."""
    put_off: list[float] = []
    reschedule = asyncio.Timeout.reschedule

    def noted(timeout: asyncio.Timeout, when: float | None) -> None:
        put_off.extend([] if when is None else [when])
        reschedule(timeout, when)

    async def take(request: web.Request) -> web.Response:
        await request.content.read(-1)
        return web.json_response({})

    async with served(take, retry=ONE_TRY) as client:
        monkeypatch.setattr(asyncio.Timeout, "reschedule", noted)
        await client.executions.upload_part(EXECUTION, 1, bytes(10 * SLICE_BYTES), gzipped=False)

    assert len(put_off) > 10


async def test_nobody_listening_is_unreachable(settings: Callable[..., Settings]) -> None:
    """A refused connection was never a request."""
    async with ApiClient(settings("http://127.0.0.1:9")) as client:
        with pytest.raises(ApiUnreachable) as caught:
            await client.streams.get(1)

    assert (caught.value.ambiguous, caught.value.attempts) == (False, 3)


async def test_a_connection_that_breaks_is_ambiguous(served: Served) -> None:
    """The request may have taken effect when the line goes dead before the answer."""

    async def cut(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with served(cut, retry=ONE_TRY) as client:
        with pytest.raises(ApiDisconnected) as caught:
            await client.streams.get(1)

    assert caught.value.ambiguous


async def test_an_answer_that_breaks_off_is_no_answer(served: Served) -> None:
    """Half a JSON document is a broken connection, not broken JSON."""

    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b'{"id": 1')
        assert request.transport is not None
        request.transport.close()
        return response

    async with served(half, retry=ONE_TRY) as client:
        with pytest.raises(ApiDisconnected):
            await client.streams.get(1)


async def test_a_redirect_is_not_followed(served: Served) -> None:
    """Credentials don't travel to where an answer points."""
    paths = []

    async def redirect(request: web.Request) -> web.Response:
        paths.append(request.path)
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    async with served(redirect) as client:
        with pytest.raises(RequestRejected, match="redirect to /elsewhere"):
            await client.streams.get(1)

    assert paths == ["/api/data/v1/streams/1"]


async def test_an_early_refusal_is_heard_while_the_body_is_still_going_out(served: Served) -> None:
    """A server that refuses a large part at once is quoted, not taken for a broken line."""

    async def refuse(_: web.Request) -> web.Response:
        return web.json_response({"message": "too large"}, status=413)

    async with served(refuse, retry=ONE_TRY) as client:
        with pytest.raises(RequestRejected, match="413: too large"):
            await client.executions.upload_part(EXECUTION, 1, bytes(16 << 20))


async def test_a_maintenance_page_acknowledges_no_part(served: Served) -> None:
    """Status 200 with HTML is an error also where nobody reads the answer's body."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<html><title>Domo Maintenance</title></html>", content_type="text/html")

    async with served(page) as client:
        with pytest.raises(UnexpectedAnswer, match="Domo Maintenance"):
            await client.executions.upload_part(EXECUTION, 1, b"x")
        with pytest.raises(UnexpectedAnswer, match="Domo Maintenance") as caught:
            await client.executions.commit(EXECUTION)

    assert caught.value.attempts == 1


async def test_json_of_another_shape_is_told_in_words(served: Served) -> None:
    """The message names the field, and there is no traceback of a JSON library."""

    async def odd(request: web.Request) -> web.Response:
        return web.json_response({"id": "x"} if request.path.endswith("1") else {"items": 5})

    async with served(odd, retry=ONE_TRY) as client:
        with pytest.raises(UnexpectedAnswer, match="JSON that is no Stream: id: "):
            await client.streams.get(1)
        with pytest.raises(UnexpectedAnswer, match="JSON that is no list"):
            assert [stream async for stream in client.streams.list()]


async def test_an_export_that_breaks_off_is_an_error(served: Served) -> None:
    """Rows that are missing at the end are noticed."""

    async def export(request: web.Request) -> web.StreamResponse:
        if request.path == "/oauth/token":
            return web.json_response({"access_token": "t", "expires_in": 3599})
        response = web.StreamResponse(headers={"Content-Type": "text/csv", "Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"1,a\n")
        assert request.transport is not None
        request.transport.close()
        return response

    async with served(export, dialect="public") as client:
        with pytest.raises(ApiDisconnected):
            assert [block async for block in client.datasets.export("x", include_header=False)]


@pytest.mark.parametrize("url", ["http://acme.domo.com", "http://10.0.0.1:80", "ftp://x", "https://", "", None])
def test_addresses_that_would_leak_or_lead_nowhere_are_refused(
    url: str | None, settings: Callable[..., Settings]
) -> None:
    """Plain http is for loopback only; the error names the variable."""
    with pytest.raises(UsageError) as caught:
        ApiClient(settings(url or ""))
    assert "BULKSTREAM_URL" in caught.value.hint or "https" in caught.value.hint


async def test_a_session_that_was_passed_in_stays_open(settings: Callable[..., Settings]) -> None:
    """What the caller opened the caller closes."""
    async with aiohttp.ClientSession() as session:
        async with ApiClient(settings("http://127.0.0.1:9"), session=session):
            pass

        assert not session.closed


async def test_a_client_that_is_not_open_says_so(settings: Callable[..., Settings]) -> None:
    """Forgetting `async with` is a clear error."""
    with pytest.raises(UsageError, match="not open"):
        await ApiClient(settings("http://127.0.0.1:9")).streams.get(1)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for localhost that nobody trusts, with its key in the same file."""
    if shutil.which("openssl") is None:
        pytest.skip("makes its certificate with openssl")
    path = tmp_path / "both.pem"
    made = f"openssl req -x509 -newkey rsa:2048 -nodes -keyout {path} -out {path}.crt -days 2 -subj /CN=localhost"
    subprocess.run([*made.split(), "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    return path


async def test_an_untrusted_certificate_is_refused_at_once(
    certificate: Path, settings: Callable[..., Settings]
) -> None:
    """It isn't retried, nothing is sent, and the setting that would help is named; with it, it works."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    async def stream(_: web.Request) -> web.Response:
        return web.json_response({"id": 1})

    app = web.Application()
    app.router.add_get("/{path:.*}", stream)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    url = f"https://localhost:{runner.addresses[0][1]}"
    try:
        async with ApiClient(settings(url)) as client:
            with pytest.raises(CertificateRefused) as caught:
                await client.streams.get(1)
        async with ApiClient(settings(url, connection={"ca_bundle": certificate})) as client:
            assert (await client.streams.get(1)).id == 1
    finally:
        await runner.cleanup()

    assert caught.value.attempts == 1
    assert "ca_bundle" in caught.value.hint


async def test_a_ca_bundle_that_is_not_there_is_an_error(settings: Callable[..., Settings]) -> None:
    """A typing error in the settings isn't found out by a failing handshake."""
    with pytest.raises(UsageError, match="ca_bundle /none"):
        async with ApiClient(settings("https://localhost", connection={"ca_bundle": "/none"})):
            pass
