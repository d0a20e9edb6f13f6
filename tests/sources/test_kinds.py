"""How much of an input is looked at to tell its dialect."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from bulkstream.settings import Upload
from bulkstream.sources import Inputs
from bulkstream.sources.kinds import MANY, Kinds
from bulkstream.sources.text_table import Text
from tests.support.text_content import TextContent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def dialect_of(data: bytes, inputs: int) -> str:
    (found,) = Kinds(Upload(), inputs=inputs).opened(TextContent(data))
    assert isinstance(found, Text)
    return dict(found.facts)["dialect"]


def many(line: Callable[[int], str]) -> bytes:
    return "".join(map(line, range(2000))).encode()


@pytest.mark.parametrize(("inputs", "lines"), [(1, "2,000"), (MANY - 1, "2,000"), (MANY, "195")])
def test_of_many_inputs_only_a_glance_is_taken(inputs: int, lines: str) -> None:
    """Where it leaves no doubt; the dialect is the same."""
    told = dialect_of(many(lambda n: f'{n:06};"a;b {n % 10}";x,y;1\n'), inputs)

    assert told == f"delimiter ';', quote '\"' ({lines} sampled records have 4 fields each)"


def test_inputs_tell_how_many_they_are(tmp_path: Path) -> None:
    """A load of many files takes glances; else thousands of small ones would take minutes to be opened."""
    data = gzip.compress(many(lambda n: f'{n:06};"a;b {n % 10}";x,y;1\n'))
    for number in range(MANY):
        (tmp_path / f"{number:02}.csv.gz").write_bytes(data)
    with Inputs([tmp_path / "*.gz"]) as inputs:
        inputs.find()
        told = dict(inputs.open(Upload()).facts)["dialect"]

    assert "(195 sampled records" in told


@pytest.mark.parametrize(
    "line",
    [lambda n: f"{n:06};{'x' * 900},y\n", lambda n: f"{n},5;{n},5\n", lambda n: f"{n};{(n % 2 and 'a;') or ''}b\n"],
    ids=["few lines", "two dialects", "none"],
)
def test_a_glance_that_leaves_doubt_is_followed_by_a_look(line: Callable[[int], str]) -> None:
    """So that many inputs are never read otherwise than one."""
    data = many(line)

    assert dialect_of(data, MANY) == dialect_of(data, 1)
