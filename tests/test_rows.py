"""What checks the rows of a load, as its settings say."""

from __future__ import annotations

import sys

import pytest

from bulkstream.errors import MissingExtra
from bulkstream.model import Check, Column, ColumnType
from bulkstream.rows import sifter_of
from bulkstream.settings import Upload

COLUMNS = (Column("id", ColumnType.LONG), Column("text"))


def test_rows_are_checked_by_default_and_none_is_left_out() -> None:
    """Without any settings, each row must have as many fields as there are columns."""
    sifter = sifter_of(Upload(), COLUMNS)

    assert sifter is not None
    assert (sifter.checker.fields, sifter.checker.judge, sifter.budget.most) == (2, None, 0)


def test_nothing_is_checked_where_that_is_not_wanted_or_not_possible() -> None:
    """The setting can be off, and an empty source has no columns."""
    assert sifter_of(Upload(check=Check.OFF), COLUMNS) is None
    assert sifter_of(Upload(), ()) is None


def test_types_need_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is missing, the error names the extra to install."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "bulkstream.stages.fit", raising=False)

    with pytest.raises(MissingExtra, match="pyarrow is not installed") as caught:
        sifter_of(Upload(check=Check.TYPES), COLUMNS)

    assert "bulkstream[arrow]" in caught.value.hint
