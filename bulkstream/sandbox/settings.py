"""What a sandbox is told when it starts."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from bulkstream.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from bulkstream.sandbox.faults import FaultPlan

_MIB, _GIB = 1 << 20, 1 << 30


class Validation(StrEnum):
    """Whether every part is decompressed and checked before its execution can be committed."""

    ON = "on"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """Where a sandbox listens, what it accepts, and how it behaves.

    Attributes:
        host: Address to listen on; must be loopback unless `allow_remote` is set.
        port: TCP port; 0 lets the system choose a free one.
        data: Folder that keeps everything; None means a temporary folder, removed at the end.
        validate: Check the parts (on), or count rows only when somebody asks for a dataset (off).
        developer_token: Accepted in the instance dialect.
        client_id: Accepted at `/oauth/token`.
        client_secret: Accepted at `/oauth/token`.
        token_ttl_s: Life of an access token.
        port_file: Where to write the port number once the server listens.
        max_part_bytes: Largest body of a part, as sent.
        max_raw_part_bytes: Largest part after decompression; keeps a gzip bomb from costing hours.
        commit_delay_s: How long an execution stays ACTIVE after its commit was answered.
        commit_interval_s: Least time between two commits of one stream; 0 means any.
        latency_s: Added before each answer.
        overwrite_parts: A second PUT of a part id replaces the first; False refuses it with 409.
        stall_timeout_s: How long a body may stand still before its request is given up; a JSON body must be there
            by then.
        head_timeout_s: How long a connection may take, from its beginning or from its last answer, to bring the whole
            head of a request.
        max_json_bytes: Largest body of anything but a part.
        max_record_bytes: Longest record of CSV; keeps a line that never ends from filling the memory.
        faults: What goes wrong.
        allow_remote: Permit a host other than loopback. The credentials are public: know your network.
    """

    host: str = "127.0.0.1"
    port: int = 8640
    data: Path | None = None
    validate: Validation = Validation.ON
    developer_token: str = "sandbox"  # noqa: S105 - public on purpose, loopback only
    client_id: str = "sandbox"
    client_secret: str = "sandbox"  # noqa: S105 - public on purpose, loopback only
    token_ttl_s: float = 3599.0
    port_file: Path | None = None
    max_part_bytes: int = 2 * _GIB
    max_raw_part_bytes: int = 4 * _GIB
    commit_delay_s: float = 0.0
    commit_interval_s: float = 0.0
    latency_s: float = 0.0
    overwrite_parts: bool = True
    stall_timeout_s: float = 60.0
    head_timeout_s: float = 75.0
    max_json_bytes: int = 16 * _MIB
    max_record_bytes: int = 256 * _MIB
    faults: FaultPlan | None = None
    allow_remote: bool = False

    def check(self) -> None:
        """Refuse what would expose the sandbox.

        Raises:
            UsageError: `host` is not loopback and `allow_remote` is not set.
        """
        if not self.allow_remote and not _is_loopback(self.host):
            raise UsageError(
                f"the sandbox listens on loopback only, not on {self.host!r}",
                hint="Its credentials are public; set allow_remote if your network keeps others out.",
            )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
