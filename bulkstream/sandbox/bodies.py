"""JSON bodies in and out, and the forms in which times appear in them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Mapping

Json: TypeAlias = dict[str, Any]
"""A JSON object as it crosses the wire."""


def json_response(value: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """An answer with a JSON body."""
    return web.Response(
        body=orjson.dumps(value), status=status, headers=headers, content_type="application/json", charset="utf-8"
    )


def public_time(seconds: float | None) -> str | None:
    """A time as the public dialect shows it: UTC with a `Z`."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def instance_time(seconds: float | None) -> str | None:
    """A time as the instance dialect shows it: UTC without a zone."""
    text = public_time(seconds)
    return None if text is None else text.removesuffix("Z")
