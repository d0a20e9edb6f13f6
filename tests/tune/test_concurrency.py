"""The search for the smallest number of uploads that fills the link, driven by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from bulkstream.concurrency import AdaptiveConcurrency

if TYPE_CHECKING:
    from collections.abc import Callable

    from bulkstream.decision import Decision

BODY = 1_000_000


@dataclass
class Turns:
    """Uploads in lockstep: as many as allowed begin together and end together, after a time that depends on them."""

    tuner: AdaptiveConcurrency
    seconds: Callable[[int], float]
    now: float = 0.0
    decisions: list[Decision] = field(default_factory=list)

    def run(self, turns: int, *, uploads: int | None = None, backpressure: bool = False) -> Turns:
        for _ in range(turns):
            count = self.tuner.limit if uploads is None else uploads
            for _ in range(count):
                self.tuner.started(self.now)
            took = self.seconds(count)
            self.now += took
            for _ in range(count):
                self._end(took, backpressure=backpressure)
        return self

    def _end(self, took: float, *, backpressure: bool) -> None:
        sent = 0 if backpressure else BODY
        decision = self.tuner.finished(self.now, seconds=took, sent_bytes=sent, backpressure=backpressure)
        if decision is not None:
            self.decisions.append(decision)


def link(count: int) -> float:
    """A link of 1 MB/s, shared."""
    return float(count)


def latency(count: int) -> float:
    """A link so fast that only the latency counts."""
    return 1.0


def warm(tuner: AdaptiveConcurrency, seconds: Callable[[int], float]) -> Turns:
    """Send the first part, which goes alone."""
    return Turns(tuner, seconds).run(1, uploads=1)


def test_growth_without_gain_is_taken_back_to_the_smallest_limit_that_fills() -> None:
    """On a link that one upload fills, two are left: one more than the wire needs, for the acknowledgement."""
    turns = warm(AdaptiveConcurrency(), link).run(40)

    assert turns.tuner.limit == 2
    assert turns.tuner.capacity is not None
    assert turns.tuner.capacity.bytes_s == pytest.approx(1e6)


def test_growth_goes_on_to_the_cap_while_it_helps() -> None:
    """Where latency is the limit, the cap is reached, in few steps."""
    turns = warm(AdaptiveConcurrency(), latency).run(40)

    assert turns.tuner.limit == 64
    assert len(turns.decisions) <= 6


def test_an_idle_link_is_not_searched() -> None:
    """When fewer are in flight than allowed, nothing changes."""
    turns = warm(AdaptiveConcurrency(start=8), latency).run(50, uploads=3)

    assert turns.decisions == []


def test_back_pressure_takes_a_tenth_once_per_turn() -> None:
    """All refusals of one turn count as one; the next turn's count again."""
    turns = warm(AdaptiveConcurrency(start=40), link).run(1, backpressure=True)

    assert [(d.before, d.after) for d in turns.decisions] == [(40, 36)]
    turns.run(1, backpressure=True)
    assert turns.tuner.limit == 32
    assert turns.decisions[-1].reason == "the server pushed back"


def test_back_pressure_never_goes_below_the_lowest() -> None:
    """A server that refuses everything leaves one upload in flight."""
    turns = warm(AdaptiveConcurrency(), link).run(30, backpressure=True)

    assert turns.tuner.limit == 1


def test_a_faulty_spell_is_recovered_from() -> None:
    """After a minute of refusals the limit climbs back to where it was."""
    turns = warm(AdaptiveConcurrency(), latency).run(60)
    turns.run(60, backpressure=True)

    assert turns.tuner.limit == 1
    assert turns.run(80).tuner.limit == 64


def test_what_was_learned_expires_in_silence() -> None:
    """After a long silence a slower link is not held against the old one."""
    turns = warm(AdaptiveConcurrency(start=64), latency).run(30)
    turns.now += 1000.0
    turns.seconds = lambda count: 3.0
    turns.run(4)

    assert not any("fell" in decision.reason for decision in turns.decisions)


def test_a_rate_that_falls_is_answered_with_a_tenth_less() -> None:
    """A link that breaks down is not pressed as before."""
    tuner = AdaptiveConcurrency(start=64, lowest=1)
    turns = warm(tuner, latency).run(30)
    turns.seconds = lambda count: 3.0
    turns.run(4)

    assert any("fell to" in decision.reason and decision.after == 57 for decision in turns.decisions)


def test_equal_bounds_only_measure() -> None:
    """A concurrency that the user chose stays, and its capacity is known all the same."""
    turns = warm(AdaptiveConcurrency(start=5, lowest=5, highest=5), link).run(20)

    assert turns.decisions == []
    assert turns.tuner.capacity is not None
    assert turns.tuner.capacity.bytes_s == pytest.approx(1e6)


def test_an_upload_that_was_never_announced_does_no_harm() -> None:
    """A stray end counts nothing below zero."""
    tuner = AdaptiveConcurrency()

    assert tuner.finished(1.0, seconds=1.0, sent_bytes=1, backpressure=False) is None
    assert "0 of 4 in flight" in repr(tuner)
