"""A time by which a load must have ended: how it is written, and when a load is given up because it can't be met.

A deadline is a time of the local day (`06:00`, `06:00:30`; its next occurrence), a date and time by ISO 8601
(`2026-11-25T06:00`, local unless it names a zone), or a time from now (`2h`, `90m`, `1h30m`, `30s`).

`DeadlineWatch` decides and does nothing else: it is shown a load now and then, and told the time. A load is given up
at once when the deadline has passed, and ahead of it when the load would clearly miss it. Clearly means:

* there is evidence: ten seconds of uploads and four parts;
* the faster of two rates misses it by a margin: that since the evidence begins, and that of the last seconds. So
  neither a slow start nor a short stall counts against a load;
* the load isn't getting faster;
* all that has been so for fifteen seconds, at every look.

Rates are differences of bytes that were sent, times the ratio of what they came from: what is under way counts, and
what an earlier run has brought does not. Once all of the source is acknowledged, only the commit is left, and the load
is let go on.
"""

from __future__ import annotations

import re
from collections import deque
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

from bulkstream.errors import DeadlineMissed, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkstream.reporter import Progress

EVIDENCE_S, EVIDENCE_PARTS = 10.0, 4
"""Seconds and acknowledged parts without which nothing is foretold."""
WINDOW_S = 15.0
"""Seconds that the rate of late is taken over; half of what was seen, while that is less."""
FASTER = 1.1
"""A load of which each window moves so many times as much as the one before is getting faster."""
HOLD_S = 15.0
"""Seconds for which a load must have looked late."""
MARGIN = 0.05
"""Share of the time to go by which it must look late."""

_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?", re.ASCII)
_DURATION = re.compile(
    r"(?=\d)(?:(\d+(?:\.\d+)?)h)?\s*(?:(\d+(?:\.\d+)?)m)?\s*(?:(\d+(?:\.\d+)?)s)?", re.ASCII | re.IGNORECASE
)
_LONG_AGO = datetime(1970, 1, 2, tzinfo=UTC)
_LONGEST_S = 10 * 365 * 86400.0
"""Seconds beyond which a time to go is cut off, so that it stays within the calendar."""


def parse_deadline(text: str, now: datetime) -> datetime:
    """Turn a time of the day, a date and time, or a duration into the moment that it means, in UTC.

    Args:
        text: What the user wrote.
        now: The present, with its zone.

    Raises:
        UsageError: The text is none of them, or the moment has passed.
    """
    text = text.strip()
    moment = _clock(text, now) or _duration(text, now) or _iso(text)
    if moment is None:
        raise UsageError(f"{text!r} is no deadline; write for example 06:00, 2026-11-25T06:00, 2h or 90m")
    if moment <= now:
        raise UsageError(f"the deadline {text} has passed")
    return moment


def checked_deadline(text: str) -> str:
    """Return the text of a deadline if it is one, whether it has passed or not.

    Raises:
        UsageError: It is none.
    """
    parse_deadline(text, _LONG_AGO)
    return text


def _clock(text: str, now: datetime) -> datetime | None:
    """Return the next moment at which local clocks show that time, also on a day when they are changed."""
    match = _CLOCK.fullmatch(text)
    if match is None:
        return None
    shown = time(int(match[1]), int(match[2]), int(match[3] or 0))
    today = now.astimezone().date()
    moments = [each for days in (0, 1) for each in _shown(datetime.combine(today + timedelta(days=days), shown))]
    return min(each for each in moments if each > now)


def _shown(local: datetime) -> list[datetime]:
    """Return the moments at which clocks show a time: two where they are put back over it, else one.

    A time that clocks skip means the moment that would have been it, had they not been put forward (PEP 495).
    """
    first, second = (datetime.fromtimestamp(local.replace(fold=fold).timestamp(), UTC) for fold in (0, 1))
    return [first, second] if second > first else [first]


def _duration(text: str, now: datetime) -> datetime | None:
    match = _DURATION.fullmatch(text)
    if match is None:
        return None
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    total = hours * 3600 + minutes * 60 + seconds
    return now.astimezone(UTC) + timedelta(seconds=min(total, _LONGEST_S))


def _iso(text: str) -> datetime | None:
    if len(text) < len("2026-11-25T06"):  # a date alone is no moment
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _now() -> datetime:
    return datetime.now(UTC)


