"""What handlers take out of a request: ids, pages, JSON objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from bulkstream.sandbox.errors import bad_request

if TYPE_CHECKING:
    from aiohttp import web

    from bulkstream.sandbox.bodies import Json

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


async def json_object(request: web.Request) -> Json:
    """The JSON object in the body; an absent body is an empty one.

    Raises:
        ApiFault: 400, the body is something else.
    """
    body = await request.read()
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
