"""`python -m bulkstream.sandbox`: the sandbox alone."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import importlib.util
import sys
from pathlib import Path

from bulkstream.errors import UsageError
from bulkstream.sandbox.faults import load_plan
from bulkstream.sandbox.server import serve
from bulkstream.sandbox.settings import SandboxSettings, Validation


def main(arguments: list[str] | None = None) -> int:
    """Run until interrupted; returns the exit code."""
    given = _parser().parse_args(arguments)
    script: Path | None = given.faults
    try:
        given.faults = load_plan(script) if script else None
        settings = SandboxSettings(**vars(given))
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(serve(settings, started=_announce))
    except UsageError as error:
        sys.stderr.write(f"error: {error}\n{error.hint}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    default = SandboxSettings()
    parser = argparse.ArgumentParser("python -m bulkstream.sandbox", description=__doc__)
    parser.add_argument("--host", default=default.host)
    parser.add_argument("--port", type=int, default=default.port)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--port-file", type=Path)
    parser.add_argument("--validate", type=Validation, default=default.validate)
    parser.add_argument("--token-ttl", type=float, default=default.token_ttl_s, dest="token_ttl_s")
    parser.add_argument("--commit-delay", type=float, default=default.commit_delay_s, dest="commit_delay_s")
    parser.add_argument("--commit-interval", type=float, default=default.commit_interval_s, dest="commit_interval_s")
    parser.add_argument("--latency", type=float, default=default.latency_s, dest="latency_s")
    parser.add_argument("--faults", type=Path, help="script of faults (TOML), see docs/faults.md")
    return parser


def _announce(url: str) -> None:
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    if importlib.util.find_spec("uvloop") is None:
        return None
    factory: type[asyncio.AbstractEventLoop] = importlib.import_module("uvloop").Loop
    return factory


if __name__ == "__main__":
    sys.exit(main())
