"""What a load says of the dataset after its commit, in each mode and dialect."""

from __future__ import annotations

import csv
import io
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from aiohttp import web

from bulkstream import Client, Column, ColumnType, Dialect, Outcome, UpdateMethod
from bulkstream import verify as verifying
from bulkstream.errors import DeadlineMissed, PartFailed, UsageError, VerificationFailed
from bulkstream.reporter import Notice, Silent
from bulkstream.sandbox import SandboxSettings, running
from bulkstream.settings import load_settings
from bulkstream.verify import Finding, judged_dataset, judged_execution

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COLUMNS = (
    Column("id", ColumnType.LONG),
    Column("price", ColumnType.DECIMAL),
    Column("at", ColumnType.DATETIME),
    Column("text", ColumnType.STRING),
)
HEADER = "id,price,at,text\n"


class Notes(Silent):
    """A reporter that keeps the notices."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def notice(self, notice: Notice) -> None:
        self.texts.append(notice.text)

    @property
    def unverified(self) -> str:
        return next(text for text in self.texts if "verified" in text)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look again at once."""
    monkeypatch.setattr(verifying, "POLL_FIRST_S", 0.001)
    monkeypatch.setattr(verifying, "POLL_LAST_S", 0.001)


def rows(first: int, count: int) -> str:
    return "".join(f'{n},{n}.50,2026-11-25T06:00:00Z,"a, {n}"\n' for n in range(first, first + count))


def altered(path: str, change: Callable[[Any], Any]) -> Any:
    """Return a middleware that changes the JSON, or the text, of answers to GET at paths that end so."""

    @web.middleware
    async def alter(request: web.Request, handler: Any) -> web.StreamResponse:
        response = await handler(request)
        if request.method != "GET" or path not in request.path or not isinstance(response, web.Response):
            return response  # type: ignore[no-any-return]
        document = change(orjson.loads(response.body))  # type: ignore[arg-type]
        return web.Response(body=orjson.dumps(document), content_type="application/json")

    return alter


def exporting(export: Callable[[], web.Response]) -> Any:
    """Return a middleware that answers every export itself."""

    @web.middleware
    async def answer(request: web.Request, handler: Any) -> web.StreamResponse:
        if request.path.endswith("/data"):
            return export()
        return await handler(request)  # type: ignore[no-any-return]

    return answer


def rowed(count: int | None) -> Any:
    """Return a middleware that lets a dataset have so many rows."""
    return altered("/v1/datasets/", lambda document: document | {"rows": count})


class Case:
    """A stream with some rows in it, in a sandbox of its own."""

    def __init__(self, folder: Path, dialect: Dialect, *wrap: Any, method: str = "REPLACE") -> None:
        self.notes = Notes()
        self.method = method
        self._folder, self._dialect, self._wrap = folder, dialect, wrap

    async def load(self, text: str, *, before: str = "", **options: Any) -> bool | None:
        """Load `before` unverified, then the text as it is wanted; return what its report says."""
        async with running(SandboxSettings(port=0), middlewares=self._wrap) as sandbox:
            environ = {
                "BULKSTREAM_URL": sandbox.url,
                "BULKSTREAM_DIALECT": self._dialect,
                "BULKSTREAM_TOKEN": "sandbox",
                "BULKSTREAM_CLIENT_ID": "sandbox",
                "BULKSTREAM_CLIENT_SECRET": "sandbox",
                "HOME": "/nowhere",
            }
            flags = {"retry": {"attempts": 1}, "upload": {"verify_timeout_s": options.pop("timeout_s", 0.05)}}
            async with Client(load_settings(flags, environ=environ)) as client:
                stream = await client.streams.create(
                    name="A", columns=COLUMNS, update_method=UpdateMethod(self.method), key_columns=["id"]
                )
                if before:
                    await client.upload(self._file("before.csv", before), stream=stream.id, verify="off")
                file = self._file("now.csv", text)
                report = await client.upload(file, stream=stream.id, reporter=self.notes, **options)
        assert report.outcome is Outcome.COMMITTED
        return report.verified

    def _file(self, name: str, text: str) -> Path:
        (self._folder / name).write_text(HEADER + text, "utf-8", newline="")
        return self._folder / name


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize("how", ["rows", "full"])
@pytest.mark.parametrize("method", ["REPLACE", "APPEND"])
async def test_load_that_arrived_is_verified(tmp_path: Path, dialect: Dialect, how: str, method: str) -> None:
    """What is as it should be is found so, with and without rows that were there before."""
    assert await Case(tmp_path, dialect, method=method).load(rows(0, 30), verify=how) is True
    assert await Case(tmp_path, dialect, method=method).load(rows(5, 30), before=rows(0, 10), verify=how) is True


