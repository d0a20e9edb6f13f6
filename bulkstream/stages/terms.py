"""On what terms an execution is opened, and how it may end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bulkstream.model import OnFailure

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bulkstream.api import Execution
    from bulkstream.model import UpdateMethod
    from bulkstream.settings import Upload


@dataclass(frozen=True, slots=True)
class Holder:
    """The run of ours that has opened an execution.

    Attributes:
        active: A process works on it.
        resumable: It can be finished; else it can only be given up.
    """

    run_id: str
    active: bool
    resumable: bool = True


@dataclass(frozen=True, slots=True)
class Terms:
    """How an execution is opened, and on what terms it may end.

    Attributes:
        update_method: Overrides the stream's own for this execution, unless None.
        key_columns: Key of an UPSERT, empty for the stream's own.
        commit_timeout_s: Seconds to wait until a commit has reached its end.
        commit_wait_s: Seconds to wait for a server that refuses a commit as too soon.
        abort_timeout_s: Seconds that cleaning up after a failure or an interrupt may take.
        take_over: Abort what others have left open on the stream.
        resumed: The execution to go on with; None to create one.
        asked: When earlier processes of this run asked for an execution and perhaps got one, by the server's clock.
        holder: Tells which run of ours has opened an execution, besides the run that is named.
    """

    stream_id: int
    update_method: UpdateMethod | None = None
    key_columns: tuple[str, ...] = ()
    on_failure: OnFailure = OnFailure.ABORT
    commit_timeout_s: float = 600.0
    commit_wait_s: float = 1200.0
    abort_timeout_s: float = 10.0
    take_over: bool = False
    resumed: Execution | None = None
    asked: tuple[float, ...] = ()
    holder: Callable[[Execution, str], Awaitable[Holder | None]] | None = None

    @classmethod
    def of(cls, settings: Upload, stream_id: int) -> Terms:
        """Return the terms that the settings alone decide."""
        return cls(
            stream_id=stream_id,
            on_failure=settings.on_failure,
            commit_timeout_s=settings.commit_timeout_s,
            commit_wait_s=settings.commit_wait_s,
            abort_timeout_s=settings.abort_timeout_s,
        )
