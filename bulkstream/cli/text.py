"""Numbers, lines and reports as people read them; pure functions."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from bulkstream.model import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkstream.decision import Decision
    from bulkstream.model import Report
    from bulkstream.reporter import Progress

_BAR = 10
_USUAL = {
    "bar": _BAR, "share": 4, "done": 17, "rows": 12, "of rows": 20, "parts": 9, "raw": 9, "sent": 13, "ratio": 10,
    "end": 11,
}  # fmt: skip
"""Characters that each fact usually needs at most; with them, facts don't come and go as their numbers change."""
_NARROWEST = 20
"""Characters of a value below which a line is rather broken by the terminal."""
_SHOWN = 12
"""Changes of the tuners that a report shows."""
_STYLES = {Outcome.COMMITTED: "green", Outcome.ABORTED: "red", Outcome.KEPT: "yellow", Outcome.UNKNOWN: "magenta"}


def size(count: float) -> str:
    """Show bytes in decimal units, three digits."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:  # noqa: PLR2004 - three digits
            return f"{count:.0f} {unit}" if unit == "B" or count >= 99.95 else f"{count:.1f} {unit}"  # noqa: PLR2004
        count /= 1000
    return f"{count:.2f} TB"


def speed(mb_s: float) -> str:
    """Show MB/s, with a fraction where there are few of them."""
    return f"{mb_s:,.1f} MB/s" if 0 < mb_s < 9.95 else f"{mb_s:,.0f} MB/s"  # noqa: PLR2004 - as it is rounded


def amount(count: int) -> str:
    """Show a count, shortened beyond a million."""
    if count < 1_000_000:  # noqa: PLR2004 - a million
        return f"{count:,}"
    return f"{count / 1e6:.1f}M" if count < 999_950_000 else f"{count / 1e9:.2f}G"  # noqa: PLR2004 - as it is rounded


def duration(seconds: float) -> str:
    """Show a time to go as h:mm:ss or m:ss."""
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def hanging(text: str, *, indent: int, width: int) -> str:
    """Break a value between words so that it stands behind its label in a terminal of that width."""
    room = max(_NARROWEST, width - indent)
    lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
    return f"\n{' ' * indent}".join(lines)


def progress_line(now: Progress, *, raw_rate: float, sent_rate: float, width: int) -> str:
    """Show a load at one moment in one line of at most `width` characters; the least important goes first.

    Args:
        now: The moment.
        raw_rate: Raw bytes per second, lately.
        sent_rate: Bytes on the wire per second, lately.
        width: Columns of the terminal.
    """
    facts = _facts(now, raw_rate, sent_rate)
    for expendable in ("bar", "sent", "parts", "ratio", "rows", "done", "of rows", "raw"):
        if sum(max(len(text), _USUAL[name]) + 3 for name, text in facts.items()) - 3 <= width:
            break
        facts.pop(expendable, None)
    return " · ".join(facts.values())[:width]


def _facts(now: Progress, raw_rate: float, sent_rate: float) -> dict[str, str]:
    facts: dict[str, str] = {}
    done = f"{size(now.acked_bytes)}"
    if (share := now.share) is not None:
        filled = int(share * _BAR)
        facts["bar"] = "█" * filled + "░" * (_BAR - filled)
        facts["share"] = f"{int(share * 100):3}%"  # rounded down, so that 100 % means all of it
    if now.total_bytes:
        done += f" of {size(now.total_bytes)}"
    facts["done"] = done
    if now.total_rows and not now.total_bytes:
        facts["of rows"] = f"{amount(now.acked_rows)} of {amount(now.total_rows)} rows"
    else:
        facts["rows"] = f"{amount(now.acked_rows)} rows"
    facts["parts"] = f"{now.acked_parts:,} part{'' if now.acked_parts == 1 else 's'}"
    facts["raw"] = speed(raw_rate / 1e6)
    facts["sent"] = f"{speed(sent_rate / 1e6)} sent"
    if now.acked_sent_bytes:
        facts["ratio"] = f"ratio {now.acked_bytes / now.acked_sent_bytes:.2f}"
    facts["end"] = _end(now, raw_rate)
    return facts


def _end(now: Progress, raw_rate: float) -> str:
    """Say when it will be done, or what is being waited for."""
    share = now.share
    if now.total_bytes is None and share is None:
        return duration(now.seconds)
    if share is None or share >= 1:
        return "committing"
    if raw_rate <= 0 or not share:
        return "ETA -:--"
    about = "~" if now.total_bytes is None else ""  # as if all rows were as long as those so far
    return f"ETA {about}{duration((now.acked_bytes / share - now.acked_bytes) / raw_rate)}"


def report_lines(report: Report) -> list[tuple[str, str]]:
    """Return a finished load as labels and values."""
    ratio = f", {report.ratio:.2f} times smaller" if report.ratio and report.ratio > 1 else ""
    lines = [
        ("stream", f"{report.stream_id or '-'}, execution {report.execution_id or '-'}"),
        ("rows", f"{report.rows:,} in {report.parts:,} part{'' if report.parts == 1 else 's'}"),
        *([("bad rows", f"{report.bad_rows:,} left out")] if report.bad_rows else []),
        ("raw", f"{size(report.raw_bytes)} in {report.seconds:.1f} s: {speed(report.raw_mb_s)}"),
        ("sent", f"{size(report.sent_bytes)}{ratio}"),
        ("limited by", f"{report.limited_by or '-'}; {report.retries} retr{'y' if report.retries == 1 else 'ies'}"),
        ("memory", f"{report.peak_rss_mb:,.0f} MB at most"),
        ("run", report.run_id),
        *_timeline(report.decisions),
    ]
    if report.verified is not None:
        lines.insert(1, ("verified", "yes, it is what was sent" if report.verified else "NO, it differs"))
    return lines


def _timeline(decisions: Sequence[Decision]) -> list[tuple[str, str]]:
    """Return what the tuners changed, a line each; of many, the first and the last."""
    lines = [f"{duration(each.at):>6}  {each}" for each in decisions]
    if len(lines) > _SHOWN:
        lines[_SHOWN // 2 : -(_SHOWN // 2)] = [f"{'…':>6}  {len(lines) - _SHOWN:,} more"]
    return [("tuned" if n == 0 else "", line) for n, line in enumerate(lines)]


def outcome_style(outcome: Outcome) -> str:
    """Return the colour of an outcome."""
    return _STYLES[outcome]
