"""Options that say how a source is read and what its columns become, as scripts see them."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import openpyxl
import pyarrow as pa
import pyarrow.parquet
import pytest

from bulkstream import Dialect
from tests.support.command_line import InProcess, serving_beside
from tests.support.derived import MAKERS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TO_A = ("--dataset-name", "A")
both = pytest.mark.parametrize("dialect", list(Dialect))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a source of each kind that has options of its own."""
    MAKERS["parquet"](tmp_path, 10)
    MAKERS["gzip"](tmp_path, 10)
    MAKERS["semicolons"](tmp_path, 10)
    pyarrow.parquet.write_table(pa.table({"id": [1], "data": [b"\xff\0"]}), tmp_path / "binary.parquet")
    book = openpyxl.Workbook()
    for title in ("Second", "Third"):
        book.create_sheet(title).append(["id"])
    book.save(tmp_path / "a.xlsx")
    with closing(sqlite3.connect(tmp_path / "a.db")) as db:
        db.execute("CREATE TABLE t (a INTEGER)")
        db.commit()
    return tmp_path


@pytest.fixture
def beside(folder: Path) -> Iterator[InProcess]:
    """Serve an account beside the folder."""
    with serving_beside(folder) as opened:
        yield opened


def changes(beside: InProcess) -> list[str]:
    return [each for each in beside.seen if not each.startswith("GET ") and "oauth" not in each]


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (("a.parquet", "--columns", "id,nope"), "no column 'nope'", "'id', 'text'"),
        (("a.parquet", "--columns", "id,id"), "'id' is named twice", "once"),
        (("a.parquet", "--format", "xml"), "--format", "--help"),
        (("a.csv.gz", "--encoding", "nonsense"), "no encoding 'nonsense'", "cp1252"),
        (("a.csv", "--dialect", "fish=;"), "has no 'fish'", "delimiter=;"),
        (("a.csv", "--dialect", "delimiter=;;"), "is not one ASCII character", "delimiter=;"),
        (("binary.parquet", "--binary", "hex"), "--binary", "--help"),
        (("a.xlsx", "--sheet", "Fourth"), "no sheet 'Fourth'", "2 'Second'"),
        (("a.xlsx", "--sheet", "9"), "no sheet '9'", "3 'Third'"),
        (("--query", "SELECT 1"), "a query needs a database", "--from postgresql://"),
        (("--from", "sqlite:///a.db"), "a database a query", "--query"),
        (("a.csv", "--query", "SELECT 1", "--from", "sqlite:///a.db"), "files and a query", "one after the other"),
        (("--query", "SELECT nope FROM t", "--from", "sqlite:///a.db"), "no such column: nope", "SELECT"),
        (("--query", "SELECT 1", "--from", "mysql://host/db"), "scheme mysql", "sqlite:///"),
        (
            ("--query", "SELECT 1", "--from", "postgresql://u:hunter2@h/d"),
            "holds a password",
            "BULKSTREAM_DB_PASSWORD",
        ),
        (("https://u:hunter2@h/a.csv",), "perhaps a password", "environment"),
        (("a.parquet", "--mode", "upsert", "--key", "nope"), "no column is named nope", ""),
        (("a.parquet", "--mode", "upsert", "--key", "id", "--columns", "text"), "no column is named id", ""),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_option_is_exit_2_and_creates_nothing(
    beside: InProcess, arguments: tuple[str, ...], message: str, hint: str
) -> None:
    """What the user got wrong is named, with what there is instead, and no password is repeated."""
    run = beside.run("upload", *arguments, *TO_A)

    assert run.code == 2
    assert message in run.err
    assert hint in run.err
    assert "hunter2" not in run.out + run.err
    assert "Traceback" not in run.err
    assert changes(beside) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("a.csv",), "a.csv: dialect delimiter ';', quote '\"' ("),
        (("a.csv", "--dialect", "semicolon"), "a.csv: dialect delimiter ';', quote '\"' (as told)"),
        (("a.xlsx", "--sheet", "Third", "--header", "yes"), "a.xlsx: sheet 'Third'; others: 'Sheet', 'Second'"),
    ],
)
def test_what_was_recognized_is_said_when_the_load_begins(
    beside: InProcess, arguments: tuple[str, ...], said: str
) -> None:
    """Which delimiter, or which of several sheets: the wrong one may load without an error."""
    run = beside.run("upload", *arguments, *TO_A)

    assert run.code == 0
    assert said in run.err


def test_usual_csv_needs_no_words(beside: InProcess) -> None:
    """Commas, packed."""
    run = beside.run("upload", "a.csv.gz", *TO_A)

    assert run.code == 0
    assert "dialect" not in run.err


def test_binary_columns_are_refused_or_written_as_base64(beside: InProcess) -> None:
    """The hint of the refusal is what helps."""
    refused = beside.run("upload", "binary.parquet", *TO_A)
    created = changes(beside)
    loaded = beside.run("upload", "binary.parquet", *TO_A, "--binary", "base64")

    assert (refused.code, created) == (1, [])
    assert "--binary base64" in refused.err
    assert loaded.code == 0


