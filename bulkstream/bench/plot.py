"""Two pictures of a bench: whole loads by concurrency and part size, and the ladder's frontier of speed and ratio."""

from __future__ import annotations

import importlib.util
import io
from typing import TYPE_CHECKING

from bulkstream.bench.model import predict
from bulkstream.errors import UsageError
from bulkstream.size import KIB, MIB

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from bulkstream.bench.findings import Findings, Rung

SUFFIXES = {".png", ".svg"}
_COLOURS = {"isal": "#1f77b4", "libdeflate": "#b5541c"}


def check_plot(path: Path) -> None:
    """Find out, before a minute of measuring, whether a picture can be drawn there.

    Raises:
        UsageError: matplotlib is missing, the suffix is another, or the folder does not exist.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"--plot {path}: a picture is a .png or a .svg")
    if not path.parent.is_dir():
        raise UsageError(f"--plot {path}: there is no folder {path.parent}")
    if importlib.util.find_spec("matplotlib") is None:
        hint = "Install it with: pip install 'bulkstream[plot]'"
        raise UsageError("--plot needs matplotlib, which is not installed", hint=hint)


def plot(findings: Findings, path: Path) -> None:
    """Draw the findings into a PNG or SVG file, by its suffix.

    Raises:
        OSError: It can't be written.
    """
    from matplotlib import rc_context  # noqa: PLC0415 - optional, and slow to import
    from matplotlib.figure import Figure  # noqa: PLC0415 - as above

    drawn = io.BytesIO()
    with rc_context({"svg.fonttype": "none", "font.size": 10}):
        figure = Figure(figsize=(12.5, 5.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        _heat_map(left, findings)
        _frontier(right, findings)
        figure.suptitle(_title(findings), fontsize=11)
        figure.savefig(drawn, format=path.suffix.lower().removeprefix("."), dpi=150)
    path.write_bytes(drawn.getvalue())


def _title(findings: Findings) -> str:
    data, machine = findings.data, findings.machine
    return (
        f"bulkstream bench: {data.raw_bytes / 1e6:,.0f} MB of CSV into {findings.target}, "
        f"{machine.cores} core{'' if machine.cores == 1 else 's'}, medians of {findings.repeats}"
    )


def _heat_map(axes: Axes, findings: Findings) -> None:
    sizes = sorted({cell.part_bytes for cell in findings.grid})
    concurrencies = sorted({cell.concurrency for cell in findings.grid})
    rates = {(cell.concurrency, cell.part_bytes): cell.raw_mb_s.median for cell in findings.grid}
    table = [[rates[concurrency, size] for size in sizes] for concurrency in concurrencies]
    image = axes.imshow(table, cmap="viridis", origin="lower", aspect="auto", vmin=0)
    axes.set_xticks(range(len(sizes)), [_size(size) for size in sizes])
    axes.set_yticks(range(len(concurrencies)), [str(each) for each in concurrencies])
    middle = max(rates.values()) / 2
    chosen = findings.recommended.choice
    for y, concurrency in enumerate(concurrencies):
        for x, size in enumerate(sizes):
            rate, best = rates[concurrency, size], (concurrency, size) == (chosen.concurrency, chosen.part_bytes)
            colour = "black" if rate > middle else "white"
            text = f"{rate:,.0f}\nrecommended" if best else f"{rate:,.0f}"
            axes.text(x, y, text, ha="center", va="center", color=colour, weight="bold" if best else "normal")
    axes.set(title="Whole loads", xlabel="Part size (raw)", ylabel="Uploads in flight (connections)")
    axes.figure.colorbar(image, ax=axes, label="Throughput (MB/s of raw CSV)")


def _frontier(axes: Axes, findings: Findings) -> None:
    stages, chosen = findings.stages, findings.recommended.choice
    best = frontier(stages.ladder)
    axes.plot([r.ratio for r in best], [r.all_threads_mb_s.median for r in best], color="0.7", zorder=1)
    for library in dict.fromkeys(rung.library for rung in stages.ladder):
        rungs = [rung for rung in stages.ladder if rung.library == library]
        points = [r.ratio for r in rungs], [r.all_threads_mb_s.median for r in rungs]
        axes.scatter(*points, color=_COLOURS.get(library, "0.3"), label=library, zorder=2)
    for rung in stages.ladder:
        place = rung.ratio, rung.all_threads_mb_s.median
        axes.annotate(str(rung.level), place, xytext=(6, 5), textcoords="offset points")
    _mark(
        axes,
        stages.ladder[findings.as_set.choice.level],
        "auto begins" if findings.as_set.auto_level else "as set",
        150,
    )
    _mark(axes, stages.ladder[chosen.level], "recommended", 320)
    upload = [predict(stages, level=r.level, concurrency=chosen.concurrency).upload for r in best]
    limit = max(r.all_threads_mb_s.high for r in stages.ladder)
    if min(upload) <= 1.5 * limit:
        label = f"sending can take ({chosen.concurrency} conn.)"
        axes.plot([r.ratio for r in best], upload, color="0.4", linestyle="--", label=label)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.margins(x=0.08, y=0.1)
    axes.grid(visible=True, which="both", alpha=0.2)
    threads = f"{stages.workers} thread{'' if stages.workers == 1 else 's'}"
    axes.set(
        title="The gzip ladder: levels by speed and ratio",
        xlabel="Compression ratio (raw bytes / sent bytes)",
        ylabel=f"Compression speed on {threads} (MB/s of raw CSV)",
    )
    axes.legend(loc="lower left")


def _mark(axes: Axes, rung: Rung, label: str, area: float) -> None:
    """Draw a ring around a level."""
    colour = "#2a7f2a" if label == "recommended" else "#c2185b"
    place = rung.ratio, rung.all_threads_mb_s.median
    axes.scatter(*place, s=area, facecolors="none", edgecolors=colour, linewidths=1.8, label=label, zorder=3)


def frontier(ladder: Sequence[Rung]) -> list[Rung]:
    """Return the levels that no other level beats in both speed and ratio, by ratio."""
    by_ratio = sorted(ladder, key=lambda rung: (rung.ratio, rung.all_threads_mb_s.median))
    return [
        rung
        for number, rung in enumerate(by_ratio)
        if all(other.all_threads_mb_s.median < rung.all_threads_mb_s.median for other in by_ratio[number + 1 :])
    ]


def _size(count: int) -> str:
    return f"{count / MIB:g} MiB" if count >= MIB else f"{count / KIB:.0f} KiB"
