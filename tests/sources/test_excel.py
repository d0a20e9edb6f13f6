"""Excel: cells arrive with the type that all of their column have, and nothing is guessed about the header."""

# ruff: noqa: DTZ001 - Excel knows no zones

from __future__ import annotations

import io
import threading
import zipfile
from datetime import date, datetime, time, timedelta
from typing import Any

import openpyxl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from bulkstream.errors import HeaderMismatch, SchemaError, SourceError, SourceUnreadable, UsageError
from bulkstream.model import HeaderMode
from bulkstream.sources.rows import excel, excel_extent, excel_places
from bulkstream.sources.rows.excel import ExcelSheet, open_excel
from bulkstream.sources.rows.excel_cells import text_of
from tests.support.contents import MemoryContent

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=9)
MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)).map(lambda m: m.replace(microsecond=0))


def saved(workbook: Any) -> bytes:
    file = io.BytesIO()
    workbook.save(file)
    return file.getvalue()


def workbook_of(*rows: list[Any]) -> Any:
    workbook = openpyxl.Workbook()
    for row in rows:
        workbook.active.append(row)
    return workbook


def opened(workbook: Any, sheet: str | None = None, header: HeaderMode = HeaderMode.AUTO) -> ExcelSheet:
    return open_excel(MemoryContent(saved(workbook), "book.xlsx"), sheet=sheet, header=header)


def read(source: ExcelSheet, columns: list[int] | None = None) -> list[dict[str, Any]]:
    picked = list(range(len(source.schema))) if columns is None else columns
    return [row for task in source.tasks(picked) for batch in task() for row in batch.to_pylist()]


@pytest.mark.parametrize(
    ("cells", "kind", "loaded"),
    [
        ([3.0, 4, None], pa.int64(), [3, 4, None]),
        ([3.5, 4], pa.float64(), [3.5, 4.0]),
        ([2.0**53, -(2.0**53)], pa.int64(), [2**53, -(2**53)]),
        ([1e17, 1], pa.float64(), [1e17, 1.0]),
        (["007", "12"], pa.string(), ["007", "12"]),
        (["007", 12, 1.5, 1e300], pa.string(), ["007", "12", "1.5", "1e+300"]),
        ([True, False, None], pa.string(), ["true", "false", None]),
        ([True, 1], pa.string(), ["true", "1"]),
        ([date(2026, 11, 23), datetime(1900, 3, 1)], pa.date32(), [date(2026, 11, 23), date(1900, 3, 1)]),
        (
            [date(2026, 11, 23), datetime(2026, 11, 23, 14, 5, 59)],
            pa.timestamp("us"),
            [datetime(2026, 11, 23), datetime(2026, 11, 23, 14, 5, 59)],
        ),
        ([date(2026, 11, 23), 5], pa.string(), ["2026-11-23", "5"]),
        ([time(14, 5), time(0, 0, 1)], pa.string(), ["14:05:00", "00:00:01"]),
        ([timedelta(hours=30, seconds=5)], pa.string(), ["30:00:05"]),
        (["", "x"], pa.string(), [None, "x"]),
        ([" x "], pa.string(), [" x "]),
    ],
)
def test_a_column_has_the_type_of_all_its_cells(cells: list[Any], kind: pa.DataType, loaded: list[Any]) -> None:
    """Whole numbers are integers, moments dates if all are midnights, and mixtures the text of each cell."""
    source = opened(workbook_of(["a", "end"], *([cell, "."] for cell in cells)))

    assert source.schema == pa.schema([("a", kind), ("end", pa.string())])
    assert source.rows == len(cells)
    assert read(source, [0]) == [{"a": value} for value in loaded]


def test_formats_don_t_change_values() -> None:
    """Percent and currency are how a number is shown; errors are null; a formula has the value that was stored."""
    workbook = workbook_of(["share", "price", "broken", "formula"], [0.5, 1.25, "#N/A", "=1+1"])
    workbook.active["A2"].number_format = "0%"
    workbook.active["B2"].number_format = '"$"#,##0.00'
    workbook.active["C2"].data_type = "e"

    assert read(opened(workbook)) == [{"share": 0.5, "price": 1.25, "broken": None, "formula": None}]


def test_both_date_systems_give_the_same_day() -> None:
    """A workbook that counts from 1904 has the days that it shows."""
    workbook = openpyxl.Workbook()
    workbook.epoch = CALENDAR_MAC_1904
    workbook.active.append(["day"])
    workbook.active.append([date(2026, 11, 23)])

    assert read(opened(workbook)) == [{"day": date(2026, 11, 23)}]


