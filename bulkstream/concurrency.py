"""How many uploads to keep in flight: a search for the smallest number that fills the link.

The rule grew out of adaptive request concurrency (additive increase, multiplicative decrease on round-trip times),
changed for large bodies: these share a link, so each added upload makes all others slower although nothing is
wrong. What is compared is therefore not the round-trip time but what it says about all uploads together, in
bytes/s (`bulkstream.flight`); that is steady when the link is the limit, and grows with the number of uploads when
latency or a cap per connection is.

1. A window is half a turn of uploads that began under the present limit, up to four times that while its rate is
   in doubt. An upload counts only if the limit was reached while it ran: where connections idle, more would too.
2. Growth is a trial of half as many again. It is kept, and followed by the next, if it raised the rate by 8 %, about
   a sixth of what a latency-bound link would give; twice as many are tried next if it gave nearly all of that. If
   not, the limit steps back. A trial that raised the rate without being reached stays until it can be judged.
3. When more does not help, fewer are tried, down to two: a smaller limit is kept while the rate stays within 3 %
   of the best; one that was found to be needed is not put to this test again. Then the search rests for four windows,
   twice as many after each round without a change, up to 32.
4. Back-pressure (429, 503, a timeout) takes a tenth off, at least one. Requests that began before the cut, or
   beyond the new limit, don't count again. Back-pressure during a trial of more only ends the trial, and the next
   one goes halfway.
5. A rate 2.5 standard deviations below its moving mean (weight 0.4 for the newest; the deviation is taken as 5 %
   at least) also takes a tenth off; such a change in either direction ends the rest, as the link is another one.
6. While the search goes up, three times the rate is told as the link's, so that compression keeps ahead of it: at a
   level chosen for the present rate, the cores would hide that a larger limit helps.
7. What was measured before a silence of ten round trips, at least 30 s, is forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, inf

from bulkstream.decision import Capacity, Decision
from bulkstream.flight import MOSTLY, Flight, Window

GAIN = 1.08
"""A larger limit must raise the rate to this multiple."""
SOME = 1.05
"""A larger limit that was not reached must have raised it to this multiple, to stay until it can be judged."""
FILLS = 0.97
"""A smaller limit must keep this part of the rate."""
FEWEST = 2
"""The search does not go below: one upload is on the wire while the other is being acknowledged."""
ALPHA = 0.4
SHORT_REST, LONG_REST = 4, 32
"""Windows between two searches."""
HEADROOM = 3.0
"""Multiple of the rate that is told as the link's while the limit grows."""
SILENCE_S = 30.0
"""Least silence after which statistics are forgotten."""


@dataclass(frozen=True, slots=True)
class _Trial:
    """A limit on trial: what it was before, and the rate to hold it against, bytes/s."""

    before: int
    rate: float


@dataclass(slots=True)
class _Usual:
    """Moving mean and variance of the rate at one limit."""

    mean: float
    variance: float = 0.0

    def deviates(self, rate: float, doubt: float) -> int:
        """Tell -1, 0 or 1: below, within or above what is usual."""
        margin = 2.5 * max(self.variance**0.5, doubt * self.mean, 0.05 * self.mean)
        return int(rate > self.mean + margin) - int(rate < self.mean - margin)

    def add(self, rate: float) -> None:
        """Let a rate become part of what is usual."""
        delta = rate - self.mean
        self.mean += ALPHA * delta
        self.variance = (1 - ALPHA) * (self.variance + ALPHA * delta**2)


