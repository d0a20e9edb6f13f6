"""The part of `bulkstream doctor` that talks to the account: reachable, clock, credentials, round trip."""

from __future__ import annotations

import asyncio
import ssl
import time
from contextlib import closing
from email.utils import parsedate_to_datetime
from itertools import pairwise
from socket import SOCK_STREAM
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies

from bulkstream.api import ApiClient, SearchKey
from bulkstream.api.address import checked_url, is_unencrypted
from bulkstream.cli.check import Check, State
from bulkstream.cli.exits import Exit, code_of
from bulkstream.errors import ApiError, AuthError, BulkstreamError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bulkstream.settings import Connection, Settings

MOST_SKEW_S = 60.0
"""Tokens are dated; a clock that is further off makes them look expired."""

_NO_SUCH_DATASET = "bulkstream-doctor-asks-whether-it-may-ask"


async def probed(settings: Settings) -> AsyncIterator[Check]:
    """Yield what is found, until something fails that the rest depends on."""
    try:
        client = ApiClient(settings)
    except BulkstreamError as error:
        yield Check("account", State.FAIL, str(error), error.hint, Exit.USAGE)
        return
    yield _account(settings.connection, client)
    if timed := await _connected(settings.connection):
        yield timed
    async with client:
        try:
            yield await _credentials(client)
            yield await _round_trip(client)
            yield await _clock(client)
        except ApiError as error:
            name = "credentials" if isinstance(error, AuthError) else "link"
            yield Check(name, State.FAIL, str(error), error.hint, code_of(error))


def _account(connection: Connection, client: ApiClient) -> Check:
    text = f"{connection.url}, {client.dialect} dialect"
    if is_unencrypted(checked_url(connection.url, allow_http=connection.allow_http)):
        return Check("account", State.WARN, f"{text}; credentials travel unencrypted", "Use https, without allow_http.")
    return Check("account", State.OK, text)


async def _connected(connection: Connection) -> Check | None:
    """Time the steps to a connection; None where a proxy makes it, or it fails, which the first request explains."""
    url = urlsplit(checked_url(connection.url, allow_http=connection.allow_http))
    if url.hostname is None or url.scheme in getproxies():
        return None
    times = [time.perf_counter()]
    try:
        async with asyncio.timeout(connection.connect_timeout_s):
            port = url.port or (443 if url.scheme == "https" else 80)
            found = await asyncio.get_running_loop().getaddrinfo(url.hostname, port, type=SOCK_STREAM)
            times.append(time.perf_counter())
            _, writer = await asyncio.open_connection(str(found[0][4][0]), port)
            times.append(time.perf_counter())
            with closing(writer):
                if url.scheme == "https":
                    trusted = ssl.create_default_context(cafile=connection.ca_bundle)
                    await writer.start_tls(trusted, server_hostname=url.hostname)
                    times.append(time.perf_counter())
    except (OSError, TimeoutError):
        return None
    steps = zip(("DNS", "TCP", "TLS"), pairwise(times), strict=False)
    return Check("connect", State.OK, ", ".join(f"{name} {(end - start) * 1e3:.0f} ms" for name, (start, end) in steps))


async def _credentials(client: ApiClient) -> Check:
    """Ask for something that costs nothing and needs permission; the first request also connects."""
    began = time.perf_counter()
    async for _ in client.streams.search(SearchKey.DATASET_NAME, _NO_SUCH_DATASET):
        break
    taken = time.perf_counter() - began
    return Check("credentials", State.OK, f"accepted; connected and answered in {taken * 1e3:.0f} ms")


async def _round_trip(client: ApiClient) -> Check:
    times = []
    for _ in range(3):
        began = time.perf_counter()
        async for _ in client.streams.search(SearchKey.DATASET_NAME, _NO_SUCH_DATASET):
            break
        times.append(time.perf_counter() - began)
    return Check("link", State.OK, f"{min(times) * 1e3:.0f} ms per request on an open connection")


async def _clock(client: ApiClient) -> Check:
    """Compare this clock with the server's, to the second that its Date header has."""
    answer = await client.send(client.calls.search_streams(f"{SearchKey.DATASET_NAME}:{_NO_SUCH_DATASET}"))
    try:
        skew_s = time.time() - parsedate_to_datetime(answer.headers["Date"]).timestamp()
    except (KeyError, ValueError):
        return Check("clock", State.OK, "the server doesn't tell the time")
    if abs(skew_s) > MOST_SKEW_S:
        return Check("clock", State.WARN, f"off by {skew_s:+.0f} s against the server's", "Set this machine's clock.")
    return Check("clock", State.OK, f"within {max(1.0, abs(skew_s)):.0f} s of the server's")
