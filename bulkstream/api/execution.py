"""An execution: one load of a stream."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

import orjson
from pydantic import AliasChoices, Field, ValidationError, model_validator

from bulkstream.api.document import Dated, Time, utc

if TYPE_CHECKING:
    from datetime import datetime


class ExecutionState(StrEnum):
    """What an execution's `currentState` means for a load."""

    OPEN = "open"
    COMMITTED = "committed"
    FAILED = "failed"


_FAILED = {"ABORTED", "ERROR", "FAILED", "INVALID"}


class Execution(Dated):
    """One load of a stream.

    Attributes:
        stream_id: Filled in by the client where the server leaves it out; 0 if nobody knew it.
        current_state: The server's word, e.g. ACTIVE or SUCCESS.
        sent_data_id: `dataId` as the server sent it; `data_id` is the one to use.
    """

    id: int = Field(validation_alias=AliasChoices("id", "executionId"))
    stream_id: int = 0
    sent_data_id: str | int | None = Field(None, alias="dataId")
    upload_id: str | int | None = None
    current_state: str = "ACTIVE"
    update_method: str | None = None
    started_at: Time = None
    ended_at: Time = None
    rows_inserted: int | None = None
    bytes_inserted: int | None = None
    errors: list[Any] | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, document: Any) -> Any:
        """Read null as absent: a null `id` beside an `executionId`, or a null state, says nothing."""
        return {k: v for k, v in document.items() if v is not None} if isinstance(document, dict) else document

    @property
    def state(self) -> ExecutionState:
        """SUCCESS is committed, four words are failures; ACTIVE and any other word mean that it goes on."""
        if self.current_state.upper() == "SUCCESS":
            return ExecutionState.COMMITTED
        return ExecutionState.FAILED if self.current_state.upper() in _FAILED else ExecutionState.OPEN

    @property
    def data_id(self) -> str:
        """What part and finalize addresses of the instance dialect call it: `dataId`, `uploadId`, else its id."""
        return str(next(key for key in (self.sent_data_id, self.upload_id, self.id) if key is not None))

    @property
    def began(self) -> datetime | None:
        """When it came into being, in UTC: `created_at`, or `started_at` where that is all that is shown."""
        return self.created or self.started

    @property
    def started(self) -> datetime | None:
        """`started_at` in UTC, None if it is not shown or can't be read."""
        return utc(self.started_at)

    @property
    def ended(self) -> datetime | None:
        """`ended_at` in UTC, None if it is not shown or can't be read."""
        return utc(self.ended_at)

    def of_stream(self, stream_id: int) -> Self:
        """Return the execution with its stream's id, where the server left that out."""
        return self if self.stream_id else self.model_copy(update={"stream_id": stream_id})

    def after(self, answer: bytes) -> Self:
        """Return the execution with what an answer shows of it; an answer without a state changes nothing."""
        try:
            shown = orjson.loads(answer)
            if not isinstance(shown["currentState"], str):
                return self
            return self.model_validate(self.as_json() | shown | {"id": self.id, "streamId": self.stream_id})
        except (orjson.JSONDecodeError, KeyError, TypeError, ValidationError):
            return self