@pytest.mark.parametrize(("dialect", "how", "verified"), [
    (Dialect.PUBLIC, "rows", None), (Dialect.PUBLIC, "full", None),
    (Dialect.INSTANCE, "rows", True), (Dialect.INSTANCE, "full", None),
])  # fmt: skip
async def test_upsert_is_not_proved_by_the_size_of_the_dataset(
    tmp_path: Path, dialect: Dialect, how: str, verified: bool | None
) -> None:
    """Only the execution's own count can say yes; otherwise the question stays open, and a notice says why."""
    case = Case(tmp_path, dialect, method="UPSERT")

    assert await case.load(rows(5, 30), before=rows(0, 10), verify=how) is verified
    assert verified or "upsert" in case.notes.unverified


async def test_nothing_is_asked_when_it_is_off(tmp_path: Path) -> None:
    """Switched off, the load says nothing of it, and no answer can make it fail."""
    assert await Case(tmp_path, Dialect.PUBLIC, rowed(7)).load(rows(0, 30), verify="off") is None


@pytest.mark.parametrize("method", ["REPLACE", "APPEND"])
async def test_wrong_number_of_rows_is_an_error_with_the_report(tmp_path: Path, method: str) -> None:
    """The load stays committed, and the error tells both numbers."""
    with pytest.raises(VerificationFailed, match=r"committed, but the dataset has 29 rows.* 30 were sent") as caught:
        await Case(tmp_path, Dialect.PUBLIC, rowed(29), method=method).load(rows(0, 30))

    report = caught.value.report
    assert report is not None
    assert (report.outcome, report.verified, report.rows) == (Outcome.COMMITTED, False, 30)


async def test_execution_that_inserted_fewer_rows_is_an_error(tmp_path: Path) -> None:
    """In the instance dialect the execution's own count is compared."""
    fewer = altered("/executions/", lambda document: document | {"rowsInserted": 29})

    with pytest.raises(VerificationFailed, match="29 rows were inserted, 30 were sent"):
        await Case(tmp_path, Dialect.INSTANCE, fewer).load(rows(0, 30))


@pytest.mark.parametrize("dialect", list(Dialect))
async def test_server_that_does_not_count_leaves_it_open(tmp_path: Path, dialect: Dialect) -> None:
    """No number is no wrong number."""
    silent = altered("/executions/", lambda document: document | {"rowsInserted": None})
    case = Case(tmp_path, dialect, rowed(None), silent)

    assert await case.load(rows(0, 30)) is None
    assert "the server doesn't tell how many rows" in case.notes.unverified


async def test_count_that_lags_behind_is_waited_for(tmp_path: Path) -> None:
    """The old number is looked at again until it is the new one."""
    looks: list[int] = []

    def lagging(document: Any) -> Any:
        looks.append(document["rows"])
        return document if len(looks) > 3 else document | {"rows": 10}

    case = Case(tmp_path, Dialect.PUBLIC, altered("/v1/datasets/", lagging))

    assert await case.load(rows(0, 30), before=rows(0, 10), timeout_s=30) is True
    assert looks == [30] * 4


@pytest.mark.parametrize("how", ["rows", "full"])
async def test_error_of_the_server_does_not_hide_the_commit(tmp_path: Path, how: str) -> None:
    """A refusal while verifying is a notice, and the load a success."""

    @web.middleware
    async def refuse(request: web.Request, handler: Any) -> web.StreamResponse:
        if "/v1/datasets/" in request.path:
            return web.json_response({"message": "not today"}, status=403)
        return await handler(request)  # type: ignore[no-any-return]

    case = Case(tmp_path, Dialect.PUBLIC, refuse)

    assert await case.load(rows(0, 30), verify=how) is None
    assert "not today" in case.notes.unverified


