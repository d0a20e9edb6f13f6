"""The command line: arguments in, text and exit codes out.

Only here do errors become text and exit codes. Commands import what they need when they run, so that `--help` is
quick; results go to stdout, progress and errors to stderr.
"""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command line of this process, and exit."""
    from bulkstream.cli.app import app

    app(prog_name="bulkstream")
