"""The commands and their options. A command has as many parameters as it has options; that is typer's way."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bulkstream import __version__
from bulkstream.cli.executions import executions
from bulkstream.cli.failure import failed_load
from bulkstream.cli.options import AsJson, Mode, Profile, Quiet
from bulkstream.cli.run import told
from bulkstream.cli.runs import runs
from bulkstream.cli.streams import streams
from bulkstream.model import Binary, Check, Format, HeaderMode, OnFailure, Verify

app = typer.Typer(
    help="Load large data into a Domo dataset: parallel gzip, concurrent parts, a verified commit or a clean abort.",
    epilog="Credentials come from BULKSTREAM_URL and BULKSTREAM_TOKEN, or BULKSTREAM_CLIENT_ID and _SECRET.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich would take longer to import than all the rest of --help
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 120},
)
app.add_typer(streams, name="streams")
app.add_typer(executions, name="executions")
app.add_typer(runs, name="runs")


class OnOff(StrEnum):
    """A switch with a name."""

    ON = "on"
    OFF = "off"


class BenchTarget(StrEnum):
    """What a bench uploads to, as it is typed."""

    NULL = "null"
    SANDBOX = "sandbox"
    PROFILE = "profile"


Sources = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SOURCE",
        help="Files, quoted patterns or URLs, in order; - is standard input.",
        show_default=False,
    ),
]


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"bulkstream {__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - its callback has printed it
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Leave colours out where the user wants none (https://no-color.org)."""
    if os.environ.get("NO_COLOR"):
        context.color = False