@pytest.mark.parametrize("page", [web.Response, None])
async def test_server_without_an_export_leaves_it_open(tmp_path: Path, page: Any) -> None:
    """An instance that does not know the address, or answers with a page, is asked once."""
    asked = []

    def answer() -> web.Response:
        asked.append(1)
        return web.Response(text="<html>", content_type="text/html") if page else web.Response(status=404)

    case = Case(tmp_path, Dialect.INSTANCE, exporting(answer))

    assert await case.load(rows(0, 30), verify="full") is None
    assert len(asked) == 1
    assert "not verified" in case.notes.unverified


def rewritten(text: str, change: Callable[[list[str]], list[str]]) -> Any:
    """Return a middleware that exports rows in reverse, all fields quoted, after a change to each."""
    changed = [change(fields) for fields in csv.reader(io.StringIO(text))]
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows(reversed(changed))
    return exporting(lambda: web.Response(text=out.getvalue(), content_type="text/csv"))


async def test_rows_that_are_written_otherwise_are_equal_by_value(tmp_path: Path) -> None:
    """A server that re-serializes numbers, dates and quotes, and sorts as it likes, has what was sent."""
    other = lambda f: [f"{f[0]}", f"{float(f[1]):.4f}", "2026-11-25T08:00:00+02:00", f[3]]  # noqa: E731 - short

    case = Case(tmp_path, Dialect.PUBLIC, rewritten(rows(0, 30), other))

    assert await case.load(rows(0, 30), verify="full") is True


@pytest.mark.parametrize("change", [
    lambda f: [*f[:3], f[3].upper()],
    lambda f: [f[0], f"{f[1]}1", *f[2:]],
    lambda f: [f[0], "", *f[2:]],
    lambda f: [*f[:2], "2026-11-25T06:00:01Z", f[3]],
], ids=["text", "number", "null", "moment"])  # fmt: skip
async def test_other_values_are_an_error(tmp_path: Path, change: Callable[[list[str]], list[str]]) -> None:
    """As many rows with another value in them are not what was sent."""
    case = Case(tmp_path, Dialect.PUBLIC, rewritten(rows(0, 30), change))

    with pytest.raises(VerificationFailed, match="of the 30 rows that were read back, some are not as sent"):
        await case.load(rows(0, 30), verify="full")


async def test_append_in_full_does_not_depend_on_order_nor_on_old_rows(tmp_path: Path) -> None:
    """What was there before is taken off by value; a lost old row is seen as well."""
    exports = iter([rows(0, 10), rows(10, 30) + rows(0, 10)])
    swapped = exporting(lambda: web.Response(text=next(exports), content_type="text/csv"))
    assert await Case(tmp_path, Dialect.PUBLIC, swapped, method="APPEND").load(
        rows(10, 30), before=rows(0, 10), verify="full"
    )

    exports = iter([rows(0, 10)] + [rows(10, 30) + rows(1, 9)] * 1000)
    with pytest.raises(VerificationFailed, match="39 rows were read back of 40"):
        await Case(tmp_path, Dialect.PUBLIC, swapped, method="APPEND").load(
            rows(10, 30), before=rows(0, 10), verify="full"
        )


