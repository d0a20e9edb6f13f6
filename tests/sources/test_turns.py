"""Whoever works on Python objects steps aside, but not after each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulkstream.sources.given import turns
from bulkstream.sources.given.turns import ASIDE_S, TURN_S, Turns

if TYPE_CHECKING:
    import pytest


def test_turns_are_as_long_as_they_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """A moment of sleep follows on work of that length, and nothing on shorter."""
    now, slept = 0.0, list[float]()
    monkeypatch.setattr(turns, "perf_counter", lambda: now)
    monkeypatch.setattr(turns, "sleep", slept.append)
    step_aside = Turns()

    for _ in range(100):
        now += TURN_S / 10
        step_aside()

    assert slept == [ASIDE_S] * len(slept)
    assert 8 <= len(slept) <= 10
