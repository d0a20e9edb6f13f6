"""The search for streams: one query at a time, `KEY:VALUE`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bulkstream.sandbox.auth import USER_ID
from bulkstream.sandbox.errors import bad_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from bulkstream.sandbox.streams import Stream


def search(streams: Iterable[Stream], query: str) -> list[Stream]:
    """The streams that a query finds.

    Raises:
        ApiFault: 400, the query has another form or an unknown key.
    """
    key, colon, value = query.partition(":")
    values = _KEYS.get(key.strip())
    if not colon or values is None:
        raise bad_request(f"q is {query!r}; it must be KEY:VALUE with a key of {', '.join(_KEYS)}")
    pattern = value.strip().strip('"')
    matches = _wildcard(pattern) if key.strip() == "dataSource.name" else pattern.__eq__
    return [stream for stream in streams if any(matches(str(found)) for found in values(stream))]


def _wildcard(pattern: str) -> Callable[[str], object]:
    """Match a name, where `*` stands for any text; case counts."""
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL).fullmatch


def _transport_type(stream: Stream) -> Iterator[Any]:
    yield _dig(stream.document, "transport", "type")


def _configuration_values(stream: Stream) -> Iterator[Any]:
    """Values of the account's configurations, in either form that clients send: a list of pairs, or an object."""
    configurations = _dig(stream.document, "account", "configurations")
    if isinstance(configurations, dict):
        configurations = list(configurations.values())
    for entry in configurations or ():
        yield _dig(entry, "value") if isinstance(entry, dict) and "value" in entry else entry


def _dig(value: Any, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


_KEYS: dict[str, Callable[[Stream], Iterable[Any]]] = {
    "account.configurations.value": _configuration_values,
    "dataSource.id": lambda stream: (stream.dataset.id,),
    "dataSource.name": lambda stream: (stream.dataset.name,),
    "dataSource.owner.id": lambda _: (USER_ID,),
    "transport.type": _transport_type,
}
