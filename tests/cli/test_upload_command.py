"""`bulkstream upload` as its users run it: a process, an environment, exit codes, stdout and stderr."""

from __future__ import annotations

import asyncio
import random
import re
import signal
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from bulkstream.model import Dialect
from tests.support.command_line import Run, Shell, ended, serving, serving_beside

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from pathlib import Path

    from aiohttp.typedefs import Handler

REPORT_KEYS = [
    "run_id",
    "outcome",
    "stream_id",
    "execution_id",
    "parts",
    "rows",
    "bad_rows",
    "raw_bytes",
    "sent_bytes",
    "seconds",
    "raw_mb_s",
    "ratio",
    "retries",
    "limited_by",
    "verified",
    "peak_rss_mb",
    "error",
]
SECRET = "s3cr3t-that-nobody-may-see"
SMALL_PARTS = ("--part-size", "1KiB", "--concurrency", "3")


def write_rows(path: Path, count: int) -> bytes:
    """Write a CSV of quoted, multi-line rows; return its data without the header."""
    draw = random.Random(count)
    body = "".join(f'{n},"a ""quote"", a\nbreak {draw.random()}"\n' for n in range(count))
    path.write_text("id,text\n" + body, "utf-8", newline="")
    return body.encode()


@pytest.fixture
def data(tmp_path: Path) -> bytes:
    """The rows of `a.csv`, about thirty parts of 1 KiB."""
    return write_rows(tmp_path / "a.csv", 800)


def is_clean_error(run: Run, *expected: str) -> bool:
    """Whether stderr tells the error in words, with all that is expected, and without a traceback."""
    return "error: " in run.err and "Traceback" not in run.err and all(text in run.err for text in expected)


class Gate:
    """Holds requests whose path matches; tells when the first has arrived."""

    def __init__(self, pattern: str) -> None:
        self.arrived = asyncio.Event()
        self.release = asyncio.Event()
        self._pattern = re.compile(pattern)

    async def __call__(self, request: web.Request) -> None:
        if self._pattern.search(f"{request.method} {request.path}"):
            self.arrived.set()
            await self.release.wait()


async def said(process: Process, text: str) -> str:
    """Read stderr until it has said something."""
    assert process.stderr is not None
    heard = ""
    while text not in heard:
        line = (await process.stderr.readline()).decode()
        assert line, f"ended without saying {text!r}: {heard}"
        heard += line
    return heard


@pytest.mark.parametrize("dialect", list(Dialect))
async def test_commits_what_the_file_holds(tmp_path: Path, data: bytes, dialect: Dialect) -> None:
    """In both dialects the rows are read back equal, stdout shows the report and stderr what was decided."""
    async with serving(tmp_path, dialect=dialect) as server:
        run = await server.shell.run("upload", "a.csv", "--dataset-name", "A", *SMALL_PARTS)

        assert run.code == 0
        assert await server.rows() == data
    lines = (
        "committed",
        "  stream      1, execution 1001",
        "  verified    yes, it is what was sent",
        "  rows        800 in ",
    )
    assert run.out.startswith("\n".join(lines))
    assert "created stream 1 for dataset 'A'" in run.err
    assert "error" not in run.err


async def test_json_is_one_document_with_the_keys_of_the_contract(tmp_path: Path, data: bytes) -> None:
    """Stdout is one JSON document and nothing else, with the promised keys in their order."""
    async with serving(tmp_path) as server:
        run = await server.shell.run("upload", "a.csv", "--dataset-name", "A", *SMALL_PARTS, "--json")

    assert run.code == 0
    assert list(run.json) == REPORT_KEYS
    shown = {
        key: run.json[key] for key in ("outcome", "stream_id", "rows", "raw_bytes", "retries", "verified", "error")
    }
    assert shown == {
        "outcome": "committed",
        "stream_id": 1,
        "rows": 800,
        "raw_bytes": len(data),
        "retries": 0,
        "verified": True,
        "error": None,
    }


async def test_quiet_success_prints_nothing(tmp_path: Path, data: bytes) -> None:
    """A nightly job that went well sends no mail."""
    async with serving(tmp_path) as server:
        run = await server.shell.run("upload", "a.csv", "--dataset-name", "A", "--quiet")

    assert run == Run(0, "", "")