@pytest.mark.parametrize(
    ("method", "before", "sent", "count", "verified"),
    [
        (UpdateMethod.REPLACE, None, 3, 3, True),
        (UpdateMethod.REPLACE, None, 3, 4, False),
        (UpdateMethod.REPLACE, None, 0, 0, True),
        (UpdateMethod.APPEND, 2, 3, 5, True),
        (UpdateMethod.APPEND, 2, 3, 3, False),
        (UpdateMethod.APPEND, None, 3, 3, None),
        (UpdateMethod.UPSERT, 2, 3, 2, None),
        (UpdateMethod.UPSERT, 2, 3, 5, None),
        (UpdateMethod.UPSERT, 2, 3, 1, False),
        (UpdateMethod.UPSERT, 2, 3, 6, False),
        (UpdateMethod.UPSERT, 0, 3, 0, False),
        (UpdateMethod.UPSERT, 0, 0, 0, None),
        (None, 2, 3, 5, None),
        (UpdateMethod.REPLACE, 2, 3, None, None),
    ],
)
def test_rules_of_a_dataset(
    method: UpdateMethod | None, before: int | None, sent: int, count: int | None, verified: bool | None
) -> None:
    """Each method has its rule for the size that a dataset has afterwards."""
    assert judged_dataset(method, before, sent, count).verified is verified


@pytest.mark.parametrize(
    ("method", "inserted", "verified"),
    [
        (UpdateMethod.REPLACE, 3, True),
        (UpdateMethod.APPEND, 2, False),
        (UpdateMethod.UPSERT, 2, None),
        (UpdateMethod.UPSERT, 3, True),
        (UpdateMethod.UPSERT, 4, False),
        (None, 2, None),
        (UpdateMethod.REPLACE, None, None),
    ],
)
def test_rules_of_an_execution(method: UpdateMethod | None, inserted: int | None, verified: bool | None) -> None:
    """An upsert may count only new keys; more than was sent is wrong in every method."""
    found: Finding = judged_execution(method, 3, inserted)

    assert found.verified is verified


@pytest.mark.parametrize(("lost", "verified"), [(0, True), (1, False)])
async def test_resumed_run_is_verified_as_a_whole(tmp_path: Path, lost: int, verified: bool) -> None:
    """The count that is compared is of all rows, those that the first process has brought included."""
    refused: list[str] = []

    @web.middleware
    async def interrupt(request: web.Request, handler: Any) -> web.StreamResponse:
        if request.path.endswith("/part/3") and not refused:
            refused.append(request.path)
            return web.json_response({"message": "no"}, status=400)
        return await handler(request)  # type: ignore[no-any-return]

    (tmp_path / "a.csv").write_text(HEADER + rows(0, 100), "utf-8")
    wrap = [interrupt, altered("/v1/datasets/", lambda document: document | {"rows": document["rows"] - lost})]
    async with running(SandboxSettings(port=0), middlewares=wrap) as sandbox:
        environ = {"BULKSTREAM_URL": sandbox.url, "BULKSTREAM_CLIENT_ID": "sandbox", "HOME": str(tmp_path)}
        environ |= {"BULKSTREAM_CLIENT_SECRET": "sandbox", "BULKSTREAM_STATE_DIR": str(tmp_path / "state")}
        flags = {"upload": {"verify_timeout_s": 0.0, "on_failure": "keep", "part_size": "1KiB"}}
        async with Client(load_settings(flags, environ=environ)) as client:
            with pytest.raises(PartFailed):
                await client.upload(tmp_path / "a.csv", dataset_name="A")
            with nullcontext() if verified else pytest.raises(VerificationFailed, match="99 rows, 100 were sent"):
                assert (await client.resume()).verified is True


async def test_load_that_can_not_end_in_time_is_aborted(tmp_path: Path) -> None:
    """The deadline ends a load that is held back, and leaves the dataset as it was."""
    text = "".join(f"{n},{n}.5,2026-11-25T06:00:00Z,{hash(n * n) % 10**9}\n" for n in range(60_000))

    with pytest.raises(DeadlineMissed, match=r"has passed|can't be met") as caught:
        await Case(tmp_path, Dialect.PUBLIC).load(text, deadline="0.5s", limit_rate="50kB/s", part_size="64KiB")

    assert caught.value.report is not None
    assert caught.value.report.outcome is Outcome.ABORTED


async def test_deadline_that_has_passed_costs_no_request(tmp_path: Path) -> None:
    """It is a mistake of the user's, found before anything is asked."""
    with pytest.raises(UsageError, match="has passed"):
        await Case(tmp_path, Dialect.PUBLIC).load(rows(0, 3), deadline="2020-01-01T00:00")
