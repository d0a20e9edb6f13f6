"""What every test has: a state directory of its own; and what some ask for."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.postgres import Postgres, programs, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
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


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Run a PostgreSQL server for the session."""
    pytest.importorskip("adbc_driver_postgresql")
    folder = programs()
    if folder is None:
        pytest.skip("no PostgreSQL server is installed (Debian: apt-get install postgresql)")
    with serving(folder) as server:
        yield server
