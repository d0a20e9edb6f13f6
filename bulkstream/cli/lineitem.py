"""Rows for a demonstration: TPC-H lineitem, the benchmark table that everybody knows."""

from __future__ import annotations

import subprocess
import sys
from itertools import islice
from pathlib import Path

from bulkstream.errors import BulkstreamError, MissingExtra

ROWS_PER_SCALE = 6_000_000
"""Rows of TPC-H lineitem at scale 1, rounded down (source: TPC-H specification, table 3)."""


def lineitem(folder: Path, rows: int) -> Path:
    """Make TPC-H lineitem with exactly so many rows.

    Raises:
        MissingExtra: tpchgen-cli is not installed.
        BulkstreamError: It failed.
    """
    tool = Path(sys.executable).with_name("tpchgen-cli")
    if not tool.exists():
        raise MissingExtra("tpchgen-cli", "demo")
    # A little more than asked for, because orders have between one and seven lines.
    scale = max(0.001, 1.02 * rows / ROWS_PER_SCALE)
    command = [str(tool), "csv", "-s", f"{scale:.4f}", "--tables=lineitem", "--output-dir", str(folder / "tpch"), "-q"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our own arguments
    if done.returncode:
        raise BulkstreamError(f"tpchgen-cli failed: {done.stderr.strip()[-500:]}")
    path = folder / "lineitem.csv"
    with (folder / "tpch" / "lineitem.csv").open("rb") as made, path.open("wb") as file:
        file.writelines(islice(made, rows + 1))
    return path
