"""One input that is not plain CSV on a local disk: its columns, and its rows as the server's CSV, made in pieces."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

from bulkstream.errors import BadValue
from bulkstream.sources.types import Types

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bulkstream.model import Binary
    from bulkstream.sources.ahead import Piece
    from bulkstream.sources.batches import Batches, Task
    from bulkstream.sources.layout import Layout
    from bulkstream.sources.render.renderer import Renderer
    from bulkstream.sources.source import Block

Fact = tuple[str, str]
"""A label and what a dry run says under it."""


class Table(Protocol):
    """Rows of one input.

    Attributes:
        name: For messages.
        names: Of its columns, in its order.
        named: Whether it has named them itself; else they are numbered.
        rows: How many there are, None if that is not known beforehand.
        facts: What a dry run tells of it.
        first_line: Line on which its data begins.
        unrepeatable: Why it can't be read a second time; empty if it can.
        remote: Whether its bytes come over a network, so that more of them are asked for at once.
        mute: Whether it is known to hold no byte at all, not even a header.
        well_formed: Whether each row has as many fields as there are columns, whatever the input holds.
    """

    name: str

    @property
    def names(self) -> tuple[str, ...]: ...  # noqa: D102 - see the class

    @property
    def named(self) -> bool: ...  # noqa: D102 - see the class

    @property
    def rows(self) -> int | None: ...  # noqa: D102 - see the class

    @property
    def facts(self) -> tuple[Fact, ...]: ...  # noqa: D102 - see the class

    @property
    def first_line(self) -> int: ...  # noqa: D102 - see the class

    @property
    def unrepeatable(self) -> str: ...  # noqa: D102 - see the class

    @property
    def remote(self) -> bool: ...  # noqa: D102 - see the class

    @property
    def mute(self) -> bool: ...  # noqa: D102 - see the class

    @property
    def well_formed(self) -> bool: ...  # noqa: D102 - see the class

    def types(self, budget: int) -> Types:
        """Return the columns with their types, of text as the first `budget` bytes show them.

        Raises:
            SourceError: It can't be read.
            SchemaError: A column's values can't be held by any type.
        """

    def check(self, layout: Layout) -> None:
        """See that the columns can be written as CSV.

        Raises:
            SchemaError: They can't.
        """

    def pieces(self, layout: Layout) -> Iterator[Piece]:
        """Yield what makes its rows, in order; `layout` counts this table's columns."""

    def changes(self) -> tuple[str, ...]:
        """Say, one sentence each, what is no longer as it was when the source was opened."""

    def close(self) -> None:
        """End what waits in another thread, and close what is open; may be called again."""


def _rendered(renderer: Renderer, task: Task, name: str) -> Iterator[Block]:
    """Yield the lines of a task's batches; the row of a bad value is counted within the task."""
    rows = 0
    for batch in task():
        try:
            lines = renderer(batch)
        except BadValue as bad:
            raise bad.within(name, rows) from None
        rows += batch.num_rows
        yield memoryview(lines).cast("B")


def _named_after(form: str, reason: str) -> str:
    """Say whose type it is: everything comes as Arrow, and only some of it was."""
    return f"{form} {reason.removeprefix('Arrow ')}" if reason.startswith("Arrow ") else reason


class BatchTable:
    """Rows that come as Arrow batches, and are rendered.

    Attributes:
        name: Of the input.
        named: Whether the columns have names; those of formats with types have.
        first_line: 1, as there are no lines.
        mute: False.
        well_formed: True.
    """

    first_line = 1
    mute = False
    well_formed = True

    def __init__(
        self,
        batches: Batches,
        binary: Binary,
        *,
        remote: bool = False,
        facts: Sequence[Fact] = (),
        named: bool = True,
    ) -> None:
        self.name = batches.name
        self.named = named
        self.remote = remote
        self._batches = batches
        self._binary = binary
        self._facts = tuple(facts)

    def __repr__(self) -> str:
        return f"BatchTable({self._batches!r})"

    @property
    def names(self) -> tuple[str, ...]:
        """As the format has them."""
        return tuple(self._batches.schema.names)

    @property
    def rows(self) -> int | None:
        """As the format tells."""
        return self._batches.rows

    @property
    def facts(self) -> tuple[Fact, ...]:
        """Its format first."""
        return (("format", self._batches.format), *self._facts, *self._batches.details)

    @property
    def unrepeatable(self) -> str:
        """As the batches have it."""
        return self._batches.unrepeatable

    def types(self, budget: int) -> Types:  # noqa: ARG002 - nothing is sampled
        """Return the types that the format's own are held by."""
        from bulkstream.sources.render.renderer import typed  # noqa: PLC0415 - needs pyarrow

        form, found = self._batches.format, typed(self._batches.schema)
        return Types(tuple(replace(each, reason=_named_after(form, each.reason)) for each in found), 0)

    def check(self, layout: Layout) -> None:
        """Refuse what can't be written as CSV, before anything is sent.

        Raises:
            SchemaError: A column of the layout holds such values.
        """
        from bulkstream.sources.render.renderer import Renderer  # noqa: PLC0415 - needs pyarrow

        Renderer(self._batches.schema, layout, self._binary)

    def pieces(self, layout: Layout) -> Iterator[Piece]:
        """Yield a piece for each task."""
        from bulkstream.sources.render.renderer import Renderer  # noqa: PLC0415 - needs pyarrow

        renderer = Renderer(self._batches.schema, layout, self._binary)
        for number, task in enumerate(self._batches.tasks(renderer.needed)):
            name = f"{self.name}, piece {number + 1}" if number else self.name
            yield partial(_rendered, renderer, task, name)

    def changes(self) -> tuple[str, ...]:
        """Say what the batches say."""
        return self._batches.changes()

    def close(self) -> None:
        """Close the batches."""
        self._batches.close()
