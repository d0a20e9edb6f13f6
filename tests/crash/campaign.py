"""Many loads, several at a time, until enough processes were killed."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

import anyio

from tests.crash.counts import Counts
from tests.crash.load import CASES, Load, Place
from tests.crash.source import KINDS, write_files
from tests.crash.witness import witnessed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.crash.moments import Pace

MOST_KILLS = 10
"""Of one load."""


@dataclass(slots=True)
class Campaign:
    """So many kills.

    Attributes:
        seed: Of everything that is drawn.
        kills: Processes to be killed in all.
        parts: Least number of parts of a load.
        lanes: Loads at the same time.
        kinds: Of files that are loaded, drawn anew for each load.
    """

    folder: Path
    seed: int
    kills: int
    parts: int = 300
    lanes: int = 2
    kinds: tuple[str, ...] = tuple(KINDS)
    counts: Counts = field(default_factory=Counts)

    async def run(self) -> None:
        """Kill until it is enough."""
        sources = self.folder / "sources"
        sources.mkdir()
        data = write_files(sources, random.Random(self.seed), self.parts)
        async with witnessed() as (witness, desk):
            place = Place(witness, desk, sources, data, self.counts)
            pace = await self._pace(place)
            left, names = [self.kills], count(1)
            async with anyio.create_task_group() as lanes:
                for _ in range(self.lanes):
                    lanes.start_soon(self._lane, place, pace, left, names)

    async def _pace(self, place: Place) -> Pace:
        """Load once without a kill."""
        load = Load(place, CASES[0], self.kinds[0], self.folder / "undisturbed", random.Random(self.seed))
        pace = await load.undisturbed()
        self.counts.numbers["parts of each load"] = pace.parts
        return pace

    async def _lane(self, place: Place, pace: Pace, left: list[int], names: Iterator[int]) -> None:
        """Take one load after another to its end, as long as there are kills left."""
        while left[0] > 0:
            number = next(names)
            draw = random.Random(f"{self.seed}/{number}")
            kills = min(left[0], draw.randint(1, MOST_KILLS))
            left[0] -= kills
            case, kind = CASES[number % len(CASES)], draw.choice(self.kinds)
            load = Load(place, case, kind, self.folder / f"load{number}", draw)
            killed = await load.run(kills, pace)
            left[0] += kills - killed
