"""A short soak; `python -m tests.faults.soak` is the long one."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import orjson

from tests.faults.soak import MARK, PAGE, RESULT, ROOT, failures, told
from tests.support.marked import read

if TYPE_CHECKING:
    from pathlib import Path


def test_many_parts_under_faults_are_committed_and_nothing_leaks(tmp_path: Path) -> None:
    """500 parts, one of twenty struck: committed, read back equal, no descriptor, thread or task left."""
    output = tmp_path / "soak.json"
    command = (sys.executable, "-m", "tests.faults.soak", "--parts", "500", "--output", str(output))
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr
    assert orjson.loads(output.read_bytes())["parts"] == 500


def test_long_soak_is_documented_as_it_was_found() -> None:
    """The page shows the result that is kept, and that result is good."""
    found = orjson.loads(RESULT.read_bytes())

    assert found["parts"] == 10_000
    assert not failures(found)
    assert told(found) == read(PAGE, MARK)
