"""Decides which faults strike a request: pure, and given the time."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bulkstream.sandbox.faults.kinds import Burst, Fault, ForgetExecution

if TYPE_CHECKING:
    from bulkstream.sandbox.faults.calls import Call
    from bulkstream.sandbox.faults.plan import FaultPlan

_MOST_FORGOTTEN = 1000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What strikes one request.

    Attributes:
        decisive: What becomes of it; None leaves it to the API.
        accompanying: What goes along with that.
    """

    decisive: Fault | None = None
    accompanying: tuple[Fault, ...] = ()


NOTHING = Verdict()


class Deck:
    """A plan while it is played.

    Each fault counts the requests that match it and draws from a generator of its own, so that one fault's luck
    doesn't depend on another. The first decisive fault that strikes a request keeps it from the later ones, which
    don't count it; accompanying ones always see it.
    """

    def __init__(self, plan: FaultPlan) -> None:
        self.plan = plan
        self._tallies = [_Tally(fault, random.Random(f"{plan.seed}/{n}")) for n, fault in enumerate(plan.faults)]  # noqa: S311 - repeatable on purpose
        self._burst: tuple[float, Burst] | None = None
        self._forgotten: dict[int, tuple[float, ForgetExecution]] = {}

    def __repr__(self) -> str:
        struck = ", ".join(f"{type(tally.fault).__name__} {tally.struck}" for tally in self._tallies)
        return f"<Deck: {struck or 'no faults'}>"

    @property
    def struck(self) -> tuple[int, ...]:
        """How often each fault of the plan struck, in its order."""
        return tuple(tally.struck for tally in self._tallies)

    @property
    def tracks_executions(self) -> bool:
        """Whether a call's execution must be known by its id."""
        return any(isinstance(tally.fault, ForgetExecution) for tally in self._tallies)

    def draw(self, call: Call, now: float) -> Verdict:
        """Say what strikes this call, and remember that it did.

        Args:
            call: The request.
            now: Seconds of a clock that never goes back.
        """
        if lasting := self._lasting(call, now):
            return Verdict(lasting)
        decisive: Fault | None = None
        accompanying: list[Fault] = []
        for tally in self._tallies:
            if (decisive is None or tally.fault.accompanies) and tally.strikes(call):
                if tally.fault.accompanies:
                    accompanying.append(tally.fault)
                else:
                    decisive = tally.fault
        self._begin(decisive, call, now)
        return Verdict(decisive, tuple(accompanying)) if decisive or accompanying else NOTHING

    def _lasting(self, call: Call, now: float) -> Fault | None:
        """A fault that was triggered earlier and goes on."""
        if self._burst and now < self._burst[0]:
            return self._burst[1]
        until, forgotten = self._forgotten.get(call.execution or 0, (now, None))
        return forgotten if now < until else None

    def _begin(self, fault: Fault | None, call: Call, now: float) -> None:
        if isinstance(fault, Burst):
            self._burst = (now + fault.seconds, fault)
        elif isinstance(fault, ForgetExecution) and call.execution is not None:
            self._forgotten[call.execution] = (now + fault.seconds, fault)
            if len(self._forgotten) > _MOST_FORGOTTEN:
                del self._forgotten[next(iter(self._forgotten))]


@dataclass(slots=True)
class _Tally:
    """One fault, and how often it was asked and struck."""

    fault: Fault
    dice: random.Random
    matched: int = field(default=0)
    struck: int = field(default=0)

    def strikes(self, call: Call) -> bool:
        fault = self.fault
        if not fault.matches(call):
            return False
        self.matched += 1
        if self.matched <= fault.after or (fault.most is not None and self.struck >= fault.most):
            return False
        if fault.probability is not None and self.dice.random() >= fault.probability:
            return False
        self.struck += 1
        return True
