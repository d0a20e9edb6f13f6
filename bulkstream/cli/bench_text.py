"""The findings of a bench as rows and lines for people; pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulkstream.bench import predict
from bulkstream.size import KIB, MIB

if TYPE_CHECKING:
    from bulkstream.bench import Choice, Findings, Rate


def stage_rows(findings: Findings) -> list[tuple[str, ...]]:
    """Return one row for each stage: what, median, spread, unit."""
    stages, choice = findings.stages, findings.recommended.choice
    rung = stages.ladder[choice.level]
    return [
        ("read", *_rate(stages.read_mb_s), "raw, 1 thread"),
        ("read and cut", *_rate(stages.cut_mb_s), "raw, 1 thread"),
        ("compress", *_rate(rung.all_threads_mb_s), f"raw, level {rung.level}, {_counted(stages.workers, 'thread')}"),
        *(("send", *_rate(each.sent_mb_s), f"gzipped, {each.concurrency} in flight") for each in stages.sending),
    ]


def ladder_rows(findings: Findings) -> list[tuple[str, ...]]:
    """Return one row for each level of the ladder; where auto and the recommendation stand is said."""
    stages, chosen = findings.stages, findings.recommended.choice
    return [
        (
            f"{rung.level:>5}",
            f"{rung.library} {rung.library_level}",
            f"{rung.one_thread_mb_s.median:>8,.0f}",
            f"{rung.all_threads_mb_s.median:>9,.0f}",
            f"{rung.ratio:>5.2f}",
            f"{predict(stages, level=rung.level, concurrency=chosen.concurrency).whole:>9,.0f}",
            _marks(findings, rung.level),
        )
        for rung in stages.ladder
    ]


def grid_rows(findings: Findings) -> tuple[list[str], list[tuple[str, ...]]]:
    """Return the part sizes as titles, and for each concurrency the rates at these."""
    rates = {(cell.concurrency, cell.part_bytes): cell.raw_mb_s.median for cell in findings.grid}
    sizes = sorted({size for _, size in rates})
    titles = [f"{part_size(size)} parts" for size in sizes]
    rows = [
        (f"{each:>21}", *(f"{rates[each, size]:>{len(title)},.0f}" for size, title in zip(sizes, titles, strict=True)))
        for each in sorted({concurrency for concurrency, _ in rates})
    ]
    return titles, rows


def facts(findings: Findings) -> list[tuple[str, str]]:
    """Return what follows from the measurements, as labels and values."""
    verdict, plain, best = findings.verdict, findings.as_set, findings.recommended
    return [
        ("+1 core", _gain(verdict.one_more_core_pct)),
        ("+1 connection", _gain(verdict.one_more_connection_pct)),
        ("by the model", f"{verdict.whole_mb_s:,.0f} MB/s; a whole load reaches {verdict.reached_pct:.0f}% of it"),
        ("as set", f"{_spread(plain.raw_mb_s)}: {_options(plain.choice)}"),
        ("recommended", f"{_spread(best.raw_mb_s)}: {_options(best.choice)}"),
        ("measured", _measured(findings)),
    ]


def part_size(count: int) -> str:
    """Show a part size as the settings take it."""
    for unit, name in ((MIB, "MiB"), (KIB, "KiB")):
        if count % unit == 0:
            return f"{count // unit}{name}"
    return str(count)


def _measured(findings: Findings) -> str:
    data, times = findings.data, findings.repeats
    return (
        f"{data.raw_bytes / 1e6:,.0f} MB, {data.rows:,} rows, into {findings.target}; "
        f"{_counted(times, 'time')} each, {findings.seconds:.0f} s"
    )


def _rate(rate: Rate) -> tuple[str, str]:
    return f"{rate.median:>8,.0f}", f"{rate.low:>6,.0f} to {rate.high:,.0f}"


def _spread(rate: Rate) -> str:
    return f"{rate.median:,.0f} MB/s ({rate.low:,.0f} to {rate.high:,.0f})"


def _options(choice: Choice) -> str:
    return f"level {choice.level}, {choice.concurrency} in flight, {part_size(choice.part_bytes)} parts"


def _marks(findings: Findings, level: int) -> str:
    plain = "auto" if findings.as_set.auto_level else "as set"
    marks = [plain] if level == findings.as_set.choice.level else []
    marks += ["best"] if level == findings.recommended.choice.level else []
    return ", ".join(marks)


def _gain(percent: float) -> str:
    return f"+{percent:.0f}%" if percent >= 1 else "nothing"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
