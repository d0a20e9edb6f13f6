"""Bounding the bytes per second that a load sends: how a bound is written, when it holds, and how it is kept.

One rate holds always: `50MB/s`, `400kbit/s`, `50MiB/s`, or `unlimited`. A schedule names hours of the local day, in
parts separated by commas, the last of them for all other hours:

    08:00-18:00=10MB/s, 22:00-06:00=unlimited, else=40MB/s

An interval includes its beginning and not its end, and may cross midnight. Where intervals overlap, the first one
holds. Bits and bytes are told apart by `bit` and `B`; K, M and G are powers of 1000, with an `i` of 1024.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from bulkstream.errors import UsageError

if TYPE_CHECKING:
    from datetime import time

_PREFIXES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30}
_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmg]i?|)(b|bit)/s", re.IGNORECASE)
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_DAY_MINUTES = 24 * 60

BURST_S = 0.1
"""What may be sent at once after a pause, in seconds of the rate ..."""
BURST_BYTES = 256 << 10
"""... and in bytes; the smaller bound holds."""


def parse_rate(text: str) -> float:
    """Turn `50MB/s`, `100Mbit/s`, `50MiB/s` or `unlimited` into bytes/s; unlimited is infinite.

    Raises:
        UsageError: The text is no rate, or it is zero.
    """
    text = text.strip()
    if text.lower() == "unlimited":
        return inf
    match = _RATE.fullmatch(text)
    rate = float(match[1]) * _PREFIXES[match[2].lower()] / (8 if match[3].lower() == "bit" else 1) if match else 0.0
    if not rate:
        raise UsageError(f"{text!r} is not a rate; write for example 50MB/s, 400kbit/s, 50MiB/s or unlimited")
    return rate


@dataclass(frozen=True, slots=True)
class _Hours:
    """A rate, in bytes/s, from one minute of the day to another."""

    begin: int
    end: int
    rate: float

    def hold(self, minute: int) -> bool:
        """Whether a minute of the day belongs to them."""
        return (minute - self.begin) % _DAY_MINUTES < (self.end - self.begin) % _DAY_MINUTES


@dataclass(frozen=True, slots=True)
class RateSchedule:
    """The rate that holds at each time of the day.

    Attributes:
        otherwise: Bytes/s in the hours that are not named.
    """

    otherwise: float = inf
    _hours: tuple[_Hours, ...] = ()

    @classmethod
    def parse(cls, text: str) -> RateSchedule:
        """Read one rate or a schedule.

        Raises:
            UsageError: An interval or a rate is malformed, or the rate of the other hours is missing.
        """
        if "=" not in text:
            return cls(parse_rate(text))
        *named, last = (part.strip() for part in text.split(","))
        name, _, rate = last.partition("=")
        if name.strip() != "else":
            raise UsageError(f"{text!r} must end in the rate of all other hours, for example else=unlimited")
        return cls(parse_rate(rate), tuple(_hours(part) for part in named))

    def at(self, clock: time) -> float:
        """Bytes/s at a local time of the day; infinite when there is no bound."""
        minute = clock.hour * 60 + clock.minute
        return next((hours.rate for hours in self._hours if hours.hold(minute)), self.otherwise)


def _hours(text: str) -> _Hours:
    name, _, rate = text.partition("=")
    match = _HOURS.fullmatch(name.strip())
    if match is None:
        raise UsageError(f"{name.strip()!r} are no hours of the day; write for example 08:00-18:00=10MB/s")
    begin, end = int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])
    if begin == end:
        raise UsageError(f"{name.strip()!r} begins when it ends; for the whole day write the rate alone")
    return _Hours(begin, end, parse_rate(rate))


class TokenBucket:
    """Meters bytes over time; pure, so whoever sends waits as long as it is told.

    What is taken is owed at once and paid off at the rate of the moment, so that senders which ask one after the other
    each wait for all before them, and a change of the rate applies to what is still owed.
    """

    def __init__(self) -> None:
        self._owed = 0.0
        self._at: float | None = None

    def __repr__(self) -> str:
        return f"TokenBucket({self._owed:.0f} bytes owed)"

    def take(self, now: float, n: int, rate: float) -> float:
        """Take leave to send bytes.

        Args:
            now: Seconds of a clock that does not go back.
            n: Bytes, any number.
            rate: Bytes/s that hold from now on; infinite for no bound.

        Returns:
            Seconds to wait before they are sent.
        """
        if rate == inf:
            self._owed, self._at = 0.0, now
            return 0.0
        burst = min(BURST_S * rate, BURST_BYTES)
        passed = max(now - self._at, 0.0) if self._at is not None else inf
        # Below zero is credit: no more than a burst, however long nothing was sent.
        self._owed = max(self._owed - passed * rate, -burst) + n
        self._at = now if self._at is None else max(self._at, now)
        return max(self._owed, 0.0) / rate
