"""The command line explains itself: help, version and completion."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from typing import TYPE_CHECKING

import pytest
import typer.main
from typer.testing import CliRunner

from bulkstream import __version__
from bulkstream.cli.app import app
from tests.support.command_line import BIN, Shell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FLAGS = {
    "": "--version --show-completion --install-completion",
    "demo": "FILE --rows --json --quiet --keep",
    "upload": "SOURCE --stream --dataset-name --mode --key --schema --part-size --concurrency --workers --level"
    " --header --max-bad-rows --check-types --reject-file"
    " --on-failure --journal --no-journal --take-over --spool --dry-run --json --profile --quiet",
    "resume": "RUN_ID --abort --json --profile --quiet",
    "runs list": "--json --profile",
    "runs show": "RUN_ID --json --profile",
    "runs gc": "--dry-run --json --profile",
    "bench": "FILE --target --plot --json --save-profile --repeats --size --part-size --concurrency --profile --quiet",
    "doctor": "--json --profile",
    "sandbox": "--host --port --data --port-file --commit-interval --faults",
    "streams create": "--name --column --schema --mode --key --description --json --profile",
    "streams get": "STREAM --json --profile",
    "streams update": "STREAM --name --description --column --schema --mode --key --json --profile",
    "streams delete": "STREAM --yes --json --profile",
    "streams list": "--json --profile",
    "streams search": "KEY VALUE --json --profile",
    "executions create": "STREAM --mode --key --json --profile",
    "executions get": "STREAM EXECUTION --json --profile",
    "executions update": "STREAM EXECUTION --mode --json --profile",
    "executions delete": "STREAM EXECUTION --yes --json --profile",
    "executions list": "STREAM --json --profile",
    "executions commit": "STREAM EXECUTION --json --profile",
    "executions abort": "STREAM EXECUTION --json --profile",
}
"""What scripts and people were promised, by command."""

BEFORE_CURSOR = "bulkstream up"


def help_of(command: str, *, width: int = 200) -> str:
    result = CliRunner().invoke(app, [*command.split(), "--help"], terminal_width=width)
    assert result.exit_code == 0
    return result.stdout


def commands() -> Iterator[tuple[str, object]]:
    """Walk over all commands that do something, with their full names."""
    waiting: list[tuple[str, object]] = [("", typer.main.get_command(app))]
    while waiting:
        name, command = waiting.pop()
        inner: dict[str, object] = getattr(command, "commands", {})
        waiting += [(f"{name} {each}".strip(), found) for each, found in inner.items()]
        if not inner:
            yield name, command


@pytest.mark.parametrize("command", FLAGS)
def test_help_tells_of_every_flag(command: str) -> None:
    """Each flag and argument of a command stands in its help, at the usual widths."""
    for width in (80, 200):
        words = set(re.findall(r"[\w-]+", help_of(command, width=width)))

        assert set(FLAGS[command].split()) <= words


def test_every_command_is_listed() -> None:
    """No command is promised that does not exist, or exists without being checked above."""
    assert {name for name, _ in commands()} == set(FLAGS) - {""}
    for group in ("", "streams", "executions", "runs"):
        within = {name.removeprefix(group).split()[0] for name in FLAGS if name and name.startswith(group)}
        assert within <= set(re.findall(r"[\w-]+", help_of(group)))


def test_everything_has_help_text() -> None:
    """Each command, option and argument is explained in a sentence that ends."""
    for name, command in commands():
        assert getattr(command, "help", "").strip().endswith("."), name
        for parameter in getattr(command, "params", ()):
            assert (getattr(parameter, "help", "") or "").endswith("."), f"{name} {parameter.name}"


@pytest.mark.parametrize("width", [60, 80, 120])
def test_help_fits_the_terminal(width: int) -> None:
    """No line of any help is wider than the terminal."""
    for name in FLAGS:
        assert max(map(len, help_of(name, width=width).splitlines())) <= width, name


def test_bare_command_shows_the_help() -> None:
    """Who types the name alone is shown what there is."""
    result = CliRunner().invoke(app, [], env={"COLUMNS": "80"})

    assert "upload" in result.output
    assert "Traceback" not in result.output


async def test_version_is_the_package_s(tmp_path: Path) -> None:
    """--version prints name and version, and nothing else."""
    run = await Shell(tmp_path).run("--version")

    assert (run.code, run.out, run.err) == (0, f"bulkstream {__version__}\n", "")


async def shown_completion(folder: Path, shell: str) -> str:
    """Ask for a shell's completion script, whichever shell runs the tests."""
    run = await Shell(folder).run("--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert run.code == 0, run.err
    return run.out


async def output_of(folder: Path, *command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={"HOME": str(folder), "PATH": f"{BIN}:{os.environ['PATH']}"},
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    return out.decode()


@pytest.mark.parametrize("group", ["", "streams", "executions", "runs"])
def test_a_list_of_commands_cuts_no_sentence_off(group: str) -> None:
    """Each command's first sentence fits into 80 columns."""
    _, _, listed = help_of(group, width=80).partition("Commands:")

    assert listed
    assert "..." not in listed


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
async def test_bash_completes_the_command(tmp_path: Path) -> None:
    """The script for bash, run by bash as it does at a press of Tab, completes `up` to `upload`."""
    script = await shown_completion(tmp_path, "bash")
    tab = f'COMP_WORDS=({BEFORE_CURSOR}); COMP_CWORD=1; _bulkstream_completion bulkstream; echo "${{COMPREPLY[@]}}"'

    assert "complete -o default -F _bulkstream_completion bulkstream" in script
    assert await output_of(tmp_path, "bash", "-uc", f"{script}\n{tab}") == "upload\n"


@pytest.mark.parametrize(
    ("shell", "cursor", "answer"),
    [
        ("zsh", '"${words[1,$CURRENT]}"', '"upload":"Load files or a query'),
        ("fish", "(commandline -cp)", "upload\tLoad files or a query"),
    ],
)
async def test_scripts_of_other_shells_ask_for_the_command(
    tmp_path: Path, shell: str, cursor: str, answer: str
) -> None:
    """What the scripts for zsh and fish call at a press of Tab, with the line so far, answers `upload`."""
    script = await shown_completion(tmp_path, shell)
    call = re.search(r"\((env [^()]*(?:\([^()]*\))?[^()]*)\)", script)
    assert call, script
    assert cursor in call[1]

    assert answer in await output_of(tmp_path, "sh", "-c", call[1].replace(cursor, f'"{BEFORE_CURSOR}"'))


async def test_subcommands_are_completed(tmp_path: Path) -> None:
    """Completion knows the commands below `streams` and `executions`."""
    call = "env COMP_WORDS='bulkstream executions ab' COMP_CWORD=2 _BULKSTREAM_COMPLETE=complete_bash bulkstream"

    assert await output_of(tmp_path, "sh", "-c", call) == "abort\n"
