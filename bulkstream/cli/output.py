"""What goes to stdout: one JSON document, or text for people."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Any

import orjson
import typer

from bulkstream.cli.text import hanging, outcome_style, report_lines, size
from bulkstream.errors import BadRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkstream.model import Report
    from bulkstream.prepare import DryRun

_UNSEEN_WIDTH = 10_000


def print_json(document: Any) -> None:
    """Write one JSON document and a line end."""
    sys.stdout.buffer.write(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()


def print_report(report: Report) -> None:
    """Write a finished load for people."""
    typer.secho(str(report.outcome), fg=outcome_style(report.outcome), bold=True)
    print_facts(report_lines(report))


def print_facts(facts: Sequence[tuple[str, str]]) -> None:
    """Write labels and values, aligned; where nobody looks at it, a line each."""
    width = max(len(label) for label, _ in facts)
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else _UNSEEN_WIDTH
    for label, value in facts:
        typer.echo(f"  {label:<{width}}  {hanging(value, indent=width + 4, width=columns)}")


def print_dry_run(dry: DryRun) -> None:
    """Write what a load would do, for people."""
    tuning, plan = dry.tuning, dry.plan
    print_facts(
        [
            ("source", f"{dry.source.label}; {dry.source.reason}"),
            *dry.source.facts,
            *_once(dry),
            ("rows", f"{plan.rows:,}"),
            *_bad(dry),
            ("raw", f"{size(plan.raw_bytes or 0)} of CSV without headers"),
            ("parts", f"{plan.parts:,} of up to {size(tuning.part_bytes)} raw"),
            ("gzip", f"level {tuning.level} on {tuning.workers} threads"),
            ("uploads", f"{tuning.concurrency} at a time"),
            ("memory", f"at most {size(plan.peak_memory_bytes)}"),
            ("target", dry.target),
        ]
    )
    rows = [(each.column.name, str(each.column.type), each.reason) for each in dry.types.inferred]
    sampled = dry.types.sampled
    why = f"why (from {sampled:,} sampled row{'' if sampled == 1 else 's'})" if sampled else "why"
    print_table(("column", "type", why), rows)


def _once(dry: DryRun) -> list[tuple[str, str]]:
    """Say what a dry run has used up."""
    why = dry.source.unrepeatable
    return [("read", f"to its end for this dry run; {why}")] if why else []


def _bad(dry: DryRun) -> list[tuple[str, str]]:
    """Say how many rows are bad, and where the first is."""
    if dry.plan.bad_rows is None:
        return [] if dry.source.well_formed else [("bad rows", "not looked for")]
    if dry.first_bad is None:
        return [("bad rows", "none")]
    return [("bad rows", f"{dry.plan.bad_rows:,} of them; {BadRow(dry.first_bad)}")]


def print_table(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write a table, folded to the terminal's width; where nobody looks at it, as wide as it is."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    if not rows:
        typer.echo("none")
        return
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for title in titles:
        table.add_column(title, overflow="fold")  # an id that ends in dots is of no use
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    width = None if sys.stdout.isatty() else _UNSEEN_WIDTH
    Console(highlight=False, markup=False, width=width).print(table)
