"""Credentials: developer tokens, and access tokens that the sandbox issues and signs."""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
import secrets
from typing import TYPE_CHECKING

import orjson
from aiohttp import web

from bulkstream.sandbox.bodies import Json, json_response
from bulkstream.sandbox.context import SANDBOX
from bulkstream.sandbox.errors import bad_request, unauthorized
from bulkstream.sandbox.inputs import END, in_time

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

    from bulkstream.sandbox.context import Sandbox

USER_ID = 27
CUSTOMER = "sandbox"
_DEVELOPER_HEADER = "X-DOMO-Developer-Token"
_JWT_HEADER = {"alg": "HS256", "typ": "JWT"}
_JWT_PARTS = 3


def add_routes(app: web.Application) -> None:
    """Register the token call, which both methods reach."""
    for method in ("GET", "POST"):
        app.router.add_route(method, f"/oauth/token{END}", _token)


@web.middleware
async def authenticated(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let a request pass that has its dialect's credentials; reading datasets, either dialect's do.

    Raises:
        ApiFault: 401, it has not.
    """
    path, sandbox = request.path, request.app[SANDBOX]
    if path.startswith("/oauth/token"):
        return await handler(request)
    reads = request.method == "GET" and path.startswith("/v1/datasets")
    if path.startswith(("/api/", "/admin/")) or (reads and is_developer(request)):
        _check_developer_token(request, sandbox)
    else:
        _check_bearer(request, sandbox)
    return await handler(request)


def is_developer(request: web.Request) -> bool:
    """Whether a request comes with a developer token, whatever that is worth."""
    return _DEVELOPER_HEADER in request.headers


def issue(sandbox: Sandbox, scope: str) -> Json:
    """The answer of the token call, with a signed JWT (RFC 7519) as the access token."""
    ttl_s, jti = sandbox.settings.token_ttl_s, secrets.token_hex(8)
    expiry = sandbox.clock() + ttl_s
    payload = {
        "sub": sandbox.settings.client_id,
        "scope": scope.split(),
        "customer": CUSTOMER,
        "userId": USER_ID,
        "role": "Admin",
        "exp": math.ceil(expiry) if ttl_s == int(ttl_s) else expiry,  # whole seconds, as the real one has
        "jti": jti,
    }
    return {
        "access_token": _signed(payload, sandbox.store.secret),
        "customer": CUSTOMER,
        "expires_in": math.floor(ttl_s),
        "jti": jti,
        "role": "Admin",
        "scope": scope,
        "token_type": "bearer",
        "userId": USER_ID,
    }


async def _token(request: web.Request) -> web.Response:
    """Check the client's id and secret, from the Basic header or as parameters, and issue a token."""
    sandbox, form = request.app[SANDBOX], await in_time(request, request.post())
    given = {name: value for name, value in (*request.query.items(), *form.items()) if isinstance(value, str)}
    client_id, client_secret = _basic(request) or (given.get("client_id", ""), given.get("client_secret", ""))
    known = _same(client_id, sandbox.settings.client_id)
    if not (_same(client_secret, sandbox.settings.client_secret) and known):
        raise unauthorized("the client id or the client secret is not known")
    if (grant := given.get("grant_type", "client_credentials")) != "client_credentials":
        raise bad_request(f"grant_type is {grant!r}; it must be client_credentials")
    return json_response(issue(sandbox, given.get("scope") or "data user"))


def _basic(request: web.Request) -> tuple[str, str] | None:
    header = request.headers.get("Authorization")
    if header is None:
        return None
    scheme, _, encoded = header.partition(" ")
    try:
        login, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        colon = login = password = ""
    if scheme.lower() != "basic" or not colon:
        raise unauthorized("the Authorization header is not Basic")
    return login, password


def _check_developer_token(request: web.Request, sandbox: Sandbox) -> None:
    given = request.headers.get(_DEVELOPER_HEADER)
    if given is None:
        raise unauthorized(f"the header {_DEVELOPER_HEADER} is missing")
    if not _same(given, sandbox.settings.developer_token):
        raise unauthorized("the developer token is not known")


def _check_bearer(request: web.Request, sandbox: Sandbox) -> None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise unauthorized("the header Authorization: bearer is missing")
    payload = _verified(token.strip(), sandbox.store.secret)
    if payload is None:
        raise unauthorized("the access token is not one of ours, or was revoked")
    if payload["exp"] <= sandbox.clock():
        raise unauthorized("the access token has expired")


def _signed(payload: Json, secret: bytes) -> str:
    text = f"{_b64(orjson.dumps(_JWT_HEADER))}.{_b64(orjson.dumps(payload))}"
    return f"{text}.{_signature(text, secret)}"


def _verified(token: str, secret: bytes) -> Json | None:
    """The payload of a token that this sandbox signed, else None."""
    text, _, signature = token.rpartition(".")
    if token.count(".") != _JWT_PARTS - 1 or not _same(signature, _signature(text, secret)):
        return None
    body = text.partition(".")[2]
    payload: Json = orjson.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return payload


def _signature(text: str, secret: bytes) -> str:
    return _b64(hmac.digest(secret, text.encode(), hashlib.sha256))


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _same(given: str, known: str) -> bool:
    """Compare in a time that tells nothing; as bytes, since headers may hold anything."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), known.encode())
