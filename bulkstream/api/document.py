"""What all JSON of the API has in common: camel case, fields that nobody announced, times without a zone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Wire(BaseModel):
    """A JSON object of the API: camel case outside, snake case inside, unknown fields kept."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow", frozen=True)

    def as_json(self) -> dict[str, Any]:
        """Return the object as it goes over the wire: what was read or set, and nothing else."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


WireT = TypeVar("WireT", bound=Wire)

Time = str | int | float | None
"""A time as the server sent it: ISO 8601 text, with or without a zone, or milliseconds since the epoch."""


def utc(time: Time) -> datetime | None:
    """Read a time of the API; one without a zone is UTC, one that can't be read is None."""
    if not time:
        return None
    try:
        read = datetime.fromisoformat(time) if isinstance(time, str) else datetime.fromtimestamp(time / 1e3, UTC)
        return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        return None


class Dated(Wire):
    """An object that tells when it came to be and when it was changed last."""

    created_at: Time = None
    modified_at: Time = None

    @property
    def created(self) -> datetime | None:
        """`created_at` in UTC, None if it is not shown or can't be read."""
        return utc(self.created_at)

    @property
    def modified(self) -> datetime | None:
        """`modified_at` in UTC, None if it is not shown or can't be read."""
        return utc(self.modified_at)
