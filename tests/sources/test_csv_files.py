"""CSV files: found, looked at, read behind their headers, and watched for changes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from bulkstream.errors import (
    HeaderMismatch,
    RecordTooLong,
    SourceChanged,
    SourceError,
    SourceMissing,
    SourceUnreadable,
)
from bulkstream.model import Column, ColumnType, HeaderMode
from bulkstream.settings import Upload
from bulkstream.sources import CsvFiles, Inputs, locate, open_csv
from bulkstream.sources import head as head_module
from bulkstream.sources.head import read_head, record_end
from bulkstream.stages import Buffer, Cutter

if TYPE_CHECKING:
    from pathlib import Path


def opened(*paths: Path | str, **options: object) -> CsvFiles:
    return open_csv(paths, **options)  # type: ignore[arg-type]


def content(source: CsvFiles) -> bytes:
    """Read all segments, as they are."""
    data = b""
    for segment in source.segments():
        buffer = bytearray(segment.remaining)
        segment.readinto(memoryview(buffer))
        segment.close()
        data += buffer
    return data


def put(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def drain(cutter: Cutter, buffer: Buffer) -> None:
    """Cut to the end."""
    while cutter.next(buffer):
        pass


def test_patterns_are_expanded_in_order_and_paths_kept(tmp_path: Path) -> None:
    """What is named first is loaded first; a pattern's matches are sorted; `**` goes down."""
    for name in ("b.csv", "a.csv", "deep/er/c.csv", "d.txt"):
        put(tmp_path, name, b"x\n")

    found = locate([tmp_path / "d.txt", str(tmp_path / "*.csv"), str(tmp_path / "**" / "c.csv")])

    assert [path.name for path in found] == ["d.txt", "a.csv", "b.csv", "c.csv"]


def test_a_file_whose_name_looks_like_a_pattern_is_itself(tmp_path: Path) -> None:
    """Brackets in a name don't hide the file."""
    path = put(tmp_path, "sales[1].csv", b"x\n")

    assert locate([path]) == [path]


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("none.csv", SourceMissing, "no such file"),
        ("*.parquet", SourceMissing, "matches no file"),
        (".", SourceUnreadable, "is a directory"),
    ],
)
def test_what_is_not_there_is_named(tmp_path: Path, name: str, error: type[Exception], words: str) -> None:
    """A wrong path is told at once, by its name."""
    put(tmp_path, "a.csv", b"x\n")

    with pytest.raises(error, match=words):
        locate([str(tmp_path / name)])
    with pytest.raises(SourceMissing, match="no source"):
        locate([])


def test_marks_and_headers_are_skipped(tmp_path: Path) -> None:
    """What is read begins behind the byte order mark and the header, whatever its line ends and quotes."""
    one = put(tmp_path, "1.csv", b'\xef\xbb\xbfid,"the\r\nname"\r\n1,a\r\n')
    two = put(tmp_path, "2.csv", b'id,"the\r\nname"\n2,b')
    empty, header_only = put(tmp_path, "3.csv", b""), put(tmp_path, "4.csv", b'id,"the\r\nname"')

    source = opened(one, two, empty, header_only)

    assert content(source) == b"1,a\r\n2,b"
    assert source.total_bytes == 8
    types = source.types(1 << 20)
    assert types.columns == (Column("id", ColumnType.LONG), Column("the\r\nname", ColumnType.STRING))
    assert (source.header.present, types.sampled) == (True, 2)


def test_without_header_everything_is_data(tmp_path: Path) -> None:
    """Only the byte order mark is left out then."""
    source = opened(put(tmp_path, "a.csv", b"\xef\xbb\xbf1,a\n2,b\n"), header=HeaderMode.NO)

    assert content(source) == b"1,a\n2,b\n"
    assert source.names == ("Column 1", "Column 2")


def test_an_empty_source_has_no_columns(tmp_path: Path) -> None:
    """Nothing is made up for files without a byte, or with nothing but a mark."""
    source = opened(put(tmp_path, "a.csv", b""), put(tmp_path, "b.csv", b"\xef\xbb\xbf"))

    assert (source.names, source.total_bytes, content(source)) == ((), 0, b"")
    assert source.types(1 << 20).columns == ()


