"""What is loaded: files that are easily cut in the wrong place."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from pathlib import Path

PART_BYTES = 1024
HEADER = "id,text\n"
COLUMNS = [{"type": "LONG", "name": "id"}, {"type": "STRING", "name": "text"}]
BASE = b"0,there before\n"
"""Rows that the dataset holds before the load."""

TEXTS = ("plain", 'a ""quote""', "a, comma", "a\nline break", "two\r\nof them\n", "\u00e4\u00f6\u00fc \u20ac", "")


def write_files(folder: Path, draw: random.Random, parts: int) -> bytes:
    """Write three files of at least so many parts together; return the rows that are to be in the dataset.

    The second file ends without a line feed, which the load has to add.
    """
    bodies = [_body(draw, parts * PART_BYTES // 3 + 1) for _ in range(3)]
    bodies[1] = bodies[1].removesuffix("\n")
    for name, body in zip("abc", bodies, strict=True):
        (folder / f"{name}.csv").write_text(HEADER + body, "utf-8", newline="")
    first, second, third = bodies
    return f"{first}{second}\n{third}".encode()


def _body(draw: random.Random, size: int) -> str:
    rows, written = [], 0
    while written < size:
        text = " ".join(draw.choices(TEXTS, k=draw.randint(1, 12)))
        rows.append(f'{draw.randrange(10**9)},"{text}"\n')
        written += len(rows[-1])
    return "".join(rows)
