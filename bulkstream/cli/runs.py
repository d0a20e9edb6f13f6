"""`bulkstream runs …`: what the journals tell of the runs on this machine, and clearing them away."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bulkstream.cli.options import AsJson, Profile
from bulkstream.cli.run import told

if TYPE_CHECKING:
    from bulkstream.cleanup import Sweep
    from bulkstream.journal import RunFolder, RunOutline, RunPlan, Tally

runs = typer.Typer(
    help="List, show and clear away the runs of this machine.", no_args_is_help=True, rich_markup_mode=None
)
RunId = Annotated[str, typer.Argument(metavar="RUN_ID", help="Name of the run.", show_default=False)]


@runs.command(name="list")
def list_(as_json: AsJson = False, profile: Profile = None) -> None:
    """List the runs, the newest first."""
    with told(as_json=as_json):
        from contextlib import suppress

        from bulkstream.cli.output import print_json, print_table
        from bulkstream.errors import JournalDamaged
        from bulkstream.runs import store_of
        from bulkstream.settings import load_settings

        found = []
        for run, outline in store_of(load_settings(profile=profile)).outlines():
            with suppress(JournalDamaged):
                found.append(_summary(run, outline, run.tally()))
        if as_json:
            print_json(found)
        else:
            print_table(("run", "state", "stream", "parts", "rows", "began"), list(map(_row, found)))


@runs.command()
def show(run_id: RunId, as_json: AsJson = False, profile: Profile = None) -> None:
    """Show a run: what it was begun with, and what has happened."""
    with told(as_json=as_json):
        from bulkstream.cli.output import print_facts, print_json, print_table
        from bulkstream.runs import store_of
        from bulkstream.settings import load_settings

        run = store_of(load_settings(profile=profile)).get(run_id)
        outline, tally = run.outline(), run.tally()
        steps = [{"at": _time(each.at), "step": str(each.step), **each.detail} for each in outline.events]
        if as_json:
            print_json({**_summary(run, outline, tally), "plan": outline.plan.model_dump(mode="json"), "steps": steps})
            return
        print_facts(_facts(run, outline, tally))
        typer.echo()
        print_table(("when", "step", "detail"), [(each["at"], each["step"], _detail(each)) for each in steps])


@runs.command()
def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    as_json: AsJson = False,
    profile: Profile = None,
) -> None:
    """Abort executions of runs that were cut off, and remove old journals.

    Runs that are alive, that were kept on purpose, or whose commit is not settled are left alone.
    """
    with told(as_json=as_json):
        from dataclasses import asdict

        from bulkstream.cleanup import sweep
        from bulkstream.cli.api import call
        from bulkstream.cli.output import print_json

        swept: list[Sweep] = call(lambda client: sweep(client, dry_run=dry_run), profile)
        if as_json:
            print_json([asdict(each) for each in swept])
        else:
            _print_swept(swept, "to do" if dry_run else "done")


def _print_swept(swept: "list[Sweep]", title: str) -> None:
    """Write what is done with runs; of those that have ended lately, nobody wants a line each."""
    from bulkstream.cli.output import print_table
    from bulkstream.journal import Phase

    shown = [(each.run_id, each.fate, each.reason) for each in swept if each.reason not in set(Phase)]
    if shown or not swept:
        print_table(("run", title, "why"), shown)
    if rest := len(swept) - len(shown):
        typer.echo(f"left alone, having ended lately: {rest:,}")


def _summary(run: "RunFolder", outline: "RunOutline", tally: "Tally") -> dict[str, Any]:
    return {
        "run_id": outline.run_id,
        "state": _state(run, outline),
        "stream_id": outline.plan.stream_id,
        "execution_id": outline.execution_id,
        "parts": tally.parts,
        "rows": tally.rows,
        "began": _time(outline.plan.created),
    }


def _row(found: dict[str, Any]) -> tuple[object, ...]:
    """Show a run in 80 columns: its name must not be folded, since it is copied from here."""
    from bulkstream.cli.text import amount

    began = found["began"][: len("2026-11-25 06:00")]
    return found["run_id"], found["state"], found["stream_id"], found["parts"], amount(found["rows"]), began


def _state(run: "RunFolder", outline: "RunOutline") -> str:
    """Name where a run stands, for people: alive, its outcome, or interrupted."""
    if run.active:
        return "alive"
    return str(outline.phase if outline.ended else outline.outcome or "interrupted")


def _facts(run: "RunFolder", outline: "RunOutline", tally: "Tally") -> list[tuple[str, str]]:
    from bulkstream.cli.text import size

    plan, raw = outline.plan, tally.raw_bytes
    state = _state(run, outline)
    return [
        ("run", f"{outline.run_id}: {state}"),
        ("account", f"{plan.url}, {plan.dialect} dialect"),
        ("stream", f"{plan.stream_id}, execution {outline.execution_id or '-'}, {plan.method or 'mode unknown'}"),
        ("source", _source(plan)),
        ("parts", f"{tally.parts:,} acknowledged, of up to {size(plan.part_bytes)}"),
        ("raw", f"{size(raw)} of {size(plan.total_bytes)}" if plan.total_bytes is not None else size(raw)),
        ("error", str((outline.report or {}).get("error") or "-")),
        ("next", "-" if outline.ended or state == "alive" else _next(outline)),
    ]


def _source(plan: "RunPlan") -> str:
    """Name what was loaded, or say why it can't be named."""
    names = [file.path for file in plan.files] or list(plan.inputs)
    if not names:
        return plan.unrepeatable
    count = len(plan.files or plan.blobs)
    more = ", …" if len(names) > 3 else ""  # noqa: PLR2004 - three are enough to see
    return f"{count:,} file{'' if count == 1 else 's'}: {', '.join(names[:3])}{more}"


def _next(outline: "RunOutline") -> str:
    """Name the command that ends a run; what came out of a pipe can only be given up, unless a commit is to settle."""
    return f"bulkstream resume {outline.run_id}{'' if outline.resumable else ' --abort'}"


def _detail(step: dict[str, Any]) -> str:
    hidden = {"at", "step", "execution", "server_time"}
    shown = {key: value for key, value in step.items() if key not in hidden and value is not None}
    if "execution" in step:
        shown = {"execution": step["execution"].get("id")}
    if "outcome" in step:
        shown = {key: step[key] for key in ("outcome", "parts", "rows", "error") if step.get(key) is not None}
    return ", ".join(f"{key} {value}" for key, value in shown.items())


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(sep=" ", timespec="seconds")
