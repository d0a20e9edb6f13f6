"""Names of columns, as they are compared and looked up."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_NAMES = 10


def folded(name: str) -> str:
    """Return a name as it is compared: case and surrounding blanks don't count."""
    return name.strip().casefold()


class Names:
    """Names of columns, to be looked up."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._exact = _numbers(self.names)
        self._folded = _numbers([folded(name) for name in self.names])

    def __repr__(self) -> str:
        return f"Names({', '.join(map(repr, self.names[:_MOST_NAMES]))})"

    def numbers(self, name: str) -> tuple[int, ...]:
        """Return the columns, from 0, that have a name: just so, or if there is none, but for case and blanks."""
        return tuple(self._exact.get(name) or self._folded.get(folded(name)) or ())

    def close_to(self, name: str) -> str:
        """Say which names are close to one that is not there; if none is, which there are."""
        close = get_close_matches(folded(name), self._folded, n=3)
        if close:
            meant = [self.names[self._folded[each][0]] for each in close]
            return f"Did you mean {' or '.join(map(repr, meant))}?"
        more = f" and {len(self.names) - _MOST_NAMES} more" if len(self.names) > _MOST_NAMES else ""
        return f"There are {', '.join(map(repr, self.names[:_MOST_NAMES]))}{more}."


def _numbers(names: Sequence[str]) -> dict[str, list[int]]:
    numbers: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        numbers.setdefault(name, []).append(number)
    return numbers
