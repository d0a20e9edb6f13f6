"""The command line: arguments in, text and exit codes out.

Only here do errors become text and exit codes. Commands import what they need when they run, so that `--help` is
quick; results go to stdout, progress and errors to stderr.
"""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command line of this process, and exit."""
    import os
    import signal
    import sys

    # numpy would start a thread per core for linear algebra that nobody does here.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Until an event loop takes signals over, a stop ends a command as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        from bulkstream.cli.entry import enter, leave

        leave(enter(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
