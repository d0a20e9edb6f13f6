"""Values that have no text, found by Arrow."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


class Misfit(ValueError):
    """A value of an array has no text; whoever knows the column makes a `BadValue` of it.

    Attributes:
        row: Number of the value in its array, from 0.
        reason: What is wrong.
        hint: What to do.
    """

    def __init__(self, row: int, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.row, self.reason, self.hint = row, reason, hint


def first(found: Any) -> int | None:
    """Return the number of the first true value, None if there is none."""
    number: int = pc.index(found, True).as_py()
    return None if number < 0 else number


def first_outside(numbers: Any, least: int, most: int) -> int | None:
    """Return the number of the first value that is not between two others, None if all are."""
    seen = pc.min_max(numbers)
    if not seen["min"].is_valid or (seen["min"].as_py() >= least and seen["max"].as_py() <= most):
        return None
    kind = numbers.type
    return first(pc.or_(pc.less(numbers, pa.scalar(least, kind)), pc.greater(numbers, pa.scalar(most, kind))))
