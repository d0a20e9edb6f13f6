"""A dataset and its schema, as both dialects show them.

Source: Domo's developer portal, and the instance API's stream example (`dataSource`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from bulkstream.api.document import Dated, Time, Wire, utc
from bulkstream.model import Column, ColumnType

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


class WireColumn(Wire):
    """A column as the API has it; its type is text, since servers may know types that we don't."""

    name: str
    type: str | None = ColumnType.STRING

    def column(self) -> Column:
        """Return the column in our words; a type that we don't know reads as STRING."""
        known = (self.type or "").upper()
        return Column(self.name, ColumnType(known) if known in ColumnType.__members__ else ColumnType.STRING)


class Schema(Wire):
    """The columns of a dataset, in the order of the CSV's fields."""

    columns: list[WireColumn] | None = None

    def evolved(self, columns: Sequence[Column]) -> Schema:
        """Return a schema of these columns; what the server says of those that it has is kept.

        So is a type that we don't know and have read as STRING.
        """
        there = {column.name: column for column in self.columns or ()}
        return Schema(columns=[_evolved(there.get(column.name), column) for column in columns])


def _evolved(there: WireColumn | None, column: Column) -> WireColumn:
    if there is None:
        return WireColumn(name=column.name, type=str(column.type))
    return there if there.column() == column else there.model_copy(update={"type": str(column.type)})


class Owner(Wire):
    """Who owns a dataset."""

    id: int | str | None = None
    name: str | None = None


class Dataset(Dated):
    """A dataset: `dataSet` in the public dialect, `dataSource` in the instance's."""

    id: str | None = None
    name: str | None = None
    description: str | None = None
    rows: int | None = None
    columns: int | list[WireColumn] | None = None
    dataset_schema: Schema | None = Field(None, alias="schema")
    owner: Owner | None = None
    data_provider_type: str | None = None
    updated_at: Time = None
    pdp_enabled: bool | None = None

    @property
    def updated(self) -> datetime | None:
        """`updated_at` in UTC, None if it is not shown or can't be read."""
        return utc(self.updated_at)
