"""The wire without the network: requests as values, answers decoded, failures mapped to errors.

Nothing here does I/O, so all of it is tested with plain values. A dialect turns a call into a `Request`; `judged`
turns a status, headers and body into an error or None; `decoded` turns a body into JSON.
"""

from __future__ import annotations

import email.utils
import re
from dataclasses import dataclass, field, replace
from datetime import UTC
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

import orjson
from multidict import CIMultiDict

from bulkstream.api.mask import masked, masked_bytes, secrets_in
from bulkstream.api.messages import flat, message_of, request_id_of, text_of
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

    from bulkstream.secret import Secret

QUOTED_BYTES = 64 << 10
"""How much of a body is looked at for what an error quotes; four times what a message is looked for in."""

FOREVER_S = 366 * 86400.0
"""A longer Retry-After is taken for this one; nobody waits so long, and its digits would fill the screen."""

_PAGE = re.compile(
    rb"[\s\xef\xbb\xbf]*+(?:<\?xml[^>]*+>|<!--(?>.*?-->)|\s++)*+<(?:!doctype|html)", re.IGNORECASE | re.DOTALL
)
"""Nothing in it is tried twice: whoever answers could otherwise hold the event loop for hours with 1 KiB."""


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
        own_pace: Whoever asks waits by itself where the server says that it is too soon (429), and nobody else does.
        private: A successful answer holds a secret and is never quoted.
    """

    what: str
    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str | Secret] = field(default_factory=dict)
    json: Any = None
    form: Mapping[str, str] | None = None
    body: bytes | memoryview | None = None
    expect: Expect = Expect.JSON
    replayable: bool = True
    own_pace: bool = False
    private: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        at: When, in seconds since the epoch; dates in the headers are relative to it.
        whole: The body was read to its end; a longer one than is ever due is not.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    at: float = 0.0
    whole: bool = True

    @property
    def html(self) -> bool:
        """Whether this is a page for people, by its content type or its first characters."""
        return "text/html" in self.headers.get("Content-Type", "").lower() or bool(_PAGE.match(self.body[:1024]))


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
    """Map an answer to the error that it means, or None if it is what was asked for.

    Args:
        request: As it was sent; no secret in its headers is repeated in the error.
        url: Address without query string.
        answer: What came back.
    """
    hint = ""
    match answer.status // 100:
        case 2 if answer.html:
            kind: type[ApiError] = UnexpectedAnswer
        case 2:
            return None
        case 3:
            kind, hint = RequestRejected, "If that is where the account is, set BULKSTREAM_URL to it."
        case class_:
            kind = _BY_STATUS.get(answer.status) or (RequestRejected if class_ == 4 else ServerFault)  # noqa: PLR2004
    return kind(_exchange(request, url, answer, message_of(_clean(request, answer))), hint=hint)


def decoded(request: Request, url: str, answer: Answer) -> Any:
    """Decode a JSON body.

    Raises:
        UnexpectedAnswer: It is empty, too long, or no JSON.
    """
    if not answer.whole:
        raise unexpected(request, url, answer, f"more than the {len(answer.body) >> 20} MiB that were read")
    try:
        return orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        pass  # and left behind: it holds the whole body
    raise unexpected(request, url, answer, _no_json(request, answer))


def unexpected(request: Request, url: str, answer: Answer, what: str) -> UnexpectedAnswer:
    """Make the error for an answer that came with success, but holds something else."""
    return UnexpectedAnswer(_exchange(request, url, answer, what))


def retry_after_s(value: str | None, now: float) -> float | None:
    """Read a Retry-After header (RFC 9110 section 10.2.3): seconds, or a date; None if it is neither.

    Args:
        value: The header's text.
        now: Seconds since the epoch, by the clock that the date was written by.
    """
    if value is None:
        return None
    if re.fullmatch(r"\s*[0-9]+(\.[0-9]+)?\s*", value):
        return min(float(value), FOREVER_S)
    date = _date(value)
    return None if date is None else min(max(0.0, date - now), FOREVER_S)


def date_of(headers: Mapping[str, str]) -> float | None:
    """Return the server's own time, in seconds since the epoch, as an answer shows it."""
    return _date(headers.get("Date", ""))


def _date(value: str) -> float | None:
    """Read an HTTP date as seconds since the epoch; they are all in GMT, whether they say so or not."""
    try:
        read = email.utils.parsedate_to_datetime(value)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def _no_json(request: Request, answer: Answer) -> str:
    if not answer.body.strip():
        return "an empty answer"
    return "no JSON" if request.private else f"no JSON, but {flat(text_of(_clean(request, answer).body), 80)!r}"


def _clean(request: Request, answer: Answer) -> Answer:
    """Return an answer that repeats no secret of its request; to be cut only then, or a part of one would stay."""
    secrets = secrets_in(request.headers)
    headers = CIMultiDict((name, masked(value, secrets)) for name, value in answer.headers.items())
    return replace(answer, headers=headers, body=masked_bytes(answer.body[:QUOTED_BYTES], secrets))


def _exchange(request: Request, url: str, answer: Answer, message: str) -> Exchange:
    # The server's own Date is what its Retry-After date is relative to, however wrong either clock is.
    now = date_of(answer.headers)
    return Exchange(
        method=request.method,
        url=url,
        status=answer.status,
        message=masked(message, secrets_in(request.headers)),
        request_id=request_id_of(_clean(request, answer)),
        retry_after_s=retry_after_s(answer.headers.get("Retry-After"), answer.at if now is None else now),
    )
