"""Bad rows, as users meet them: exit codes, the report, the reject file."""

from __future__ import annotations

import base64
import csv
import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.command_line import InProcess, serving_beside

if TYPE_CHECKING:
    from collections.abc import Iterator


LOAD = ("upload", "a.csv", "--dataset-name", "A", "--part-size", "1KiB", "--json")
GOOD = [b'%d,"a,\nb"\n' % n for n in range(1000)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[InProcess]:
    with serving_beside(tmp_path) as server:
        yield server


def write(path: Path, bad: dict[int, bytes]) -> bytes:
    """Write the good rows with others in the place of some; return the good rows that are left."""
    path.write_bytes(b"id,text\n" + b"".join(bad.get(n, row) for n, row in enumerate(GOOD)))
    return b"".join(row for n, row in enumerate(GOOD) if n not in bad)


def rejects_in(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_first_bad_row_stops_the_load(tmp_path: Path, server: InProcess) -> None:
    """By default nothing is committed, exit code 4, and the message names the place; no reject file is made."""
    write(tmp_path / "a.csv", {700: b"7,\n", 900: b"1,2,3\n", 950: b"4\n"})

    run = server.run(*LOAD)

    assert run.code == 4
    assert run.json["outcome"] == "aborted"
    offset = len(b"id,text\n") + sum(map(len, GOOD[:900]))
    assert f"a.csv, line {2 + 2 * 900 - 1:,} (byte {offset + len(b'7,') + 1 - len(GOOD[700]):,})" in run.json["error"]
    assert "3 fields instead of 2: 1,2,3" in run.json["error"]
    assert "hint: Repair the row" in run.err
    assert not list(tmp_path.glob("**/rejected-*"))


def test_bad_rows_within_the_budget_are_left_out(tmp_path: Path, server: InProcess) -> None:
    """The others are committed, exit code 3, `bad_rows` counts them, the reject file tells their places."""
    bad = {5: b"5,b,c\r\n", 400: b"4,\xff\xe9\n", 401: b"\n", 999: b"the end"}
    left = write(tmp_path / "a.csv", bad)

    run = server.run(*LOAD, "--max-bad-rows", "4", "--reject-file", "bad.csv")

    assert (run.code, run.json["outcome"], run.json["rows"], run.json["bad_rows"]) == (3, "committed", 996, 4)
    assert run.json["raw_bytes"] == len(left)
    assert run.json["error"] is None
    found = rejects_in(tmp_path / "bad.csv")
    assert [(each["file"], int(each["line"]), each["reason"].split(":")[0]) for each in found] == [
        ("a.csv", 12, "3 fields instead of 2"),
        ("a.csv", 801, "invalid UTF-8"),
        ("a.csv", 802, "blank line"),
        ("a.csv", 1997, "1 field instead of 2"),
    ]
    whole = (tmp_path / "a.csv").read_bytes()
    assert [whole[int(each["byte_offset"]) :][:3] for each in found] == [
        b"5,b",
        b"4,\xff",
        b"\n" + GOOD[402][:2],
        b"the",
    ]
    assert [each["encoding"] for each in found] == ["text", "base64", "text", "text"]
    assert [each["row"] for each in found] == ["5,b,c", base64.b64encode(b"4,\xff\xe9").decode(), "", "the end"]
    assert stat.S_IMODE((tmp_path / "bad.csv").stat().st_mode) == 0o600


def test_the_report_for_people_tells_of_left_out_rows(tmp_path: Path, server: InProcess) -> None:
    """The report counts them, and stderr names the reject file, which stands beside the journal."""
    write(tmp_path / "a.csv", {5: b"5\n"})

    run = server.run("upload", "a.csv", "--dataset-name", "A", "--max-bad-rows", "1")

    assert run.code == 3
    assert "bad rows    1 left out" in run.out
    (made,) = tmp_path.glob("**/runs/*/rejected-*.csv")
    assert f"1 rejected row: {made}" in run.err


def test_without_a_journal_the_reject_file_is_where_the_user_is(tmp_path: Path, server: InProcess) -> None:
    """Its name holds the run's."""
    write(tmp_path / "a.csv", {5: b"5\n"})

    run = server.run(*LOAD, "--max-bad-rows", "1", "--no-journal")

    assert run.code == 3
    assert len(rejects_in(tmp_path / f"rejected-{run.json['run_id']}.csv")) == 1


def test_over_the_budget_nothing_is_committed(tmp_path: Path, server: InProcess) -> None:
    """Exit code 4, the message says how many may be left out, and the reject file is there all the same."""
    write(tmp_path / "a.csv", dict.fromkeys(range(0, 1000, 100), b"bad\n"))

    run = server.run(*LOAD, "--max-bad-rows", "9", "--reject-file", "bad.csv")

    assert (run.code, run.json["outcome"], run.json["bad_rows"]) == (4, "aborted", 10)
    assert "10 bad rows, and at most 9 may be left out" in run.json["error"]
    assert [each["row"] for each in rejects_in(tmp_path / "bad.csv")] == ["bad"] * 10


@pytest.mark.parametrize(("share", "code"), [("1%", 3), ("0.01", 3), ("0.9%", 4), ("0.0099", 4)])
def test_a_share_is_judged_over_the_whole_load(tmp_path: Path, server: InProcess, share: str, code: int) -> None:
    """Ten of a thousand rows are one percent, wherever they stand."""
    write(tmp_path / "a.csv", dict.fromkeys(range(10), b"bad\n"))

    run = server.run(*LOAD, "--max-bad-rows", share, "--reject-file", "bad.csv")

    assert (run.code, run.json["bad_rows"]) == (code, 10)


def test_a_part_without_good_rows_keeps_its_number(tmp_path: Path, server: InProcess) -> None:
    """Parts of nothing but bad rows leave no gap, and the others are committed."""
    write(tmp_path / "a.csv", dict.fromkeys(range(300, 700), b"bad\n"))

    run = server.run(*LOAD, "--max-bad-rows", "400", "--reject-file", "bad.csv")

    assert (run.code, run.json["rows"], run.json["bad_rows"]) == (3, 600, 400)


def test_a_reject_file_that_cannot_be_written_stops_the_commit(
    tmp_path: Path, server: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are not left out unless they are kept."""
    write(tmp_path / "a.csv", {5: b"5\n"})

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("bulkstream.rejects.write_rejects", full)
    run = server.run(*LOAD, "--max-bad-rows", "1", "--reject-file", "bad.csv")

    assert (run.code, run.json["outcome"]) == (4, "aborted")
    assert "can't be written to bad.csv: No space left" in run.json["error"]


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("nowhere/bad.csv", "there is no folder nowhere"),
        ("/dev/zero", "it is no file"),
        ("./a.csv", "is a source"),
    ],
)
def test_a_reject_file_that_could_not_be_made_is_refused_at_once(
    tmp_path: Path, server: InProcess, place: str, message: str
) -> None:
    """It is found before anybody is asked and not hours later, and what stands there is left as it is."""
    write(tmp_path / "a.csv", {5: b"5\n"})

    run = server.run(*LOAD, "--max-bad-rows", "1", "--reject-file", place)

    assert (run.code, server.seen) == (2, [])
    assert message in run.json["error"]


def test_the_null_device_takes_rejects(tmp_path: Path, server: InProcess) -> None:
    """Whoever does not want the rows can say so; the device is not replaced."""
    write(tmp_path / "a.csv", {5: b"5\n"})

    run = server.run(*LOAD, "--max-bad-rows", "1", "--reject-file", "/dev/null")

    assert (run.code, run.json["bad_rows"]) == (3, 1)
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_values_are_checked_when_asked_for(tmp_path: Path, server: InProcess) -> None:
    """`--check-types` makes a value that its column can't hold a reason of its own."""
    write(tmp_path / "a.csv", {5: b"five,x\n", 6: b"6.5,x\n", 7: b",x\n"})
    (tmp_path / "s.json").write_text('[{"name": "id", "type": "LONG"}, {"name": "text"}]', "utf-8")

    seen = server.run(*LOAD, "--schema", "s.json")
    checks = ("--check-types", "--max-bad-rows", "2", "--reject-file", "bad.csv")
    checked = server.run(*LOAD, "--schema", "s.json", *checks)

    assert (seen.code, seen.json["execution_id"]) == (1, None)
    assert "'five'" in seen.json["error"]
    assert (checked.code, checked.json["rows"], checked.json["bad_rows"]) == (3, 998, 2)
    reasons = [each["reason"] for each in rejects_in(tmp_path / "bad.csv")]
    assert reasons == ["id: 'five' is no LONG", "id: '6.5' is no LONG"]


def test_a_dry_run_counts_bad_rows(tmp_path: Path, server: InProcess) -> None:
    """It counts all of them, whatever the budget, and names the first; nobody is asked."""
    write(tmp_path / "a.csv", {5: b"5\n", 900: b"6\n"})

    as_json = server.run("upload", "a.csv", "--dataset-name", "A", "--dry-run", "--json")
    for_people = server.run("upload", "a.csv", "--dataset-name", "A", "--dry-run")

    assert (as_json.code, as_json.json["rows"]) == (0, 1000)
    assert "2 bad rows; a.csv, line 12" in as_json.err
    assert "bad rows  2 of them; a.csv, line 12" in for_people.out
    assert server.seen == []


@pytest.mark.parametrize("value", ["-1", "many", "101%", "1.5", "100001"])
def test_what_is_no_budget_is_refused(tmp_path: Path, server: InProcess, value: str) -> None:
    """A budget that makes no sense is a usage error."""
    write(tmp_path / "a.csv", {})

    run = server.run(*LOAD, "--max-bad-rows", value)

    assert run.code == 2
    assert "max_bad_rows" in run.json["error"]
