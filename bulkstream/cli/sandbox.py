"""`bulkstream sandbox`: the local server in the foreground."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import typer

from bulkstream.cli.run import run
from bulkstream.sandbox import serve

if TYPE_CHECKING:
    from bulkstream.sandbox import SandboxSettings


def serve_until_stopped(settings: SandboxSettings) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises:
        BulkstreamError: It can't listen, or the data folder is in use.
    """
    try:
        run(serve(settings, started=_say), interrupted=lambda: "stopping")
    except asyncio.CancelledError:
        return


def _say(url: str) -> None:
    typer.echo(url)
    sys.stdout.flush()
    if sys.stdout.isatty():
        typer.echo("\nIn another terminal:\n")
        typer.echo(f"  export BULKSTREAM_URL={url}")
        typer.echo("  export BULKSTREAM_TOKEN=sandbox")
        typer.echo("  export BULKSTREAM_DIALECT=instance")
        typer.echo("  bulkstream upload FILE.csv --dataset-name Trial\n")
        typer.echo("Client id and secret of the public dialect are `sandbox` as well. Ctrl-C stops it.")
