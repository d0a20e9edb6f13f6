"""Which of several bad rows is told, when chunks are checked at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from bulkstream.errors import SourceError
from bulkstream.stages.sift import Precedence


def test_the_first_chunks_error_is_raised_whoever_finds_one_first() -> None:
    """A worker that has found a bad row waits for the chunks before it, and raises what they have found."""
    precedence, first, second = Precedence(), SourceError("first"), SourceError("second")
    for number in (1, 2, 3):
        precedence.begin(number)

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(precedence.end, 2, second)
        with pytest.raises(SourceError, match="first"):
            precedence.end(1, first)

        assert waiting.exception() is first


def test_later_chunks_are_not_waited_for() -> None:
    """What comes behind a bad row does not matter."""
    precedence, error = Precedence(), SourceError("bad")
    precedence.begin(1)
    precedence.begin(2)

    with pytest.raises(SourceError, match="bad"):
        precedence.end(1, error)


def test_chunks_without_errors_are_not_held_up() -> None:
    """Good chunks end in any order."""
    precedence = Precedence()
    precedence.begin(1)
    precedence.begin(2)

    precedence.end(2)
    precedence.end(1)
