"""How much of a slow link does a load use, and does `--level auto` find the right level?

The server runs in a network namespace of its own, behind a pair of virtual interfaces whose upward direction is
limited by a token bucket. Each round runs `--level auto` and each fixed level to nginx, and `auto` to a server that
holds back each answer by 100 ms; both over https, as bulkstream sends credentials
to no other machine without. Needs root and Linux; skipped, and the result says so, where that is missing.

    python -m benchmarks.links --quick
"""

from __future__ import annotations

import os
import statistics
import subprocess
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from benchmarks.figures import ratios, rounded, spread
from benchmarks.loads import upload
from benchmarks.machine import find_program
from benchmarks.plan import MB, alone, told
from benchmarks.server import Place, drain, nginx

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.loads import Load
    from benchmarks.plan import Plan
    from benchmarks.server import Server

NAME = "links"
LINKS = {100: 1000 * MB, 500: 2000 * MB}
"""Megabits per second, and how much is loaded over them."""
QUICK_BYTES = 50 * MB
LEVELS = ("auto", "0", "1", "2", "3")
PART_SIZE = ("--part-size", "8MiB")
"""Small enough that the tuners see some dozens of parts."""
DELAY_MS = 100.0
COMMAND_LIMIT_S = 20
SUBNET = "10.213.7"
BOUND_SHARE = 0.95
BOUND_AUTO = 1.15
"""What `auto` makes of the speed of the best fixed isal level, at 100 Mbit/s."""


def measure(plan: Plan) -> dict[str, Any]:
    """Measure each link, or say why that can't be done."""
    try:
        return {
            "bound_share": BOUND_SHARE,
            "bound_auto": BOUND_AUTO,
            "delay_ms": DELAY_MS,
            "links": [over(plan, mbit, size) for mbit, size in LINKS.items()],
        }
    except (LinkError, FileNotFoundError) as error:
        return {"skipped": str(error)}


class LinkError(RuntimeError):
    """A link could not be made here."""


@contextmanager
def link(mbit: int) -> Iterator[Place]:
    """Make a namespace at the far end of a link, and take both away again.

    Raises:
        LinkError: The system doesn't permit or know that.
    """
    if not (find_program("ip") and find_program("tc") and find_program("nginx") and find_program("openssl")):
        raise LinkError("needs the programs ip, tc, nginx and openssl")
    space, near, far = (f"bs{os.getpid()}{end}" for end in ("n", "a", "b"))
    with ExitStack() as stack:
        _ip("netns", "add", space)
        stack.callback(_ip, "netns", "del", space)
        _ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", space)
        stack.callback(_ip, "link", "del", near)
        _ip("addr", "add", f"{SUBNET}.1/30", "dev", near)
        _ip("link", "set", near, "up")
        _ip("-n", space, "addr", "add", f"{SUBNET}.2/30", "dev", far)
        _ip("-n", space, "link", "set", far, "up")
        limit = ["rate", f"{mbit}mbit", "burst", "256kb", "latency", "50ms"]
        _run("tc", "qdisc", "add", "dev", near, "root", "tbf", *limit)
        yield Place(host=f"{SUBNET}.2", entry=(find_program("ip") or "ip", "netns", "exec", space), delay_ms=DELAY_MS)


def over(plan: Plan, mbit: int, size: int) -> dict[str, Any]:
    """Run the rounds over one link."""
    file = plan.file(size, quick_bytes=QUICK_BYTES)
    loads: dict[str, list[Load]] = {name: [] for name in (*LEVELS, "delayed")}
    shares: list[float] = []
    with link(mbit) as place, nginx(place, tls=True) as server, drain(place, tls=True) as late:
        for number in range(plan.rounds):
            told(f"  {mbit} Mbit/s, round {number + 1} of {plan.rounds}")
            for level in LEVELS:
                loads[level].append(one_level(file, server, level))
                if level == "auto":
                    shares.append(share_while_sending((server.folder / "parts.log").read_text("ascii"), mbit))
            loads["delayed"].append(upload([file], late, *PART_SIZE))
    return {
        "mbit": mbit,
        "raw_bytes": file.stat().st_size,
        "share_while_sending": spread(shares),
        "auto_to_best": to_best({level: loads[level] for level in LEVELS}),
        "loads": {name: summary(each, mbit) for name, each in loads.items()},
    }


def one_level(file: Path, server: Server, level: str) -> Load:
    """Load at one level, with a log of its own."""
    (server.folder / "parts.log").open("w").close()
    return upload([file], server, "--level", level, *PART_SIZE)


def share_while_sending(log: str, mbit: int) -> float:
    """Return how much of the link the parts used between the first one's first byte and the last one's answer.

    A line of the log is: when the part was answered, the seconds since its first byte, its bytes.
    """
    parts = [[float(field) for field in row.split()] for row in log.splitlines()]
    began = min(answered - seconds for answered, seconds, _ in parts)
    ended = max(answered for answered, _, _ in parts)
    return sum(size for _, _, size in parts) * 8 / (ended - began) / (mbit * 1e6)


def to_best(loads: dict[str, list[Load]]) -> dict[str, Any]:
    """Compare `auto`, round by round, with the fixed level whose median speed is the highest."""
    speeds = {level: [load.mb_s for load in each] for level, each in loads.items()}
    best = max((level for level in speeds if level != "auto"), key=lambda level: statistics.median(speeds[level]))
    return {"best_level": best, "ratio": ratios(speeds["auto"], speeds[best])}


def summary(loads: list[Load], mbit: int) -> dict[str, Any]:
    """Return speed, the share of the link over the load as its report has it, and over the whole process."""
    sent_bits = [load.report["sent_bytes"] * 8 / (mbit * 1e6) for load in loads]
    return {
        "mb_s": spread([load.mb_s for load in loads]),
        "share": spread([bits / load.report["seconds"] for bits, load in zip(sent_bits, loads, strict=True)]),
        "share_of_process": spread([bits / load.seconds for bits, load in zip(sent_bits, loads, strict=True)]),
        "ratio": rounded(loads[-1].report["ratio"]),
    }


def _ip(*arguments: str) -> None:
    _run("ip", *arguments)


def _run(name: str, *arguments: str) -> None:
    command = [find_program(name) or name, *arguments]
    done = subprocess.run(command, check=False, capture_output=True, timeout=COMMAND_LIMIT_S)
    if done.returncode:
        raise LinkError(f"{name} {' '.join(arguments)}: {done.stderr.decode(errors='replace').strip()}")


if __name__ == "__main__":
    alone(NAME, measure, __doc__)
