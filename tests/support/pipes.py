"""Pipes for tests: with all their content inside, or held open by a producer that sends when it is told to."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def filled(*contents: bytes) -> Iterator[list[str]]:
    """Make a pipe for each content, of at most 64 KiB, whose producer has gone; yield their names."""
    ends = []
    for content in contents:
        reading, writing = os.pipe()
        os.write(writing, content)
        os.close(writing)
        ends.append(reading)
    try:
        yield [f"/dev/fd/{end}" for end in ends]
    finally:
        for end in ends:
            os.close(end)


class Producer:
    """Holds the writing end of a pipe.

    Attributes:
        reading: Descriptor of the reading end.
        name: Its name.
    """

    def __init__(self) -> None:
        self.reading, self._writing = os.pipe()
        self.name = f"/dev/fd/{self.reading}"
        self._ended = False

    def send(self, data: bytes) -> None:
        os.write(self._writing, data)

    def end(self) -> None:
        if not self._ended:
            self._ended = True
            os.close(self._writing)


@contextmanager
def producing() -> Iterator[Producer]:
    """Yield a producer that has sent nothing yet."""
    producer = Producer()
    try:
        yield producer
    finally:
        producer.end()
        os.close(producer.reading)


def descriptors() -> set[str]:
    """Return what is open in this process, with what it leads to; not what a listing of it opens."""
    found = set()
    for entry in list(Path("/dev/fd").iterdir()):
        try:
            found.add(f"{entry.name} {os.fstat(int(entry.name)).st_ino}")
        except OSError:  # the listing's own
            continue
    return found