@app.command()
def upload(
    sources: Sources = None,
    stream: Annotated[int | None, typer.Option(help="Load into this stream.", metavar="ID")] = None,
    dataset_name: Annotated[
        str | None, typer.Option(help="Load into the dataset of this name; create it if there is none.", metavar="NAME")
    ] = None,
    mode: Annotated[
        Mode | None, typer.Option(help="What becomes of the rows there; the stream's own if unset.")
    ] = None,
    key: Annotated[list[str] | None, typer.Option(help="Key column of an upsert; repeatable.", metavar="COL")] = None,
    schema: Annotated[
        Path | None, typer.Option(help="Columns of a new dataset: JSON or TOML.", metavar="FILE", dir_okay=False)
    ] = None,
    query: Annotated[
        str | None, typer.Option(help="Load what a database gives for this; needs --from.", metavar="SQL")
    ] = None,
    database: Annotated[
        str | None, typer.Option("--from", help="The database: postgresql://, sqlite:/// or duckdb:///.", metavar="URL")
    ] = None,
    format: Annotated[  # noqa: A002 - the option's name
        Format | None, typer.Option(help="Form of the sources; told by their first bytes if unset.")
    ] = None,
    columns: Annotated[
        str | None, typer.Option(help="Columns to load, in this order; NEW=NAME renames.", metavar="COL,…")
    ] = None,
    evolve: Annotated[
        bool, typer.Option("--evolve", help="Add columns to the dataset and widen types where the source needs it.")
    ] = False,
    encoding: Annotated[str | None, typer.Option(help="Of text; UTF-8, or by its mark.", metavar="NAME")] = None,
    dialect: Annotated[
        str | None, typer.Option(help="Of CSV, e.g. 'delimiter=; quote=none'; sniffed if unset.", metavar="TEXT")
    ] = None,
    binary: Annotated[Binary | None, typer.Option(help="What to do with binary columns.")] = None,
    sheet: Annotated[str | None, typer.Option(help="Sheet of Excel: name or number.", metavar="NAME")] = None,
    part_size: Annotated[str | None, typer.Option(help="Raw bytes per part, e.g. 64MiB.", metavar="SIZE")] = None,
    concurrency: Annotated[str | None, typer.Option(help="Uploads in flight.", metavar="auto|N")] = None,
    workers: Annotated[str | None, typer.Option(help="Compression threads.", metavar="auto|N")] = None,
    level: Annotated[str | None, typer.Option(help="Gzip effort, 0 fastest.", metavar="auto|0..12")] = None,
    limit_rate: Annotated[
        str | None, typer.Option(help="Most bytes sent per second, e.g. 50MB/s.", metavar="RATE")
    ] = None,
    header: Annotated[HeaderMode | None, typer.Option(help="Whether files begin with a header.")] = None,
    on_failure: Annotated[OnFailure | None, typer.Option(help="What becomes of a failed execution.")] = None,
    max_bad_rows: Annotated[
        str | None, typer.Option(help="Bad rows to leave out: a number, or a share, e.g. 0.1%.", metavar="N")
    ] = None,
    check_types: Annotated[
        bool, typer.Option("--check-types", help="Rows are bad also where values don't fit their columns.")
    ] = False,
    reject_file: Annotated[
        Path | None, typer.Option(help="Where left-out rows go.", metavar="FILE", dir_okay=False)
    ] = None,
    journal: Annotated[
        bool | None, typer.Option("--journal/--no-journal", help="Keep a journal, for `bulkstream resume`.")
    ] = None,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Abort what others have left open on the stream.")
    ] = False,
    verify: Annotated[Verify | None, typer.Option(help="What is compared after the commit.")] = None,
    deadline: Annotated[
        str | None, typer.Option(help="Give up what can't end by then: 06:00, 2h, ISO 8601.", metavar="TIME")
    ] = None,
    spool: Annotated[
        Path | None, typer.Option(help="Keep a copy of standard input and pipes here until the end.", metavar="DIR")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done; asks no server.")] = False,
    as_json: AsJson = False,
    profile: Profile = None,
    quiet: Quiet = False,
) -> None:
    """Load files or a query into a stream: all of it or nothing.

    Commits if every row has arrived, else leaves the dataset as it was.
    """
    with told(as_json=as_json, document=failed_load):
        from bulkstream.cli.upload import named, plan
        from bulkstream.cli.upload import upload as load
        from bulkstream.sources import entries_of

        target = {"stream": stream, "dataset_name": dataset_name, "mode": mode, "key": key, "schema": schema}
        target["take_over"] = take_over
        given = named(sources or (), query=query, database=database)
        flags = {
            "format": format,
            "columns": entries_of(columns) if columns else None,
            "evolve": evolve or None,
            "encoding": encoding,
            "dialect": dialect,
            "binary": binary,
            "sheet": sheet,
            "part_size": part_size,
            "concurrency": _number(concurrency),
            "workers": _number(workers),
            "level": _number(level),
            "limit_rate": limit_rate,
            "header": header,
            "on_failure": on_failure,
            "max_bad_rows": max_bad_rows,
            "check": Check.TYPES if check_types else None,
            "reject_file": reject_file,
            "journal": journal,
            "verify": verify,
            "deadline": deadline,
            "spool": spool,
        }
        if dry_run:
            plan(given, {**target, "profile": profile}, flags, as_json=as_json)
        else:
            raise typer.Exit(load(given, {**target, "profile": profile}, flags, as_json=as_json, quiet=quiet))


@app.command()
def resume(
    run_id: Annotated[
        str | None,
        typer.Argument(metavar="RUN_ID", help="Default: the only run that was interrupted.", show_default=False),
    ] = None,
    give_up: Annotated[bool, typer.Option("--abort", help="Give the run up: abort what it has left open.")] = False,
    as_json: AsJson = False,
    profile: Profile = None,
    quiet: Quiet = False,
) -> None:
    """Finish a run that was interrupted or kept.

    Sends what is missing, and commits. A run whose commit was sent is settled by asking the server.
    """
    with told(as_json=as_json, document=failed_load):
        from bulkstream.cli.resume import resume as go_on

        raise typer.Exit(go_on(run_id, profile=profile, give_up=give_up, as_json=as_json, quiet=quiet))


@app.command()
def demo(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE", help="Files of your own.", show_default=False)
    ] = None,
    rows: Annotated[
        int | None, typer.Option(help="Rows of TPC-H lineitem to make; default: 600000.", metavar="N", min=1)
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the input and the sandbox's data.")] = False,
) -> None:
    """Load into a sandbox of its own, read back and compare.

    Needs no account and no set-up.
    """
    with told(as_json=as_json, document=failed_load):
        from bulkstream.cli.demo import demo as show

        raise typer.Exit(show(files or [], rows, as_json=as_json, quiet=quiet, keep=keep))


