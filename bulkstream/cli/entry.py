"""Entering the command line: what the parser refuses becomes text, JSON and an exit code; the rest is the commands'."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from bulkstream.cli.app import app
from bulkstream.cli.exits import Exit
from bulkstream.cli.failure import failed_load, failure
from bulkstream.cli.run import say_error
from bulkstream.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    Refusal = Any
else:
    Refusal = typer.BadParameter.__bases__[0]  # the parser's UsageError, for which typer has no public name

LOADS = {"upload", "resume", "demo"}


def enter(arguments: Sequence[str]) -> int:
    """Run the command that the arguments name; return the exit code."""
    if sys.__stdin__ is None:  # closed: its number would be taken by something that is not to be read
        os.open(os.devnull, os.O_RDONLY)
    try:
        return int(app(list(arguments), prog_name="bulkstream", standalone_mode=False) or Exit.COMMITTED)
    except typer.Abort:
        typer.echo("aborted", err=True)
        return Exit.FAILED
    except Refusal as refusal:
        return _refused(refusal, as_json="--json" in arguments)


def leave(code: int) -> NoReturn:
    """End the process, without waiting for threads whose work nobody wants any more.

    A load that fails abandons its compression, which the interpreter would wait for at its exit: a minute and more
    for a large part at a high level, after everything was told.
    """
    if threading.active_count() > 1:
        with suppress(OSError):  # nobody may read any more
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _refused(refusal: Any, *, as_json: bool) -> Exit:
    """Tell why the parser refused; a group without a command is shown its help instead."""
    if type(refusal).__name__ == "NoArgsIsHelpError":
        refusal.show()
        return Exit.USAGE
    context = refusal.ctx
    hint = f"Try `{context.command_path} --help` for help." if context else ""
    error = UsageError(refusal.format_message(), hint=hint)
    say_error(error)
    if as_json:
        from bulkstream.cli.output import print_json

        document = failed_load if context and context.info_name in LOADS else failure
        print_json(document(str(error), error.hint))
    return Exit.USAGE