@pytest.mark.parametrize("dialect", list(Dialect))
async def test_wrong_credentials_end_with_one_request(tmp_path: Path, data: bytes, dialect: Dialect) -> None:
    """A wrong token is found by the first request, which nothing follows; the code is 6."""
    wrong = {"BULKSTREAM_TOKEN": SECRET, "BULKSTREAM_CLIENT_SECRET": SECRET}
    async with serving(tmp_path, dialect=dialect) as server:
        run = await server.shell.run("upload", "a.csv", "--dataset-name", "A", "--json", **wrong)

        assert len(server.seen) == 1
    assert run.code == 6
    assert list(run.json) == REPORT_KEYS
    assert (run.json["outcome"], run.json["execution_id"]) == ("aborted", None)
    assert is_clean_error(run, "401", "hint: Check BULKSTREAM_TOKEN")


async def test_refused_part_aborts_and_leaves_the_dataset(tmp_path: Path, data: bytes) -> None:
    """A 400 on a part gives 4: aborted on the server, no part behind the abort, the old rows still there."""

    async def refuse_part_5(request: web.Request) -> web.Response | None:
        if not request.path.endswith("/parts/5") or request.content_type == "application/json":
            return None
        return web.json_response({"message": "bad part", "toe": "T5"}, status=400)

    (tmp_path / "old.csv").write_text("id,text\n1,old\n", "utf-8")
    async with serving(tmp_path, refuse_part_5) as server:
        await server.shell.run("upload", "old.csv", "--dataset-name", "A")
        run = await server.shell.run("upload", "a.csv", "--dataset-name", "A", *SMALL_PARTS, "--json")

        assert run.code == 4
        assert await server.states() == ["SUCCESS", "ABORTED"]
        assert await server.rows() == b"1,old\n"
        aborted = next(number for number, line in enumerate(server.seen) if line.endswith("/abort"))
        assert not [line for line in server.seen[aborted:] if "/parts/" in line]
        refused = len(server.parts) - 1 - server.parts[::-1].index(5)
        assert len(server.parts[refused + 1 :]) <= 2 * 4, "only what was on its way: four uploads, each announced"
    assert list(run.json) == REPORT_KEYS
    assert run.json["outcome"] == "aborted"
    assert "bad part (trace id T5)" in run.json["error"]
    assert is_clean_error(run, "part 5 failed", "hint: ")


async def test_transient_faults_are_told_and_ridden_out(tmp_path: Path, data: bytes) -> None:
    """A 503 twice on each part costs retries, which stderr tells, and nothing else."""
    failed: Counter[str] = Counter()

    async def fail_twice(request: web.Request) -> web.Response | None:
        if "/part/" not in request.path or failed[request.path] == 2:
            return None
        failed[request.path] += 1
        return web.Response(status=503)

    async with serving(tmp_path, fail_twice, dialect=Dialect.PUBLIC) as server:
        run = await server.shell.run("upload", "a.csv", "--dataset-name", "A", *SMALL_PARTS, "--json")

        assert run.code == 0
        assert await server.rows() == data
    assert run.json["retries"] == 2 * run.json["parts"]
    assert "part 1: " in run.err
    assert "retrying in" in run.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_interrupt_aborts(tmp_path: Path, data: bytes, number: signal.Signals) -> None:
    """Ctrl-C, a service manager's stop and a lost terminal abort the execution; the code is 130."""
    gate = Gate("PUT .*/part/2$")
    async with serving(tmp_path, gate, dialect=Dialect.PUBLIC) as server:
        async with server.shell.started("upload", "a.csv", "--dataset-name", "A", *SMALL_PARTS, "--json") as process:
            await gate.arrived.wait()
            process.send_signal(number)
            run = await ended(process)
        gate.release.set()

        assert await server.states() == ["ABORTED"]
    assert run.code == 130
    assert list(run.json) == REPORT_KEYS
    assert (run.json["outcome"], run.json["error"]) == ("aborted", "interrupted")
    assert "interrupted: aborting execution 1001 (again to leave at once)" in run.err
    assert "Traceback" not in run.err


