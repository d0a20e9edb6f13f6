"""Walking through a listing page by page, also where the server pages in its own way or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from bulkstream.api.dialect import Page

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

PAGE_SIZE = 50
LARGEST_PAGE = 500
"""Source: Domo's developer portal, limit of `GET /v1/streams`."""


class Numbered(Protocol):
    """Anything with an id."""

    @property
    def id(self) -> int: ...  # noqa: D102 - the protocol's only member


N = TypeVar("N", bound=Numbered)


async def walked(get: Callable[[Page], Awaitable[Sequence[N]]], size: int = PAGE_SIZE) -> AsyncIterator[N]:
    """Yield every item once, until a page is short or brings nothing new.

    A server that ignores `offset` answers every page alike, and one that ignores `limit` answers with everything.

    Raises:
        ApiError: As `get` does.
    """
    size = max(1, min(size, LARGEST_PAGE))
    seen: set[int] = set()
    while True:
        items = await get(Page(size, len(seen)))
        fresh = [item for item in items if item.id not in seen]
        seen.update(item.id for item in fresh)
        for item in fresh:
            yield item
        if not fresh or len(items) != size:
            return
