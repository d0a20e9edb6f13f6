"""The kinds of faults, and what each can be told. What they do stands in `deeds`.

Every kind is a frozen dataclass that checks its fields, whether it was written in a script or in Python.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

from pydantic import AfterValidator, ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from bulkstream.sandbox.faults.calls import ENDPOINTS, Call

_CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False, coerce_numbers_to_str=True)


def _known(at: str | tuple[str, ...]) -> str | tuple[str, ...]:
    names = (at,) if isinstance(at, str) else at
    if unknown := [name for name in names if name not in ENDPOINTS | {"any"}] or ([] if names else ["nothing"]):
        raise ValueError(f"{unknown[0]!r} is no endpoint; known are any, {', '.join(sorted(ENDPOINTS))}")
    return at


At: TypeAlias = Annotated[str | tuple[str, ...], AfterValidator(_known)]
Seconds: TypeAlias = Annotated[float, Field(ge=0, le=86_400)]
Bytes: TypeAlias = Annotated[int, Field(ge=1)]
HttpStatus: TypeAlias = Annotated[int, Field(ge=200, le=599)]
HeaderText: TypeAlias = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$")]


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Fault:
    """Which requests a fault strikes.

    Attributes:
        at: Endpoint or endpoints; `any` is each of them.
        probability: Of striking a matching request; None strikes all of them, as far as `count` goes.
        count: Most times that it strikes; None means once without `probability`, any number of times with it.
        after: Matching requests that it lets pass first.
        part: Only requests with this part number, or one of these.
    """

    accompanies: ClassVar[bool] = False
    """Whether it goes along with another fault that strikes the same request."""

    at: At
    probability: Annotated[float, Field(ge=0, le=1)] | None = None
    count: Annotated[int, Field(ge=1)] | None = None
    after: Annotated[int, Field(ge=0)] = 0
    part: int | tuple[int, ...] | None = None

    @property
    def most(self) -> int | None:
        """Most times that it strikes; None means any number."""
        return 1 if self.count is None and self.probability is None else self.count

    def matches(self, call: Call) -> bool:
        """Whether a call is one of those that it is meant for."""
        names = (self.at,) if isinstance(self.at, str) else self.at
        if call.endpoint not in names and "any" not in names:
            return False
        return self.part is None or call.part in (self.part if isinstance(self.part, tuple) else (self.part,))


# ---- answers in place of the effect


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Status(Fault):
    """Answered with a status, with no effect.

    Attributes:
        retry_after: Text of the header, whatever it is.
        retry_date_s: Instead, a date that lies so many seconds ahead.
        message: In the JSON body.
        early: Answers before the request's body was read.
    """

    kind: Literal["status"] = "status"
    status: HttpStatus = 503
    retry_after: HeaderText | None = None
    retry_date_s: Annotated[float, Field(ge=-86_400, le=86_400)] | None = None
    message: str = "injected fault"
    early: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Burst(Fault):
    """Once triggered, everything is answered with 429 for some seconds."""

    kind: Literal["burst"] = "burst"
    seconds: Seconds = 1.0
    retry_after: HeaderText | None = None


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Html(Fault):
    """A maintenance page; `effect` lets the request take effect first."""

    kind: Literal["html"] = "html"
    status: HttpStatus = 200
    effect: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class ExpireToken(Fault):
    """401, and all access tokens issued so far are refused from now on; never strikes the token call."""

    kind: Literal["expire_token"] = "expire_token"

    def matches(self, call: Call) -> bool:
        """Whether a call is one of those that it is meant for."""
        return call.endpoint != "token" and Fault.matches(self, call)


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class DiskFull(Fault):
    """Storing fails for want of space; the body is read and nothing is kept."""

    kind: Literal["disk_full"] = "disk_full"
    status: HttpStatus = 507


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class ForgetExecution(Fault):
    """The execution of this request is unknown (404) for some seconds, to every call that names it."""

    kind: Literal["forget_execution"] = "forget_execution"
    seconds: Seconds = 1.0

    def matches(self, call: Call) -> bool:
        """Whether a call is one of those that it is meant for."""
        return call.execution is not None and Fault.matches(self, call)


# ---- connections


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class ResetBefore(Fault):
    """The connection is reset before the body is read."""

    kind: Literal["reset_before"] = "reset_before"


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class ResetDuring(Fault):
    """The connection is reset after some bytes of the body, or a fraction of its length; there is no effect."""

    kind: Literal["reset_during"] = "reset_during"
    bytes: Bytes | None = None
    fraction: Annotated[float, Field(gt=0, lt=1)] = 0.5


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class ResetAfter(Fault):
    """The connection is reset after the whole body was read; there is no effect."""

    kind: Literal["reset_after"] = "reset_after"


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class LostAnswer(Fault):
    """The request takes effect, then the connection is reset."""

    kind: Literal["lost_answer"] = "lost_answer"


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class LateEffect(Fault):
    """The connection is reset when the body was read; the request takes effect some seconds later."""

    kind: Literal["late_effect"] = "late_effect"
    seconds: Seconds = 1.0


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Stall(Fault):
    """The request takes effect and is never answered; the connection stays open until the client goes away."""

    kind: Literal["stall"] = "stall"


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Restart(Fault):
    """The server dies with all its connections, and comes back on the same port after some seconds."""

    kind: Literal["restart"] = "restart"
    seconds: Seconds = 1.0


# ---- pace


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Latency(Fault):
    """Waits before the request is handled (`seconds`) and before it is answered (`late`)."""

    accompanies: ClassVar[bool] = True
    kind: Literal["latency"] = "latency"
    seconds: Seconds = 0.0
    late: Seconds = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Bandwidth(Fault):
    """Bytes per second at which the request's body is read (`read`) and the answer's is written (`write`)."""

    accompanies: ClassVar[bool] = True
    kind: Literal["bandwidth"] = "bandwidth"
    read: Bytes | None = None
    write: Bytes | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if self.read is None and self.write is None:
            raise ValueError("give read, write, or both")
        return self


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class SlowAnswer(Fault):
    """The answer's body dribbles: so many bytes, and a wait behind them."""

    accompanies: ClassVar[bool] = True
    kind: Literal["slow_answer"] = "slow_answer"
    bytes: Bytes = 1
    seconds: Seconds = 0.1


