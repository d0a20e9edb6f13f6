"""Which column of an input fills which column of the dataset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bulkstream.model import Column


@dataclass(frozen=True, slots=True)
class Slot:
    """A column of the dataset, and what fills it.

    Attributes:
        source: Number of the input's column, from 0; None leaves it empty.
    """

    column: Column
    source: int | None


Layout = tuple["Slot", ...]
"""The dataset's columns, in its order."""
