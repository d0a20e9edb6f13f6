"""Walking through listings, of servers that page well, badly, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from bulkstream.api.dialect import Page
from bulkstream.api.pages import walked


@dataclass(frozen=True)
class Item:
    id: int


Server = Callable[[Page], list[int]]


def paging(total: int) -> Server:
    return lambda page: list(range(total))[page.offset : page.offset + page.limit]


@pytest.mark.parametrize(
    ("server", "total", "requests"),
    [
        (paging(0), 0, 1),
        (paging(3), 3, 1),
        (paging(10), 10, 2),
        (paging(25), 25, 3),
        (lambda _: list(range(10)), 10, 2),
        (lambda _: list(range(37)), 37, 1),
        (lambda page: list(range(page.offset, page.offset + 7)) if page.offset < 7 else [], 7, 1),
    ],
    ids=["empty", "short", "full page", "several", "offset ignored", "limit ignored", "smaller pages"],
)
async def test_every_item_comes_once(server: Server, total: int, requests: int) -> None:
    """However the server pages, the walk ends and repeats nothing."""
    asked = []

    async def get(page: Page) -> list[Item]:
        asked.append(page)
        return [Item(number) for number in server(page)]

    items = [item.id async for item in walked(get, 10)]

    assert items == list(range(total))
    assert len(asked) == requests
