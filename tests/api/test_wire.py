"""The wire without the network: answers become errors or values, never tracebacks."""

from __future__ import annotations

import time
from contextlib import suppress
from email.utils import formatdate

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstream.api.wire import Answer, Request, decoded, judged, retry_after_s
from bulkstream.errors import (
    ApiError,
    Conflict,
    Forbidden,
    NotFound,
    NotReady,
    RequestRejected,
    ServerFault,
    Throttled,
    Unauthorized,
    UnexpectedAnswer,
)

REQUEST = Request("get a stream", "GET", "/v1/streams/1")
URL = "https://api.domo.com/v1/streams/1"
MAINTENANCE = b"<!DOCTYPE html><html><head><title>Domo Maintenance</title></head></html>"


def judge(status: int, body: bytes = b"{}", **headers: str) -> ApiError | None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return judged(REQUEST, URL, Answer(status, named, body))


@pytest.mark.parametrize(
    ("status", "kind", "retryable", "ambiguous"),
    [
        (301, RequestRejected, False, False),
        (400, RequestRejected, False, False),
        (401, Unauthorized, False, False),
        (403, Forbidden, False, False),
        (404, NotFound, False, False),
        (406, RequestRejected, False, False),
        (408, NotReady, True, False),
        (409, Conflict, False, False),
        (413, RequestRejected, False, False),
        (415, RequestRejected, False, False),
        (422, RequestRejected, False, False),
        (425, NotReady, True, False),
        (429, Throttled, True, False),
        (500, ServerFault, True, True),
        (502, ServerFault, True, True),
        (503, NotReady, True, False),
        (504, ServerFault, True, True),
        (599, ServerFault, True, True),
    ],
)
def test_a_status_has_its_error(status: int, kind: type[ApiError], retryable: bool, ambiguous: bool) -> None:
    """The class of the error tells whether to try again and whether something may have happened."""
    error = judge(status)

    assert type(error) is kind
    assert (error.status, error.retryable, error.ambiguous) == (status, retryable, ambiguous)
    assert error.hint


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_2xx_is_success(status: int) -> None:
    """Domo answers creations with 200 as well as 201."""
    assert judge(status) is None


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"status":400,"statusReason":"Bad Request","message":"no such column","toe":"T1"}', "no such column"),
        (b'{"statusReason":"Bad Request","toe":"T1"}', "Bad Request"),
        (b'{"error":"invalid_client","error_description":"Bad credentials","toe":"T1"}', "Bad credentials"),
        (b'{"error":"invalid_client","toe":"T1"}', "invalid_client"),
    ],
)
def test_the_servers_message_and_trace_id_are_shown(body: bytes, message: str) -> None:
    """Whatever shape the error's JSON has, its words reach the user."""
    error = judge(400, body)

    assert error is not None
    assert (error.message, error.request_id) == (message, "T1")
    assert str(error) == f"GET {URL} answered 400: {message} (trace id T1)"


def test_a_long_message_with_control_characters_is_tamed() -> None:
    """A server can't write escape sequences or a novel to the terminal."""
    error = judge(400, orjson.dumps({"message": "\x1b[31mred\x07" + "x" * 5000}))

    assert error is not None
    assert "\x1b" not in str(error)
    assert len(error.message) == 500


def test_a_page_for_people_is_no_success() -> None:
    """A maintenance page with status 200 acknowledges nothing."""
    error = judge(200, MAINTENANCE)

    assert isinstance(error, UnexpectedAnswer)
    assert error.message == "an HTML page titled 'Domo Maintenance' where JSON was due"
    assert isinstance(judge(200, b"<p>hello", Content_Type="text/html; charset=utf-8"), UnexpectedAnswer)


def test_a_page_with_an_error_status_keeps_that_status() -> None:
    """A 503 with a page is a 503, told in plain words."""
    error = judge(503, MAINTENANCE, Retry_After="7")

    assert isinstance(error, NotReady)
    assert "Domo Maintenance" in error.message
    assert error.exchange.retry_after_s == 7


def test_a_redirect_tells_where_it_leads() -> None:
    """Redirects are not followed, so the user must know of them."""
    error = judge(302, b"", Location="https://login.example/")

    assert error is not None
    assert "https://login.example/, which is not followed" in error.message


@pytest.mark.parametrize(
    ("body", "words"), [(b"", "an empty answer"), (b"  ", "an empty answer"), (b"{oops", "no JSON, but '{oops'")]
)
def test_a_body_that_is_no_json_is_told_in_plain_words(body: bytes, words: str) -> None:
    """There is no JSON traceback."""
    with pytest.raises(UnexpectedAnswer, match=words):
        decoded(REQUEST, URL, Answer(200, {}, body))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(None, None), ("0", 0), ("120", 120), (" 1.5 ", 1.5), ("soon", None), ("-1", None), ("", None)],
)
def test_retry_after_in_seconds(value: str | None, seconds: float | None) -> None:
    """What is neither seconds nor a date counts as not said."""
    assert retry_after_s(value, now=0.0) == seconds


def test_retry_after_as_a_date() -> None:
    """A date is the time until then, and never less than none."""
    now = time.time()

    assert retry_after_s(formatdate(now + 90, usegmt=True), now) == pytest.approx(90, abs=1)
    assert retry_after_s(formatdate(now - 90, usegmt=True), now) == 0


HEADER_TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=20)


@given(
    st.integers(100, 599),
    st.binary(max_size=200) | st.recursive(st.none() | st.text() | st.integers(-9, 9), st.lists).map(orjson.dumps),
    st.dictionaries(st.sampled_from(["Retry-After", "Location", "Content-Type", "X-Request-Id"]), HEADER_TEXT),
)
def test_no_answer_whatsoever_leads_to_another_error(status: int, body: bytes, headers: dict[str, str]) -> None:
    """Arbitrary statuses, headers and bodies give a value or one of our errors."""
    answer = Answer(status, headers, body)
    error = judged(REQUEST, URL, answer)
    assert error is None or str(error)
    with suppress(UnexpectedAnswer):
        decoded(REQUEST, URL, answer)
