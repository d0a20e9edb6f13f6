"""A stream, in either dialect; what only one of them has is None or empty in the other.

Source: the instance API's stream example and Domo's developer portal.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field, PrivateAttr, ValidationError

from bulkstream.api.dataset import Dataset, Schema
from bulkstream.api.document import Dated, Wire
from bulkstream.api.execution import Execution
from bulkstream.model import Column, UpdateMethod


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


class Account(Dated):
    """The credentials that a connector uses."""

    id: int | str | None = None
    user_id: int | str | None = None
    name: str | None = None
    display_name: str | None = None
    type: str | None = None
    valid: bool | None = None
    data_provider_type: str | None = None
    credentials_type: str | None = None
    created_by: int | str | None = None
    modified_by: int | str | None = None
    configurations: list[dict[str, Any]] | None = None


class DataProvider(Wire):
    """Where a connector's data comes from."""

    id: int | str | None = None
    key: str | None = None
    name: str | None = None


class Stream(Dated):
    """An upload pipeline that feeds one dataset.

    Attributes:
        executions: As the server shows them; `past_executions` reads them.
    """

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
    created_by: int | str | None = None
    modified_by: int | str | None = None
    _as_read: dict[str, Any] = PrivateAttr(default_factory=dict)

    def model_post_init(self, _: Any, /) -> None:
        """Remember what was read, so that a later copy knows what was changed in it."""
        self._as_read = self.as_json()

    @property
    def changed(self) -> dict[str, Any]:
        """The fields that `model_copy` changed since the stream was read, as JSON."""
        return {k: v for k, v in self.as_json().items() if k not in self._as_read or self._as_read[k] != v}

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
        return tuple(column.column() for column in self.shown_schema.columns or ())

    @property
    def shown_schema(self) -> Schema:
        """The dataset's schema, wherever the server shows it; an empty one if it doesn't."""
        schemas = (self.schema_definition, self.stream_schema, self.dataset.dataset_schema)
        return next((schema for schema in schemas if schema and schema.columns), Schema())

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

    @property
    def past_executions(self) -> tuple[Execution, ...]:
        """The executions that the server shows with the stream; entries without an id are left out."""
        return tuple(each for document in self.executions or () if (each := _execution(document, self.id)))


def _execution(document: dict[str, Any], stream_id: int) -> Execution | None:
    try:
        return Execution.model_validate(document).of_stream(stream_id)
    except ValidationError:
        return None
