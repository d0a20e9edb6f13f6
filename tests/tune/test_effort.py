"""The choice of the gzip level, driven by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from bulkstream.decision import Capacity
from bulkstream.effort import PRIOR, AdaptiveLevel, Rung
from bulkstream.stages import LADDER

if TYPE_CHECKING:
    from bulkstream.decision import Decision

RAW = 67_100_000


@dataclass
class Parts:
    """Parts made one after the other at the level of the tuner, on a ladder of one's own."""

    tuner: AdaptiveLevel
    ladder: tuple[Rung, ...] = PRIOR
    now: float = 0.0
    decisions: list[Decision] = field(default_factory=list)

    def run(
        self, parts: int, *, blocked: float = 0.0, starved: float = 0.0, link: float | None = None, fresh: bool = True
    ) -> Parts:
        """Make parts; a worker waits so many times the time of its work."""
        for _ in range(parts):
            rung = self.ladder[self.tuner.level]
            busy = RAW / rung.mb_s / 1e6
            self.now += busy + 0.2
            self.tuner.compressed(
                self.now, level=self.tuner.level, raw_bytes=RAW, sent_bytes=int(RAW / rung.ratio), seconds=busy
            )
            capacity = None if link is None else Capacity(self.now if fresh else 0.0, link)
            decision = self.tuner.window(
                self.now, blocked=blocked * busy, busy=busy, starved=starved * busy, link=capacity
            )
            self.decisions += [decision] if decision is not None else []
        return self


def test_the_table_covers_the_ladder() -> None:
    """One rung each, from fast to small."""
    assert len(PRIOR) == len(LADDER)
    assert [rung.ratio for rung in PRIOR] == sorted(rung.ratio for rung in PRIOR)


def test_saturated_cores_stay_at_level_1() -> None:
    """Where nobody waits for the uploads, no other level is ever tried."""
    parts = Parts(AdaptiveLevel(workers=2)).run(500)

    assert parts.decisions == []


@pytest.mark.parametrize(("link", "level"), [(400e6, 1), (118e6, 4), (60e6, 7), (5e6, 10), (1e6, 12)])
def test_a_slow_link_is_worth_more_effort(link: float, level: int) -> None:
    """The level is the one at which cores and link are equally fast, within the hysteresis."""
    parts = Parts(AdaptiveLevel(workers=2)).run(60, blocked=1.0, link=link)
    best = max(parts.tuner.promise(other) for other in range(13))

    assert abs(parts.tuner.level - level) <= 1
    assert parts.tuner.promise(parts.tuner.level) * 1.03 >= best


def test_the_level_comes_down_when_the_cores_become_the_limit() -> None:
    """A link that no longer holds anybody up is believed to carry more, until it does not."""
    parts = Parts(AdaptiveLevel(workers=2)).run(40, blocked=1.0, link=5e6)
    high = parts.tuner.level
    parts.run(600)

    assert high >= 9
    assert parts.tuner.level <= 3


def test_one_fast_upload_brings_the_level_down_at_once() -> None:
    """What a single upload got is the least that the link is worth."""
    parts = Parts(AdaptiveLevel(workers=2)).run(40, blocked=1.0, link=5e6)
    parts.tuner.sent(parts.now, sent_bytes=200_000_000, seconds=1.0)
    parts.run(8)

    assert parts.tuner.level <= 3


def test_a_ladder_slower_than_the_table_is_learned() -> None:
    """Untried rungs are scaled as the tried ones: cores of a third of the speed get a lower level."""
    slow = tuple(Rung(rung.mb_s / 3, rung.ratio) for rung in PRIOR)
    fast, weak = Parts(AdaptiveLevel(workers=2)), Parts(AdaptiveLevel(workers=2), slow)
    for parts in (fast, weak):
        parts.run(40, blocked=1.0, link=60e6)

    assert weak.tuner.level < fast.tuner.level
    assert weak.tuner.rung(8).mb_s == pytest.approx(PRIOR[8].mb_s / 3)


def test_a_slow_source_decides_nothing() -> None:
    """Workers that wait for chunks have no say."""
    parts = Parts(AdaptiveLevel(workers=2)).run(40, blocked=1.0, link=60e6)
    level = parts.tuner.level
    parts.run(300, starved=4.0)

    assert parts.tuner.level == level


def test_a_stale_or_unknown_link_decides_nothing() -> None:
    """Waiting for uploads alone is no measurement; nor is one from before the last change."""
    parts = Parts(AdaptiveLevel(workers=2)).run(40, blocked=1.0)
    assert parts.decisions == []
    parts.run(8, blocked=1.0, link=60e6)
    changes = len(parts.decisions)
    parts.run(40, blocked=1.0, link=1e6, fresh=False)

    assert changes >= 1
    assert len(parts.decisions) == changes


def test_decisions_are_apart_and_explained() -> None:
    """A few parts lie between two changes, and each names the limit."""
    parts = Parts(AdaptiveLevel(workers=2)).run(3, blocked=1.0, link=60e6)
    assert parts.decisions == []
    parts.run(1, blocked=1.0, link=60e6)

    assert "the uploads are the limit" in str(parts.decisions[0])
    assert parts.decisions[0].what == "level"


def test_small_differences_change_nothing() -> None:
    """A link that wavers by a hundredth does not move the level to and fro."""
    parts = Parts(AdaptiveLevel(workers=2)).run(60, blocked=1.0, link=112e6)
    changes = len(parts.decisions)
    for turn in range(40):
        parts.run(4, blocked=1.0, link=112e6 * (1.01 if turn % 2 else 0.99))

    assert len(parts.decisions) == changes


def test_empty_parts_teach_nothing() -> None:
    """A part without bytes or time has no speed."""
    tuner = AdaptiveLevel(workers=1)
    tuner.compressed(0.0, level=1, raw_bytes=0, sent_bytes=20, seconds=0.0)
    tuner.sent(0.0, sent_bytes=20, seconds=0.0)

    assert tuner.rung(1) == PRIOR[1]
