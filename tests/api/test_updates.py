"""Reading, changing and writing back, and the ways to name what is meant."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from bulkstream.api import Execution, ExecutionState, Stream
from bulkstream.api.document import utc
from bulkstream.errors import SchemaError, UnexpectedAnswer, UsageError
from bulkstream.model import Column, ColumnType

INSTANCE: dict[str, Any] = {
    "id": 1,
    "valid": True,
    "transport": {"type": "SFTP", "version": 2, "description": "", "configurations": [{"name": "a"}, {"value": None}]},
    "configuration": {"delimiter": {"value": ",", "type": "text"}},
    "schedule": {"expression": None, "cron": "0 0 * * *", "start": None, "end": None},
    "account": {"id": 2, "userId": "u", "createdAt": "2015-03-31T16:56:57", "configurations": []},
    "dataProvider": {"id": 3, "key": "sftp", "name": "SFTP"},
    "dataSource": {"id": "ds", "name": "Sales", "description": "", "dataProviderType": "sftp"},
    "schemaDefinition": {"columns": [{"name": "a", "type": "GEOMETRY", "visible": True}, {"name": "b", "type": None}]},
    "playbookRegistryId": None,
    "executions": [{"executionId": 5, "currentState": None, "streamId": 1}, {"odd": True}],
    "changes": [],
    "createdAt": "2015-03-31T16:56:57",
    "createdBy": 7,
    "modifiedAt": 1427821017000,
    "modifiedBy": None,
}
PUBLIC: dict[str, Any] = {
    "id": 1,
    "dataSet": {
        "id": "ds",
        "name": "Sales",
        "rows": 0,
        "columns": 1,
        "schema": {"columns": [{"type": "LONG", "name": "a"}]},
        "owner": {"id": 1, "name": "me"},
        "createdAt": "2024-02-29T00:00:00Z",
        "pdpEnabled": False,
    },
    "updateMethod": "UPSERT",
    "keyColumnNames": ["a"],
    "modifiedAt": "2024-02-29T01:00:00+01:00",
}


def objects(document: Any) -> list[dict[str, Any]]:
    """Return every JSON object in a document."""
    inner = document.values() if isinstance(document, dict) else document if isinstance(document, list) else ()
    found = [each for value in inner for each in objects(value)]
    return [document, *found] if isinstance(document, dict) else found


@pytest.mark.parametrize("document", [INSTANCE, PUBLIC])
@given(extra=st.none() | st.integers() | st.text() | st.lists(st.booleans()) | st.dictionaries(st.text(), st.text()))
def test_what_is_read_is_written_back_whole(document: dict[str, Any], extra: Any) -> None:
    """JSON to model to JSON loses nothing: nulls, unknown fields at every depth, times as they were sent."""
    sent = copy.deepcopy(document)
    for each in objects(sent):
        if "delimiter" not in each:  # a map of names to settings, where a field would be another setting
            each["x-unknown"] = extra

    assert Stream.model_validate(sent).as_json() == sent


def test_times_without_a_zone_read_as_utc() -> None:
    """Kept as sent, readable as what they mean."""
    stream = Stream.model_validate(INSTANCE)

    assert str(stream.created) == "2015-03-31 16:56:57+00:00"
    assert stream.created_at == "2015-03-31T16:56:57"
    assert stream.modified == utc("2015-03-31T16:56:57")
    assert str(Stream.model_validate(PUBLIC).modified) == "2024-02-29 00:00:00+00:00"
    assert stream.account is not None
    assert stream.account.created == stream.created


@pytest.mark.parametrize("time", [None, "", "yesterday", 0, 1e300, float("inf"), "0001-01-01T00:00:00+23:00"])
def test_a_time_that_can_not_be_read_is_none(time: Any) -> None:
    """A server's odd clock is no reason to fail."""
    assert utc(time) is None


def test_executions_shown_with_a_stream_know_it() -> None:
    """They can be handed to any call; what is none of ours is left out."""
    (execution,) = Stream.model_validate(INSTANCE).past_executions

    assert (execution.id, execution.stream_id, execution.state) == (5, 1, ExecutionState.OPEN)


def test_a_changed_copy_knows_what_was_changed() -> None:
    """Nested changes count as well."""
    stream = Stream.model_validate(INSTANCE)
    account = stream.account
    assert account is not None

    changed = stream.model_copy(update={"account": account.model_copy(update={"name": "new"})})

    assert stream.changed == {}
    assert changed.changed == {"account": {**INSTANCE["account"], "name": "new"}}


