"""Work that holds the GIL, done so that the event loop of another thread is not kept waiting.

CPython asks a thread for the GIL only after another has waited for 5 ms without seeing it change hands. What releases
it for a moment every now and then, as Arrow's conversions do, is never asked, and takes it back before the other wakes.
So whoever works on Python objects for long steps aside by himself: without, a loop was held up for 200 ms.
"""

from __future__ import annotations

from time import perf_counter, sleep

TURN_S = 0.002
"""Seconds of work in one go."""
ASIDE_S = 0.0001
"""Seconds that somebody who waits has to wake."""


class Turns:
    """Called between small pieces of work, sleeps for a moment where the last time is long ago."""

    def __init__(self) -> None:
        self._since = perf_counter()

    def __call__(self) -> None:
        """Step aside, if it is time."""
        if perf_counter() - self._since > TURN_S:
            sleep(ASIDE_S)
            self._since = perf_counter()
