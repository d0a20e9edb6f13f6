"""Comparing by value: what is equal, and that no difference goes unseen."""

from __future__ import annotations

import csv
import io
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstream.digest import Bytes, Equal, Multiset, Records, feed_blocks, source_digest
from bulkstream.model import Column, ColumnType
from bulkstream.values import normalizer
from tests.support.memory_source import MemorySource

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=6)
ROWS = st.lists(st.tuples(TEXTS, TEXTS), max_size=12)
COLUMNS = (Column("a"), Column("b"))


def written(rows: list[tuple[str, str]], quoting: int, line_end: str) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=quoting, lineterminator=line_end).writerows(rows)  # type: ignore[arg-type]
    return text.getvalue().encode()


def digested(data: bytes, sizes: random.Random, columns: tuple[Column, ...] = COLUMNS) -> Multiset:
    """Digest bytes that come in pieces of any size."""
    records, start = Records(columns), 0
    while start < len(data):
        end = start + sizes.randint(1, 9)
        records.feed(data[start:end])
        start = end
    return records.closed()


@given(ROWS, st.randoms(use_true_random=False))
def test_order_quoting_and_pieces_make_no_difference(rows: list[tuple[str, str]], draw: random.Random) -> None:
    """A server may store rows in any order and write them as it likes."""
    shuffled = draw.sample(rows, len(rows))

    one = digested(written(rows, csv.QUOTE_MINIMAL, "\n"), draw)
    other = digested(written(shuffled, csv.QUOTE_ALL, "\r\n"), draw)

    assert one == other
    assert one.rows == len(rows)


@given(ROWS, ROWS, st.randoms(use_true_random=False))
def test_digests_differ_exactly_where_rows_do(
    one: list[tuple[str, str]], other: list[tuple[str, str]], draw: random.Random
) -> None:
    """Rows count as often as they are there: a lost, changed or doubled one shows."""
    left = digested(written(one, csv.QUOTE_ALL, "\n"), draw)
    right = digested(written(other, csv.QUOTE_ALL, "\n"), draw)

    assert (left == right) == (sorted(one) == sorted(other))
    assert left + right == digested(written(one + other, csv.QUOTE_ALL, "\n"), draw)


@pytest.mark.parametrize(
    ("one", "other"),
    [(b"ab,c\n", b"a,bc\n"), (b"a,b\na,b\n", b"a,b\n"), (b"a,\n", b"a\n"), (b'"a,b"\n', b"a,b\n"), (b"1:a\n", b"a\n")],
)
def test_fields_keep_their_bounds(one: bytes, other: bytes) -> None:
    """Characters that move into the next field, or rows that are there twice, are a difference."""
    assert digested(one, random.Random(1)) != digested(other, random.Random(1))


def test_missing_last_line_end_makes_no_difference() -> None:
    """The last record counts with or without it, and a blank line is a record of one empty field."""
    assert digested(b"a,b\n\nc,d", random.Random(1)) == digested(b'a,b\n""\nc,d\n', random.Random(1))


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("LONG", "7", "007"),
        ("LONG", "-0", "0"),
        ("LONG", "+12345678901234567890123456789012345678", "12345678901234567890123456789012345678"),
        ("DECIMAL", "1.50", "1.5"),
        ("DECIMAL", "1E3", "1000"),
        ("DECIMAL", ".5", "0.5"),
        ("DOUBLE", "0.1", "0.1000000000000000055"),
        ("DOUBLE", "-0.0", "0"),
        ("DOUBLE", "1e22", "10000000000000000000000"),
        ("DATE", "2026-11-25", "2026-11-25T00:00:00Z"),
        ("DATETIME", "2026-11-25 06:00", "2026-11-25T06:00:00.000Z"),
        ("DATETIME", "2026-11-25T06:00:00+02:00", "2026-11-25T04:00:00"),
    ],
)
def test_values_that_are_equal(kind: str, one: str, other: str) -> None:
    """Two ways of writing one value of a type are one value."""
    normalized = normalizer(ColumnType(kind))

    assert normalized is not None
    assert normalized(one) == normalized(other)


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("LONG", "9007199254740993", "9007199254740992"),
        ("LONG", "1", ""),
        ("LONG", "1_000", "1000"),
        ("LONG", "\u0661", "1"),
        ("DECIMAL", "0." + "1" * 40, "0." + "1" * 41),
        ("DECIMAL", "NaN", "0"),
        ("DOUBLE", "0.1", "0.10000000000000002"),
        ("DOUBLE", "1e999", "2e999"),
        ("DATE", "2026-11-25", "2026-11-26"),
        ("DATE", "", "1970-01-01"),
        ("DATETIME", "2026-11-25T06:00", "2026-11-25T06:00:00.000001"),
        ("DATETIME", "0001-01-01T00:00+01:00", "0001-01-01T00:00"),
    ],
)
def test_values_that_differ(kind: str, one: str, other: str) -> None:
    """No two values of a type are taken for one, nor is what is no value of it."""
    normalized = normalizer(ColumnType(kind))

    assert normalized is not None
    assert normalized(one) != normalized(other)


def test_text_is_compared_as_it_is() -> None:
    """A text column has no second way of writing anything."""
    assert normalizer(ColumnType.STRING) is None


async def test_reading_back_stops_where_the_bytes_differ() -> None:
    """What is written in another way is noticed in the first block, and the answer is closed there."""
    sent, taken = Bytes(), 0

    async def blocks() -> AsyncGenerator[bytes, None]:
        nonlocal taken
        for _ in range(50):
            taken += 1
            yield b"x" * (64 << 10)

    sent.feed(b"y" * (1 << 20))
    same = Equal(sent)
    await feed_blocks(blocks(), same)

    assert not same.equal
    assert taken == 1


async def test_source_is_digested_as_it_is_sent() -> None:
    """The line feed that is put between two files counts."""
    digest, one = await source_digest(MemorySource([b"a\nb", b"c\n"]), 1 << 20), Bytes()

    one.feed(b"a\nb\nc\n")
    assert (digest.rows, digest.sha256) == (3, one.sha256)