async def test_second_interrupt_leaves_at_once(tmp_path: Path, data: bytes) -> None:
    """Who can't wait for the abort gets out, and is told what that may leave behind."""
    part, abort = Gate("PUT .*/part/2$"), Gate("PUT .*/abort$")

    async def held(request: web.Request) -> None:
        await part(request)
        await abort(request)

    async with serving(tmp_path, held, dialect=Dialect.PUBLIC) as server:
        async with server.shell.started("upload", "a.csv", "--dataset-name", "A", *SMALL_PARTS) as process:
            await part.arrived.wait()
            process.send_signal(signal.SIGINT)
            await abort.arrived.wait()
            process.send_signal(signal.SIGINT)
            run = await ended(process)
        still_held = not abort.release.is_set()
        part.release.set()
        abort.release.set()

    assert still_held
    assert run.code == 130
    assert "an execution may still be open" in run.err
    assert re.search(r"hint: execution 1001 of stream 1 .*`bulkstream resume \S+ --abort`", run.err)
    assert "Traceback" not in run.err


async def test_interrupt_during_the_commit_waits_for_it(tmp_path: Path, data: bytes) -> None:
    """A commit that was sent is not torn: its end is told, and what is committed gives 0."""
    gate = Gate("PUT .*/commit$")
    async with serving(tmp_path, gate, dialect=Dialect.PUBLIC) as server:
        async with server.shell.started("upload", "a.csv", "--dataset-name", "A", "--json") as process:
            await gate.arrived.wait()
            process.send_signal(signal.SIGINT)
            await said(process, "interrupted: waiting for the commit of execution 1001")
            gate.release.set()
            run = await ended(process)

        assert await server.states() == ["SUCCESS"]
    assert run.code == 0
    assert list(run.json) == REPORT_KEYS
    assert run.json["outcome"] == "committed"


async def test_kept_execution_can_be_aborted_as_the_hint_says(tmp_path: Path, data: bytes) -> None:
    """With --on-failure keep the code is 9, the execution is open, and the command in the hint ends it."""

    async def refuse_part_2(request: web.Request) -> web.Response | None:
        return web.json_response({"message": "no"}, status=400) if request.path.endswith("/part/2") else None

    async with serving(tmp_path, refuse_part_2, dialect=Dialect.PUBLIC) as server:
        keep = ("--on-failure", "keep", "--json")
        run = await server.shell.run("upload", "a.csv", "--dataset-name", "A", *SMALL_PARTS, *keep)
        assert run.code == 9
        assert list(run.json) == REPORT_KEYS
        assert run.json["outcome"] == "kept"
        assert await server.states() == ["ACTIVE"]

        hinted = re.search(r"`bulkstream (resume \S+ --abort)`", run.err)
        assert hinted, run.err
        aborting = await server.shell.run(*hinted[1].split())
        assert aborting.code == 0
        assert await server.states() == ["ABORTED"]


async def test_interrupted_load_can_be_kept(tmp_path: Path, data: bytes) -> None:
    """An interrupt with --on-failure keep leaves the execution open and gives 9."""
    gate = Gate("PUT .*/part/2$")
    async with serving(tmp_path, gate, dialect=Dialect.PUBLIC) as server:
        arguments = ("upload", "a.csv", "--dataset-name", "A", *SMALL_PARTS, "--on-failure", "keep")
        async with server.shell.started(*arguments) as process:
            await gate.arrived.wait()
            process.send_signal(signal.SIGINT)
            run = await ended(process)
        gate.release.set()

        assert await server.states() == ["ACTIVE"]
    assert run.code == 9
    assert "interrupted: keeping execution 1001" in run.err
    assert re.search(r"`bulkstream resume \S+`", run.err)


