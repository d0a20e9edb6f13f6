"""Refusals, and their JSON bodies in the form of Domo's."""

from __future__ import annotations

import logging
import secrets
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web

from bulkstream.sandbox.bodies import json_response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp.typedefs import Handler

log = logging.getLogger(__name__)

_KNOWN = frozenset(map(int, HTTPStatus))


class ApiFault(Exception):
    """The request is refused.

    Attributes:
        status: HTTP status of the answer.
        message: What is wrong, for people.
        headers: Further headers of the answer.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


def bad_request(message: str) -> ApiFault:
    """400: the request contradicts itself or the state of the stream's data."""
    return ApiFault(HTTPStatus.BAD_REQUEST, message)


def unauthorized(message: str) -> ApiFault:
    """401: no credentials, or not the right ones."""
    return ApiFault(HTTPStatus.UNAUTHORIZED, message)


def not_found(noun: str, key: object) -> ApiFault:
    """404: there is no such thing."""
    return ApiFault(HTTPStatus.NOT_FOUND, f"there is no {noun} {key}")


def conflict(message: str) -> ApiFault:
    """409: the state of the stream or the execution forbids it."""
    return ApiFault(HTTPStatus.CONFLICT, message)


@web.middleware
async def faults_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every failure with a JSON body; log those that are the sandbox's own."""
    try:
        return await handler(request)
    except ApiFault as fault:
        return answered(request, fault)
    except web.HTTPException as error:
        return answered(request, ApiFault(error.status, error.reason, _kept(error.headers)))
    except (ConnectionError, TimeoutError):
        raise
    except Exception:  # the boundary: whatever a handler did wrong, the client gets an answer
        log.exception("%s %s failed", request.method, request.path)
        return answered(request, ApiFault(HTTPStatus.INTERNAL_SERVER_ERROR, "the sandbox failed; see its log"))


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() in {"allow", "retry-after"}}


def answered(request: web.Request, fault: ApiFault) -> web.Response:
    """The answer that says so."""
    body = {
        "status": fault.status,
        "statusReason": _phrase(fault.status),
        "message": fault.message,
        "path": request.path,
        "toe": "-".join(secrets.token_hex(n).upper() for n in (5, 3, 3)),
    }
    return json_response(body, status=fault.status, headers=fault.headers)


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in _KNOWN else "Unknown"
