"""A query around a query, which has the database itself write what Arrow has no exact type for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_TOKEN = re.compile(
    r"""
    (?P<between> --[^\n]* | /\*.*?\*/ | [\s;]+ )
    | [eE]'(?:[^'\\]|\\.)*' | '[^']*' | "[^"]*" | (?P<tag>\$\w*\$).*?(?P=tag)
    | \w+ | .
    """,
    re.DOTALL | re.VERBOSE,
)
"""Of SQL as far as it tells comments from what looks like one inside a text."""


def statement(query: str) -> str:
    """Return a query without the semicolons and comments behind it, so that it can stand inside another."""
    meant = [found.end() for found in _TOKEN.finditer(query) if found["between"] is None]
    return query[: meant[-1]] if meant else ""


def cast(query: str, casts: Sequence[str]) -> str:
    """Return the query with its columns cast.

    A query that needs no cast is returned as it is. The others keep their order: both PostgreSQL and DuckDB hand the
    rows of a lone subquery on in the order in which it gives them.

    Args:
        query: One statement, with nothing behind it.
        casts: For each column an expression in which `{}` stands for the column.
    """
    if all(each == "{}" for each in casts):
        return query
    names = [f"c{n}" for n in range(len(casts))]
    wanted = ", ".join(each.format(f"q.{name}") for each, name in zip(casts, names, strict=True))
    return f"SELECT {wanted} FROM (\n{query}\n) AS q({', '.join(names)})"  # noqa: S608 - the query is the user's
