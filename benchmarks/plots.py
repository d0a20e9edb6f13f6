"""The pictures of docs/performance.md: which there are, what each needs, and how it is drawn, the same each time."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Document = dict[str, Any]

FOLDER = "plots"
BLUE, BROWN, GREY = "#1f77b4", "#b5541c", "#555555"
NAMES = {"end_to_end": "http", "tls": "https"}


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture.

    Attributes:
        tells: What it shows, for those who can't see it.
        wants: The comparisons of which at least one must have been measured.
        draw: Draws those that were into a figure.
    """

    tells: str
    wants: tuple[str, ...]
    draw: Callable[[Figure, Mapping[str, Document]], None]


def usable(plot: Plot, found: Mapping[str, Document]) -> dict[str, Document]:
    """Return the results that a picture can be drawn of, by the name of their comparison."""
    wanted = {name: found[name]["result"] for name in plot.wants if name in found}
    return {name: result for name, result in wanted.items() if "skipped" not in result}


def link(name: str, found: Mapping[str, Document]) -> str:
    """Return what shows a picture in a page; nothing where there is nothing to draw.

    Raises:
        KeyError: There is no such picture.
    """
    plot = PLOTS[name]
    return f"![{plot.tells}]({FOLDER}/{name}.svg)" if usable(plot, found) else ""


def drawable() -> bool:
    """Tell whether matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def drawn(found: Mapping[str, Document], folder: Path) -> list[Path]:
    """Draw what can be drawn into a folder; return the files."""
    names = [name for name, plot in PLOTS.items() if usable(plot, found)]
    if names:
        folder.mkdir(parents=True, exist_ok=True)
    return [_drawn(PLOTS[name], found, folder / f"{name}.svg") for name in names]


def _drawn(plot: Plot, found: Mapping[str, Document], path: Path) -> Path:
    from matplotlib import rc_context  # noqa: PLC0415 - optional, and slow to import
    from matplotlib.figure import Figure  # noqa: PLC0415 - as above

    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "bulkstream", "font.size": 10, "axes.axisbelow": True}):
        figure = Figure(figsize=(8, 3.6), layout="constrained")
        plot.draw(figure, usable(plot, found))
        figure.savefig(path, metadata={"Date": None, "Creator": None} if path.suffix == ".svg" else None)
    return path


def ratios(figure: Figure, results: Mapping[str, Document]) -> None:
    """Draw a bar for each load's speed as a ratio to the codec's, with its extremes and its bound."""
    axes = figure.subplots()
    bars = [
        (f"{NAMES[name]}, {size}", load["ratio"], result["bound"])
        for name, result in results.items()
        for size, load in result["loads"].items()
    ]
    for place, (_, told, bound) in enumerate(bars):
        _bar(axes, place, told, BLUE, 0.6)
        label = "bound" if place == 0 else None
        axes.plot([place - 0.4, place + 0.4], [bound, bound], color=BROWN, linestyle="--", label=label)
    axes.axhline(1, color=GREY, linewidth=0.8, label="codec alone, in memory")
    axes.set_xticks(range(len(bars)), [name for name, _, _ in bars])
    axes.set_xlabel("protocol, part size")
    axes.set_ylabel("speed, ratio to the codec")
    axes.set_title("A whole load next to the codec (medians, lowest to highest)")
    _finish(axes)


def links(figure: Figure, results: Mapping[str, Document]) -> None:
    """Draw each link's raw MB/s by level, with their extremes."""
    each = results["links"]["links"]
    for axes, link_ in zip(figure.subplots(1, len(each), squeeze=False)[0], each, strict=True):
        loads = {name: load for name, load in link_["loads"].items() if name != "delayed"}
        for place, (name, load) in enumerate(loads.items()):
            _bar(axes, place, load["mb_s"], BROWN if name == "auto" else BLUE, 0.7)
        axes.axhline(link_["mbit"] / 8, color=GREY, linestyle="--", label="link, uncompressed")
        axes.set_xticks(range(len(loads)), loads)
        axes.set_xlabel("--level")
        axes.set_ylabel("raw MB/s")
        axes.set_title(f"{link_['mbit']} Mbit/s")
        _finish(axes)


def scaling(figure: Figure, results: Mapping[str, Document]) -> None:
    """Draw time and memory by size, both on logarithmic scales."""
    rows = results["scaling"]["sizes"]
    sizes = [row["raw_bytes"] / 1e6 for row in rows]
    left, right = figure.subplots(1, 2)
    for axes, key, unit in ((left, "seconds", "time, s"), (right, "peak_rss_mb", "peak memory, MB")):
        told = [row[key] for row in rows]
        axes.errorbar(sizes, [each["median"] for each in told], yerr=_extremes(told), marker="o", capsize=4, color=BLUE)
        axes.set(xscale="log", yscale="log", xlabel="raw MB", ylabel=unit)
        axes.grid(visible=True, which="major", alpha=0.3)
    right.set_ylim(10, 10 ** _digits(max(row["peak_rss_mb"]["high"] for row in rows)))
    exponent = results["scaling"]["time_exponent"]
    left.set_title(f"Time (exponent {exponent:.3g})")
    right.set_title("Peak memory")


PLOTS = {
    "ratios": Plot("Bars: speed of a whole load as a ratio to the codec's", ("end_to_end", "tls"), ratios),
    "links": Plot("Bars: raw MB/s by level, for each slow link", ("links",), links),
    "scaling": Plot("Curves: time and peak memory by size, logarithmic", ("scaling",), scaling),
}


def _bar(axes: Axes, place: int, told: dict[str, Any], colour: str, width: float) -> None:
    axes.bar(place, told["median"], width, color=colour, yerr=_extremes([told]), capsize=4, ecolor="black")


def _extremes(told: list[dict[str, Any]]) -> list[list[float]]:
    """Return how far the extremes are from the medians, below and above."""
    below = [each["median"] - each["low"] for each in told]
    return [below, [each["high"] - each["median"] for each in told]]


def _digits(value: float) -> int:
    return len(str(int(value)))


def _finish(axes: Axes) -> None:
    axes.set_ylim(0, axes.get_ylim()[1] * 1.2)
    axes.grid(visible=True, axis="y", alpha=0.3)
    axes.legend(loc="upper right", fontsize=8, ncols=2)
