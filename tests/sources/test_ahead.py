"""Reading ahead: the bytes are those of the pieces in their order, whatever the threads do, and memory is bounded."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstream.errors import SourceError, SourceUnreadable
from bulkstream.sources import ahead as ahead_module
from bulkstream.sources.ahead import Ahead, Keyed
from bulkstream.sources.ahead_segment import AheadSegment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

FIRST_BYTES = 4096
LAST_S = 30.0
QUIET_S = 0.2
"""Seconds in which threads that may go on would have done so."""


def piece(blocks: Sequence[bytes]) -> Callable[[], Iterator[memoryview]]:
    return lambda: map(memoryview, blocks)


def read(ahead: Ahead, key: int, size: int) -> bytes:
    """Read a segment to its end, `size` bytes at a time."""
    data, view = bytearray(), memoryview(bytearray(size))
    while count := ahead.readinto(key, view):
        data += view[:count]
        if count < size:
            break
    return bytes(data)


def settled(made: Sequence[int]) -> int:
    """Return how many there are once no more come."""
    count = -1
    while count != len(made):
        count = len(made)
        time.sleep(QUIET_S)
    return count


def ended(ahead: Ahead) -> bool:
    """Whether all of its threads have ended, at last."""
    for thread in ahead._threads:
        thread.join(LAST_S)
    return not any(thread.is_alive() for thread in ahead._threads)


@given(
    st.lists(st.lists(st.lists(st.binary(max_size=40), max_size=4), max_size=4), min_size=1, max_size=4),
    st.integers(1, 4),
    st.integers(1, 100),
    st.integers(0, 100),
)
def test_bytes_come_in_the_order_of_the_pieces(
    segments: list[list[list[bytes]]], threads: int, size: int, most_bytes: int
) -> None:
    """Whatever the number of threads, the size of reads and the room, each segment's bytes are its pieces' in order."""
    pieces = ((key, piece(blocks)) for key, segment in enumerate(segments) for blocks in segment)
    ahead = Ahead(pieces, threads=threads, most_bytes=most_bytes)

    found = [read(ahead, key, size) for key in range(len(segments))]

    assert found == [b"".join(b"".join(blocks) for blocks in segment) for segment in segments]
    assert ended(ahead)


def test_pieces_are_made_at_the_same_time() -> None:
    """As many pieces are under way as there are threads: each waits for all others."""
    together = threading.Barrier(3)

    def make(number: int) -> Iterator[memoryview]:
        together.wait(LAST_S)
        yield memoryview(bytes([number]))

    ahead = Ahead(((0, lambda n=n: make(n)) for n in range(3)), threads=3)  # type: ignore[misc]

    assert read(ahead, 0, 10) == b"\0\1\2"


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody makes more than fits, but the first piece may always go on."""
    monkeypatch.setattr(ahead_module, "FIRST_BYTES", FIRST_BYTES)
    made: list[int] = []

    def make(number: int) -> Iterator[memoryview]:
        for _ in range(50):
            made.append(number)
            yield memoryview(bytes(FIRST_BYTES // 4))

    ahead = Ahead(((0, lambda n=n: make(n)) for n in range(3)), threads=3, most_bytes=FIRST_BYTES)  # type: ignore[misc]
    view = memoryview(bytearray(1))
    ahead.readinto(0, view)
    waiting = settled(made)
    rest = read(ahead, 0, 1 << 10)

    assert waiting <= 4 + 4 + 3 + 1  # the room, the first lane's own, a block in each hand, and the one being read
    assert len(rest) == 150 * (FIRST_BYTES // 4) - 1


def test_an_error_comes_at_its_place() -> None:
    """What went before it is read, what comes behind it is not."""

    def broken() -> Iterator[memoryview]:
        yield memoryview(b"two")
        raise SourceError("broken")

    ahead = Ahead(iter([(0, piece([b"one"])), (0, broken), (0, piece([b"three"]))]), threads=3)
    view = memoryview(bytearray(6))

    assert ahead.readinto(0, view) == 6
    assert bytes(view) == b"onetwo"
    with pytest.raises(SourceError, match="broken"):
        ahead.readinto(0, view)
    ahead.close()
    assert ended(ahead)


def test_an_error_of_the_generator_comes_behind_its_pieces() -> None:
    """Pieces that can't be generated are an error too, not an end."""

    def pieces() -> Iterator[Keyed]:
        yield 0, piece([b"one"])
        raise SourceError("broken")

    ahead = Ahead(pieces(), threads=2)
    view = memoryview(bytearray(3))

    assert ahead.readinto(0, view) == 3
    with pytest.raises(SourceError, match="broken"):
        ahead.readinto(0, view)


def test_an_error_of_the_generator_is_no_end_of_a_later_segment() -> None:
    """However far the reader is: an error that is taken for the end would lose a whole input."""
    read_on = threading.Event()

    def pieces() -> Iterator[Keyed]:
        yield 0, piece([b"one"])
        yield 1, piece([b"two"])
        read_on.wait(LAST_S)
        raise SourceError("broken")

    ahead = Ahead(pieces(), threads=1)
    view = memoryview(bytearray(3))
    assert read(ahead, 0, 4) == b"one"
    assert ahead.readinto(1, view) == 3
    with ThreadPoolExecutor(1) as pool:
        behind = pool.submit(ahead.readinto, 1, view)
        while ahead._lanes:  # until all that was begun is read
            time.sleep(0.001)
        read_on.set()

        with pytest.raises(SourceError, match="broken"):
            behind.result(LAST_S)


def test_closing_is_no_end() -> None:
    """A reader that waits while another thread closes is told so, and never takes it for the end of the data."""
    held = threading.Event()
    closed: list[str] = []

    def slow() -> Iterator[memoryview]:
        try:
            yield memoryview(b"one")
            held.wait(LAST_S)
            yield memoryview(b"two")
        finally:
            closed.append("piece")

    def pieces() -> Iterator[Keyed]:
        try:
            yield 0, slow
        finally:
            closed.append("pieces")

    ahead = Ahead(pieces(), threads=2)
    view = memoryview(bytearray(6))
    with ThreadPoolExecutor(1) as threads:
        reading = threads.submit(ahead.readinto, 0, view)
        time.sleep(0.05)
        ahead.stop()
        with pytest.raises(SourceUnreadable, match="closed"):
            reading.result(LAST_S)
        held.set()
        ahead.close()

    assert ended(ahead)
    assert sorted(closed) == ["piece", "pieces"]


def test_a_segment_knows_its_end_only_when_it_was_seen() -> None:
    """Nobody knows how much remains, until nothing does."""
    ahead = Ahead(iter([(0, piece([b"abc"])), (1, piece([b"de"]))]), threads=2)
    first, second = AheadSegment(ahead, 0, name="a"), AheadSegment(ahead, 1, name="b")
    view = memoryview(bytearray(3))

    assert (first.readinto(view), first.remaining > 0, first.offset) == (3, True, 3)
    assert (first.readinto(view), first.remaining) == (0, 0)
    assert (second.readinto(view), second.remaining, bytes(view[:2])) == (2, 0, b"de")
