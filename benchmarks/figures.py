"""What is made of repeated measurements: medians, spreads, ratios round by round, and an exponent. All pure."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

DIGITS = 4


def rounded(value: float) -> float:
    """Keep four significant digits."""
    return float(f"{value:.{DIGITS}g}")


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Return the median, the extremes and the values themselves."""
    return {
        "median": rounded(statistics.median(values)),
        "low": rounded(min(values)),
        "high": rounded(max(values)),
        "values": [rounded(value) for value in values],
    }


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, Any]:
    """Divide round by round, so that a busy minute slows both sides of a ratio.

    Raises:
        ValueError: Not as many values on either side.
    """
    return spread([own / other for own, other in zip(ours, theirs, strict=True)])


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that `share` (0 to 1) of the values don't exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def histogram(values: Sequence[float], bounds: Sequence[float]) -> list[int]:
    """Count the values up to each bound (ascending), and in a last place those beyond."""
    counts = [0] * (len(bounds) + 1)
    for value in values:
        counts[next((place for place, bound in enumerate(bounds) if value <= bound), len(bounds))] += 1
    return counts


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """Fit cost = a · size^b by least squares of the logarithms; return b (1: linear).

    Raises:
        ValueError: Fewer than two sizes.
    """
    logs = [math.log(size) for size in sizes], [math.log(cost) for cost in costs]
    return rounded(statistics.linear_regression(*logs).slope)


def line(sizes: Sequence[float], costs: Sequence[float]) -> tuple[float, float]:
    """Fit cost = start + per_unit · size by least squares; return start and per_unit."""
    fitted = statistics.linear_regression(sizes, costs)
    return rounded(fitted.intercept), rounded(fitted.slope)
