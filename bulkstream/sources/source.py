"""What the cutter asks of a source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

UNKNOWN = 1 << 62
"""Bytes that remain where nobody knows."""

Block = memoryview
"""Bytes of a segment, on their way."""


class Segment(Protocol):
    """A run of bytes that begins and ends with a record: a file without its header.

    Attributes:
        name: For messages, e.g. the path.
        offset: Where in the file the next byte to be read stands.
        remaining: Bytes still to be read; 0 is the end. Where nobody knows, more than there can be, until the end was
            seen.
        first_line: Line of the file, from 1, on which the data begins.
        derived: Whether its bytes are made, by unpacking or rendering, so that the same input may give others another
            time.
    """

    name: str

    @property
    def derived(self) -> bool: ...  # noqa: D102 - see the class

    @property
    def first_line(self) -> int: ...  # noqa: D102 - see the class

    @property
    def offset(self) -> int: ...  # noqa: D102 - see the class

    @property
    def remaining(self) -> int: ...  # noqa: D102 - see the class

    def readinto(self, view: memoryview) -> int:
        """Read at most `len(view)` bytes; 0 while some remain means that the file became shorter.

        Raises:
            SourceUnreadable: The system refused.
        """

    def skip(self, count: int) -> None:
        """Go on behind the next `count` bytes, at most `remaining`, without reading them."""

    def close(self) -> None:
        """Close what was opened for reading; harmless if nothing was."""


class Source(Protocol):
    """CSV without headers, in record order.

    Attributes:
        total_bytes: Bytes in all segments together, None if unknown.
        rows: Rows in all segments together, where they are known without reading them, else None.
        unrepeatable: Why it can't be read a second time; empty if it can.
        ahead_bytes: Bytes that it may hold on its own, at most, while it is read.
    """

    @property
    def ahead_bytes(self) -> int: ...  # noqa: D102 - see the class

    @property
    def total_bytes(self) -> int | None: ...  # noqa: D102 - see the class

    @property
    def rows(self) -> int | None: ...  # noqa: D102 - see the class

    @property
    def unrepeatable(self) -> str: ...  # noqa: D102 - see the class

    def segments(self) -> Iterator[Segment]:
        """Yield the segments that hold data, in order; each opens its file when it is first read."""

    def changes(self) -> tuple[str, ...]:
        """Say, one sentence each, what is no longer as it was when the source was opened."""

    def close(self) -> None:
        """End what waits for data in another thread, and close what is open between reads; may be called again."""
