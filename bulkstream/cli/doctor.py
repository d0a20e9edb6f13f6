"""`bulkstream doctor`: what could keep a load from working, found out before it, with what to do about it."""

from __future__ import annotations

import importlib.util
import os
import platform
import warnings
from dataclasses import asdict
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

import typer

from bulkstream.cli.check import Check, State
from bulkstream.cli.exits import Exit
from bulkstream.cli.output import print_json
from bulkstream.cli.probe import probed
from bulkstream.cli.run import run
from bulkstream.cores import usable_cores
from bulkstream.errors import SecurityWarning, UsageError
from bulkstream.exposure import exposed, remedy, told
from bulkstream.runs import store_of
from bulkstream.settings import config_path, load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bulkstream.settings import Settings

FEWEST_FILES = 512
"""Open files that 256 connections, the source's files and the process itself need."""


def examine(profile: str | None, *, as_json: bool) -> Exit:
    """Run all checks, print them, return the exit code: 0, 6 if credentials were refused, 1 for another failure."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)  # they are among the checks
        checks = [*local_checks(os.environ), *_account_checks(profile)]
    if as_json:
        print_json([asdict(check) for check in checks])
    else:
        _print(checks)
    codes = [check.code for check in checks]
    return Exit(Exit.AUTH if Exit.AUTH in codes else max(codes))


def local_checks(environ: Mapping[str, str]) -> Iterator[Check]:
    """Look at this machine: interpreter, libraries, cores, limits, settings file."""
    yield Check("python", State.OK, f"{platform.python_version()} on {platform.system()}")
    for module, purpose in (("isal", "levels 0 to 3"), ("deflate", "levels 4 to 12"), ("uvloop", "the event loop")):
        found = importlib.util.find_spec(module) is not None
        hint = "" if found else f"It is several times slower without; install {module}."
        yield Check(module, State.OK if found else State.WARN, f"{purpose}: {'yes' if found else 'missing'}", hint)
    yield Check("cores", State.OK, f"{usable_cores()} usable by this process")
    yield _open_files()
    yield _settings_file(environ)


def _open_files() -> Check:
    try:
        import resource
    except ImportError:
        return Check("open files", State.OK, "no limit known")
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return Check("open files", State.OK, "no limit")
    few = limit < FEWEST_FILES
    hint = "Raise it with `ulimit -n 4096`." if few else ""
    return Check("open files", State.WARN if few else State.OK, f"up to {limit}", hint)


def _settings_file(environ: Mapping[str, str]) -> Check:
    try:
        path = config_path(environ)
    except UsageError as error:
        return Check("settings", State.FAIL, str(error), code=Exit.USAGE)
    if path is None:
        return Check("settings", State.OK, "no file; defaults and environment")
    try:
        open_to_others = exposed(path)
    except OSError as error:
        return Check("settings", State.FAIL, f"{path} can't be read: {error.strerror}", code=Exit.USAGE)
    if open_to_others:
        return Check("settings", State.WARN, told(path), remedy(path))
    return Check("settings", State.OK, str(path))


def _account_checks(profile: str | None) -> list[Check]:
    try:
        settings = load_settings(profile=profile)
    except UsageError as error:
        return [Check("account", State.FAIL, str(error), code=Exit.USAGE)]
    if not settings.connection.url:
        hint = "Set BULKSTREAM_URL and BULKSTREAM_TOKEN, or BULKSTREAM_CLIENT_ID and BULKSTREAM_CLIENT_SECRET."
        return [_journals(settings), Check("account", State.WARN, "none is set; only this machine was looked at", hint)]
    return [_journals(settings), *run(_connected(settings))]


def _journals(settings: Settings) -> Check:
    """Try whether journals can be written; the folder itself is left to be made by the first load."""
    folder = store_of(settings).folder
    if not settings.upload.journal:
        return Check("journals", State.OK, "none are kept, so loads can't be resumed")
    try:
        with TemporaryFile(dir=next(each for each in (folder, *folder.parents) if each.exists())):
            return Check("journals", State.OK, str(folder))
    except OSError as error:
        hint = "Name another place in BULKSTREAM_STATE_DIR, or do without by --no-journal."
        return Check("journals", State.FAIL, f"{folder} can't be written: {error.strerror}", hint, Exit.FAILED)


async def _connected(settings: Settings) -> list[Check]:
    return [check async for check in probed(settings)]


_MARKS = {State.OK: ("ok", "green"), State.WARN: ("warn", "yellow"), State.FAIL: ("FAIL", "red")}


def _print(checks: list[Check]) -> None:
    width = max(len(check.name) for check in checks)
    for check in checks:
        mark, colour = _MARKS[check.state]
        typer.echo(f"{typer.style(f'{mark:<4}', fg=colour)}  {check.name:<{width}}  {check.text}")
        if check.hint:
            typer.echo(f"{'':<6}{'':<{width}}  {check.hint}")