# ---- answers after the effect


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class TruncatedAnswer(Fault):
    """The answer ends after some bytes of its body, whatever its Content-Length says."""

    kind: Literal["truncated_answer"] = "truncated_answer"
    bytes: Annotated[int, Field(ge=0)] = 1


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class MalformedJson(Fault):
    """The answer is whole, but its JSON lacks the end."""

    kind: Literal["malformed_json"] = "malformed_json"


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class EmptyAnswer(Fault):
    """The answer has its status and no body."""

    kind: Literal["empty_answer"] = "empty_answer"


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class WrongJson(Fault):
    """The answer is another JSON text than is due."""

    kind: Literal["wrong_json"] = "wrong_json"
    body: str = "[]"


# ---- effects


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class DuplicateDelivery(Fault):
    """The request is handled twice, as by a gateway that retries; the client gets the first or the second answer."""

    kind: Literal["duplicate_delivery"] = "duplicate_delivery"
    answer: Literal["first", "second"] = "second"


def _only(endpoint: str) -> Any:
    def check(at: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if at not in (endpoint, (endpoint,)):
            raise ValueError(f"this kind is for {endpoint!r} only")
        return at

    return AfterValidator(check)


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class IgnoredCommit(Fault):
    """A commit is answered with ACTIVE and never ends, or the execution is FAILED after some seconds."""

    at: Annotated[At, _only("commit")] = "commit"
    kind: Literal["ignored_commit"] = "ignored_commit"
    ends: Literal["never", "failed"] = "never"
    seconds: Seconds = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class LostPart(Fault):
    """A part is answered with 200 and not kept."""

    at: Annotated[At, _only("part")] = "part"
    kind: Literal["lost_part"] = "lost_part"


AnyFault: TypeAlias = Annotated[
    Status
    | Burst
    | Html
    | ExpireToken
    | DiskFull
    | ForgetExecution
    | ResetBefore
    | ResetDuring
    | ResetAfter
    | LostAnswer
    | LateEffect
    | Stall
    | Restart
    | Latency
    | Bandwidth
    | SlowAnswer
    | TruncatedAnswer
    | MalformedJson
    | EmptyAnswer
    | WrongJson
    | DuplicateDelivery
    | IgnoredCommit
    | LostPart,
    Field(discriminator="kind"),
]