class DeadlineWatch:
    """Judges one load by what it is shown of it.

    Attributes:
        deadline: The moment by which the load must have ended.
    """

    def __init__(self, deadline: datetime, *, now: Callable[[], datetime] = _now) -> None:
        self.deadline = deadline
        self._now = now
        self._seen: deque[Progress] = deque()
        self._late_since: float | None = None

    def __repr__(self) -> str:
        return f"DeadlineWatch({self.deadline:%Y-%m-%d %H:%M:%S%z}, late since {self._late_since})"

    @property
    def left_s(self) -> float:
        """Seconds until then, 0 if it has passed."""
        return max(0.0, (self.deadline - self._now()).total_seconds())

    def look(self, progress: Progress) -> None:
        """Judge a load that is not being committed yet.

        Raises:
            DeadlineMissed: The deadline has passed, or can't be met.
        """
        if progress.total_bytes is not None and progress.acked_bytes >= progress.total_bytes:
            return
        self._note(progress)
        rate, now = self._rate(progress), self._now()
        end = self._end(progress, rate, now)
        if now >= self.deadline or self._held(progress, late=self._is_late(progress, end, now)):
            raise DeadlineMissed(self.deadline, eta=end, rate=rate)

    def _note(self, progress: Progress) -> None:
        """Keep the first snapshot, and of the others those that the windows reach back to."""
        self._seen.append(progress)
        while len(self._seen) > 2 and progress.seconds - self._seen[2].seconds > 2 * WINDOW_S:  # noqa: PLR2004 - see above
            del self._seen[1]

    def _rate(self, latest: Progress) -> float:
        """Raw bytes per second, by the faster of two views; 0 while too little is known."""
        first = self._seen[0]
        if latest.acked_parts - first.acked_parts < 1 or latest.seconds <= first.seconds:
            return 0.0
        return max(self._moved(first, latest), self._moved(self._back(self._window()), latest))

    def _window(self) -> float:
        """Seconds that the rate of late is taken over."""
        return min(WINDOW_S, (self._seen[-1].seconds - self._seen[0].seconds) / 2)

    def _back(self, seconds: float) -> Progress:
        """Return the last snapshot that is so old, or the first."""
        latest = self._seen[-1].seconds
        return next((each for each in reversed(self._seen) if latest - each.seconds >= seconds), self._seen[0])

    def _moved(self, earlier: Progress, later: Progress) -> float:
        """Raw bytes per second that were moved between two snapshots."""
        passed = later.seconds - earlier.seconds
        return (later.sent_bytes - earlier.sent_bytes) * self._ratio() / passed if passed > 0 else 0.0

    def _ratio(self) -> float:
        """Raw bytes per byte on the wire, by the parts of this run."""
        first, latest = self._seen[0], self._seen[-1]
        sent = latest.acked_sent_bytes - first.acked_sent_bytes
        return (latest.acked_bytes - first.acked_bytes) / sent if sent else 0.0

    def _end(self, latest: Progress, rate: float, now: datetime) -> datetime | None:
        """Return when all will be sent at that rate; bytes that were sent and not acknowledged count as done."""
        if latest.total_bytes is None or rate <= 0:
            return None
        first = self._seen[0]
        sent, acked = latest.sent_bytes - first.sent_bytes, latest.acked_sent_bytes - first.acked_sent_bytes
        to_go = latest.total_bytes - latest.acked_bytes - max(0, sent - acked) * self._ratio()
        return now + timedelta(seconds=min(max(0.0, to_go) / rate, _LONGEST_S))

    def _is_late(self, latest: Progress, end: datetime | None, now: datetime) -> bool:
        first = self._seen[0]
        if latest.seconds - first.seconds < EVIDENCE_S or latest.acked_parts - first.acked_parts < EVIDENCE_PARTS:
            return False
        if end is None or (end - now) * (1 - MARGIN) <= self.deadline - now:
            return False
        middle, start = self._back(self._window()), self._back(2 * self._window())
        return self._moved(middle, latest) <= FASTER * self._moved(start, middle)

    def _held(self, latest: Progress, *, late: bool) -> bool:
        """Whether the load has looked late for long enough."""
        if not late:
            self._late_since = None
        elif self._late_since is None:
            self._late_since = latest.seconds
        return self._late_since is not None and latest.seconds - self._late_since >= HOLD_S
