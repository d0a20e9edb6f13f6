"""The package's null sink, under the name that it has always had here: `python benchmarks/sink.py PORT_FILE`."""

from __future__ import annotations

import sys
from pathlib import Path

from bulkstream.sandbox.sink import main

if __name__ == "__main__":
    main(Path(sys.argv[1]))
