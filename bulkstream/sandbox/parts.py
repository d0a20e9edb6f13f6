"""Takes the body of a part to disk, as it was sent."""

from __future__ import annotations

import asyncio
import errno
import os
from typing import TYPE_CHECKING

from aiohttp import ClientPayloadError, web
from aiohttp.web_exceptions import HTTPException

from bulkstream.sandbox import executions, segments
from bulkstream.sandbox.bodies import json_response
from bulkstream.sandbox.context import SANDBOX
from bulkstream.sandbox.errors import ApiFault, bad_request
from bulkstream.sandbox.segments import Segment, Slot
from bulkstream.sandbox.settings import Validation

if TYPE_CHECKING:
    from pathlib import Path

    from bulkstream.sandbox.context import Sandbox
    from bulkstream.sandbox.executions import Execution

_GZIP_TYPES = frozenset({"application/gzip", "application/x-gzip"})
_CSV_TYPES = _GZIP_TYPES | {"text/csv"}

TAKEN = web.ResponseKey("TAKEN", Slot)
"""Where the answer to a part says which one was taken on."""


def is_csv(request: web.Request) -> bool:
    """Whether a request says that its body is rows, compressed or not."""
    return request.content_type in _CSV_TYPES


def is_announcement(request: web.Request) -> bool:
    """Whether what is sent to a part's address is no rows: a JSON object, or nothing at all."""
    return request.content_type == "application/json" or not (request.can_read_body or is_csv(request))


async def take(request: web.Request, execution: Execution, part_id: int) -> web.Response:
    """Receive a part of an execution, and answer when it is safe from a crash of the process.

    An upload that breaks off leaves nothing. A part that was sent before is replaced by this one, if settings allow.

    Raises:
        ApiFault: 409, the execution is closed, being committed, or has the part; 413, the body is too large; 415, it
            is compressed in another way than gzip; 408, it stands still; 400, it breaks off; 507, the
            disk is full.
    """
    sandbox = request.app[SANDBOX]
    executions.check_open(execution)
    gzip = _is_gzip(request)
    number = sandbox.store.new_segment()
    try:
        sent_bytes = await _receive(request, sandbox.store.path(number), sandbox)
    except BaseException:
        sandbox.store.discard([number])
        raise
    segment = Segment(number, gzip, sent_bytes)
    slot = Slot(execution.stream_id, execution.id, part_id)
    await _record(sandbox, slot, segment)
    response = json_response({"partId": part_id, "bytes": sent_bytes})
    response[TAKEN] = slot
    return response


async def _record(sandbox: Sandbox, slot: Slot, segment: Segment) -> None:
    try:
        taken = await sandbox.store.ask(segments.add_part, slot, segment, overwrite=sandbox.settings.overwrite_parts)
    except ApiFault:
        sandbox.store.discard([segment.id])
        raise
    if taken.replaced is not None:
        sandbox.store.discard([taken.replaced])
    if sandbox.settings.validate is Validation.ON:
        sandbox.inspector.begin(slot.execution_id, segment, taken.columns)
    sandbox.requests.stored(slot)


async def _receive(request: web.Request, path: Path, sandbox: Sandbox) -> int:
    """Write the body to a file, each piece as it comes.

    The pieces are what the transport read, up to 256 KiB, and they are not joined. Writing one to the page cache
    takes 0.1 ms, which is less than handing it to a thread would, so it is done right here.
    """
    most, stall_s = sandbox.settings.max_part_bytes, sandbox.settings.stall_timeout_s
    if (request.content_length or 0) > most:
        raise too_large(most)
    total, clock = 0, asyncio.get_running_loop().time
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        async with asyncio.timeout(stall_s) as watch:
            while not request.content.at_eof():  # iter_chunks never ends on a body that was empty from the start
                piece, _ = await request.content.readchunk()
                total += len(piece)
                if total > most:
                    raise too_large(most)
                _write(descriptor, piece)
                watch.reschedule(clock() + stall_s)
    except TimeoutError:
        raise ApiFault(408, f"nothing arrived for {stall_s:g} s") from None
    except (ClientPayloadError, ConnectionError, HTTPException, web.RequestPayloadError) as error:
        raise bad_request(f"the body broke off after {total:,} bytes ({error})") from None
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise ApiFault(507, "no space left on device for the part") from None
    finally:
        os.close(descriptor)
    return total


def _write(descriptor: int, piece: bytes) -> None:
    written = os.write(descriptor, piece)
    while written < len(piece):  # a full disk or a signal; the next write says which
        written += os.write(descriptor, memoryview(piece)[written:])


def _is_gzip(request: web.Request) -> bool:
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in {"gzip", "x-gzip", "identity", ""}:
        raise ApiFault(415, f"Content-Encoding is {encoding!r}; send gzip or nothing")
    return "gzip" in encoding or request.content_type in _GZIP_TYPES


def too_large(most: int) -> ApiFault:
    """413: there is more than a part may have."""
    return ApiFault(413, f"a part may have at most {most:,} bytes as sent")
