"""Who gets in, and with what."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    Desk = Any

BASIC = {"Authorization": aiohttp.encode_basic_auth("sandbox", "sandbox")}


def payload(token: str) -> Any:
    """The middle part of a JWT, as clients decode it."""
    body = token.split(".")[1]
    return orjson.loads(base64.urlsafe_b64decode(body + "=="))


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("where", ["params", "data"])
async def test_a_token_is_issued_for_the_known_client(desk: Desk, method: str, where: str) -> None:
    """GET or POST, parameters in the query or in a form."""
    fields = {"grant_type": "client_credentials", "scope": "data"}

    answer = await desk.call(method, "/oauth/token", headers=BASIC, **{where: fields})

    token = answer.body.pop("access_token")
    assert answer.status == 200
    assert answer.body.keys() == {"customer", "expires_in", "jti", "role", "scope", "token_type", "userId"}
    assert (answer.body["expires_in"], answer.body["token_type"]) == (3599, "bearer")
    assert token.count(".") == 2
    assert isinstance(payload(token)["exp"], int)


async def test_a_client_may_send_its_secret_as_parameters(desk: Desk) -> None:
    """Instead of the Basic header."""
    fields = {"client_id": "sandbox", "client_secret": "sandbox"}

    assert (await desk.call("POST", "/oauth/token", data=fields)).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": aiohttp.encode_basic_auth("sandbox", "wrong")},
        {"Authorization": aiohttp.encode_basic_auth("wrong", "sandbox")},
        {"Authorization": "Basic !!"},
        {"Authorization": "bearer x"},
    ],
)
async def test_an_unknown_client_gets_no_token(desk: Desk, headers: dict[str, str]) -> None:
    """Missing, wrong or malformed credentials are 401."""
    assert (await desk.call("POST", "/oauth/token", headers=headers)).status == 401


async def test_another_grant_is_refused(desk: Desk) -> None:
    """Only client_credentials."""
    answer = await desk.call("POST", "/oauth/token", headers=BASIC, params={"grant_type": "password"})

    assert answer.status == 400


@pytest.mark.parametrize("scheme", ["bearer", "Bearer", "BEARER"])
async def test_the_schemes_case_does_not_matter(desk: Desk, scheme: str) -> None:
    """RFC 9110: schemes are case-insensitive."""
    answer = await desk.call("GET", "/v1/streams", headers={"Authorization": f"{scheme} {await desk.token()}"})

    assert answer.status == 200


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/v1/streams", {}),
        ("/v1/streams", {"Authorization": "bearer"}),
        ("/v1/streams", {"Authorization": "bearer a.b.c"}),
        ("/v1/streams", {"Authorization": "bearer nonsense"}),
        ("/v1/streams", {"X-DOMO-Developer-Token": "sandbox"}),
        ("/v1/datasets", {"X-DOMO-Developer-Token": "wrong"}),
        ("/api/data/v1/streams", {}),
        ("/api/data/v1/streams", {"X-DOMO-Developer-Token": "wrong"}),
    ],
)
async def test_wrong_credentials_are_401_with_a_json_body(desk: Desk, path: str, headers: dict[str, str]) -> None:
    """Each dialect wants its own credentials."""
    answer = await desk.call("GET", path, headers=headers)

    assert (answer.status, answer.body["statusReason"], answer.body["path"]) == (401, "Unauthorized", path)


async def test_a_changed_token_is_refused(desk: Desk) -> None:
    """The signature covers every part of it."""
    head, body, signature = (await desk.token()).split(".")
    forged = base64.urlsafe_b64encode(orjson.dumps({**payload(f".{body}."), "exp": 9e9})).decode().rstrip("=")

    answer = await desk.call("GET", "/v1/streams", headers={"Authorization": f"bearer {head}.{forged}.{signature}"})

    assert answer.status == 401


async def test_a_token_expires(open_desk: Callable[..., Any]) -> None:
    """After its time to live it is refused, by the sandbox's clock."""
    now = [1_700_000_000.0]
    async with open_desk(clock=lambda: now[0], token_ttl_s=60.0) as desk:
        headers = {"Authorization": f"bearer {await desk.token()}"}
        before = await desk.call("GET", "/v1/streams", headers=headers)
        now[0] += 61

        after = await desk.call("GET", "/v1/streams", headers=headers)

    assert (before.status, after.status) == (200, 401)
    assert "expired" in after.body["message"]


async def test_tokens_outlive_a_restart(open_desk: Callable[..., Any], tmp_path: Any) -> None:
    """The key that signs them is kept with the data."""
    async with open_desk(data=tmp_path) as desk:
        headers = {"Authorization": f"bearer {await desk.token()}"}
    async with open_desk(data=tmp_path) as desk:
        assert (await desk.call("GET", "/v1/streams", headers=headers)).status == 200


async def test_datasets_are_read_with_either_credentials(desk: Desk) -> None:
    """A convenience: what was committed can be compared from both dialects."""
    stream = await desk.stream()
    path = f"/v1/datasets/{stream['dataSet']['id']}"

    for tail in ("", "/data?includeHeader=true"):
        answer = await desk.call("GET", path + tail, headers={"X-DOMO-Developer-Token": "sandbox"})
        assert answer.status == 200
