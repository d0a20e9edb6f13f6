"""Schema files as editors write them, and schemas in another order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bulkstream.model import Column, ColumnType
from bulkstream.sources.schema import compare, read_schema, write_schema

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = (Column("id", ColumnType.LONG), Column("name", ColumnType.STRING), Column("day", ColumnType.DATE))


def test_a_byte_order_mark_is_no_part_of_the_schema(tmp_path: Path) -> None:
    """A file saved by an editor that marks UTF-8 is read as any other."""
    (tmp_path / "s.json").write_bytes(b"\xef\xbb\xbf" + write_schema(COLUMNS))

    assert read_schema(tmp_path / "s.json") == COLUMNS


@pytest.mark.parametrize("suffix", [".toml", ".TOML"])
def test_the_case_of_the_suffix_does_not_matter(tmp_path: Path, suffix: str) -> None:
    """TOML is TOML however its file is named."""
    path = tmp_path / f"schema{suffix}"
    path.write_text('[[columns]]\nname = "id"\ntype = "long"\n', "utf-8")

    assert read_schema(path) == COLUMNS[:1]


def test_another_order_is_told_once() -> None:
    """Swapped columns are one difference, not one for each column."""
    swapped = (COLUMNS[0], COLUMNS[2], COLUMNS[1])

    assert compare(swapped, COLUMNS) == ("the same columns in another order: column 2 is 'day' instead of 'name'",)
