"""Several inputs that are no plain CSV, as one source."""

from __future__ import annotations

import gzip
import threading
import time
from typing import TYPE_CHECKING, Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bulkstream.errors import HeaderMismatch, SchemaError, SourceUnreadable
from bulkstream.fitting import fitted
from bulkstream.model import Column, ColumnType, HeaderMode
from bulkstream.settings import Upload
from bulkstream.sources import Inputs
from bulkstream.sources.render.renderer import typed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from bulkstream.sources import Inferred
    from bulkstream.sources.batches import Task


def inferred(folder: Path, *texts: str) -> tuple[Inferred, ...]:
    """Return what is inferred from several packed files together."""
    for number, text in enumerate(texts):
        (folder / f"{number}.csv.gz").write_bytes(gzip.compress(text.encode()))
    with Inputs([folder / "*.csv.gz"]) as inputs:
        inputs.find()
        return inputs.open(Upload()).types(1 << 20).inferred


def test_inputs_without_values_don_t_change_types(tmp_path: Path) -> None:
    """A header without rows, and a column without a value, say nothing about a type."""
    found = inferred(tmp_path, "id,day\n", "id,day\n1,\n", "id,day\n,2026-11-23\n")

    assert [each.column.type for each in found] == [ColumnType.LONG, ColumnType.DATE]
    assert [each.nulls for each in found] == [1, 1]


def test_values_of_all_inputs_count(tmp_path: Path) -> None:
    """What shows that a type can't hold a column may stand in any input."""
    (found,) = inferred(tmp_path, "id\n007\n", "id\nseven\n", "id\n7\n")

    assert found.column.type is ColumnType.STRING
    assert found.misfits is not None
    assert found.misfits[ColumnType.LONG] == "seven"
    (fits,) = inferred(tmp_path, "id\n007\n", "id\n7\n", "id\n008\n")
    assert fits.misfits is not None
    assert ColumnType.LONG not in fits.misfits


def rows(names: Sequence[Path], **settings: Any) -> list[bytes]:
    """Return the rows of each input, as the dataset gets them that the first load makes."""
    return rows_for(None, names, **settings)


def rows_for(wanted: Sequence[Column] | None, names: Sequence[Path], **settings: Any) -> list[bytes]:
    """Return the rows of each input, as a dataset with these columns gets them."""
    with Inputs(names) as inputs:
        inputs.find()
        chosen = Upload(**settings)
        fit = fitted(inputs.open(chosen, wanted), chosen, wanted, "A")
        found = []
        for segment in fit.source.segments():
            view = memoryview(bytearray(1 << 16))
            found.append(bytes(view[: segment.readinto(view)]))
        fit.source.close()
        return found


def test_columns_whose_names_differ_in_case_keep_their_values(tmp_path: Path) -> None:
    """Each is filled from itself, also where another input has them in another order."""
    pq.write_table(pa.table({"a": [1], "A": [2]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"A": [4], "a": [3]}), tmp_path / "2.parquet")
    pq.write_table(pa.table({"a": [1], "b": [2]}), tmp_path / "3.parquet")
    with Inputs([tmp_path / "1.parquet"]) as inputs:
        inputs.find()
        found = inputs.open(Upload()).types(1 << 20).columns

    assert [each.name for each in found] == ["a", "A"]
    assert rows([tmp_path / "1.parquet", tmp_path / "2.parquet"]) == [b"1,2\n", b"3,4\n"]
    with pytest.raises(HeaderMismatch, match="a single column for 'a' and 'A'"):
        rows([tmp_path / "1.parquet", tmp_path / "3.parquet"])


@pytest.mark.parametrize("header", list(HeaderMode))
@pytest.mark.parametrize("turned", [False, True], ids=["Parquet first", "text first"])
def test_a_header_beside_typed_inputs_counts_by_its_names(tmp_path: Path, header: HeaderMode, turned: bool) -> None:
    """Also where the dataset is known: the text's columns stand in another order, or have other names."""
    pq.write_table(pa.table({"id": ["x"], "name": ["y"]}), tmp_path / "a.parquet")
    (tmp_path / "b.csv").write_text("name,id\nNAME,ID\n", "utf-8")
    (tmp_path / "c.csv").write_text("foo,bar\nF,B\n", "utf-8")
    wanted = [Column("id", ColumnType.STRING), Column("name", ColumnType.STRING)]
    names = [tmp_path / "a.parquet", tmp_path / "b.csv"]

    found = rows_for(wanted, names[::-1] if turned else names, header=header)

    if header is HeaderMode.NO:
        assert b"name,id\nNAME,ID\n" in found
        return
    assert sorted(each.replace(b'"', b"") for each in found) == [b"ID,NAME\n", b"x,y\n"]
    with pytest.raises(HeaderMismatch, match="other columns"):
        rows_for(wanted, [tmp_path / "a.parquet", tmp_path / "c.csv"], header=header)


