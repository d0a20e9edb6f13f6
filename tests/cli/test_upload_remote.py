"""`bulkstream upload` of what lies far away: what is said and returned where it can't be had, and its plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.buckets import Bucket, bucket
from tests.support.command_line import InProcess, serving_beside
from tests.support.flaky_server import FlakyServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TARGET = ("--dataset-name", "A")


@pytest.fixture(scope="module")
def s3() -> Iterator[Bucket]:
    """Serve a bucket of three small files."""
    with bucket() as opened:
        for number in range(3):
            opened.put(f"day/{number}.csv", f"id,text\n{number},row {number}\n".encode())
        yield opened


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[InProcess]:
    """Run a sandbox."""
    with serving_beside(tmp_path) as server:
        yield server


NOWHERE = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}


@pytest.mark.parametrize(
    ("url", "environ", "code", "told"),
    [
        ("s3://other/day/*.csv", {}, 2, ("s3://other/day/*.csv: there is no such bucket", "Check its name")),
        ("s3://rows/day/9.csv", {}, 2, ("s3://rows/day/9.csv: no such object", "Check the URL")),
        ("s3://rows/night/*.csv", {}, 2, ("s3://rows/night/*.csv: the pattern matches no object", "")),
        ("s3://rows/night/", {}, 2, ("s3://rows/night/: the folder holds no object with data", "")),
        (
            "s3://rows/day/1.csv",
            NOWHERE,
            1,
            ("HEAD http://127.0.0.1:9/rows/day/1.csv: error sending request", "network"),
        ),
        ("ftp://rows/day/1.csv", {}, 2, ("ftp:// is no source that can be read", "Known are: ")),
        ("http://127.0.0.1:9/*.csv", {}, 2, ("a web server can't be asked which files match", "Name each file")),
        ("http://127.0.0.1:9/1.csv", {}, 1, ("can't connect to 127.0.0.1:9: ", "network")),
        ("sftp://host.invalid/1.csv", {}, 1, ("sftp://host.invalid/1.csv: ", "network")),
        ("https://me:word@host.invalid/1.csv", {}, 2, ("holds a user and perhaps a password", "environment")),
    ],
)
def test_what_can_t_be_had_is_told(
    beside: InProcess, s3: Bucket, url: str, environ: dict[str, str], code: int, told: tuple[str, str]
) -> None:
    """In one sentence and what to do; what isn't there is 2, what can't be reached 1, and nothing was created."""
    run = beside.run("upload", url, *TARGET, **{**s3.environ, **environ})

    assert (run.code, [part for part in told if part not in run.err]) == (code, []), run.err
    assert not [each for each in beside.seen if each.startswith("POST") and "oauth" not in each]


@pytest.mark.parametrize(("status", "code"), [(404, 2), (410, 2), (403, 1), (401, 1)])
def test_a_web_servers_refusal_is_told(beside: InProcess, status: int, code: int) -> None:
    """What isn't there is 2."""
    with FlakyServer(b"id\n1\n", refusals=[status]) as server:
        run = beside.run("upload", f"{server.address}/rows.csv", *TARGET)

    assert (run.code, f"answered {status}" in run.err) == (code, True)


def test_parquet_needs_ranges(beside: InProcess) -> None:
    """A server without them is told from the first, and how to load all the same."""
    with FlakyServer(b"PAR1" + bytes(100) + b"PAR1", ranges=False) as server:
        run = beside.run("upload", f"{server.address}/rows.parquet", *TARGET)

    assert run.code == 1
    assert "the server gives whole files only" in run.err
    assert "curl" in run.err


def test_a_plan_of_objects(beside: InProcess, s3: Bucket) -> None:
    """All is read, and the account is not asked."""
    run = beside.run("upload", "s3://rows/day/*.csv", *TARGET, "--dry-run", **s3.environ)

    assert run.code == 0, run.err
    assert "3 inputs" in run.out
    assert beside.seen == []