class Book:
    """Notes what it is asked and answers with the stream that it was given."""

    def __init__(self, document: dict[str, Any], *, update: web.Response | None = None) -> None:
        self.document = document
        self.sent: list[tuple[str, Any]] = []
        self._update = update

    async def answer(self, request: web.Request) -> web.Response:
        if request.path == "/oauth/token":
            return web.json_response({"access_token": "t", "expires_in": 3599})
        self.sent.append((request.method, await request.json() if request.can_read_body else None))
        if request.method in {"PUT", "PATCH"} and self._update is not None:
            return self._update
        return web.json_response(self.document)


async def test_a_stream_written_back_to_an_instance_holds_only_what_it_takes(served: Any) -> None:
    """A PUT replaces, so all four parts go, unknown fields included; the rest stays at home."""
    book = Book(INSTANCE)

    async with served(book.answer) as client:
        await client.streams.update(await client.streams.get(1))

    assert book.sent[1] == ("PUT", {key: INSTANCE[key] for key in ("account", "dataSource", "schemaDefinition")})


async def test_a_change_that_an_instance_would_drop_is_refused(served: Any) -> None:
    """Silence would look like success."""
    book = Book(INSTANCE)

    async with served(book.answer) as client:
        stream = await client.streams.get(1)
        with pytest.raises(UsageError, match="can't update updateMethod; it can update dataSource, account"):
            await client.streams.update(stream.model_copy(update={"update_method": "APPEND"}))

    assert len(book.sent) == 1


async def test_a_stream_written_back_in_public_holds_what_was_changed(served: Any) -> None:
    """A PATCH changes what it names."""
    book = Book(PUBLIC)

    async with served(book.answer, dialect="public") as client:
        stream = await client.streams.get(1)
        await client.streams.update(stream.model_copy(update={"update_method": "APPEND"}))
        await client.streams.update(stream)

    assert book.sent[1:] == [
        ("PATCH", {"updateMethod": "APPEND"}),
        ("PATCH", {"updateMethod": "UPSERT", "keyColumnNames": ["a"]}),
    ]


async def test_changes_can_be_named_in_our_words(served: Any) -> None:
    """Python's names become the API's."""
    book = Book(PUBLIC)

    async with served(book.answer, dialect="public") as client:
        await client.streams.update(1, update_method="APPEND", key_column_names=["a"])
        with pytest.raises(UsageError, match="nothing"):
            await client.streams.update(1)

    assert book.sent == [("PATCH", {"updateMethod": "APPEND", "keyColumnNames": ["a"]})]


async def test_an_update_that_is_answered_with_nothing_is_read(served: Any) -> None:
    """Any 2xx is success, 204 as well, and the caller gets the stream in either case."""
    book = Book(PUBLIC, update=web.Response(status=204))

    async with served(book.answer, dialect="public") as client:
        assert (await client.streams.update(1, update_method="APPEND")).name == "Sales"

    assert [method for method, _ in book.sent] == ["PATCH", "GET"]


async def test_an_update_that_is_answered_with_something_else_is_told(served: Any) -> None:
    """A list is no stream, even though its id is known."""
    book = Book(PUBLIC, update=web.json_response([]))

    async with served(book.answer, dialect="public", retry={"attempts": 1}) as client:
        with pytest.raises(UnexpectedAnswer, match="JSON that is no object, but a list"):
            await client.streams.update(1, update_method="APPEND")


WIDER = (Column("a", ColumnType.DECIMAL), Column("new"))


async def test_columns_that_stay_are_sent_back_as_they_were(served: Any) -> None:
    """With types that we don't know, and all that the server says of them; and all parts that a PUT replaces."""
    columns = [{"name": "a", "type": "GEOMETRY", "visible": True}, {"name": "b", "type": "LONG"}]
    books = [Book(INSTANCE), Book({**INSTANCE, "schemaDefinition": {"columns": [*columns, {"name": "c"}]}})]

    async with served(books[0].answer) as client:
        stream = await client.streams.get(1)
    async with served(books[1].answer) as client:
        changed = await client.streams.change_columns(stream, [Column("a"), Column("b", ColumnType.LONG), Column("c")])

    (method, sent), (reread, _) = books[1].sent
    assert (method, reread) == ("PUT", "GET")
    assert sent["schemaDefinition"] == {"columns": [*columns, {"name": "c", "type": "STRING"}]}
    assert {key: sent[key] for key in sent if key != "schemaDefinition"} == {
        key: INSTANCE[key] for key in ("account", "dataSource")
    }
    assert [column.name for column in changed.columns] == ["a", "b", "c"]


