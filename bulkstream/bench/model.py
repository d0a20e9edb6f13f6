"""From the rates of the stages to a whole load: a plain model, of pure functions.

A load is a pipeline, so it goes as fast as its slowest stage:

    whole = min(cut, compress(level, workers), send(concurrency) x ratio(level))      all in raw MB/s

Compression grows with each core by what the last cores measured have added on average, sending with each connection
as between the nearest two measurements. What the stages take from each other by sharing the same cores is not in
it; `Verdict.reached_pct` tells how much that is here.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from bulkstream.bench.findings import Choice, Verdict
from bulkstream.model import Limit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkstream.bench.findings import Cell, Rung, Sending, Stages

CLOSE = 0.05
"""Rates whose difference is a smaller share than this are taken as equal: repeated loads differ by as much."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """Raw MB/s that each stage could make by itself."""

    source: float
    compress: float
    upload: float

    @property
    def whole(self) -> float:
        """Raw MB/s of a load."""
        return min(self.source, self.compress, self.upload)

    @property
    def limit(self) -> Limit:
        """The slowest stage."""
        rates = {Limit.COMPRESS: self.compress, Limit.UPLOAD: self.upload, Limit.SOURCE: self.source}
        return min(rates, key=rates.__getitem__)


def predict(stages: Stages, *, level: int, concurrency: int, more_cores: int = 0) -> Prediction:
    """Predict a load with all workers, and some cores more than were measured."""
    rung = stages.ladder[level]
    return Prediction(
        source=stages.cut_mb_s.median,
        compress=compress_rate(rung, stages.workers, more_cores),
        upload=sent_rate(stages.sending, concurrency) * rung.ratio,
    )


def compress_rate(rung: Rung, workers: int, more_cores: int) -> float:
    """Raw MB/s of one level on `workers` threads, and on more than were measured."""
    one, measured = rung.one_thread_mb_s.median, rung.all_threads_mb_s.median
    each = (measured - one) / (workers - 1) if workers > 1 else one
    return measured + max(0.0, each) * more_cores


def sent_rate(sending: Sequence[Sending], concurrency: int) -> float:
    """MB/s on the wire over so many connections: measured, or on a line through the nearest two measurements.

    Below the fewest connections that were measured it is in proportion. Beyond the most it never falls.
    """
    first, last = sending[0], sending[-1]
    if concurrency <= first.concurrency:
        return first.sent_mb_s.median * concurrency / first.concurrency
    slope = 0.0
    for left, right in pairwise(sending):
        slope = (right.sent_mb_s.median - left.sent_mb_s.median) / (right.concurrency - left.concurrency)
        if concurrency <= right.concurrency:
            return left.sent_mb_s.median + slope * (concurrency - left.concurrency)
    if len(sending) == 1:
        slope = last.sent_mb_s.median / last.concurrency
    return last.sent_mb_s.median + max(0.0, slope) * (concurrency - last.concurrency)


def best_level(stages: Stages, concurrency: int) -> int:
    """Choose the level with the highest prediction; of those that come close to it, the one that sends least."""
    whole = {rung.level: predict(stages, level=rung.level, concurrency=concurrency).whole for rung in stages.ladder}
    enough = (1 - CLOSE) * max(whole.values())
    return max((rung for rung in stages.ladder if whole[rung.level] >= enough), key=lambda rung: rung.ratio).level


def best_cell(grid: Sequence[Cell], *, least: int = 1) -> Cell:
    """Choose the fastest pair of settings; of those that come close to it, the fewest requests and connections.

    Args:
        grid: What was measured.
        least: Concurrency below which nothing is chosen, if anything else was measured.
    """
    allowed = [cell for cell in grid if cell.concurrency >= least] or grid
    enough = (1 - CLOSE) * max(cell.raw_mb_s.median for cell in allowed)
    close = [cell for cell in allowed if cell.raw_mb_s.median >= enough]
    return max(close, key=lambda cell: (cell.part_bytes, -cell.concurrency))


def recommend(stages: Stages, cell: Cell) -> Choice:
    """Recommend settings: concurrency and part size as measured in whole loads, the level as the model has it."""
    return Choice(best_level(stages, cell.concurrency), cell.concurrency, stages.workers, cell.part_bytes)


def verdict(stages: Stages, choice: Choice, reached_mb_s: float) -> Verdict:
    """Say what limits a load with this choice, and what would help."""
    level, concurrency = choice.level, choice.concurrency
    now = predict(stages, level=level, concurrency=concurrency)
    wider = predict(stages, level=level, concurrency=concurrency, more_cores=1)
    busier = predict(stages, level=level, concurrency=concurrency + 1)
    return Verdict(
        source_mb_s=round(now.source, 1),
        compress_mb_s=round(now.compress, 1),
        upload_mb_s=round(now.upload, 1),
        whole_mb_s=round(now.whole, 1),
        limited_by=now.limit,
        sentence=_sentence(now, choice),
        one_more_core_pct=_gain_pct(now, wider),
        one_more_connection_pct=_gain_pct(now, busier),
        reached_pct=round(100 * reached_mb_s / now.whole, 1),
    )


def _gain_pct(now: Prediction, then: Prediction) -> float:
    return round(max(0.0, 100 * (then.whole / now.whole - 1)), 1)


def _sentence(now: Prediction, choice: Choice) -> str:
    threads, connections = _counted(choice.workers, "thread"), _counted(choice.concurrency, "connection")
    rates = {
        Limit.COMPRESS: f"{now.compress:,.0f} MB/s compressed by {threads} at level {choice.level}",
        Limit.SOURCE: f"{now.source:,.0f} MB/s read and cut",
        Limit.UPLOAD: f"{now.upload:,.0f} MB/s sent over {connections}",
    }
    first = {Limit.COMPRESS: "Compression", Limit.SOURCE: "Reading and cutting", Limit.UPLOAD: "Sending"}[now.limit]
    others = " and ".join(text for limit, text in rates.items() if limit is not now.limit)
    return f"{first} limits: {rates[now.limit]}, against {others} (raw CSV)."


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