def test_the_table_is_where_the_cells_are() -> None:
    """It begins at the first cell; blank rows inside are kept, blank rows at the end and empty columns are not."""
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    for place, value in {"C3": "a", "E3": "b", "C4": 1, "E6": "x", "C6": 2, "C9": "", "H20": ""}.items():
        sheet[place] = value
    sheet.row_dimensions[4].hidden = True

    source = opened(workbook)

    assert source.rows == 3
    assert read(source) == [{"a": 1, "b": None}, {"a": None, "b": None}, {"a": 2, "b": "x"}]


def test_the_first_of_merged_cells_has_the_value() -> None:
    """The others are null."""
    workbook = workbook_of(["a", "b"], ["x", None], [None, "y"])
    workbook.active.merge_cells("A2:A3")

    assert read(opened(workbook)) == [{"a": "x", "b": None}, {"a": None, "b": "y"}]


@pytest.mark.parametrize(
    ("first", "mode", "names", "rows"),
    [
        (["id", "name"], HeaderMode.AUTO, ["id", "name"], 1),
        ([1, "name"], HeaderMode.AUTO, ["Column 1", "Column 2"], 2),
        ([2024, 2025], HeaderMode.YES, ["2024", "2025"], 1),
        (["id", "name"], HeaderMode.NO, ["Column 1", "Column 2"], 2),
        ([None, 5], HeaderMode.AUTO, ["Column 1", "Column 2"], 2),
    ],
)
def test_the_header_is_decided_as_for_csv(first: list[Any], mode: HeaderMode, names: list[str], rows: int) -> None:
    """A first row of distinct names is a header, unless the user says what is true."""
    source = opened(workbook_of(first, [1, "x"]), header=mode)

    assert source.schema.names == names
    assert source.rows == len(read(source)) == rows


@pytest.mark.parametrize("mode", [HeaderMode.AUTO, HeaderMode.YES])
def test_a_header_with_a_gap_is_an_error(mode: HeaderMode) -> None:
    """Neither is a column without a name given one, nor a header taken for data, nor a title for a header."""
    with pytest.raises(SchemaError, match="column 2"):
        opened(workbook_of(["id", None], [1, "x"]), header=mode)
    assert opened(workbook_of(["id", None], [1, "x"]), header=HeaderMode.NO).rows == 2


def sheets() -> Any:
    workbook = openpyxl.Workbook()
    workbook.active.title = "notes"
    workbook.active.sheet_state = "hidden"
    for name, value in (("data", 1), ("3", 2), ("more", 3)):
        workbook.create_sheet(name).append(["a"])
        workbook[name].append([value])
    workbook.create_chartsheet("chart")
    return workbook


@pytest.mark.parametrize(("sheet", "value"), [(None, 1), ("data", 1), ("2", 1), ("3", 2), ("more", 3), ("4", 3)])
def test_a_sheet_is_named_or_numbered(sheet: str | None, value: int) -> None:
    """A name goes before a number; without either, it is the first sheet that is not hidden."""
    source = opened(sheets(), sheet)

    assert read(source) == [{"a": value}]
    assert all(repr(name) in source.details[0][1] for name in ("notes", "data", "3", "more"))


@pytest.mark.parametrize("sheet", ["Data", "0", "5", "", "²"])
def test_an_unknown_sheet_is_answered_with_the_sheets(sheet: str) -> None:
    """The error lists what there is."""
    with pytest.raises(UsageError, match="no sheet") as caught:
        opened(sheets(), sheet)

    assert caught.value.hint == "There are: 1 'notes', 2 'data', 3 '3', 4 'more'."


def test_an_empty_sheet_has_no_columns() -> None:
    """It is an empty table, and not an error of this reader."""
    source = opened(openpyxl.Workbook())

    assert (source.schema.names, source.rows, read(source)) == ([], 0, [])


def test_the_first_sheet_is_not_taken_where_it_is_empty_and_another_is_not() -> None:
    """It would replace a dataset by nothing; who says so by its name or number has it."""
    workbook = openpyxl.Workbook()
    workbook.create_sheet("data").append(["a"])
    workbook.create_sheet("empty too")

    with pytest.raises(SourceError, match="its first sheet is empty, 'data' not"):
        opened(workbook)
    assert (opened(workbook, "1").rows, opened(workbook, "data").schema.names) == (0, ["a"])


