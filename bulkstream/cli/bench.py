"""`bulkstream bench`: how fast it goes here, what limits it, and which settings are best."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

import typer

from bulkstream.bench import Choice, Plan, Target, Workbench, measure, save_profile
from bulkstream.bench.measure import CONCURRENCIES
from bulkstream.bench.plot import check_plot, plot
from bulkstream.bench.profile import check_profile
from bulkstream.cli.bench_text import facts, grid_rows, ladder_rows, stage_rows
from bulkstream.cli.lineitem import lineitem
from bulkstream.cli.output import print_facts, print_json, print_table
from bulkstream.cli.run import run
from bulkstream.errors import UsageError
from bulkstream.settings import config_path, load_settings, overridden, users_config_path
from bulkstream.size import KIB, MIB, parse_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkstream.bench import Findings
    from bulkstream.settings import Settings

_CLEAR = "\r\x1b[K"
ROW_BYTES = 115
"""Of TPC-H lineitem as CSV, at least; more rows than are needed are made, and not used."""
LOCAL = "This is this machine without its network; `--target profile` measures the way to your account."
SIZES = {Target.NULL: 128 * MIB, Target.SANDBOX: 128 * MIB, Target.PROFILE: 16 * MIB}
"""How much is loaded at a time, unless it is said: on two cores, all of it takes less than a minute."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asked for, as it was typed."""

    files: Sequence[Path]
    target: Target
    size: str | None
    part_sizes: Sequence[str]
    concurrencies: Sequence[int]
    repeats: int
    plot: Path | None
    save_profile: str | None
    profile: str | None


class Teller:
    """Says on stderr what is being measured: on one line of a terminal, elsewhere a line for each kind of thing."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._kind = ""

    def step(self, text: str) -> None:
        """Tell what comes next."""
        kind = text.partition(",")[0].partition(" level")[0]
        if self._quiet or (not self._live and kind == self._kind):
            return
        self._kind = kind
        if self._live:
            self._write(f"{_CLEAR}{text[: shutil.get_terminal_size().columns - 1]}")
        else:
            self._write(f"{kind}\n")

    def note(self, text: str) -> None:
        """Tell what should be known even by who wants to see errors only."""
        self._write(f"{_CLEAR if self._live else ''}{text}\n")

    def done(self) -> None:
        """Take the line away."""
        if self._live and not self._quiet:
            self._write(_CLEAR)

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


def bench(wanted: Wanted, *, as_json: bool, quiet: bool) -> None:
    """Measure, print, and draw and save what was asked for.

    Raises:
        UsageError: What was asked for makes no sense; found out before anything is measured.
        BulkstreamError: As `bulkstream.bench.measure` does.
    """
    settings = load_settings(profile=wanted.profile)
    saved_to = _saved_to(wanted)
    if wanted.plot:
        check_plot(wanted.plot)
    findings = _measured(wanted, settings, Teller(quiet=quiet))
    if wanted.plot:
        plot(findings, wanted.plot)
    if saved_to:
        save_profile(saved_to, wanted.save_profile or "", findings.recommended.choice)
    done = {"plot": wanted.plot and str(wanted.plot), "saved_to": saved_to and str(saved_to), "error": None}
    if as_json:
        print_json({**findings.as_dict(), **done})
    elif not quiet:
        _print(findings, wanted, saved_to)


def _saved_to(wanted: Wanted) -> Path | None:
    """Return the settings file to write to, if any, once it is known that it can be edited."""
    if wanted.save_profile is None:
        return None
    if not wanted.save_profile.strip():
        raise UsageError("a profile needs a name")
    environ = dict(os.environ)
    path = config_path(environ) or users_config_path(environ)
    check_profile(path, wanted.save_profile, Choice(1, 1, 1, MIB))
    return path


def _measured(wanted: Wanted, settings: Settings, teller: Teller) -> Findings:
    """Measure in a temporary folder that is gone afterwards, whatever happens."""
    plan = _plan(wanted, settings)
    work = Workbench(Path(tempfile.mkdtemp(prefix="bulkstream-bench-")))
    try:
        if plan.made:
            teller.step("making rows")
            plan = _with_rows(plan, work.folder)
        return run(
            measure(plan, settings, work, step=teller.step, note=teller.note),
            interrupted=lambda: "interrupted: clearing up (again to leave at once)",
            leaving=work.clear,
        )
    finally:
        work.clear()
        teller.done()


def _plan(wanted: Wanted, settings: Settings) -> Plan:
    size = SIZES[wanted.target] if wanted.size is None else _bytes("--size", wanted.size)
    part_sizes = [_bytes("--part-size", each) for each in wanted.part_sizes]
    for each in part_sizes:
        overridden(settings.upload, {"part_size": each})
    return Plan(
        files=tuple(wanted.files),
        target=wanted.target,
        size=size,
        repeats=wanted.repeats,
        part_sizes=tuple(sorted(set(part_sizes))),
        concurrencies=tuple(sorted(set(wanted.concurrencies))) or CONCURRENCIES,
        made=not wanted.files,
    )


def _with_rows(plan: Plan, folder: Path) -> Plan:
    return replace(plan, files=(lineitem(folder, plan.size // ROW_BYTES + 1),))


def _bytes(option: str, text: str) -> int:
    try:
        size = int(str(parse_size(text)))
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None
    if size < KIB:
        raise UsageError(f"{option}: {text} is less than 1KiB")
    return size


def _print(findings: Findings, wanted: Wanted, saved_to: Path | None) -> None:
    """Write it for people."""
    print_table(("stage, alone", "    MB/s", "from - to", "of"), stage_rows(findings))
    typer.echo()
    titles = ("level", "gzip by", "1 thread", _threads(findings), "ratio", "best load", "")
    print_table(titles, ladder_rows(findings))
    typer.echo()
    sizes, rows = grid_rows(findings)
    print_table(("whole load, in flight", *sizes), rows)
    typer.echo()
    typer.secho(fill(findings.verdict.sentence, _width()), bold=True)
    print_facts(facts(findings))
    if findings.target != Target.PROFILE:
        typer.echo(fill(LOCAL, _width()))
    if wanted.plot:
        typer.echo(f"drawn to {wanted.plot}")
    if saved_to:
        typer.echo(f"saved to {saved_to}; use it with `--profile {wanted.save_profile}`")


def _threads(findings: Findings) -> str:
    return f"{findings.stages.workers} thread{'' if findings.stages.workers == 1 else 's'}"


def _width() -> int:
    """Columns to fill with sentences: the terminal's, or all that are wanted where nobody looks at it."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000
