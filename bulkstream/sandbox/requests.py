"""Counters of what arrived and what was answered, in bounded memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bulkstream.sandbox.parts import TAKEN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

    from bulkstream.sandbox.bodies import Json
    from bulkstream.sandbox.segments import Slot

_OK = 200
_MOST_EXECUTIONS = 100
_MOST_PARTS = 20_000


@dataclass(slots=True)
class EndpointCount:
    """Requests of one endpoint.

    Attributes:
        received: Requests whose head arrived.
        answered: Answers that were given to the connection, by their status.
    """

    received: int = 0
    answered: Counter[int] = field(default_factory=Counter)


@dataclass(slots=True)
class PartCount:
    """Uploads of one part number of an execution.

    Attributes:
        received: Whole bodies that were stored.
        acknowledged: Answers with 200 that were given to the connection.
    """

    received: int = 0
    acknowledged: int = 0


class Requests:
    """What a sandbox was asked since it started.

    It remembers the parts of the last 100 executions that got any, and the first 20,000 numbers of each.

    Attributes:
        endpoints: By endpoint.
    """

    def __init__(self) -> None:
        self.endpoints: dict[str, EndpointCount] = {}
        self._executions: dict[int, dict[int, PartCount]] = {}

    def __repr__(self) -> str:
        counts = ", ".join(f"{name} {count.received}" for name, count in sorted(self.endpoints.items()))
        return f"<Requests: {counts or 'none'}>"

    def parts(self, execution_id: int) -> Mapping[int, PartCount]:
        """What is known of an execution's parts, by their number."""
        return self._executions.get(execution_id, {})

    def begin(self, endpoint: str) -> None:
        """A request arrived."""
        if (count := self.endpoints.get(endpoint)) is None:
            count = self.endpoints[endpoint] = EndpointCount()
        count.received += 1

    def stored(self, slot: Slot) -> None:
        """A part arrived whole and was stored."""
        if count := self._part(slot):
            count.received += 1

    def answered(self, endpoint: str, response: web.StreamResponse) -> None:
        """A request was answered."""
        self.endpoints[endpoint].answered[response.status] += 1
        if response.status == _OK and (slot := response.get(TAKEN)) and (count := self._part(slot)):
            count.acknowledged += 1

    def as_json(self) -> Json:
        """Everything, for people and scripts."""
        return {
            "endpoints": {
                name: {"received": count.received, "answered": {str(key): n for key, n in count.answered.items()}}
                for name, count in sorted(self.endpoints.items())
            },
            "executions": {
                str(execution_id): {
                    str(part): {"received": count.received, "acknowledged": count.acknowledged}
                    for part, count in sorted(counts.items())
                }
                for execution_id, counts in self._executions.items()
            },
        }

    def _part(self, slot: Slot) -> PartCount | None:
        if (counts := self._executions.get(slot.execution_id)) is None:
            counts = self._executions[slot.execution_id] = {}
            if len(self._executions) > _MOST_EXECUTIONS:
                del self._executions[next(iter(self._executions))]
        if (count := counts.get(slot.part_id)) is None and len(counts) < _MOST_PARTS:
            count = counts[slot.part_id] = PartCount()
        return count
