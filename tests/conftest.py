"""What every test has: a state directory of its own."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True, scope="session")
def hang_up() -> None:
    """Let a lost terminal end what tests start, also where the suite itself runs under nohup, which is inherited."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def state_dir(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the journals of a test away from the user's and from other tests'."""
    folder = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("BULKSTREAM_STATE_DIR", str(folder))
    return folder
