"""Faults: what a test or a user lets go wrong between a client and the sandbox.

* A *call* is a request as a fault sees it: its endpoint, its execution, its part.
* A *kind* is what goes wrong; a *fault* is a kind with its parameters, and which calls it strikes.
* A *plan* is a list of faults and a seed; a *deck* is a plan while it is played: pure, it decides what strikes.
* A *deed* is what a kind does to a request. A *decisive* fault determines what becomes of the request; an
  *accompanying* one slows it down.
"""

from bulkstream.sandbox.faults.calls import ENDPOINTS, Call, call_of
from bulkstream.sandbox.faults.deck import Deck, Verdict
from bulkstream.sandbox.faults.faults import Faults
from bulkstream.sandbox.faults.kinds import (
    AnyFault,
    Bandwidth,
    Burst,
    DiskFull,
    DuplicateDelivery,
    EmptyAnswer,
    ExpireToken,
    Fault,
    ForgetExecution,
    Html,
    IgnoredCommit,
    LateEffect,
    Latency,
    LostAnswer,
    LostPart,
    MalformedJson,
    ResetAfter,
    ResetBefore,
    ResetDuring,
    Restart,
    SlowAnswer,
    Stall,
    Status,
    TruncatedAnswer,
    WrongJson,
)
from bulkstream.sandbox.faults.plan import FaultPlan, load_plan, read_plan, written

__all__ = [
    "ENDPOINTS",
    "AnyFault",
    "Bandwidth",
    "Burst",
    "Call",
    "Deck",
    "DiskFull",
    "DuplicateDelivery",
    "EmptyAnswer",
    "ExpireToken",
    "Fault",
    "FaultPlan",
    "Faults",
    "ForgetExecution",
    "Html",
    "IgnoredCommit",
    "LateEffect",
    "Latency",
    "LostAnswer",
    "LostPart",
    "MalformedJson",
    "ResetAfter",
    "ResetBefore",
    "ResetDuring",
    "Restart",
    "SlowAnswer",
    "Stall",
    "Status",
    "TruncatedAnswer",
    "Verdict",
    "WrongJson",
    "call_of",
    "load_plan",
    "read_plan",
    "written",
]