@pytest.mark.parametrize(
    ("journal", "code", "hint"),
    [((), 9, "finish it with `bulkstream resume"), (("--no-journal",), 1, "bulkstream executions abort 1 1001")],
)
async def test_abort_that_fails_is_no_clean_abort(
    tmp_path: Path, data: bytes, journal: tuple[str, ...], code: int, hint: str
) -> None:
    """Where the abort is refused, the hint says what may still be open; 9 if it can be resumed, else 1."""

    async def refuse(request: web.Request) -> web.Response | None:
        refused = request.path.endswith(("/part/2", "/abort"))
        return web.json_response({"message": "no"}, status=400) if refused else None

    async with serving(tmp_path, refuse, dialect=Dialect.PUBLIC) as server:
        run = await server.shell.run("upload", "a.csv", "--dataset-name", "A", *SMALL_PARTS, *journal)

    assert run.code == code
    assert is_clean_error(run, "part 2 failed", hint)


async def test_commit_whose_answer_was_lost_is_looked_up(tmp_path: Path, data: bytes) -> None:
    """A commit that took effect and was answered 500 is found to be one, and is sent once."""

    @web.middleware
    async def lose_the_answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        answer = await handler(request)
        return web.Response(status=500) if request.path.endswith("/commit") else answer

    async with serving(tmp_path, dialect=Dialect.PUBLIC, wrap=[lose_the_answer]) as server:
        run = await server.shell.run("upload", "a.csv", "--dataset-name", "A", "--json")

        assert run.code == 0
        assert run.json["outcome"] == "committed"
        assert await server.rows() == data
        assert sum(line.endswith("/commit") for line in server.seen) == 1


