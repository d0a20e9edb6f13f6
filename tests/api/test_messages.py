"""What a failed answer is quoted with: its words, its trace id, and never a secret."""

from __future__ import annotations

import base64

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstream.api.mask import masked, secrets_in
from bulkstream.api.messages import flat, message_of, request_id_of
from bulkstream.api.wire import Answer, Request, judged
from bulkstream.errors import RequestRejected, Throttled
from bulkstream.secret import Secret

URL = "https://api.domo.com/v1/streams/1"
TOKEN = "eyJhbGciOi.long-developer-token"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"error": {"message": "nested"}}, "nested"),
        ({"errors": [{"message": "first"}, {"message": "second"}]}, "first"),
        ({"errors": ["plain"]}, "plain"),
        ({"message": "", "statusReason": "Conflict"}, "Conflict"),
        ({"message": None, "detail": "said elsewhere"}, "said elsewhere"),
        ("just text", "just text"),
        ({"unknown": "shape"}, '{"unknown":"shape"}'),
    ],
)
def test_the_message_is_found_in_the_shapes_that_servers_use(document: object, message: str) -> None:
    """Gateways and services in front of the API have shapes of their own."""
    assert message_of(Answer(400, {}, orjson.dumps(document))) == message


def test_an_answer_without_words_has_those_of_its_status() -> None:
    """An empty 502 says more than `no message`."""
    assert message_of(Answer(502, {}, b"")) == "Bad Gateway"
    assert message_of(Answer(599, {}, b"")) == ""


@pytest.mark.parametrize("name", ["toe", "X-Domo-RequestId", "X-Request-Id"])
def test_the_trace_id_may_stand_in_a_header(name: str) -> None:
    """It is what Domo's support asks for, wherever it was sent."""
    assert request_id_of(Answer(500, {name: "T7"}, b"[]")) == "T7"


def test_a_secret_that_the_server_echoes_is_not_repeated() -> None:
    """Some servers quote what they refuse; it must not get into a log from here."""
    basic = base64.b64encode(b"an-id:hunter2-hunter2").decode()
    headers = {"X-DOMO-Developer-Token": Secret(TOKEN), "Authorization": Secret(f"Basic {basic}")}
    request = Request("get a stream", "GET", "/v1/streams/1", headers=headers)
    body = orjson.dumps({"message": f"bad: {TOKEN}, {basic}, hunter2-hunter2", "toe": TOKEN})

    error = judged(request, URL, Answer(400, {}, body))

    assert isinstance(error, RequestRejected)
    assert (error.message, error.request_id) == ("bad: ***, ***, ***", "***")
    assert TOKEN not in repr(error) + str(error)


def test_words_that_are_no_secrets_stay() -> None:
    """The sandbox's token is the word `sandbox`, and messages may hold it."""
    secrets = secrets_in({"X-DOMO-Developer-Token": Secret("sandbox"), "Accept": "application/json-and-more"})

    text = "the sandbox wants application/json-and-more"

    assert masked(text, secrets) == text


@pytest.mark.parametrize(
    ("secret", "said", "shown"),
    [
        ("s3cret", "no: s3cret, 's3cret'.", "no: ***, '***'."),
        ("data", "the data scope; databases, metadata", "the *** scope; databases, metadata"),
        ("long-secret", "xlong-secretx", "x***x"),
        ('quo"te&d/secret', r'{"token":"quo\"te&d/secret"}', '{"token":"***"}'),
        ('quo"te&d/secret', "<p>quo&quot;te&amp;d/secret</p>", "<p>***</p>"),
        ('quo"te&d/secret', "?token=quo%22te%26d%2Fsecret", "?token=***"),
        ("0123456789", f"basic {base64.b64encode(b'0123456789').decode()}", "basic ***=="),
        ("", "nothing to hide", "nothing to hide"),
    ],
)
def test_a_secret_is_masked_in_the_spellings_of_the_web(secret: str, said: str, shown: str) -> None:
    """A short one, which may be a word, only where it stands alone."""
    assert masked(said, [Secret(secret)]) == shown


def test_a_redirect_is_told_without_its_query() -> None:
    """A login page's address holds one-time codes."""
    answer = Answer(302, {"Location": "https://me:pw@login.example/sso?code=hunter2#top"}, b"")

    assert message_of(answer) == "a redirect to https://login.example/sso, which is not followed"
    assert message_of(Answer(304, {}, b"")) == "a redirect that leads nowhere"


def test_a_location_beside_another_status_is_no_redirect() -> None:
    """A 409 that names the other resource keeps its own words."""
    assert message_of(Answer(409, {"Location": "/v1/streams/2"}, b'{"message":"there is one"}')) == "there is one"


@pytest.mark.parametrize(
    "body", [b"\xef\xbb\xbf<!DOCTYPE html><p>", b"<?xml version='1.0'?>\n<html>", b"<!-- hi -->\n<HTML>", b"\n <html>"]
)
def test_a_page_is_known_without_its_content_type(body: bytes) -> None:
    """Byte order marks, comments and XML heads don't hide one."""
    assert Answer(200, {}, body).html


def test_rows_that_look_a_little_like_a_page_are_none() -> None:
    """Data is judged by its beginning only."""
    assert not Answer(200, {"Content-Type": "text/csv"}, b'1,"<html>"\n').html


def test_a_retry_after_date_is_read_by_the_clock_of_its_server() -> None:
    """A wrong clock on either side makes no wait of an hour out of ten seconds."""
    headers = {"Date": "Sat, 01 Jan 2000 00:00:00 GMT", "Retry-After": "Sat, 01 Jan 2000 00:00:10 GMT"}

    error = judged(Request("x", "GET", "/"), URL, Answer(429, headers, b"{}", at=2e9))

    assert isinstance(error, Throttled)
    assert error.exchange.retry_after_s == 10


@pytest.mark.parametrize("zone", ["", " -0000"])
def test_a_retry_after_date_without_a_zone_is_in_gmt(zone: str) -> None:
    """As RFC 9110 has all its dates, whatever this machine's zone is."""
    headers = {"Retry-After": f"Sat, 01 Jan 2000 00:00:10{zone}"}

    error = judged(Request("x", "GET", "/"), URL, Answer(503, headers, b"{}", at=946684800.0))

    assert error is not None
    assert error.exchange.retry_after_s == 10


@given(st.text(max_size=400), st.integers(1, 50))
def test_a_line_is_one_line(text: str, limit: int) -> None:
    """No control character and no line end survives, and nothing gets too long."""
    line = flat(text, limit)

    assert len(line) <= limit
    assert line.isprintable()


@given(st.recursive(st.text(max_size=5), lambda inner: st.lists(inner) | st.dictionaries(st.just("error"), inner)))
def test_any_nesting_is_read(document: object) -> None:
    """The search for a message ends."""
    assert isinstance(message_of(Answer(400, {}, orjson.dumps(document))), str)
    deep = b"[" * 900 + b"]" * 900
    assert isinstance(message_of(Answer(400, {}, deep)), str)
