"""Looking an execution up: what the server has of it, if it has it at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulkstream.errors import NotFound

if TYPE_CHECKING:
    from bulkstream.api import ApiClient, Execution


async def look_up(client: ApiClient, execution: Execution) -> Execution | None:
    """Read an execution again; None if the list of its stream does not have it either.

    A 404 alone proves nothing: behind it may be a gateway, or a server that has not heard of the execution yet. To
    take an open execution for a gone one would block its stream.

    Raises:
        ApiError: The server does not tell.
    """
    try:
        return await client.executions.get(execution.stream_id, execution.id)
    except NotFound:
        pass
    try:
        found = [each async for each in client.executions.list(execution.stream_id) if each.id == execution.id]
    except NotFound:  # the stream is gone, with all that it had
        return None
    return found[0] if found else None
