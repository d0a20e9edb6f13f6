"""`bulkstream` without a journal and without a gate, to compare with: `python -m benchmarks.bare upload …`.

The command line has no way to leave the gate out, so it is replaced here by one that lets everything pass.
"""

from __future__ import annotations

import sys

from bulkstream import pipeline
from bulkstream.cli import main


def open_gate(*_: object, **__: object) -> tuple[str, ...]:
    """Find nothing that speaks against a commit, without looking."""
    return ()


if __name__ == "__main__":
    vars(pipeline)["gate"] = open_gate
    sys.argv = ["bulkstream", *sys.argv[1:], "--no-journal"]
    main()