class AdaptiveConcurrency:
    """The limit of uploads in flight, moved by what each of them tells. Equal bounds make it a plain gauge.

    Attributes:
        limit: Uploads to keep in flight.
        capacity: What all uploads together moved when they were last the limit of the load; None before that. While
            the limit grows with success, three times that, so that the cores keep ahead of the search.
    """

    def __init__(self, *, start: int = 4, lowest: int = 1, highest: int = 64) -> None:
        self.limit = min(max(start, lowest), highest)
        self.capacity: Capacity | None = None
        self._lowest, self._highest = lowest, highest
        self._flight, self._window = Flight(), Window(0.0)
        self._changed, self._heard, self._turn = inf, 0.0, 0.0
        self._trial: _Trial | None = None
        self._usual: _Usual | None = None
        self._rest, self._next_rest, self._worth = 0, SHORT_REST, 0
        self._eager, self._settled, self._ceiling = lowest < highest, 0, 0

    def __repr__(self) -> str:
        return f"AdaptiveConcurrency({self._flight.count} of {self.limit} in flight, {self.capacity})"

    def started(self, now: float) -> None:
        """A request with a body begins; call once per attempt, not per part."""
        self._flight.begin(now)

    def finished(self, now: float, *, seconds: float, sent_bytes: int, backpressure: bool) -> Decision | None:
        """A request has ended, well or not.

        Args:
            now: Seconds of the same clock as in `started`.
            seconds: Time since its `started`, waits between attempts not included.
            sent_bytes: Size of the body; 0 if it was refused or failed.
            backpressure: Whether it was answered with 429 or 503, or timed out.

        Returns:
            The change of the limit that follows, if one does.
        """
        if now - self._heard > max(SILENCE_S, 10 * self._turn):
            self._forget(now)
        self._heard = now
        landing = self._flight.end(now, seconds=seconds, sent_bytes=sent_bytes)
        if self._changed == inf and not backpressure:
            self._changed = now  # the first part goes alone, and says nothing of several
        if landing.began < self._changed:
            return None
        if backpressure:
            return self._refused(now) if self._flight.count < self.limit else None
        full = landing.beside >= MOSTLY * self.limit
        if sent_bytes and (full or self._trial or self._eager):
            self._window.add(landing, full=full)
        return self._judged(now) if self._window.closes(now, max(ceil(self.limit / 2), 3)) else None

    def _forget(self, now: float) -> None:
        self._trial = self._usual = None
        self._rest, self._next_rest, self._worth, self._ceiling = 0, SHORT_REST, 0, 0
        self._window = Window(now)

    def _judged(self, now: float) -> Decision | None:
        """Close the window and draw the conclusion."""
        window, self._window = self._window, Window(now)
        self._turn = window.seconds / window.count
        if self._trial is not None:
            return self._verdict(now, self._trial, window)
        if not window.full:
            self._tell(now, window.rate)
            return None
        deviation = self._compare(window)
        self._tell(now, self._usual.mean if self._usual else window.rate)
        if deviation:
            self._rest, self._next_rest, self._worth = 0, SHORT_REST, 0
        if deviation < 0 and self.limit > FEWEST:
            return self._move(now, max(floor(0.9 * self.limit), FEWEST), f"the rate fell to {_mb(window.rate)}")
        if self._rest:
            self._rest -= 1
            return None
        return self._search(now, window.rate)

    def _tell(self, now: float, rate: float) -> None:
        self.capacity = Capacity(now, HEADROOM * rate if self._eager else rate)

    def _compare(self, window: Window) -> int:
        """Hold a rate against what is usual, and let it become so."""
        rate = window.rate
        deviation = self._usual.deviates(rate, window.doubt) if self._usual else 0
        if self._usual is None or deviation:
            self._usual = _Usual(rate)
        else:
            self._usual.add(rate)
        return deviation

    def _search(self, now: float, rate: float) -> Decision | None:
        """Begin to look for a better limit: upwards first."""
        best = self._usual.mean if self._usual else rate
        if self.limit < self._highest:
            return self._try(now, self._more(), best, f"{self.limit} uploads at a time move {_mb(rate)}; trying more")
        if self._less() < self.limit != self._worth:
            return self._try(now, self._less(), best, f"{self.limit} uploads at a time move {_mb(rate)}; trying fewer")
        return None

    def _verdict(self, now: float, trial: _Trial, window: Window) -> Decision | None:
        """Keep what was on trial, or step back."""
        self._trial, rate = None, window.rate
        told = f"{self.limit} uploads at a time move {_mb(rate)}, {trial.before} moved {_mb(trial.rate)}"
        if self.limit > trial.before:
            return self._larger(now, trial, window, told)
        if rate < FILLS * trial.rate:
            self._worth = trial.before
            return self._settle(now, trial.before, told)
        self._usual = _Usual(rate)
        if self._less() < self.limit:
            return self._try(now, self._less(), trial.rate, told)
        return self._settle(now, self.limit, told)

    def _larger(self, now: float, trial: _Trial, window: Window, told: str) -> Decision | None:
        """Judge a limit that was raised."""
        gain = window.rate / trial.rate
        if not window.full and gain >= SOME:
            self._wait(now, window)
            return None
        if window.full and gain >= (GAIN if trial.before >= FEWEST else FILLS):
            return self._grow(now, trial, window, told)
        less = self._less(trial.before)
        if window.full and less < trial.before != self._worth:
            return self._try(now, less, trial.rate, told, before=trial.before)
        return self._settle(now, trial.before, told)

    def _grow(self, now: float, trial: _Trial, window: Window, told: str) -> Decision | None:
        """Go on from a larger limit that was worth it: by half again, or twofold if the gain was nearly linear."""
        linear = window.rate / trial.rate >= MOSTLY * self.limit / trial.before
        self._eager, self._usual, self._worth = True, _Usual(window.rate), self.limit if linear else 0
        if self.limit == self._highest:
            return self._settle(now, self.limit, told)
        self._tell(now, window.rate)
        return self._try(now, self._more(2.0 if linear else 1.5), window.rate, told)

    def _wait(self, now: float, window: Window) -> None:
        """Leave a larger limit that helped and was not reached, and search on as soon as it is."""
        self._eager, self._usual, self._rest = True, None, 0
        self._tell(now, window.rate)

    def _try(self, now: float, limit: int, rate: float, reason: str, *, before: int | None = None) -> Decision | None:
        self._trial = _Trial(self.limit if before is None else before, rate)
        if limit < self._trial.before:
            self._eager = False
            self._tell(now, rate)
        return self._move(now, limit, reason)

    def _settle(self, now: float, limit: int, reason: str) -> Decision | None:
        """End the search at a limit, and rest."""
        self._trial = None
        if limit != self._settled:
            self._next_rest = SHORT_REST
        self._rest, self._next_rest = self._next_rest, min(2 * self._next_rest, LONG_REST)
        self._settled, self._eager = limit, False
        if self._usual:
            self._tell(now, self._usual.mean)
        return self._move(now, limit, reason)

    def _refused(self, now: float) -> Decision | None:
        """Give way: end a trial, or take a tenth off."""
        self._window = Window(now)
        if self._trial is not None and self._trial.before < self.limit:
            self._ceiling = self.limit
            if self.limit - self._trial.before > 1:
                self._next_rest = SHORT_REST
            return self._settle(now, self._trial.before, f"the server pushed back at {self.limit} uploads at a time")
        self._rest, self._trial = max(self._rest, SHORT_REST), None
        return self._move(now, max(floor(0.9 * self.limit), self._lowest), "the server pushed back")

    def _move(self, now: float, limit: int, reason: str) -> Decision | None:
        if limit == self.limit:
            return None
        decision = Decision(now, "concurrency", self.limit, limit, reason)
        self.limit, self._changed, self._window = limit, now, Window(now)
        return decision

    def _more(self, factor: float = 1.5) -> int:
        """Return the next larger limit to try: halfway at most to one at which the server pushed back."""
        more = min(ceil(factor * self.limit), self._highest)
        return min(more, max((self.limit + self._ceiling) // 2, self.limit + 1)) if self._ceiling > self.limit else more

    def _less(self, limit: int | None = None) -> int:
        """Return the next smaller limit to try, or the same if there is none."""
        limit = self.limit if limit is None else limit
        return max(limit - max(limit // 4, 1), min(FEWEST, limit), self._lowest)


def _mb(rate: float) -> str:
    return f"{rate / 1e6:.1f} MB/s"
