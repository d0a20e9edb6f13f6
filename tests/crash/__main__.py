"""Kill for minutes, and write down what came of it."""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import json
import logging
import random
import secrets
import shlex
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.machine import commit, machine
from tests.crash.campaign import Campaign
from tests.crash.counts import page
from tests.crash.outages import outages

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "benchmarks" / "results" / "crash.json"
PAGE = ROOT / "docs" / "reliability.md"


async def killed(seed: int, kills: int, servers: int) -> dict[str, Any]:
    """Kill clients, and then the server; return the counts."""
    with tempfile.TemporaryDirectory(prefix="bulkstream-crash-") as name:
        campaign = Campaign(Path(name), seed, kills)
        await campaign.run()
        counts = await outages(Path(name) / "outages", servers, random.Random(seed), campaign.parts)
    return {"seed": seed, "loads": campaign.counts.as_dict(), "outages": counts.as_dict()}


def main() -> None:
    """Parse the command line, kill, write."""
    parser = argparse.ArgumentParser("python -m tests.crash", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbits(32), help="of everything that is drawn")
    parser.add_argument("--kills", type=int, default=200, help="processes to kill (default: 200)")
    parser.add_argument("--servers", type=int, default=20, help="times to kill the server (default: 20)")
    args = parser.parse_args()
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # each killed client is an error to it
    sys.stderr.write(f"seed {args.seed}\n")
    began = time.perf_counter()
    result = asyncio.run(killed(args.seed, args.kills, args.servers))
    document = {
        "name": "crash",
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "command": shlex.join(["python", "-m", "tests.crash", *sys.argv[1:]]),
        "seconds": round(time.perf_counter() - began),
        "machine": machine(),
        "result": result,
    }
    RESULT.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    PAGE.write_text(page(PAGE.read_text("utf-8"), result), "utf-8")
    mismatches = [*result["loads"]["mismatches"], *result["outages"]["mismatches"]]
    sys.stderr.write(f"{PAGE.relative_to(ROOT)} after {document['seconds']} s\n")
    sys.stderr.write("".join(f"{each}\n" for each in mismatches))
    sys.exit(1 if mismatches else 0)


if __name__ == "__main__":
    main()
