"""Taking secrets out of what a server says, since some echo what they refuse.

A secret is looked for as it is and as JSON, HTML, an address or base64 would write it. One of fewer than eight
characters may be a word: it is masked only where it stands alone, and not at all if it is the sandbox's, which is
public.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

from bulkstream.secret import MASK, Secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

WORD_CHARS = 8
"""A secret that is shorter may stand in a message by chance."""

PUBLIC = "sandbox"
"""The credential of every sandbox, which documentation and messages name."""


def secrets_in(headers: Mapping[str, str | Secret]) -> tuple[Secret, ...]:
    """Return what must not be repeated of the headers that a request was sent with."""
    return tuple(each for value in headers.values() if isinstance(value, Secret) for each in _credentials(value))


def masked(text: str, secrets: Iterable[Secret]) -> str:
    """Return text in which no secret is repeated."""
    for secret in secrets:
        for spelling in _spellings(secret):
            text = re.sub(spelling, MASK, text)
    return text


def masked_bytes(body: bytes, secrets: Iterable[Secret]) -> bytes:
    """Return a body in which no secret is repeated; what is no UTF-8 stays as it is."""
    return masked(body.decode("utf-8", "surrogateescape"), secrets).encode("utf-8", "surrogateescape")


def _credentials(value: Secret) -> Iterator[Secret]:
    """Yield the secrets in a header's value: without its scheme, and of Basic credentials also the password."""
    scheme, _, credential = value.reveal().rpartition(" ")
    yield Secret(credential)
    if scheme.lower() == "basic":
        yield Secret(_password(credential))


def _password(credential: str) -> str:
    try:
        return base64.b64decode(credential, validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return ""


def _spellings(secret: Secret) -> list[str]:
    """Return patterns for a secret, the longest first."""
    text = secret.reveal()
    if not text or text == PUBLIC:
        return []
    if len(text) < WORD_CHARS:
        return [rf"(?<![^\W_]){re.escape(text)}(?![^\W_])"]
    encoded = base64.b64encode(text.encode()).decode().rstrip("=")
    escaped = (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], html.escape(text))
    found = {text, *escaped, quote(text, safe=""), quote_plus(text), encoded}
    return [re.escape(each) for each in sorted(found, key=len, reverse=True)]
