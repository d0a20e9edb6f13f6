"""What readers of formats with types give: Arrow record batches, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

Task = Callable[[], Iterator["pa.RecordBatch"]]
"""A piece of work, to be done in any thread: yields batches of at most some MiB, the rows of the piece in order."""

TYPE_KEY = b"bulkstream:type"
"""Key in a field's metadata: the `ColumnType` of a column that comes as text which is already in that type's form.

Databases give numbers that no type of Arrow's holds exactly as such text; nulls aside, all of a column's values fit.
"""


class Batches(Protocol):
    """Rows of one input, all with the same columns.

    Attributes:
        name: For messages: the path, the URL without credentials, the query's database.
        format: In a word or two, e.g. `Parquet`.
        schema: Names and types of all columns.
        rows: How many there are, None if that is not known without reading them.
        details: What else a dry run tells, as labels and values, e.g. `("row groups", "105")`.
        unrepeatable: Why the rows can't be read a second time, in the same order; empty if they can.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - see the class

    @property
    def format(self) -> str: ...  # noqa: D102 - see the class

    @property
    def schema(self) -> pa.Schema: ...  # noqa: D102 - see the class

    @property
    def rows(self) -> int | None: ...  # noqa: D102 - see the class

    @property
    def details(self) -> tuple[tuple[str, str], ...]: ...  # noqa: D102 - see the class

    @property
    def unrepeatable(self) -> str: ...  # noqa: D102 - see the class

    def tasks(self, columns: Sequence[int]) -> Iterator[Task]:
        """Yield the work in the order of the rows; several tasks may be done at once, each in its own thread.

        Their batches hold just the named columns, by their numbers in `schema` and in that order.
        What is only readable in sequence is one task. Tasks raise a `SourceError` with the place of what is wrong.
        """

    def changes(self) -> tuple[str, ...]:
        """Say, one sentence each, what is no longer as it was when the source was opened."""

    def close(self) -> None:
        """End what waits in another thread, and close what is open; may be called again."""