def test_a_name_above_numbers_is_not_loaded_as_data() -> None:
    """A first row with a year among its names is asked about, and loaded as told."""
    workbook = workbook_of(["pop", 1929], [5, 6])

    with pytest.raises(HeaderMismatch, match=r"book\.xlsx: .*field 2, '1929', reads as a value\): 'pop' stands above"):
        opened(workbook)
    assert opened(workbook, header=HeaderMode.YES).schema.names == ["pop", "1929"]
    assert read(opened(workbook, header=HeaderMode.NO))[0] == {"Column 1": "pop", "Column 2": 1929}


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "flipped", "other archive"])
def test_what_is_no_workbook_is_refused(damage: str) -> None:
    """A damaged file is an error that names it."""
    data = saved(workbook_of(["a"], *([n] for n in range(999))))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as other:
        other.writestr("a.txt", "x")
    middle = len(data) // 2
    damaged = {
        "empty": b"",
        "text": b"a,b\n1,2\n",
        "cut": data[:middle],
        "flipped": data[:middle] + bytes(255 - byte for byte in data[middle : middle + 99]) + data[middle + 99 :],
        "other archive": archive.getvalue(),
    }

    with pytest.raises(SourceError, match=r"^x\.xlsx can't be read as Excel: "):
        open_excel(MemoryContent(damaged[damage], "x.xlsx"), sheet=None, header=HeaderMode.AUTO)


def test_a_sheet_that_would_take_all_memory_is_refused() -> None:
    """Two cells in opposite corners span 17 billion cells, for which calamine would end the process."""
    workbook = openpyxl.Workbook()
    workbook.active["A1"] = workbook.active["XFD1048576"] = 1

    with pytest.raises(SourceError, match=r"sheet1\.xml has 1,048,576 rows of up to 16,384 cells"):
        opened(workbook)


def with_sheet(xml: str) -> bytes:
    """A workbook whose only sheet is written by another hand."""
    data, made = saved(workbook_of(["a"])), io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.infolist():
            new.writestr(member, xml if member.filename == "xl/worksheets/sheet1.xml" else old.read(member))
    return made.getvalue()


HEAD = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'


def test_cells_without_references_count_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """They stand behind the one before, and the border of what is read at a time hides none."""
    monkeypatch.setattr(excel_extent, "MOST_CELLS", 2000)
    row = "<row><c><v>1</v></c><c r='B1'><v>2</v></c>" + "<c><v>3</v></c>" * 7 + "</row>"

    for rows, blocks in ((200, 97), (200, 1 << 16)):
        monkeypatch.setattr(excel_places, "_BLOCK_BYTES", blocks)
        excel_extent.check_extent("x", io.BytesIO(with_sheet(HEAD + row * rows)))
        with pytest.raises(SourceError, match="rows of up to 9 cells"):
            excel_extent.check_extent("x", io.BytesIO(with_sheet(HEAD + row * (rows + 23))))


def ods(*rows: tuple[int, str]) -> bytes:
    """A spreadsheet of OpenDocument; each row with how often it is repeated."""
    names = "".join(f' xmlns:{n}="urn:oasis:names:tc:opendocument:xmlns:{n}:1.0"' for n in ("office", "table", "text"))
    body = "".join(f'<table:table-row table:number-rows-repeated="{n}">{row}</table:table-row>' for n, row in rows)
    sheet = f'<table:table table:name="S">{body}</table:table>'
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr(
            "META-INF/manifest.xml", '<manifest xmlns="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>'
        )
        archive.writestr(
            "content.xml",
            f"<office:document-content{names}><office:body><office:spreadsheet>{sheet}</office:spreadsheet>"
            "</office:body></office:document-content>",
        )
    return made.getvalue()


def number(value: float, times: int = 1) -> str:
    repeated = f'table:number-columns-repeated="{times}"'
    return f'<table:table-cell office:value-type="float" office:value="{value}" {repeated}/>'


EMPTY = '<table:table-cell table:number-columns-repeated="16380"/>'


def test_open_document_is_read() -> None:
    """Rows and cells that are repeated count as often; the empty rest of the sheet does not."""
    data = ods((1, number(1.5) + number(2) + EMPTY), (3, number(7, 2) + EMPTY), (1_048_572, EMPTY))

    source = open_excel(MemoryContent(data), sheet="S", header=HeaderMode.AUTO)

    assert read(source) == [{"Column 1": 1.5, "Column 2": 2}, *[{"Column 1": 7.0, "Column 2": 7}] * 3]


@pytest.mark.parametrize("blocks", [61, 1 << 16])
@pytest.mark.parametrize(
    "rows",
    [
        [(100_000, number(1, 1000))],
        [(1, number(1)), (1_000_000, EMPTY), (1, number(1, 100))],
        [(40_000, EMPTY + number(1))],
    ],
)
def test_an_open_document_that_would_take_all_memory_is_refused(
    monkeypatch: pytest.MonkeyPatch, rows: list[tuple[int, str]], blocks: int
) -> None:
    """A few bytes can say that a cell stands there a billion times."""
    monkeypatch.setattr(excel_places, "_BLOCK_BYTES", blocks)

    with pytest.raises(SourceError, match=r"content\.xml has [0-9,]+ rows of up to [0-9,]+ cells"):
        open_excel(MemoryContent(ods(*rows)), sheet=None, header=HeaderMode.AUTO)


