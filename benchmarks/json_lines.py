"""How fast JSON Lines are read: CPU time of opening and of reading, by what their values are.

    python -m benchmarks.json_lines

Rows of 8 to 12 columns, 32 MiB of them; prints the best of some rounds, on one core.
"""

from __future__ import annotations

import io
import json
import time
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from bulkstream.sources.rows.jsonl import open_jsonl
from bulkstream.sources.rows.lines import LineBlocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bulkstream.sources.rows.jsonl import JsonLines

MIB = 1 << 20
ROUNDS = 5


class _Bytes(io.BytesIO, io.RawIOBase):
    """Bytes in memory as a raw stream."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A content in memory."""

    data: bytes
    name: str = "rows"
    unrepeatable: str = ""

    def stream(self) -> _Bytes:
        """Open it."""
        return _Bytes(self.data)

    def changed(self) -> None:
        """It never does."""


def plain(n: int) -> dict[str, Any]:
    """Make a row of strings and whole numbers."""
    return {
        "id": n,
        "name": f"customer {n}",
        "city": ("Zürich", "Bern", "Lausanne")[n % 3],
        "day": f"2026-11-{n % 28 + 1:02}",
        "at": "2026-11-23T14:05:59Z",
        "quantity": n % 50,
        "comment": f"some words that go on for a while {n}",
    }


def numbers(n: int) -> dict[str, Any]:
    """Make a row that has fractions and booleans, too."""
    return plain(n) | {"active": n % 2 == 0, "price": n % 9999 / 100, "rate": 1 / (n + 1)}


def nested(n: int) -> dict[str, Any]:
    """Make a row that has arrays and objects, too."""
    return numbers(n) | {"tags": ["a", "b", n], "address": {"street": 'the "old" road', "zip": f"{n % 99999:05}"}}


def _lines(row: Callable[[int], dict[str, Any]]) -> bytes:
    lines, size = [], 0
    for n in count():
        lines.append(json.dumps(row(n), ensure_ascii=False).encode())
        size += len(lines[-1]) + 1
        if size > 32 * MIB:
            return b"\n".join([*lines, b""])
    raise AssertionError


def _read(source: JsonLines) -> None:
    for task in source.tasks(range(len(source.schema))):
        for _ in task():
            pass


def _exactly(source: JsonLines, blocks: Iterator[Any]) -> None:
    columns = tuple(range(len(source.schema)))
    source._reader._line_by_line(next(blocks), columns)  # noqa: SLF001 - the slow way is asked for on purpose


def _best_s(work: Callable[[], None]) -> float:
    took = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        took.append(time.process_time() - began)
    return min(took)


def main() -> None:
    """Measure and print."""
    for row in (plain, numbers, nested):
        rows = Rows(_lines(row))
        source = open_jsonl(rows, sample_bytes=4 * MIB)
        opening = _best_s(lambda rows=rows: open_jsonl(rows, sample_bytes=4 * MIB).close())  # type: ignore[misc]
        reading = _best_s(lambda source=source: _read(source))  # type: ignore[misc]
        blocks = LineBlocks(rows.stream(), "rows", most_bytes=MIB)
        exact = _best_s(lambda source=source, blocks=blocks: _exactly(source, blocks))  # type: ignore[misc]
        print(
            f"{row.__name__:8} {opening:.2f} s for the sample, {len(rows.data) / 1e6 / reading:.0f} MB/s, "
            f"line by line {MIB / 1e6 / exact:.0f} MB/s"
        )


if __name__ == "__main__":
    main()
