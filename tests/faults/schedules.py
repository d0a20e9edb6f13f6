"""Hypothesis strategies: any faults of any kind, at any endpoint, with any selection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from bulkstream.sandbox.faults import (
    AnyFault,
    Bandwidth,
    Burst,
    DiskFull,
    DuplicateDelivery,
    EmptyAnswer,
    ExpireToken,
    FaultPlan,
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

if TYPE_CHECKING:
    from collections.abc import Mapping

LOSSY = LostPart
"""Says that it has rows which it has not."""

LATE = (LateEffect, DuplicateDelivery)
"""May open an execution that nobody is told of."""

ENDPOINTS = (
    *("commit", "create", "part", "abort", "get_execution", "list_executions", "get_stream", "start_part", "token"),
    *("commit", "create", "abort", "any"),
)
SECONDS = st.sampled_from([0.1, 1.0, 5.0, 30.0])
STATUSES = (400, 401, 403, 404, 408, 409, 413, 422, 425, 429, 500, 502, 503, 504, 507)
RETRY_AFTER = st.sampled_from([None, "0", "1", "8", "3600", "soon"])

FIELDS: Mapping[type[AnyFault], Mapping[str, st.SearchStrategy[Any]]] = {
    Status: {"status": st.sampled_from(STATUSES), "retry_after": RETRY_AFTER, "early": st.booleans()},
    Burst: {"seconds": SECONDS, "retry_after": RETRY_AFTER},
    Html: {"status": st.sampled_from([200, 500, 502, 503]), "effect": st.booleans()},
    ExpireToken: {},
    DiskFull: {},
    ForgetExecution: {"seconds": SECONDS},
    ResetBefore: {},
    ResetDuring: {"fraction": st.sampled_from([0.1, 0.9])},
    ResetAfter: {},
    LostAnswer: {},
    LateEffect: {"seconds": SECONDS},
    Stall: {},
    Restart: {"seconds": st.sampled_from([0.1, 1.0, 5.0])},
    Latency: {"seconds": st.sampled_from([0.0, 0.5, 3.0]), "late": st.sampled_from([0.0, 0.5, 3.0])},
    Bandwidth: {"read": st.sampled_from([50, 1000])},
    SlowAnswer: {},
    TruncatedAnswer: {"bytes": st.sampled_from([0, 1, 20])},
    MalformedJson: {},
    EmptyAnswer: {},
    WrongJson: {"body": st.sampled_from(["[]", "{}", "null", "7", '"x"', '{"currentState": "SUCCESS"}'])},
    DuplicateDelivery: {"answer": st.sampled_from(["first", "second"])},
    IgnoredCommit: {"ends": st.sampled_from(["never", "failed"]), "seconds": SECONDS},
    LostPart: {},
}
"""What each kind can be told, beside what it strikes."""


@st.composite
def faults(draw: st.DrawFn) -> AnyFault:
    """One fault."""
    kind = draw(st.sampled_from(list(FIELDS)))
    at = {IgnoredCommit: st.just("commit"), LostPart: st.just("part")}.get(kind, st.sampled_from(ENDPOINTS))
    selection = {
        "count": st.sampled_from([None, 1, 2, 15]),
        "after": st.sampled_from([0, 0, 1, 3]),
        "probability": st.sampled_from([None, None, 0.3]),
        "part": st.sampled_from([None, None, None, 1, 2]),
    }
    fields = {name: draw(values) for name, values in FIELDS[kind].items()}
    chosen: dict[str, Any] = {name: draw(values) for name, values in selection.items()}
    return kind(at=draw(at), **fields, **chosen)


@st.composite
def plans(draw: st.DrawFn) -> FaultPlan:
    """Several at once."""
    return FaultPlan(tuple(draw(st.lists(faults(), min_size=1, max_size=5))), draw(st.integers(0, 3)))
