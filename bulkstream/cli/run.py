"""Running the asynchronous part of a command: event loop, signals, errors as text."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import traceback
import warnings
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from bulkstream.cli.allocator import keep_freed_memory
from bulkstream.cli.exits import Exit, code_of
from bulkstream.cli.failure import Document, failure
from bulkstream.errors import BulkstreamError, HeaderMismatch, SchemaError, SecurityWarning, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

T = TypeVar("T")
MESSAGE_CHARS = 1000
INTERRUPTS = asyncio.CancelledError, KeyboardInterrupt


def run(
    work: Coroutine[Any, Any, T],
    *,
    interrupted: Callable[[], str] = lambda: "interrupted",
    leaving: Callable[[], None] = lambda: None,
) -> T:
    """Run a coroutine to its end, on uvloop where it is installed.

    The first SIGINT, SIGTERM or SIGHUP cancels it, so that it can clean up; a second one ends the process at once.

    Args:
        work: What to do.
        interrupted: What to say at the first signal.
        leaving: What must be cleared away all the same at a second one; may not wait.

    Raises:
        asyncio.CancelledError: It was interrupted.
    """
    # All that was imported stays: without this, each full collection walks it again, a third of the loop's time.
    gc.freeze()
    keep_freed_memory()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_interruptible(work, interrupted, leaving))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _interruptible(work: Coroutine[Any, Any, T], say: Callable[[], str], leaving: Callable[[], None]) -> T:
    task = asyncio.ensure_future(work)
    signals = 0

    def on_signal() -> None:
        nonlocal signals
        signals += 1
        if signals > 1:
            _say("left at once; an execution may still be open")
            leaving()
            os._exit(Exit.INTERRUPTED)
        task.cancel()
        _say(say())

    loop = asyncio.get_running_loop()
    for number in _signals():
        loop.add_signal_handler(number, on_signal)
    return await task


def _say(text: str) -> None:
    with suppress(OSError):  # the terminal may be gone
        sys.stderr.write(f"\n{text}\n")
        sys.stderr.flush()


def _signals() -> list[signal.Signals]:
    """Return the signals that interrupt; a terminal that goes away is none of them under nohup."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    return numbers


def say_error(error: BaseException) -> None:
    """Write an error, and what to do next, to stderr; a traceback only where BULKSTREAM_DEBUG is set."""
    if os.environ.get("BULKSTREAM_DEBUG"):
        traceback.print_exception(error)
    if isinstance(error, asyncio.CancelledError):
        return  # `run` has said so when the signal came
    if isinstance(error, KeyboardInterrupt):
        typer.secho("interrupted", err=True, fg="red")
    elif isinstance(error, BulkstreamError):
        said, *table = str(error).splitlines() if isinstance(error, SchemaError | HeaderMismatch) else [str(error)]
        typer.secho("\n".join([f"error: {_cut(said)}", *table]), err=True, fg="red")
        if error.hint:
            typer.echo(f"hint: {error.hint}", err=True)
    elif isinstance(error, OSError) and error.filename is not None:
        typer.secho(f"error: {os.fsdecode(error.filename)}: {error.strerror}", err=True, fg="red")
    else:
        typer.secho(f"internal error: {_cut(repr(error))}", err=True, fg="red")
        typer.echo("hint: please report this; BULKSTREAM_DEBUG=1 shows more", err=True)


@contextmanager
def told(*, as_json: bool = False, document: Document = failure) -> Iterator[None]:
    """Turn whatever goes wrong inside into text, an exit code and, where JSON was asked for, a document.

    Args:
        as_json: Print a document, because the command has printed none.
        document: Makes it.
    """
    try:
        with _warned():
            yield
    except (typer.Exit, BrokenPipeError):  # typer ends quietly where nobody reads any more
        raise
    except typer.Abort:
        _print_failure("not confirmed", "", document if as_json else None)
        raise
    except (Exception, asyncio.CancelledError, KeyboardInterrupt) as error:  # noqa: BLE001 - where errors become text
        say_error(error)
        hint = error.hint if isinstance(error, BulkstreamError) else ""
        _print_failure(described(error), hint, document if as_json else None)
        raise typer.Exit(Exit.INTERRUPTED if isinstance(error, INTERRUPTS) else code_of(error)) from None


@contextmanager
def _warned() -> Iterator[None]:
    """Show our own warnings as lines for people, whatever Python does with others; each text once."""
    with warnings.catch_warnings():
        show, shown = warnings.showwarning, set[str]()

        def say(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if not issubclass(category, SecurityWarning):
                show(message, category, *where, **more)
            elif str(message) not in shown:
                shown.add(str(message))
                typer.secho(f"warning: {message}", err=True, fg="yellow")

        warnings.showwarning = say
        warnings.simplefilter("always", SecurityWarning)
        yield


def described(error: BaseException) -> str:
    """Say in JSON what went wrong."""
    return "interrupted" if isinstance(error, INTERRUPTS) else text_of(error)


def _print_failure(text: str, hint: str, document: Document | None) -> None:
    if document is not None:
        from bulkstream.cli.output import print_json

        print_json(document(text, hint))


def _cut(text: str) -> str:
    """Put a message, which may be a server's, on one line of bearable length."""
    text = " ".join(text.split())
    return text if len(text) <= MESSAGE_CHARS else text[: MESSAGE_CHARS - 1] + "…"