async def test_commit_whose_end_nobody_tells_is_unknown(tmp_path: Path, data: bytes) -> None:
    """Where neither the commit nor its execution is answered in time, the code is 5, with how to find out."""

    async def tell_nothing(request: web.Request) -> web.Response | None:
        asked = request.path.endswith(("/commit", "/executions/1001"))
        return web.Response(status=500) if asked else None

    async with serving(tmp_path, tell_nothing, dialect=Dialect.PUBLIC) as server:
        server.shell.config("[retry]\nbase_s = 0.0\n[upload]\ncommit_timeout_s = 0.2\n")
        run = await server.shell.run("upload", "a.csv", "--dataset-name", "A", "--json")

        assert not any(line.endswith("/abort") for line in server.seen)
    assert run.code == 5
    assert list(run.json) == REPORT_KEYS
    assert run.json["outcome"] == "unknown"
    assert is_clean_error(run, "hint: Look again with `bulkstream executions get 1 1001`")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("missing.csv", "--dataset-name", "A"), "missing.csv"),
        (("a.csv",), "name either a stream or a dataset"),
        (("a.csv", "--dataset-name", "A", "--stream", "1"), "name either a stream or a dataset"),
        (("a.csv", "--dataset-name", "A", "--level", "99"), "upload.level"),
        (("a.csv", "--dataset-name", "A", "--part-size", "many"), "'many' is not a size"),
        (("a.csv", "--dataset-name", "A", "--profile", "nightly"), "has no profile 'nightly'"),
        (("a.csv", "--dataset-name", "A", "--schema", "none.json"), "none.json can't be read"),
        (("a.csv", "--dataset-name", "A", "--mode", "upsert"), "an upsert needs its key columns"),
        (("a.csv", "--dataset-name", "A", "--key", "id"), "key columns are for an upsert"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_usage_creates_nothing(tmp_path: Path, data: bytes, arguments: tuple[str, ...], message: str) -> None:
    """What the user got wrong gives 2, a JSON document all the same, and no change on the server."""
    with serving_beside(tmp_path) as server:
        run = server.run("upload", *arguments, "--json")

        assert not [line for line in server.seen if not line.startswith("GET")]
    assert run.code == 2
    assert list(run.json) == REPORT_KEYS
    assert message in run.json["error"]
    assert is_clean_error(run, message)


@pytest.mark.parametrize("arguments", [("upload",), ("upload", "a.csv", "--nonsense"), ("nonsense",)])
async def test_arguments_that_cant_be_parsed_give_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Where the parser refuses, nothing is on stdout and stderr shows the way to the help."""
    run = await Shell(tmp_path).run(*arguments)

    assert (run.code, run.out) == (2, "")
    assert " for help." in run.err
    assert "Traceback" not in run.err


async def test_upload_without_an_account_says_what_to_set(tmp_path: Path, data: bytes) -> None:
    """Without any credentials the error names the variables, and no server is asked."""
    run = await Shell(tmp_path).run("upload", "a.csv", "--dataset-name", "A")

    assert run.code == 2
    assert is_clean_error(run, "BULKSTREAM_URL")


def test_secrets_are_never_printed(tmp_path: Path, data: bytes) -> None:
    """No output holds a token or secret, not even a traceback that was asked for."""
    secrets = {"BULKSTREAM_TOKEN": SECRET, "BULKSTREAM_CLIENT_SECRET": SECRET, "BULKSTREAM_DEBUG": "1"}
    printed = ""
    for dialect in Dialect:
        with serving_beside(tmp_path, dialect=dialect) as server:
            for command in (("upload", "a.csv", "--dataset-name", "A"), ("doctor",), ("streams", "list")):
                run = server.run(*command, **secrets)
                assert run.code == 6
                printed += run.out + run.err

    assert "Traceback" in printed
    assert SECRET not in printed


async def test_invalid_secret_is_not_shown_to_explain_it(tmp_path: Path, data: bytes) -> None:
    """A secret of the wrong type is named by its field, and neither it nor its neighbours are printed."""
    shell = Shell(tmp_path, {"BULKSTREAM_DEBUG": "1"})
    shell.config(f'[connection]\nurl = "http://127.0.0.1:1"\ntoken = ["{SECRET}"]\nclient_secret = "{SECRET}"\n')

    run = await shell.run("upload", "a.csv", "--dataset-name", "A")

    assert run.code == 2
    assert "connection.token" in run.err
    assert SECRET not in run.out + run.err


async def test_dry_run_needs_no_account(tmp_path: Path, data: bytes) -> None:
    """The plan is made without credentials or target, as JSON with the promised keys and for people."""
    shell = Shell(tmp_path)

    as_json, for_people = await asyncio.gather(
        shell.run("upload", "a.csv", "--dry-run", "--json", "--part-size", "4KiB"),
        shell.run("upload", "a.csv", "--dry-run"),
    )

    assert (as_json.code, as_json.err) == (0, "")
    plan = as_json.json
    assert list(plan) == ["rows", "parts", "raw_bytes", "columns", "peak_memory_bytes"]
    assert (plan["rows"], plan["raw_bytes"]) == (800, len(data))
    assert plan["parts"] == -(-len(data) // 4096) or plan["parts"] > 1
    assert plan["columns"] == [{"name": "id", "type": "LONG"}, {"name": "text", "type": "STRING"}]
    assert plan["peak_memory_bytes"] > 0
    assert (for_people.code, for_people.err) == (0, "")
    assert re.search(r"rows +800\n", for_people.out)
    assert re.search(r"id +LONG ", for_people.out)


async def test_dry_run_of_what_is_missing_gives_2(tmp_path: Path) -> None:
    """A plan finds what the load would find."""
    run = await Shell(tmp_path).run("upload", "missing.csv", "--dry-run")

    assert (run.code, run.out) == (2, "")
    assert is_clean_error(run, "missing.csv")


async def test_schema_file_beats_inference(tmp_path: Path) -> None:
    """Columns of a new dataset are those of the file, in name and type."""
    (tmp_path / "a.csv").write_text("id,text\n1,2\n", "utf-8")
    (tmp_path / "schema.toml").write_text(
        '[[columns]]\nname = "id"\ntype = "STRING"\n[[columns]]\nname = "text"\ntype = "DECIMAL"\n', "utf-8"
    )
    async with serving(tmp_path) as server:
        run = await server.shell.run("upload", "a.csv", "--dataset-name", "A", "--schema", "schema.toml")
        stream = await server.shell.run("streams", "get", "1", "--json")

    assert run.code == 0
    assert stream.json["schemaDefinition"]["columns"] == [
        {"name": "id", "type": "STRING"},
        {"name": "text", "type": "DECIMAL"},
    ]


async def test_upsert_replaces_by_key(tmp_path: Path) -> None:
    """Rows whose key is there are replaced, others are added."""
    (tmp_path / "a.csv").write_text("id,text\n1,a\n2,b\n", "utf-8")
    (tmp_path / "b.csv").write_text("id,text\n2,B\n3,c\n", "utf-8")
    upsert = ("--mode", "upsert", "--key", "id")
    async with serving(tmp_path) as server:
        first = await server.shell.run("upload", "a.csv", "--dataset-name", "A", *upsert)
        second = await server.shell.run("upload", "b.csv", "--dataset-name", "A", *upsert)

        assert (first.code, second.code) == (0, 0)
        assert sorted((await server.rows()).split()) == [b"1,a", b"2,B", b"3,c"]


async def test_file_without_a_header_is_loaded_from_its_first_line(tmp_path: Path) -> None:
    """With --header no the first line is a row, and several files and patterns are loaded in their order."""
    for number in (1, 2, 3):
        (tmp_path / f"{number}.csv").write_text(f"{number},a\n", "utf-8")
    async with serving(tmp_path) as server:
        run = await server.shell.run("upload", "3.csv", "[12].csv", "--dataset-name", "A", "--header", "no")

        assert run.code == 0
        assert await server.rows() == b"3,a\n1,a\n2,a\n"


async def test_stream_is_named_by_its_id(tmp_path: Path) -> None:
    """--stream loads into that stream, and --mode append adds to what is there."""
    (tmp_path / "a.csv").write_text("id,text\n1,a\n", "utf-8")
    async with serving(tmp_path) as server:
        await server.shell.run("upload", "a.csv", "--dataset-name", "A")
        appended = await server.shell.run("upload", "a.csv", "--stream", "1", "--mode", "append")
        missing = await server.shell.run("upload", "a.csv", "--stream", "99", "--json")

        assert appended.code == 0
        assert await server.rows() == b"1,a\n1,a\n"
    assert missing.code == 1
    assert "404" in missing.json["error"]


async def test_dataset_that_lost_rows_gives_7(tmp_path: Path, data: bytes) -> None:
    """A count that is not what was sent is an error of a committed load, told on both streams."""

    async def lossy(request: web.Request) -> web.Response | None:
        counted = request.method == "GET" and request.path.startswith("/v1/datasets/")
        return web.json_response({"id": "d", "rows": 799}) if counted else None

    async with serving(tmp_path, lossy, dialect=Dialect.PUBLIC) as server:
        server.shell.config("[upload]\nverify_timeout_s = 0\n")
        run = await server.shell.run("upload", "a.csv", "--dataset-name", "A", "--json")
        unasked = await server.shell.run("upload", "a.csv", "--dataset-name", "A", "--json", "--verify", "off")

    assert (run.code, run.json["outcome"], run.json["verified"]) == (7, "committed", False)
    assert "error: committed, but the dataset has 799 rows, 800 were sent" in run.err
    assert (unasked.code, unasked.json["verified"]) == (0, None)


async def test_missed_deadline_gives_8(tmp_path: Path, data: bytes) -> None:
    """A load that is held back beyond its deadline is aborted, and no commit is tried."""

    async def held(request: web.Request) -> None:
        if request.method == "PUT" and "/parts/" in request.path and request.content_type == "text/csv":
            await asyncio.Event().wait()

    async with serving(tmp_path, held) as server:
        run = await server.shell.run("upload", "a.csv", "--dataset-name", "A", "--json", "--deadline", "0.5s")

        assert await server.states() == ["ABORTED"]
    assert (run.code, run.json["outcome"]) == (8, "aborted")
    assert re.search(r"error: the deadline \d\d:\d\d:\d\d has passed", run.err)
    assert not any(line.endswith("/commit") for line in server.seen)


async def test_unreadable_deadline_is_a_usage_error(tmp_path: Path, data: bytes) -> None:
    """It is found before any request."""
    async with serving(tmp_path) as server:
        run = await server.shell.run("upload", "a.csv", "--dataset-name", "A", "--deadline", "tomorrow")

    assert run.code == 2
    assert "is no deadline" in run.err
    assert server.seen == []
