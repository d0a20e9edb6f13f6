"""What handlers take out of a request: ids, pages, JSON objects."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import orjson
from aiohttp import ClientPayloadError, web

from bulkstream.sandbox.context import SANDBOX
from bulkstream.sandbox.errors import ApiFault, bad_request

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from bulkstream.sandbox.bodies import Json

T = TypeVar("T")

_DIGITS = 15

ID = f"[0-9]{{1,{_DIGITS}}}"
"""Pattern of numeric ids in routes: whatever else stands there is a 404, and can't be a path."""

END = "{end:/?}"
"""Pattern at the end of a route: a trailing slash is the same path."""


@dataclass(frozen=True, slots=True)
class Page:
    """A window on a list."""

    limit: int
    offset: int


def number(request: web.Request, name: str) -> int:
    """A numeric id from the path."""
    return int(request.match_info[name])


def page(request: web.Request, *, most: int = 500, default: int = 50) -> Page:
    """`limit` and `offset` from the query string.

    Raises:
        ApiFault: 400, one of them is no number or out of range.
    """
    limit, offset = (_whole(request, name, value) for name, value in (("limit", default), ("offset", 0)))
    if limit > most:
        raise bad_request(f"limit is {limit}; the most is {most}")
    return Page(limit, offset)


def flag(request: web.Request, name: str) -> bool:
    """A `true` or `false` from the query string, false when absent.

    Raises:
        ApiFault: 400, it is neither.
    """
    value = request.query.get(name, "false").lower()
    if value not in {"true", "false"}:
        raise bad_request(f"{name} is {value!r}; write true or false")
    return value == "true"


async def in_time(request: web.Request, reading: Awaitable[T]) -> T:
    """What reading a body brings, unless it takes longer than a body may.

    Raises:
        ApiFault: 408, it does; 400, the body breaks off or its encoding is broken.
    """
    within_s = request.app[SANDBOX].settings.stall_timeout_s
    try:
        async with asyncio.timeout(within_s):
            return await reading
    except TimeoutError:
        raise ApiFault(408, f"the body was not there within {within_s:g} s") from None
    except (ClientPayloadError, web.RequestPayloadError, ValueError) as error:
        raise bad_request(f"the body can't be read: {error}") from None


async def json_object(request: web.Request) -> Json:
    """The JSON object in the body; an absent body is an empty one.

    Raises:
        ApiFault: 400, the body is something else; 408, it takes too long; 413, it is too large.
    """
    body = await in_time(request, request.read())
    if not body.strip():
        return {}
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise bad_request("the body must be a JSON object")
    return value


def _whole(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise bad_request(f"{name} is {text!r}; it must be a whole number")
    return int(text)
