"""How many bad rows a load may leave out, and when it is clear that there are too many."""

from __future__ import annotations

from dataclasses import dataclass

MOST_REJECTS = 100_000
"""Rows that a load leaves out at most: until its end they are held in memory."""
MOST_REJECT_BYTES = 32 << 20
"""Bytes of these rows at most."""
SENSIBLE_ROWS = 10_000
"""Rows from which on a share is judged before the end."""


def parse_bad_rows(value: object) -> object:
    """Turn `10`, `0.1%` or `0.001` into a number of rows or a share of them; leave the rest to the validation.

    Raises:
        ValueError: It is neither.
    """
    if isinstance(value, str):
        value = _number(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if isinstance(value, float) and not 0 <= value <= 1:
        raise ValueError(f"{value} is not a share of rows; write for example 100, 0.1% or 0.001")
    if isinstance(value, int) and not 0 <= value <= MOST_REJECTS:
        raise ValueError(f"{value} is not within 0 and {MOST_REJECTS}; for more rows, give a share such as 0.1%")
    return value or 0


def _number(text: str) -> int | float:
    try:
        if text.strip().endswith("%"):
            return float(text.strip()[:-1]) / 100
        return int(text) if text.strip().isdecimal() else float(text)
    except ValueError:
        raise ValueError(f"{text!r} is no number of rows; write for example 100, 0.1% or 0.001") from None


@dataclass(frozen=True, slots=True)
class Budget:
    """Rows that may be left out.

    Attributes:
        most: A number of rows, or as a float their share of all rows of the load.
    """

    most: int | float = 0

    def __str__(self) -> str:
        """As shown in errors."""
        return f"{self.most * 100:.10g}% of all rows" if isinstance(self.most, float) else f"{self.most:,}"

    @property
    def at_once(self) -> int:
        """Bad rows beyond which it is clear, whatever the other rows are."""
        return MOST_REJECTS if isinstance(self.most, float) else self.most

    def hopeless(self, bad: int, bad_bytes: int, rows: int, share: float | None) -> bool:
        """Whether it is clear before the end that there are too many bad rows.

        A share is judged from 10,000 rows on: by then, the bad rows so far must not be more than the whole load may
        have, if its rows to come are as long as those that were read.

        Args:
            bad: Bad rows so far.
            bad_bytes: Their size.
            rows: All rows so far, bad ones included.
            share: Share of the source that they are, by bytes; None if that is not known.
        """
        if bad > self.at_once or bad_bytes > MOST_REJECT_BYTES:
            return True
        if not isinstance(self.most, float) or not share or rows < SENSIBLE_ROWS:
            return False
        return bad > self.most * rows / min(share, 1.0)

    def exceeded(self, bad: int, rows: int) -> bool:
        """Whether a whole load has too many bad rows among all its rows."""
        return bad > (self.most * rows if isinstance(self.most, float) else self.most)