@app.command()
def bench(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE", help="CSV files of your own; without, rows are made.", show_default=False),
    ] = None,
    target: Annotated[BenchTarget, typer.Option(help="Where to upload to.")] = BenchTarget.NULL,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the findings to this .png or .svg.", metavar="FILE", dir_okay=False)
    ] = None,
    as_json: AsJson = False,
    save_profile: Annotated[
        str | None, typer.Option(help="Save the recommended values in this profile.", metavar="NAME")
    ] = None,
    repeats: Annotated[int, typer.Option(help="Times that each speed is measured.", metavar="N", min=1)] = 3,
    size: Annotated[
        str | None, typer.Option(help="Data per load; 128MiB, or 16MiB into a profile's account.", metavar="SIZE")
    ] = None,
    part_size: Annotated[
        list[str] | None, typer.Option(help="Part size to try; repeatable.", metavar="SIZE", show_default=False)
    ] = None,
    concurrency: Annotated[
        list[int] | None,
        typer.Option(help="Uploads in flight to try; repeatable.", metavar="N", min=1, max=256, show_default=False),
    ] = None,
    profile: Profile = None,
    quiet: Quiet = False,
) -> None:
    """Measure how fast loads go here, and what limits them.

    Says which settings are best. Commits nothing: every execution is aborted.
    """
    with told(as_json=as_json):
        from bulkstream.bench import Target
        from bulkstream.cli.bench import Wanted
        from bulkstream.cli.bench import bench as show

        wanted = Wanted(
            files=files or (),
            target=Target(target),
            size=size,
            part_sizes=part_size or (),
            concurrencies=concurrency or (),
            repeats=repeats,
            plot=plot,
            save_profile=save_profile,
            profile=profile,
        )
        show(wanted, as_json=as_json, quiet=quiet)


@app.command()
def sandbox(
    host: Annotated[str, typer.Option(help="Loopback address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.", min=0, max=65535)] = 8640,
    data: Annotated[
        Path | None, typer.Option(help="Folder to keep data in; default: a temporary one.", metavar="DIR")
    ] = None,
    port_file: Annotated[
        Path | None, typer.Option(help="Write the port to this file once listening.", metavar="FILE")
    ] = None,
    validate: Annotated[OnOff, typer.Option(help="Check gzip and CSV of each part; off for benchmarks.")] = OnOff.ON,
    token_ttl: Annotated[float, typer.Option(help="Seconds that a token lives.", metavar="S", min=1)] = 3599.0,
    commit_delay: Annotated[float, typer.Option(help="Seconds that a commit stays ACTIVE.", metavar="S", min=0)] = 0.0,
    commit_interval: Annotated[
        float, typer.Option(help="Least seconds between two commits of a stream, else 429.", metavar="S", min=0)
    ] = 0.0,
    latency: Annotated[float, typer.Option(help="Seconds added to each answer.", metavar="S", min=0)] = 0.0,
    faults: Annotated[Path | None, typer.Option(help="Script of faults to inject (TOML).", metavar="FILE")] = None,
) -> None:
    """Serve the Streams API on this machine, in both dialects.

    Data is kept on disk.
    """
    with told():
        from bulkstream.cli.sandbox import serve_until_stopped
        from bulkstream.sandbox import SandboxSettings, Validation, load_plan

        settings = SandboxSettings(
            host=host,
            port=port,
            data=data,
            port_file=port_file,
            validate=Validation(validate),
            token_ttl_s=token_ttl,
            commit_delay_s=commit_delay,
            commit_interval_s=commit_interval,
            latency_s=latency,
            faults=load_plan(faults) if faults else None,
        )
        serve_until_stopped(settings)


@app.command()
def doctor(as_json: AsJson = False, profile: Profile = None) -> None:
    """Check set-up, credentials, clock and link, and say what to do."""
    with told(as_json=as_json):
        from bulkstream.cli.doctor import examine

        raise typer.Exit(examine(profile, as_json=as_json))


def _number(text: str | None) -> int | str | None:
    """Return a number where the text is one; the settings judge everything else."""
    return int(text) if text is not None and text.isdecimal() else text
