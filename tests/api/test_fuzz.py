"""Answers that nobody would think of: they become errors of ours or values, soon, and nothing else."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bulkstream.api import Execution, ExecutionState, Stream
from bulkstream.api.answers import Reply
from bulkstream.api.messages import MESSAGE_CHARS, title_of
from bulkstream.api.wire import Answer, Request, date_of, decoded, judged, retry_after_s
from bulkstream.errors import ApiError, Exchange, UnexpectedAnswer

if TYPE_CHECKING:
    from bulkstream.api.document import Wire

REQUEST = Request("get a stream", "GET", "/v1/streams/1")
URL = "https://api.domo.com/v1/streams/1"
FUZZ = settings(max_examples=300, deadline=None, derandomize=True)

NAMES = ("Content-Type", "Location", "Retry-After", "Date", "toe", "X-Request-Id")
FIELDS = st.sampled_from(
    [
        *("id", "executionId", "streamId", "dataId", "uploadId", "currentState", "startedAt", "createdAt", "endedAt"),
        *("errors", "message", "toe", "error", "statusReason", "dataSet", "dataSource", "schema", "columns"),
        *("updateMethod", "keyColumnNames", "transport", "executions"),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12) | FIELDS, inner, max_size=5),
    max_leaves=12,
)
OBJECTS = st.dictionaries(FIELDS, JSON, max_size=8)
MARKUP = (b"<!--", b"-->", b"<?xml", b"?>", b"<html", b"<title>", b"</title>", b"<!doctype", b"\xef\xbb\xbf", b" ")
BODIES = (
    st.binary(max_size=300)
    | (JSON | OBJECTS).map(lambda document: orjson.dumps(document) if fits(document) else b"")
    | st.lists(st.sampled_from(MARKUP), max_size=60).map(b"".join)
)
HEADERS = st.dictionaries(
    st.sampled_from(NAMES),
    st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=40)
    | st.sampled_from(["text/html", "application/json", "http://[::1", "Wed, 21 Oct 2015 07:28:00 GMT", "9" * 400]),
    max_size=4,
)
ANSWERS = st.builds(Answer, st.integers(100, 999), HEADERS, BODIES, st.floats(0, 4e9), whole=st.booleans())


def fits(document: Any) -> bool:
    """Whether orjson can write it: integers of up to 64 bits."""
    try:
        orjson.dumps(document)
    except TypeError:
        return False
    return True


@given(answer=ANSWERS)
@FUZZ
def test_any_answer_is_judged(answer: Answer) -> None:
    """One line of bounded length, a wait that is none or not negative; everything but a plain 2xx is an error."""
    error = judged(REQUEST, URL, answer)

    assert (error is None) == (answer.status // 100 == 2 and not answer.html)
    if error is not None:
        assert isinstance(error, ApiError)
        assert len(error.message) <= MESSAGE_CHARS + 100
        assert "\n" not in str(error)
        assert error.exchange.retry_after_s is None or error.exchange.retry_after_s >= 0


@given(answer=ANSWERS, kind=st.sampled_from([Execution, Stream]), known=st.integers(0, 9))
@FUZZ
def test_any_answer_is_a_model_or_unexpected(answer: Answer, kind: type[Wire], known: int) -> None:
    """A successful answer of any shape is read, or told to be something else; what was read can be asked anything."""
    reply = Reply(REQUEST, URL, answer)
    try:
        read = reply.model(kind, streamId=known)
        reply.items("executions")
    except UnexpectedAnswer:
        return

    assert repr(read)


@given(answer=ANSWERS)
@FUZZ
def test_any_body_is_decoded_or_unexpected(answer: Answer) -> None:
    """JSON comes out as it is; everything else is one error."""
    try:
        document = decoded(REQUEST, URL, answer)
    except UnexpectedAnswer:
        return

    assert orjson.loads(answer.body) == document


@given(fields=OBJECTS, body=BODIES)
@FUZZ
@example(fields={}, body=b'{"currentState": ["SUCCESS"]}')
@example(fields={}, body=b'"currentState"')
@example(fields={}, body=b'{"currentState": "SUCCESS", "id": null, "startedAt": 1e308}')
def test_execution_survives_any_answer_to_its_commit(fields: dict[str, Any], body: bytes) -> None:
    """Its ids stay what they were, and its times and state can be asked."""
    before = Execution.model_validate({"id": 7, "streamId": 1, "currentState": "ACTIVE"})
    answers = [body, orjson.dumps(fields) if fits(fields) else b"", orjson.dumps({"currentState": "SUCCESS"})]

    for answer in answers:
        after = before.after(answer)
        assert (after.id, after.stream_id) == (7, 1)
        assert after.state in ExecutionState
        assert after.data_id
        assert all(each is None or each.tzinfo for each in (after.created, after.started, after.ended))
        assert orjson.dumps(after.as_json())


@given(value=st.none() | st.text(max_size=60), now=st.floats(-1e12, 1e12))
@FUZZ
def test_any_retry_after_is_seconds_or_nothing(value: str | None, now: float) -> None:
    """Never negative, never an exception."""
    wait = retry_after_s(value, now)

    assert wait is None or wait >= 0
    assert isinstance(date_of({"Date": value or ""}), float | None)


@pytest.mark.parametrize(
    "body",
    [
        b"<!---->" * 10_000,
        b"<!--" * 10_000,
        b"<?xml" * 10_000,
        b" " * 64_000,
        b"<title>" * 10_000,
        b"<title" * 10_000,
        b"[" * 60_000,
        b'{"message":' * 6_000,
        b'"' + b"\\u0000" * 10_000 + b'"',
    ],
    ids=lambda body: body[:8].decode(),
)
@pytest.mark.parametrize("status", [200, 400, 500])
def test_no_body_holds_the_loop(body: bytes, status: int) -> None:
    """Patterns don't try things twice: 64 KiB of whatever is read in a moment, and not in a year."""
    began = time.process_time()
    answer = Answer(status, {}, body)
    judged(REQUEST, URL, answer)
    title_of(body)
    with suppress(UnexpectedAnswer):
        decoded(REQUEST, URL, answer)

    assert time.process_time() - began < 0.5


def test_exchange_without_a_message_says_so() -> None:
    """A line is never empty behind its colon."""
    assert str(Exchange("GET", URL, 500)) == f"GET {URL} answered 500: no message"
