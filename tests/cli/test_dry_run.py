"""`upload --dry-run` of every form of source: what it is, what its columns become and why."""

from __future__ import annotations

import re
import sqlite3
from contextlib import chdir, closing
from typing import TYPE_CHECKING, Any

import openpyxl
import orjson
import pytest
from typer.testing import CliRunner

from bulkstream.cli.app import app
from tests.support.derived import MAKERS

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 300
FACTS = {
    "gzip": {"format": "CSV", "packed": "gzip", "encoding": "utf-8", "bad rows": "none"},
    "two gzips": {"source": "2 inputs; ", "inputs": "a.csv.gz, b.csv.gz", "packed": "gzip"},
    "semicolons": {"format": "CSV", "dialect": "delimiter ';', quote '\"'", "bad rows": "none"},
    "utf-16 in bzip2": {"packed": "bz2", "encoding": "utf-16-le"},
    "parquet": {"source": "a.parquet; Parquet names its columns", "format": "Parquet", "row groups": "3"},
    "parquet files": {"source": "2 inputs; ", "inputs": "a.parquet, b.parquet", "row groups": "5"},
    "parquet folder": {"source": "table; ", "format": "Parquet", "files": "2", "row groups": "5"},
    "arrow": {"format": "Arrow IPC", "record batches": "3"},
    "orc": {"format": "ORC", "stripes": "1"},
    "json lines": {"format": "JSON Lines", "columns judged from": "the first 300 lines"},
    "excel": {"format": "Excel", "sheet": "'rows'"},
    "zip": {"inputs": "a.zip/a.csv, a.zip/b.csv", "packed": "zip, 2 files"},
}
"""What is told of each kind, by its label; of some values, the beginning."""
TYPED = {"parquet": "Parquet", "parquet files": "Parquet", "parquet folder": "Parquet", "arrow": "Arrow IPC",
         "orc": "ORC", "excel": "Excel"}  # fmt: skip


def dry_run(folder: Path, *arguments: str) -> Any:
    """Run it in a folder, without an account."""
    with chdir(folder):
        return CliRunner().invoke(app, ["upload", *arguments, "--dry-run"], env={"HOME": str(folder)})


def facts(out: str) -> dict[str, str]:
    """Return labels and values."""
    return {found[1]: found[2] for found in re.finditer(r"^  (\S.*?)  +(\S.*)$", out, re.MULTILINE)}


@pytest.mark.parametrize("kind", MAKERS)
def test_plan_tells_what_the_source_is_and_what_becomes_of_it(tmp_path: Path, kind: str) -> None:
    """Nobody was asked, and nothing is said twice, of one input where there are two, or of what can't be."""
    run = dry_run(tmp_path, MAKERS[kind](tmp_path, ROWS), "--dataset-name", "A", "--part-size", "4KiB")

    assert (run.exit_code, run.stderr) == (0, "")
    told = facts(run.stdout)
    assert {label: told[label][: len(value)] for label, value in FACTS[kind].items()} == FACTS[kind]
    assert told["rows"] == str(ROWS)
    assert re.fullmatch(r"[2-9] of up to 4\.1 kB raw", told["parts"])
    assert told["memory"].startswith("at most ")
    assert told["target"] == "dataset 'A'; if there is none, it is created with 2 columns (REPLACE)"
    assert ("bad rows" in told) == (kind not in {*TYPED, "json lines"})
    assert "(s)" not in run.stdout
    why = f"{TYPED[kind]} int64" if kind in TYPED else "all .* sampled values are LONG"
    assert re.search(rf"^id +LONG +{why}", run.stdout, re.MULTILINE)
    assert max(map(len, run.stdout.splitlines())) <= 100


@pytest.mark.parametrize("kind", MAKERS)
def test_plan_as_json_has_the_promised_keys(tmp_path: Path, kind: str) -> None:
    """Scripts find the same, whatever the source is."""
    run = dry_run(tmp_path, MAKERS[kind](tmp_path, ROWS), "--json")

    plan = orjson.loads(run.stdout)
    assert list(plan) == ["rows", "parts", "raw_bytes", "columns", "peak_memory_bytes"]
    assert (plan["rows"], plan["parts"]) == (ROWS, 1)
    assert plan["columns"] == [{"name": "id", "type": "LONG"}, {"name": "text", "type": "STRING"}]


def test_plan_of_a_query_says_that_it_was_asked(tmp_path: Path) -> None:
    """A load will ask again, and may get other rows."""
    with closing(sqlite3.connect(tmp_path / "a.db")) as db:
        db.execute("CREATE TABLE t AS SELECT 1 AS a, 'x' AS b, 0.5 AS c")
        db.commit()
    run = dry_run(tmp_path, "--query", "SELECT * FROM t", "--from", "sqlite:///a.db")

    told = facts(run.stdout)
    assert told["source"] == "sqlite:a.db; SQLite names its columns"
    assert told["read"].startswith("to its end for this dry run; a query's rows can't be read a second time")
    assert told["target"] == "nothing is named to load into"
    assert re.search(r"^c +DOUBLE +SQLite double", run.stdout, re.MULTILINE)


def test_plan_of_a_workbook_names_the_other_sheets(tmp_path: Path) -> None:
    """So that one sees at once that the wrong one was chosen."""
    book = openpyxl.Workbook()
    for title in ("Second", "Third"):
        book.create_sheet(title).append(["id"])
    book.worksheets[1].append([7])
    book.save(tmp_path / "a.xlsx")
    run = dry_run(tmp_path, "a.xlsx", "--sheet", "Second")

    assert facts(run.stdout)["sheet"] == "'Second'; others: 'Sheet', 'Third'"