async def test_columns_are_changed_at_the_dataset_in_public(served: Any) -> None:
    """As pydomo does it; the schema and nothing else."""
    paths = []
    columns = [{"type": "DECIMAL", "name": "a"}, {"type": "STRING", "name": "new"}]
    book = Book({**PUBLIC, "dataSet": {**PUBLIC["dataSet"], "schema": {"columns": columns}}})

    async def answer(request: web.Request) -> web.Response:
        paths.append(request.path)
        return await book.answer(request)

    async with served(answer, dialect="public") as client:
        changed = await client.streams.change_columns(Stream.model_validate(PUBLIC), WIDER)

    assert paths[1:] == ["/v1/datasets/ds", "/v1/streams/1"]
    assert book.sent[0] == ("PUT", {"schema": {"columns": columns}})
    assert changed.columns == WIDER


async def test_a_server_that_keeps_its_columns_is_told(served: Any) -> None:
    """Rows would land in other columns than they were meant for."""
    async with served(Book(PUBLIC).answer, dialect="public") as client:
        with pytest.raises(SchemaError, match="taken other columns for dataset 'Sales', and shows 'a' LONG"):
            await client.streams.change_columns(Stream.model_validate(PUBLIC), WIDER)


async def test_a_server_that_shows_no_columns_is_believed(served: Any) -> None:
    """Any 2xx is success, with or without a body."""
    silent = {key: value for key, value in INSTANCE.items() if key != "schemaDefinition"}
    book = Book(silent, update=web.Response(status=204))

    async with served(book.answer) as client:
        changed = await client.streams.change_columns(Stream.model_validate(INSTANCE), WIDER)

    assert changed.columns == ()


@pytest.mark.parametrize("dialect", ["instance", "public"])
async def test_a_change_of_columns_is_sent_again(served: Any, dialect: str) -> None:
    """It says all of them, so that a second time changes nothing, also if the first one took effect."""
    document = INSTANCE if dialect == "instance" else PUBLIC
    stream = Stream.model_validate(document)
    book = Book(document)
    puts = 0

    async def answer(request: web.Request) -> web.Response:
        nonlocal puts
        puts += request.method == "PUT"
        if request.method == "PUT" and puts == 1:
            return web.json_response({"message": "sorry"}, status=500)
        return await book.answer(request)

    async with served(answer, dialect=dialect) as client:
        assert (await client.streams.change_columns(stream, stream.columns)).columns == stream.columns
        assert client.retries == 1

    assert puts == 2


async def test_executions_are_named_by_ids_or_by_themselves(served: Any) -> None:
    """An instance's execution is read first, because its parts hang below an id that only the server knows."""
    paths: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        paths.append(f"{request.method} {request.path.removeprefix('/api/data/v1/streams')}")
        return web.json_response({"executionId": 7, "dataId": "d", "currentState": "SUCCESS", "rowsInserted": 9})

    async with served(answer) as client:
        committed = await client.executions.commit(1, 7)
        await client.executions.abort(1, 7)
        again = await client.executions.get(committed)
        with pytest.raises(UsageError, match="id is needed"):
            await client.executions.abort(1)
        with pytest.raises(UsageError, match="doesn't tell its stream"):
            await client.executions.get(Execution(id=7))

    get = "GET /1/executions/7"
    assert paths == [get, "PUT /1/data/d/commit", get, "PUT /1/data/d/abort", get]
    assert (committed.state, committed.rows_inserted, committed.data_id) == (ExecutionState.COMMITTED, 9, "d")
    assert again.stream_id == 1


@pytest.mark.parametrize("answer", [b"", b"{}", b"[]", b'{"currentState":5}', b'{"currentState":"SUCCESS","errors":5}'])
def test_an_answer_to_a_commit_that_tells_nothing_changes_nothing(answer: bytes) -> None:
    """The commit was taken; its end is read elsewhere."""
    execution = Execution(id=7, stream_id=1)

    assert execution.after(answer) == execution


@pytest.mark.parametrize("value", ["", " ", ".", ".."])
async def test_an_id_that_leads_elsewhere_is_refused(served: Any, value: str) -> None:
    """An empty id would ask for the list in the place of one."""

    async def never(_: web.Request) -> web.Response:
        raise AssertionError

    async with served(never, dialect="public") as client:
        with pytest.raises(UsageError, match="is no id"):
            await client.datasets.get(value)


async def test_parts_are_numbered_from_one(served: Any) -> None:
    """A part 0 would be taken, and refused at the commit."""

    async def never(_: web.Request) -> web.Response:
        raise AssertionError

    async with served(never) as client:
        with pytest.raises(UsageError, match="numbered from 1"):
            await client.executions.upload_part(Execution(id=7, stream_id=1), 0, b"x")
