"""A query as a source."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Query:
    """Rows that a database gives for a statement.

    Attributes:
        url: Of the database, without credentials, e.g. `postgresql://host/name`.
        statement: What it is asked.
    """

    url: str
    statement: str

    @property
    def name(self) -> str:
        """For messages."""
        return self.url
