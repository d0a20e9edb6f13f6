"""Which call of the API a request is, whichever dialect it speaks."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NUMBER = "[0-9]{1,15}"
_STREAM = f"/streams/(?P<stream>{_NUMBER})"
_DATA = f"{_STREAM}/data/(?P<data>[A-Za-z0-9-]{{1,64}})"
_EXECUTION = f"{_STREAM}/executions/(?P<execution>{_NUMBER})"
_DATASET = "/datasets/[0-9a-fA-F-]{36}"

_SHAPES = tuple(
    (re.compile(pattern), by_method)
    for pattern, by_method in (
        (f"{_EXECUTION}/part/(?P<part>{_NUMBER})", {"PUT": "part"}),
        (f"{_DATA}/parts/(?P<part>{_NUMBER})", {"PUT": "part"}),
        (f"{_EXECUTION}/commit", {"PUT": "commit"}),
        (f"{_EXECUTION}/abort", {"PUT": "abort"}),
        (f"{_DATA}/commit", {"PUT": "commit"}),
        (f"{_DATA}/abort", {"PUT": "abort"}),
        (f"{_STREAM}/executions/abort", {"PUT": "abort"}),
        (_EXECUTION, {"GET": "get_execution", "PUT": "update_execution", "DELETE": "delete_execution"}),
        (f"{_STREAM}/executions", {"GET": "list_executions", "POST": "create"}),
        ("/streams/search", {"GET": "search_streams"}),
        (_STREAM, {"GET": "get_stream", "PUT": "update_stream", "PATCH": "update_stream", "DELETE": "delete_stream"}),
        ("/streams", {"GET": "list_streams", "POST": "create_stream"}),
        (f"{_DATASET}/data", {"GET": "export"}),
        (_DATASET, {"GET": "get_dataset", "PUT": "update_dataset"}),
        ("/datasets", {"GET": "list_datasets", "POST": "create_dataset"}),
    )
)
"""The most frequent first, since they are tried in turn."""

ENDPOINTS = frozenset(name for _, by_method in _SHAPES for name in by_method.values()) | {
    "token",
    "start_part",
    "other",
}
"""What a call may be; `other` is what no dialect has."""

_PREFIXES = ("/api/data/v1", "/v1")


@dataclass(frozen=True, slots=True)
class Call:
    """One request, as a fault sees it.

    Attributes:
        endpoint: One of `ENDPOINTS`.
        stream: Number in the path, if there is one.
        execution: Its id: from the path, or as somebody looked it up who knows whose data `data` is.
        data: Name of an execution's data in the path (instance dialect).
        part: Number in the path, if there is one.
    """

    endpoint: str
    stream: int | None = None
    execution: int | None = None
    data: str | None = None
    part: int | None = None


def call_of(method: str, path: str, *, announces: bool = False) -> Call:
    """Read a request line.

    Args:
        method: In capitals.
        path: Decoded, without the query.
        announces: Whether what is sent to a part's address is no rows (instance dialect: starts the multipart).
    """
    path = path.removesuffix("/")
    if path == "/oauth/token":
        return Call("token")
    for prefix in _PREFIXES:
        if path.startswith(prefix):
            return _call(method, path.removeprefix(prefix), announces)
    return Call("other")


def _call(method: str, path: str, announces: bool) -> Call:
    for shape, by_method in _SHAPES:
        if match := shape.fullmatch(path):
            found = match.groupdict()
            endpoint = by_method.get(method, "other")
            if announces and endpoint == "part" and "data" in found:
                endpoint = "start_part"
            stream, execution, part = (_number(found.get(name)) for name in ("stream", "execution", "part"))
            return Call(endpoint, stream, execution, found.get("data"), part)
    return Call("other")


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)
