"""Rows of a database query, as they come: PostgreSQL, SQLite, DuckDB.

A *session* is one connection that has a query and is asked for its rows once. `Query` makes `Batches` of it.
"""

from bulkstream.sources.databases.open import open_query

__all__ = ["open_query"]
