"""Which types of a column go together in files that are one table."""

from __future__ import annotations

import pyarrow as pa
import pytest

from bulkstream.errors import HeaderMismatch
from bulkstream.sources.columnar.one_schema import common_type, one_schema

WIDER = [
    (pa.int32(), pa.int64(), pa.int64()),
    (pa.uint8(), pa.uint32(), pa.uint32()),
    (pa.uint32(), pa.int8(), pa.int64()),
    (pa.null(), pa.date32(), pa.date32()),
    (pa.string(), pa.string_view(), pa.string()),
    (pa.dictionary(pa.int8(), pa.string()), pa.large_string(), pa.string()),
    (pa.binary(), pa.large_binary(), pa.binary()),
    (pa.decimal128(10, 2), pa.decimal256(50, 2), pa.decimal256(50, 2)),
]
APART = [
    (pa.uint64(), pa.int64()),
    (pa.int64(), pa.float64()),
    (pa.float32(), pa.float64()),
    (pa.string(), pa.binary()),
    (pa.string(), pa.int64()),
    (pa.decimal128(10, 2), pa.decimal128(10, 3)),
    (pa.date32(), pa.timestamp("us")),
    (pa.timestamp("us"), pa.timestamp("us", "UTC")),
    (pa.list_(pa.int64()), pa.list_(pa.int32())),
]


@pytest.mark.parametrize(("one", "other", "common"), WIDER)
def test_types_of_the_same_values_have_one_that_holds_both(
    one: pa.DataType, other: pa.DataType, common: pa.DataType
) -> None:
    """The wider type is taken, or the first where only the layout differs."""
    assert common_type(one, other) == common
    assert common_type(other, one) in {common, other}


@pytest.mark.parametrize(("one", "other"), APART)
def test_types_whose_text_would_change_stay_apart(one: pa.DataType, other: pa.DataType) -> None:
    """What would be rounded, shifted or written otherwise is no common type."""
    assert common_type(one, other) is None
    assert common_type(other, one) is None


def test_repeated_names_must_stand_in_the_same_order() -> None:
    """Where a name occurs twice, nothing else tells the columns apart."""
    ours, theirs = (pa.schema([(name, pa.int64()) for name in names]) for names in ("aab", "aba"))

    assert one_schema([ours, ours], ["x", "y"]) == ours
    with pytest.raises(HeaderMismatch, match=r"y +b +column 2"):
        one_schema([ours, theirs], ["x", "y"])


def test_a_column_is_nullable_if_it_is_in_one_file() -> None:
    """No file's promise speaks for the others."""
    never, sometimes = (pa.schema([pa.field("a", pa.int64(), nullable=able)]) for able in (False, True))

    assert one_schema([never, sometimes], ["x", "y"]) == sometimes
