"""The same as `end_to_end`, over https: nginx has a self-signed certificate, which the settings file says to trust.

python -m benchmarks.tls --quick
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.end_to_end import against
from benchmarks.machine import find_program
from benchmarks.plan import alone
from benchmarks.server import nginx

if TYPE_CHECKING:
    from benchmarks.plan import Plan

NAME = "tls"
BOUND = 0.75
"""Encryption costs both the load and the server, which shares its cores."""


def measure(plan: Plan) -> dict[str, Any]:
    """Run the rounds against a server with TLS."""
    if not (find_program("nginx") and find_program("openssl")):
        return {"skipped": "needs nginx and openssl"}
    with nginx(tls=True) as server:
        return {**against(server, plan, plan.file()), "bound": BOUND}


if __name__ == "__main__":
    alone(NAME, measure, __doc__)
