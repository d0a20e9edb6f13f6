"""What the API's JSON shows, typed; fields that are not known here survive a read, a change and a write.

Both dialects share one model per noun, because they describe the same thing: what only one of them has is None or
empty in the other. Times are kept as they were sent; `utc` reads them. Source: the instance API's stream example
and Domo's developer portal.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

import orjson
from pydantic import AliasChoices, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from bulkstream.model import Column, ColumnType, UpdateMethod


class Wire(BaseModel):
    """A JSON object of the API: camel case outside, snake case inside, unknown fields kept."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow", frozen=True)

    def as_json(self) -> dict[str, Any]:
        """Return the object as it goes over the wire: what was read or set, and nothing else."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


Time = str | int | float | None
"""A time as the server sent it: ISO 8601 text, with or without a zone, or milliseconds since the epoch."""


def utc(time: Time) -> datetime | None:
    """Read a time of the API; one without a zone is UTC, one that can't be read is None."""
    try:
        read = datetime.fromisoformat(time) if isinstance(time, str) else datetime.fromtimestamp((time or 0) / 1e3, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    if not time:
        return None
    return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)


WireT = TypeVar("WireT", bound=Wire)


class WireColumn(Wire):
    """A column as the API has it; its type is text, since servers may know types that we don't."""

    name: str
    type: str = ColumnType.STRING

    def column(self) -> Column:
        """Return the column in our words; a type that we don't know reads as STRING."""
        known = self.type.upper() in ColumnType.__members__
        return Column(self.name, ColumnType(self.type.upper()) if known else ColumnType.STRING)


class Schema(Wire):
    """The columns of a dataset, in the order of the CSV's fields."""

    columns: list[WireColumn] = []


class Owner(Wire):
    """Who owns a dataset."""

    id: int | str | None = None
    name: str | None = None


class Dataset(Wire):
    """A dataset: `dataSet` in the public dialect, `dataSource` in the instance's."""

    id: str | None = None
    name: str | None = None
    description: str | None = None
    rows: int | None = None
    columns: int | list[WireColumn] | None = None
    dataset_schema: Schema | None = Field(None, alias="schema")
    owner: Owner | None = None
    data_provider_type: str | None = None
    created_at: Time = None
    updated_at: Time = None
    pdp_enabled: bool | None = None


class Transport(Wire):
    """How data gets into a stream: API for uploads, CONNECTOR for Domo's own connectors."""

    type: str | None = None
    version: str | int | None = None
    description: str | None = None
    configurations: list[dict[str, Any]] | None = None


class Setting(Wire):
    """One entry of a stream's configuration."""

    value: Any = None
    type: str | None = None


class Schedule(Wire):
    """When a connector runs; uploads have none."""

    expression: str | None = None
    cron: str | None = None
    start: str | None = None
    end: str | None = None


class Account(Wire):
    """The credentials that a connector uses."""

    id: int | str | None = None
    user_id: int | str | None = None
    name: str | None = None
    display_name: str | None = None
    type: str | None = None
    valid: bool | None = None
    data_provider_type: str | None = None
    credentials_type: str | None = None
    created_at: Time = None
    created_by: int | str | None = None
    modified_at: Time = None
    modified_by: int | str | None = None
    configurations: list[dict[str, Any]] | None = None


class DataProvider(Wire):
    """Where a connector's data comes from."""

    id: int | str | None = None
    key: str | None = None
    name: str | None = None


class ExecutionState(StrEnum):
    """What an execution's `currentState` means for a load."""

    OPEN = "open"
    COMMITTED = "committed"
    FAILED = "failed"


_FAILED = {"ABORTED", "ERROR", "FAILED", "INVALID"}


class Execution(Wire):
    """One load of a stream.

    Attributes:
        stream_id: Filled in by the client where the server leaves it out.
        current_state: The server's word, e.g. ACTIVE or SUCCESS.
    """

    id: int = Field(validation_alias=AliasChoices("id", "executionId"))
    stream_id: int = 0
    data_id: str | int | None = None
    upload_id: str | int | None = None
    current_state: str = "ACTIVE"
    update_method: str | None = None
    started_at: Time = None
    ended_at: Time = None
    created_at: Time = None
    modified_at: Time = None
    rows_inserted: int | None = None
    bytes_inserted: int | None = None
    errors: list[Any] | None = None

    @property
    def state(self) -> ExecutionState:
        """SUCCESS is committed, four words are failures; ACTIVE and any other word mean that it goes on."""
        if self.current_state.upper() == "SUCCESS":
            return ExecutionState.COMMITTED
        return ExecutionState.FAILED if self.current_state.upper() in _FAILED else ExecutionState.OPEN

    @property
    def data_key(self) -> str:
        """What part and finalize addresses of the instance dialect call it: `dataId`, `uploadId`, else its id."""
        return str(next(key for key in (self.data_id, self.upload_id, self.id) if key is not None))

    def of_stream(self, stream_id: int) -> Execution:
        """Return the execution with its stream's id, where the server left that out."""
        return self if self.stream_id else self.model_copy(update={"stream_id": stream_id})

    def after(self, answer: bytes) -> Execution:
        """Return the execution with the state that an answer shows, if it shows one."""
        try:
            state = orjson.loads(answer)["currentState"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return self
        return self.model_copy(update={"current_state": state}) if isinstance(state, str) else self


class Stream(Wire):
    """An upload pipeline that feeds one dataset."""

    id: int
    valid: bool | None = None
    data_set: Dataset | None = None
    data_source: Dataset | None = None
    schema_definition: Schema | None = None
    stream_schema: Schema | None = Field(None, alias="schema")
    transport: Transport | None = None
    configuration: dict[str, Setting] | list[Any] | None = None
    schedule: Schedule | None = None
    account: Account | None = None
    data_provider: DataProvider | None = None
    playbook_registry_id: int | str | None = None
    executions: list[dict[str, Any]] | None = None
    changes: list[dict[str, Any]] | None = None
    update_method: str | None = None
    key_column_names: list[str] | None = None
    created_at: Time = None
    created_by: int | str | None = None
    modified_at: Time = None
    modified_by: int | str | None = None

    @property
    def dataset(self) -> Dataset:
        """The dataset that it feeds, in whichever dialect; an empty one if the server shows none."""
        return self.data_set or self.data_source or Dataset()

    @property
    def name(self) -> str:
        """Name of the dataset, or empty."""
        return self.dataset.name or ""

    @property
    def dataset_id(self) -> str:
        """Id of the dataset, or empty."""
        return self.dataset.id or ""

    @property
    def columns(self) -> tuple[Column, ...]:
        """The dataset's columns, empty if the server shows none."""
        for schema in (self.schema_definition, self.stream_schema, self.dataset.dataset_schema):
            if schema and schema.columns:
                return tuple(column.column() for column in schema.columns)
        return ()

    @property
    def method(self) -> UpdateMethod | None:
        """The update method, None if it is not shown or not known."""
        known = (self.update_method or "").upper()
        return UpdateMethod(known) if known in UpdateMethod.__members__ else None

    @property
    def key_columns(self) -> tuple[str, ...]:
        """Names of the UPSERT key's columns."""
        return tuple(self.key_column_names or ())

    @property
    def transport_type(self) -> str:
        """Type of the transport in capitals, or empty."""
        return ((self.transport and self.transport.type) or "").upper()
