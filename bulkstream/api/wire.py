"""The wire without the network: requests as values, answers decoded, failures mapped to errors.

Nothing here does I/O, so all of it is tested with plain values. A dialect turns a call into a `Request`; `judged`
turns a status, headers and body into an error or None; `decoded` turns a body into JSON.
"""

from __future__ import annotations

import email.utils
import re
import time
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

import orjson

from bulkstream.errors import (
    ApiError,
    Conflict,
    Exchange,
    Forbidden,
    NotFound,
    NotReady,
    RequestRejected,
    ServerFault,
    Throttled,
    Unauthorized,
    UnexpectedAnswer,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

MESSAGE_CHARS = 500
"""Longest message of a server that an error repeats."""


class Expect(Enum):
    """What a successful answer must hold."""

    JSON = auto()
    ANYTHING = auto()
    CSV = auto()


@dataclass(frozen=True, slots=True)
class Request:
    """One call of the API.

    Attributes:
        what: The call in words, for messages.
        replayable: Sending it twice does no harm, so it may be sent again even if it may have taken effect.
        body: Bytes to be sent; excludes `json` and `form`.
    """

    what: str
    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    form: Mapping[str, str] | None = None
    body: bytes | memoryview | None = None
    expect: Expect = Expect.JSON
    replayable: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def html(self) -> bool:
        """Whether this is a page for people, by its content type or its first characters."""
        start = self.body[:256].lstrip().lower()
        return "text/html" in self.headers.get("Content-Type", "").lower() or start.startswith((b"<!doctype", b"<html"))


_BY_STATUS: dict[int, type[ApiError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    408: NotReady,
    409: Conflict,
    425: NotReady,
    429: Throttled,
    503: NotReady,
}


def judged(request: Request, url: str, answer: Answer) -> ApiError | None:
    """Map an answer to the error that it means, or None if it is what was asked for."""
    if answer.status // 100 == 2:  # noqa: PLR2004 - success, RFC 9110 section 15.3
        if answer.html:
            return UnexpectedAnswer(_exchange(request, url, answer))
        return None
    kind = _BY_STATUS.get(answer.status) or (ServerFault if answer.status >= 500 else RequestRejected)  # noqa: PLR2004
    return kind(_exchange(request, url, answer))


def decoded(request: Request, url: str, answer: Answer) -> Any:
    """Decode a JSON body.

    Raises:
        UnexpectedAnswer: It is empty, or no JSON.
    """
    try:
        return orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        what = "an empty answer" if not answer.body.strip() else f"no JSON, but {_cut(_text(answer.body), 80)!r}"
        raise unexpected(request, url, answer, what) from None


def unexpected(request: Request, url: str, answer: Answer, what: str) -> UnexpectedAnswer:
    """Make the error for an answer that came with success, but holds something else."""
    return UnexpectedAnswer(Exchange(request.method, url, answer.status, what, _request_id(answer, {})))


def retry_after_s(value: str | None, now: float) -> float | None:
    """Read a Retry-After header (RFC 9110 section 10.2.3): seconds, or a date; None if it is neither.

    Args:
        value: The header's text.
        now: Seconds since the epoch.
    """
    if value is None:
        return None
    if re.fullmatch(r"\s*\d{1,9}(\.\d+)?\s*", value):
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def _exchange(request: Request, url: str, answer: Answer) -> Exchange:
    fields = _fields(answer)
    return Exchange(
        method=request.method,
        url=url,
        status=answer.status,
        message=_message(answer, fields),
        request_id=_request_id(answer, fields),
        retry_after_s=retry_after_s(answer.headers.get("Retry-After"), time.time()),
    )


def _fields(answer: Answer) -> dict[str, Any]:
    try:
        document = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}


def _message(answer: Answer, fields: dict[str, Any]) -> str:
    if location := answer.headers.get("Location"):
        return f"a redirect to {_cut(location, 200)}, which is not followed"
    if answer.html:
        return f"an HTML page{_title(answer.body)} where JSON was due"
    names = ("message", "error_description", "statusReason", "error")
    told = [value for name in names if isinstance(value := fields.get(name), str) and value]
    return _cut(told[0] if told else _text(answer.body), MESSAGE_CHARS)


def _title(body: bytes) -> str:
    title = re.search(r"<title[^>]*>(.*?)</title>", _text(body[:16384]), re.IGNORECASE | re.DOTALL)
    return f" titled {_cut(title[1].strip(), 80)!r}" if title and title[1].strip() else ""


def _request_id(answer: Answer, fields: dict[str, Any]) -> str:
    for value in (fields.get("toe"), answer.headers.get("X-Domo-RequestId"), answer.headers.get("X-Request-Id")):
        if isinstance(value, str) and value:
            return _cut(value, 80)
    return ""


def _text(body: bytes) -> str:
    text = body[: 4 * 16384].decode("utf-8", errors="replace")
    return "".join(char if char.isprintable() else " " for char in text).strip()


def _cut(text: str, limit: int) -> str:
    flat = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"
