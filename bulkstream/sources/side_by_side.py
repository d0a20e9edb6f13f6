"""Looking at many remote objects: several at once, since each look is mostly waiting."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

THREADS = 8

A = TypeVar("A")
T = TypeVar("T")


def side_by_side(work: Callable[[A], T], items: Sequence[A], *, alone: Callable[[A], bool]) -> Iterator[T]:
    """Yield what comes of each item, in their order; the first error in that order is raised, and the rest not begun.

    Args:
        work: What is to be done, in a thread of several.
        items: With what.
        alone: Whether an item is one to be worked on here, one after the other.
    """
    far = [number for number, item in enumerate(items) if not alone(item)]
    if len(far) < 2:  # noqa: PLR2004 - one needs no company
        yield from map(work, items)
        return
    with ThreadPoolExecutor(min(THREADS, len(far)), thread_name_prefix="bulkstream-look") as pool:
        begun: dict[int, Future[T]] = {number: pool.submit(work, items[number]) for number in far}
        try:
            for number, item in enumerate(items):
                yield begun[number].result() if number in begun else work(item)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