def test_files_that_disagree_are_refused(tmp_path: Path) -> None:
    """The load ends before it begins, naming the file."""
    one, two = put(tmp_path, "a.csv", b"id,x\n1,2\n"), put(tmp_path, "b.csv", b"id,y\n1,2\n")

    with pytest.raises(HeaderMismatch, match=r"b\.csv"):
        opened(one, two)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"PAR1....", "Parquet"),
        (b"PK\x03\x04", "zip"),
        ("id,x\n".encode("utf-16"), "UTF-16"),
        (b"id,\xff\xfe\n", "not UTF-8"),
    ],
)
def test_what_is_no_csv_is_recognized(tmp_path: Path, data: bytes, words: str) -> None:
    """Compressed, columnar and foreign-encoded files are refused by name instead of being loaded as text."""
    path = put(tmp_path, "data.csv", data)

    with pytest.raises(SourceError, match=rf"data\.csv.*{words}"):
        opened(path)


def test_a_header_longer_than_the_first_read_is_found(tmp_path: Path) -> None:
    """A thousand columns with long names are still one header."""
    names = ",".join(f'"column {number} {"x" * 200}"' for number in range(1000))

    found = read_head(put(tmp_path, "a.csv", f"{names}\n1\n".encode()))

    assert found.first == names.encode()
    assert found.first_end == len(names) + 1


def test_a_first_record_without_end_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quote that is opened in the first line and never closed isn't searched for through terabytes."""
    monkeypatch.setattr(head_module, "LONGEST_FIRST_RECORD", 1 << 17)
    path = put(tmp_path, "a.csv", b'"' + b"x\n" * (1 << 17))

    with pytest.raises(RecordTooLong, match="first record"):
        read_head(path)


@pytest.mark.parametrize(
    ("data", "end"), [(b"", -1), (b"a", -1), (b"a\nb\n", 2), (b'"a\n"\nb', 5), (b'"a""\n"\n', 7), (b'"\n', -1)]
)
def test_the_first_records_end_is_found(data: bytes, end: int) -> None:
    """Line feeds in quotes don't end it."""
    assert record_end(data) == end


def test_changes_are_told_apart(tmp_path: Path) -> None:
    """Growing, rewriting, replacing and removing a file are all noticed."""
    paths = [put(tmp_path, f"{name}.csv", b"id\n1\n") for name in ("same", "grown", "touched", "replaced", "gone")]
    source = opened(*paths)
    assert source.changes() == ()

    with paths[1].open("ab") as file:
        file.write(b"2\n")
    os.utime(paths[2], ns=(0, 0))
    put(tmp_path, "new.csv", b"id\n1\n").replace(paths[3])
    paths[4].unlink()

    told = source.changes()
    assert [change.split(".csv")[0].rsplit("/", 1)[1] for change in told] == ["grown", "touched", "replaced", "gone"]
    assert "had 5 bytes and now has 7" in told[0]


def test_a_file_cut_short_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    """The load fails where the bytes are missing, and says how many."""
    path = put(tmp_path, "a.csv", b"id\n" + b"1\n" * 100)
    cutter = Cutter(opened(path), part_bytes=50, max_record_bytes=1000)
    buffer = Buffer(cutter.capacity)
    cutter.next(buffer)
    os.truncate(path, 103)

    with pytest.raises(SourceChanged, match=r"a\.csv at byte 103: the file ended 100 bytes early"):
        drain(cutter, buffer)
    cutter.close()


def test_the_sample_reaches_over_the_whole_input(tmp_path: Path) -> None:
    """A value near the end of a large file decides the type as well as one at its head."""
    rows = b"".join(b'%d,"multi\nline, %d"\n' % (number, number) for number in range(100_000))
    path = put(tmp_path, "a.csv", b"id,text\n" + rows + b"".join(b"x%d,y\n" % n for n in range(100_000)))

    types = open_csv([path]).types(1 << 20)

    assert types.columns[0].type is ColumnType.STRING
    assert 10_000 < types.sampled < 200_000


def test_the_expected_columns_name_the_source(tmp_path: Path) -> None:
    """A stream's names stand for those of a file without a header."""
    expected = (Column("id", ColumnType.LONG), Column("text"))

    source = opened(put(tmp_path, "a.csv", b"1,a\n"), expected=expected)

    assert source.names == ("id", "text")


@pytest.mark.parametrize(
    ("text", "doubted"),
    [("id\n1\n", False), ("id,a\n1,2\n", False), ("id;a\n1;2\n1;2;3\n4;5\n", True), ("a,b\n1,2\n1,2,3\n", True)],
)
def test_a_doubtful_dialect_is_told(tmp_path: Path, text: str, doubted: bool) -> None:
    """What is taken for plain CSV, but may be something else, says so where a load begins."""
    (tmp_path / "a.csv").write_text(text, "utf-8")
    inputs = Inputs([tmp_path / "a.csv"])
    inputs.find()

    source = inputs.open(Upload())

    assert isinstance(source, CsvFiles)
    assert ("say --dialect" in source.reason) is doubted