def test_a_header_of_other_inputs_names_is_no_data(tmp_path: Path) -> None:
    """Also where a name looks like a value, so that by itself it would be none."""
    pq.write_table(pa.table({"id": ["x"], "2026": ["y"]}), tmp_path / "a.parquet")
    (tmp_path / "b.csv").write_text("2026,id\nNEW,ID\n", "utf-8")

    assert rows([tmp_path / "a.parquet", tmp_path / "b.csv"]) == [b'"x","y"\n', b'"ID","NEW"\n']


@pytest.mark.parametrize("header", ["id,name\n", ""], ids=["header", "no header"])
def test_a_mark_of_plain_csv_is_no_data_where_columns_are_chosen(tmp_path: Path, header: str) -> None:
    """Files that are plain otherwise are parsed then, without their byte order marks."""
    (tmp_path / "a.csv").write_text(f"{header}7,x\n", "utf-8-sig")
    (tmp_path / "b.csv").write_text(f"{header}8,y\n", "utf-8")
    (tmp_path / "c.csv").write_text("", "utf-8-sig")
    columns = ("name", "id") if header else ("Column 2", "Column 1")

    found = rows([tmp_path / "a.csv", tmp_path / "b.csv", tmp_path / "c.csv"], columns=columns)

    assert [each.replace(b'"', b"") for each in found] == [b"x,7\n", b"y,8\n", b""]


def test_whole_numbers_that_doubles_round_are_text_in_any_input(tmp_path: Path) -> None:
    """As if all values stood in one file; else a resumed load would find that the dataset can't hold them."""
    (found,) = inferred(tmp_path, "id\n9007199254740993\n", "id\n1e5\n")

    assert found.column.type is ColumnType.STRING
    assert "'9007199254740993' might be rounded" in found.reason


def test_names_are_the_first_input_s(tmp_path: Path) -> None:
    """Also of columns that hold nothing there, and whose type comes from an input without names."""
    pq.write_table(pa.table({"id": pa.nulls(1), "name": ["y"]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"id": pa.nulls(0), "name": pa.nulls(0)}), tmp_path / "b.parquet")
    (tmp_path / "c.csv").write_text("1,2\n", "utf-8")
    for first in ("a.parquet", "b.parquet"):
        with Inputs([tmp_path / first, tmp_path / "c.csv"]) as inputs:
            inputs.find()
            found = inputs.open(Upload()).types(1 << 20).columns

        assert [each.name for each in found] == ["id", "name"]
        assert found[0].type is ColumnType.LONG


def test_sheets_without_a_header_fill_a_dataset_by_order(tmp_path: Path) -> None:
    """As all that has no names; but only if the user has said that there is none."""
    book = openpyxl.Workbook()
    for row in ((1, 2), (3, 4)):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    wanted = [Column("id", ColumnType.LONG), Column("count", ColumnType.LONG)]

    assert rows_for(wanted, [tmp_path / "a.xlsx"], header=HeaderMode.NO) == [b"1,2\n3,4\n"]
    with pytest.raises(SchemaError, match="Column 1"):
        rows_for(wanted, [tmp_path / "a.xlsx"])


def test_columns_of_no_type_fit_any(tmp_path: Path) -> None:
    """Arrow's type of nothing but nulls leaves the word to other files."""
    pq.write_table(pa.table({"id": pa.nulls(2)}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"id": [1]}), tmp_path / "2.parquet")
    with Inputs([tmp_path / "*.parquet"]) as inputs:
        inputs.find()
        (found,) = inputs.open(Upload()).types(1 << 20).inferred

    assert found.column.type is ColumnType.LONG
    assert typed(pa.schema([pa.field("x", pa.null())]))[0].silent


def test_what_is_opened_while_its_load_is_given_up_is_closed() -> None:
    """A database that answers just then would keep its connection."""

    class Slow:
        """Rows that take until the inputs were closed to be opened."""

        closed = False

        @property
        def name(self) -> str:
            closing.start()
            while not inputs._closed:
                time.sleep(0.001)
            return "slow"

        def tasks(self, columns: Sequence[int]) -> Iterator[Task]:
            raise AssertionError(columns)

        def close(self) -> None:
            self.closed = True

    given = Slow()
    inputs = Inputs([given])  # type: ignore[list-item]
    closing = threading.Thread(target=inputs.close)
    inputs.find()

    with pytest.raises(SourceUnreadable, match="closed while it was opened"):
        inputs.open(Upload())
    closing.join()
    assert given.closed
