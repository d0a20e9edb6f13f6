"""The README tells the truth: every block in it runs, as it stands, against the sandbox."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from bulkstream.sandbox import SandboxSettings, running

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(sh|python)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)

STAND_INS = {
    "pip install .\n": "",  # the suite runs in an environment where that was done
    "https://acme.domo.com": "$SANDBOX_URL",
    "your-developer-token": "sandbox",
}
"""What a reader replaces by their own, and what it is here."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files that the examples speak of."""
    (tmp_path / "sales").mkdir()
    for month in (1, 2):
        (tmp_path / "sales" / f"{month}.csv").write_text(f"id,amount\n{month},10.50\n{month}0,7.25\n", "utf-8")
    return tmp_path


async def run(folder: Path, *command: str) -> str:
    """Run a command in the folder, against a sandbox of its own; return all that it printed."""
    async with running(SandboxSettings(port=0)) as sandbox:
        environ = {
            "HOME": str(folder),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "SANDBOX_URL": sandbox.url,
            "BULKSTREAM_URL": sandbox.url,
            "BULKSTREAM_TOKEN": "sandbox",
        }
        process = await asyncio.create_subprocess_exec(
            *command, cwd=folder, env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        printed, _ = await process.communicate()
    text = printed.decode()
    assert process.returncode == 0, text
    return text


@pytest.mark.parametrize("block", [block for language, block in BLOCKS if language == "sh"])
async def test_shell_block_runs(folder: Path, block: str) -> None:
    """Each shell example ends without an error."""
    for theirs, ours in STAND_INS.items():
        block = block.replace(theirs, ours)

    await run(folder, "bash", "-euc", block)


@pytest.mark.parametrize("block", [block for language, block in BLOCKS if language == "python"])
async def test_python_block_runs(folder: Path, block: str) -> None:
    """Each Python example ends without an error, and prints what it promises."""
    assert "committed 4 rows" in await run(folder, sys.executable, "-W", "error", "-c", block)


def test_blocks_were_found() -> None:
    """The pattern above still matches the README's form."""
    assert len(BLOCKS) >= 4
    assert README.count("```") == 2 * len(BLOCKS)


def test_links_lead_to_files() -> None:
    """No link of the documentation is dead."""
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
