"""A short campaign: what `python -m tests.crash` does for minutes."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.crash.campaign import Campaign
from tests.crash.counts import COMMANDS, STAGES
from tests.crash.outages import outages
from tests.crash.source import KINDS

if TYPE_CHECKING:
    from pathlib import Path

SEED, KILLS = 7, 5


@pytest.mark.parametrize("kind", KINDS)
async def test_killed_loads_end_with_exactly_the_source(tmp_path: Path, kind: str) -> None:
    """Whenever they are killed, loads send what has no receipt, nothing that has one, and end as they say."""
    campaign = Campaign(tmp_path, SEED, kills=KILLS, parts=60, kinds=(kind,))

    await campaign.run()

    counts = campaign.counts
    assert counts.mismatches == [], f"seed {SEED}"
    assert sum(counts.kills.values()) == KILLS
    assert {stage for stage, _ in counts.kills} <= set(STAGES)
    assert {command for _, command in counts.kills} <= set(COMMANDS)
    assert sum(counts.outcomes.values()) == counts.numbers["loads"]


async def test_a_server_that_dies_is_survived(tmp_path: Path) -> None:
    """A load goes on when its server comes back, and tells the truth about a commit whose answer died with it."""

    counts = await outages(tmp_path, 2, random.Random(SEED), 60)

    assert counts.mismatches == [], f"seed {SEED}"
    assert counts.numbers["loads"] == 2