def record(kind: int, number: int, size: int = 4) -> bytes:
    """A record of an .xlsb, with the number that it begins with."""
    head = bytes([kind]) if kind < 128 else bytes([kind & 0x7F | 0x80, kind >> 7])
    length = bytes([size]) if size < 128 else bytes([size & 0x7F | 0x80, size >> 7])
    return head + length + number.to_bytes(4, "little") + b"\0" * (size - 4)


def test_cells_of_binary_workbooks_are_counted() -> None:
    """Rows and cells tell where they stand; other records are passed over, however long."""
    records = (
        record(148, 9999, 36) + record(0, 4, 20) + record(7, 2) + record(426, 1, 300) + record(0, 90) + record(2, 8)
    )

    extents = list(excel_places.in_xlsb(io.BytesIO(records)))

    assert extents == [(5, 3), (91, 9)]
    assert list(excel_places.in_xlsb(io.BytesIO(b"\xff"))) == []


def test_an_archive_that_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sizes of its members are added up before any is unpacked, and so is the size of the file itself."""
    data = with_sheet(HEAD + " " * 1_000_000)
    monkeypatch.setattr(excel_extent, "MOST_UNPACKED_BYTES", 500_000)
    with pytest.raises(SourceError, match="bytes unpacked, more than 500,000"):
        excel_extent.check_extent("x", io.BytesIO(data))

    monkeypatch.setattr(excel, "MOST_BYTES", 1000)
    with pytest.raises(SourceError, match="larger than 1,000 bytes"):
        open_excel(MemoryContent(data), sheet=None, header=HeaderMode.AUTO)


def test_tasks_may_be_done_in_any_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows come in blocks, and no block depends on another, or on the thread that opened the sheet."""
    monkeypatch.setattr(excel, "_BATCH_ROWS", 10)
    source = opened(workbook_of(["n", "text"], *([n, f"t{n}"] for n in range(95))))
    tasks: list[Any] = []
    generating = threading.Thread(target=lambda: tasks.extend(source.tasks([1, 0])))
    generating.start()
    generating.join()

    done = [[row for batch in task() for row in batch.to_pylist()] for task in reversed(tasks)]

    assert [row for rows in reversed(done) for row in rows] == [{"text": f"t{n}", "n": n} for n in range(95)]
    assert len(done) == 10


def test_a_closed_sheet_is_not_read() -> None:
    """Closing lets go of the memory, and may be done twice."""
    source = opened(workbook_of(["a"], [1]))

    source.close()
    source.close()

    with pytest.raises(SourceUnreadable, match="closed"):
        read(source)


COLUMNS = st.sampled_from(
    [
        st.integers(-(2**53), 2**53),
        st.floats(-1e15, 1e15).map(lambda number: float(f"{number:.15g}")),
        TEXT.filter(lambda text: text.strip() and text[0] not in "=#" and "_x" not in text),
        st.booleans(),
        MOMENTS,
    ]
)
"""What openpyxl writes as it is: 16 digits of a number, and text that is no formula, no error and not blank."""

TABLES = st.lists(COLUMNS, min_size=1, max_size=4).flatmap(
    lambda kinds: st.lists(st.tuples(*(st.none() | kind for kind in kinds)), min_size=1, max_size=20)
)


@settings(max_examples=40)
@given(TABLES, st.booleans())
def test_any_table_is_read_back(rows: list[tuple[Any, ...]], mixed: bool) -> None:
    """Whatever is in a column, alone or with text, its cells arrive equal, or as their text where it is a STRING."""
    names = [f"c{n}" for n in range(len(rows[0]))]
    last = ["text"] * len(names) if mixed else list(rows[-1])

    source = opened(workbook_of([*names, "end"], *([*row, "."] for row in [*rows, last])))

    loaded = [list(row.values())[:-1] for row in read(source)]
    kinds = source.schema.types
    assert source.schema.names == [*names, "end"]
    assert loaded == [[as_loaded(v, k) for v, k in zip(row, kinds, strict=False)] for row in [*rows, last]]


def as_loaded(value: Any, kind: pa.DataType) -> Any:
    if value is None:
        return None
    if pa.types.is_string(kind):
        return text_of(float(value) if type(value) is int else value)
    return value.date() if pa.types.is_date(kind) else value
