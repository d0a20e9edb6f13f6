"""What a failed answer says of itself: the message, the page's title, the trace id; cleaned and cut."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson
from yarl import URL

if TYPE_CHECKING:
    from bulkstream.api.wire import Answer

MESSAGE_CHARS = 500
"""Longest message of a server that an error repeats."""

READ_BYTES = 16 << 10
"""How much of a body is looked at for a title or, where it is no JSON, a message."""

_MESSAGES = ("message", "error_description", "statusReason", "error", "detail", "errors")
_TRACE_HEADERS = ("toe", "X-Domo-RequestId", "X-Request-Id")


def message_of(answer: Answer) -> str:
    """Return what an answer says in one line."""
    if answer.status // 100 == 3:  # noqa: PLR2004 - redirection, RFC 9110 section 15.4
        return _redirect(answer.headers.get("Location", ""))
    if answer.html:
        return f"an HTML page{title_of(answer.body)} where JSON was due"
    told = _told(fields_of(answer)) or text_of(answer.body) or _phrase(answer.status)
    return flat(told, MESSAGE_CHARS)


def request_id_of(answer: Answer) -> str:
    """Return the trace id (`toe`), or empty."""
    fields = fields_of(answer)
    in_body = fields.get("toe") if isinstance(fields, dict) else None
    candidates = (in_body, *(answer.headers.get(name) for name in _TRACE_HEADERS))
    return next((flat(each, 80) for each in candidates if isinstance(each, str) and each.strip()), "")


def title_of(body: bytes) -> str:
    """Return ` titled '…'` for an HTML page that has a title, else empty."""
    title = re.search(r"<title[^<>]*+>([^<]*+)</title", text_of(body), re.IGNORECASE)
    return f" titled {flat(title[1], 80)!r}" if title and title[1].strip() else ""


def fields_of(answer: Answer) -> Any:
    """Return an answer's JSON, or None."""
    try:
        return orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return None


def text_of(body: bytes) -> str:
    """Return the beginning of a body as printable text."""
    return _printable(body[:READ_BYTES].decode("utf-8", errors="replace")).strip()


def flat(text: str, limit: int) -> str:
    """Return text as one line of at most `limit` characters, without control characters."""
    line = " ".join(_printable(text[: 64 * limit]).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _told(document: Any, depth: int = 4) -> str:
    """Find the message in one of the shapes that servers use, nested ones included."""
    if isinstance(document, str):
        return document.strip()
    if isinstance(document, list):
        document = {"message": document[0]} if document else None
    if isinstance(document, dict) and depth:
        return next((told for name in _MESSAGES if (told := _told(document.get(name), depth - 1))), "")
    return ""


def _redirect(location: str) -> str:
    """Say where a redirect leads; its query may hold a one-time code and is left out."""
    try:
        place = str(URL(location).with_user(None).with_query(None).with_fragment(None)) if location else ""
    except ValueError:
        place = location.partition("?")[0]
    return f"a redirect to {flat(place, 200)}, which is not followed" if place else "a redirect that leads nowhere"


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)
