"""Excerpts and samples: whole records from the beginning, slices from everywhere."""

from __future__ import annotations

import pytest

from bulkstream.bench import local
from bulkstream.bench.excerpt import excerpt
from bulkstream.errors import UsageError
from tests.support.memory_source import MemorySource, chunks_of

RECORD = b'1,"a\nb"\n'


@pytest.mark.parametrize(("size", "rows"), [(1, 1), (8, 1), (9, 2), (40, 5), (10_000, 12)])
def test_excerpt_ends_with_the_record_that_reaches_the_size(size: int, rows: int) -> None:
    """It holds the first records, over all files, never part of one."""
    source = MemorySource([5 * RECORD, 7 * RECORD])

    taken = excerpt(source, size, 1 << 20)

    found = b"".join(chunk for chunk, _ in chunks_of(taken, 16))  # type: ignore[arg-type]
    assert (taken.rows, taken.total_bytes) == (rows, len(found))
    assert found == rows * RECORD


def test_file_without_a_last_line_feed_counts_as_it_is() -> None:
    """The line feed that the cutter adds between files is not taken for one of the source's."""
    source = MemorySource([b"1\n2", b"3\n4\n"])

    first, whole = excerpt(source, 4, 1 << 20), excerpt(source, 5, 1 << 20)

    assert (first.total_bytes, first.rows) == (3, 2)
    assert chunks_of(first, 1024) == [(b"1\n2", 2)]  # type: ignore[arg-type]
    assert (whole.total_bytes, whole.rows) == (7, 4)


def test_nothing_can_be_measured_without_rows() -> None:
    """Empty files are told apart from infinite speed."""
    with pytest.raises(UsageError, match="no rows"):
        excerpt(MemorySource([b""]), 1000, 1 << 20)


def test_sample_of_little_data_is_all_of_it() -> None:
    """No byte is taken twice, which would flatter the ratio."""
    data = bytes(range(256)) * 100

    assert b"".join(local.sample(MemorySource([data[:9000], data[9000:]]))) == data


def test_sample_is_taken_from_everywhere() -> None:
    """Files whose beginning is unlike their end are represented by both."""
    size = 4 * local.SAMPLE_BYTES
    source = MemorySource([bytes([number]) * (size // 8) for number in range(8)])

    slices = local.sample(source)

    assert sum(map(len, slices)) == local.SAMPLE_BYTES
    assert {slices[0][0], slices[-1][-1]} == {0, 7}
    assert len({each[0] for each in slices}) == len(slices)


def test_rates_are_of_raw_bytes() -> None:
    """Reading and cutting see every byte; a ratio is above 1 for what repeats."""
    source = MemorySource([RECORD * 5000])

    assert local.read_rate(source) > 0
    assert local.cut_rate(source, 4096, 1 << 20) > 0
    assert all(segment.closed for segment in source.opened)
    assert local.ratio(local.sample(source), 1) > 5
    assert local.compress_rate(local.sample(source), 0, threads=2) > 0
