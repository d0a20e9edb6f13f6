"""Directories that hold one table: their files, and what their folders say."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from bulkstream.errors import SourceError
from bulkstream.sources.columnar.hive import hive_parts, parquet_files, partition_field, partition_value

if TYPE_CHECKING:
    from collections.abc import Sequence


def test_folders_are_read_from_the_outermost() -> None:
    """Names and values are decoded, the default partition is null, and a file's own name says nothing."""
    path = "raw/year=2024/at=a%2Fb%20c/na%3Dme=x=y/gap=__HIVE_DEFAULT_PARTITION__/empty=/part=1.parquet"

    assert list(hive_parts(path).items()) == [
        ("year", "2024"),
        ("at", "a/b c"),
        ("na=me", "x=y"),
        ("gap", None),
        ("empty", ""),
    ]
    assert hive_parts("part-0.parquet") == hive_parts("=x/part-0.parquet") == {}


def test_files_that_hold_no_rows_do_not_count() -> None:
    """Marks, summaries, checksums and what is hidden are passed over; the others come sorted."""
    rows = ["_key=1/b.parquet", "a.parquet", "year=2024/000000_0", "year=2024/part-1.snappy.parquet"]
    others = [
        "_SUCCESS",
        "_metadata",
        "_common_metadata",
        ".a.parquet.crc",
        "a.parquet.crc",
        ".tmp/x",
        "_temporary/0/y",
        "d/",
    ]

    assert parquet_files([*others, *reversed(rows)]) == rows


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("_delta_log/00000000000000000000.json", "Delta Lake"),
        (".hoodie/hoodie.properties", "Hudi"),
        ("metadata/v2.metadata.json", "Iceberg"),
    ],
)
def test_tables_that_keep_deleted_rows_are_refused(name: str, kind: str) -> None:
    """The files of such a table, read together, would bring back what was deleted."""
    with pytest.raises(SourceError, match=kind):
        parquet_files(["data/a.parquet", name])


@pytest.mark.parametrize(
    ("values", "kind", "read"),
    [
        (["1", "-20", None, "0"], pa.int64(), [1, -20, None, 0]),
        (["01", "2"], pa.string(), ["01", "2"]),
        (["9223372036854775808"], pa.string(), ["9223372036854775808"]),
        (["-0"], pa.string(), ["-0"]),
        (["\u0661"], pa.string(), ["\u0661"]),
        (["2024-02-29", None], pa.date32(), [dt.date(2024, 2, 29), None]),
        (["2023-02-29"], pa.string(), ["2023-02-29"]),
        (["2024-02-29", "1"], pa.string(), ["2024-02-29", "1"]),
        ([None], pa.string(), [None]),
        (["", "1"], pa.string(), ["", "1"]),
    ],
)
def test_a_partition_has_the_type_of_all_its_values(
    values: Sequence[str | None], kind: pa.DataType, read: Sequence[object]
) -> None:
    """Whole numbers without leading zeros and dates of the calendar are such; everything else stays text."""
    field = partition_field("p", values)

    assert field == pa.field("p", kind)
    assert [partition_value(value, kind).as_py() for value in values] == read