@pytest.mark.parametrize(
    ("arguments", "package", "extra"),
    [
        (("a.parquet",), "pyarrow", "arrow"),
        (("a.csv",), "pyarrow", "arrow"),
        (("a.xlsx", "--sheet", "Second"), "pyarrow|python_calamine|python-calamine", "excel|arrow"),
        (("--query", "SELECT 1 AS a", "--from", "postgresql://127.0.0.1:1/db"), "adbc|pyarrow", "databases|arrow"),
        (("s3://bucket/key.csv",), "obstore", "remote"),
        (("sftp://host/a.csv",), "asyncssh", "sftp"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
async def test_missing_package_is_named_with_its_extra(
    folder: Path, arguments: tuple[str, ...], package: str, extra: str
) -> None:
    """Without what a format needs, the error says what to install, and nothing was asked of anybody."""
    hidden = ["pyarrow", "python_calamine", "adbc_driver_postgresql", "adbc_driver_manager", "obstore", "asyncssh"]
    blocked = f"import sys; sys.modules.update(dict.fromkeys({hidden!r}))\n"
    code = blocked + "import runpy; sys.argv[0] = 'bulkstream'; runpy.run_module('bulkstream', run_name='__main__')"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-c", code, "upload", *arguments, "--dry-run"),
        cwd=folder,
        env={"HOME": str(folder)},
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    _, err = await process.communicate()

    assert process.returncode == 1
    assert re.search(rf"error: ({package})\S* is not installed", err.decode())
    assert re.search(rf"bulkstream\[({extra})\]", err.decode())


@both
def test_columns_that_differ_are_a_table_and_change_nothing(folder: Path, dialect: Dialect) -> None:
    """Each difference has its line, within 80 columns; --json has the same text; the hint says what helps."""
    (folder / "a.jsonl").write_text('{"id": 1.5, "text": "x", "a name that goes on, and on, and on and": 1}\n', "utf-8")
    with serving_beside(folder, dialect=dialect) as beside:
        beside.run("upload", "a.parquet", *TO_A)
        beside.seen.clear()
        run = beside.run("upload", "a.jsonl", *TO_A)
        as_json = beside.run("upload", "a.jsonl", *TO_A, "--json")

        assert changes(beside) == []
    assert run.code == 1
    lines = run.err.splitlines()
    first = lines.index("error: 2 columns of the source and of dataset 'A' don't fit:")
    table, hint = lines[first + 1 : first + 4], lines[first + 4]
    assert [line.split()[0] for line in table] == ["column", "id", "a"]
    assert table[1].split() == ["id", "LONG", "DECIMAL"]
    assert table[2].split()[-2:] == ["-", "LONG"]
    assert all(len(line) <= 80 for line in lines[first : first + 4])
    assert hint == (
        "hint: --evolve adds columns to the dataset and changes the dataset's types; --columns leaves columns out."
    )
    assert as_json.json["error"] == "\n".join([lines[first].removeprefix("error: "), *table])


@both
def test_dataset_is_evolved_where_that_is_allowed(folder: Path, dialect: Dialect) -> None:
    """A new column, a wider type and a missing column are told and done, and the next load finds them."""
    (folder / "wider.jsonl").write_text('{"id": 1.5, "text": "x", "more": 1}\n', "utf-8")
    (folder / "less.jsonl").write_text('{"text": "y"}\n', "utf-8")
    append = ("--mode", "append", *TO_A)
    with serving_beside(folder, dialect=dialect) as beside:
        beside.run("upload", "a.parquet", *TO_A)
        wider = beside.run("upload", "wider.jsonl", "--evolve", *append)
        refused = beside.run("upload", "less.jsonl", *append)
        less = beside.run("upload", "less.jsonl", "--evolve", *append)
        shown = beside.run("streams", "get", "1")

    assert [wider.code, refused.code, less.code] == [0, 1, 0]
    assert "column 'id' becomes DECIMAL instead of LONG" in wider.err
    assert "column 'more' is added, LONG" in wider.err
    assert "hint: --evolve leaves columns empty that the source lacks." in refused.err
    assert "id:DECIMAL, text:STRING, more:LONG" in shown.out


@both
def test_key_that_would_be_empty_is_refused_before_anything_changes(folder: Path, dialect: Dialect) -> None:
    """An upsert whose source lacks the key would make all rows one; --evolve does not allow that."""
    (folder / "a.jsonl").write_text('{"text": "x", "more": 1}\n', "utf-8")
    with serving_beside(folder, dialect=dialect) as beside:
        beside.run("upload", "a.parquet", *TO_A)
        beside.seen.clear()
        run = beside.run("upload", "a.jsonl", "--mode", "upsert", "--key", "id", "--evolve", *TO_A)

        assert changes(beside) == []
    assert run.code == 2
    assert "the source has no column 'id', by which rows are to be replaced" in run.err
