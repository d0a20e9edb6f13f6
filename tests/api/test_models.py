"""Models: what they don't know they keep."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstream.api import Execution, ExecutionState, Stream
from bulkstream.api.dataset import WireColumn
from bulkstream.api.document import utc
from bulkstream.model import Column, ColumnType, UpdateMethod

INSTANCE: dict[str, Any] = {
    "id": 42,
    "valid": True,
    "transport": {"type": "SFTP", "version": "2", "description": None, "configurations": [{"host": "ftp.example"}]},
    "configuration": {"query": {"value": "select 1", "type": "string", "new": 1}},
    "schedule": {"expression": "MANUAL", "cron": None, "start": None, "end": None},
    "account": {
        "id": 7,
        "userId": 27,
        "name": "acme",
        "displayName": "Acme",
        "type": "PRIVATE",
        "valid": True,
        "dataProviderType": "sftp",
        "credentialsType": "fields",
        "createdAt": "2015-03-31T16:56:57",
        "createdBy": 27,
        "modifiedAt": None,
        "configurations": [],
    },
    "dataProvider": {"id": 3, "key": "sftp", "name": "SFTP"},
    "dataSource": {"id": "0a1b", "name": "Sales", "description": "", "dataProviderType": "sftp", "status": "SUCCESS"},
    "schemaDefinition": {"columns": [{"name": "id", "type": "LONG", "visible": True}, {"name": "at", "type": "TIMEZ"}]},
    "playbookRegistryId": None,
    "executions": [{"id": 1, "currentState": "SUCCESS"}],
    "changes": [],
    "createdAt": "2015-03-31T16:56:57",
    "createdBy": 27,
    "modifiedAt": 1427821017000,
    "somethingNew": {"deeply": [{"nested": None}]},
}
PUBLIC: dict[str, Any] = {
    "id": 43,
    "dataSet": {
        "id": "0a1c",
        "name": "Sales",
        "rows": 5,
        "columns": 1,
        "schema": {"columns": [{"type": "DECIMAL", "name": "amount"}]},
        "owner": {"id": 27, "name": "DomoSupport"},
        "createdAt": "2016-05-27T17:37:19Z",
        "pdpEnabled": False,
        "somethingNew": [1],
    },
    "updateMethod": "UPSERT",
    "keyColumnNames": ["amount"],
    "createdAt": "2016-05-27T17:37:20Z",
}


@pytest.mark.parametrize("document", [INSTANCE, PUBLIC])
def test_reading_and_writing_a_stream_changes_nothing(document: dict[str, Any]) -> None:
    """Unknown fields, nulls and times without a zone come out as they went in."""
    assert Stream.model_validate(document).as_json() == document


def test_changing_one_thing_leaves_the_rest() -> None:
    """A read-modify-write loses nothing that the model doesn't know."""
    stream = Stream.model_validate(INSTANCE)
    assert stream.data_source is not None

    renamed = stream.model_copy(update={"data_source": stream.data_source.model_copy(update={"name": "New"})})

    assert renamed.as_json() == {**INSTANCE, "dataSource": {**INSTANCE["dataSource"], "name": "New"}}


def test_both_dialects_answer_the_same_questions() -> None:
    """Name, dataset, columns, method and keys are asked for alike."""
    instance, public = Stream.model_validate(INSTANCE), Stream.model_validate(PUBLIC)

    assert (instance.name, instance.dataset_id, instance.transport_type) == ("Sales", "0a1b", "SFTP")
    assert instance.columns == (Column("id", ColumnType.LONG), Column("at", ColumnType.STRING))
    assert (instance.method, instance.key_columns) == (None, ())
    assert (public.name, public.dataset_id, public.transport_type) == ("Sales", "0a1c", "")
    assert public.columns == (Column("amount", ColumnType.DECIMAL),)
    assert (public.method, public.key_columns) == (UpdateMethod.UPSERT, ("amount",))


def test_an_unknown_column_type_is_kept() -> None:
    """It reads as STRING and is written as it was."""
    column = WireColumn.model_validate({"name": "at", "type": "timez"})

    assert column.column() == Column("at", ColumnType.STRING)
    assert column.as_json()["type"] == "timez"


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("SUCCESS", ExecutionState.COMMITTED),
        ("ACTIVE", ExecutionState.OPEN),
        ("INDEXING", ExecutionState.OPEN),
        ("ABORTED", ExecutionState.FAILED),
        ("ERROR", ExecutionState.FAILED),
        ("FAILED", ExecutionState.FAILED),
        ("INVALID", ExecutionState.FAILED),
    ],
)
def test_the_servers_word_has_one_of_three_meanings(word: str, state: ExecutionState) -> None:
    """Words that nobody knows mean that it goes on."""
    assert Execution.model_validate({"id": 1, "currentState": word}).state is state


@pytest.mark.parametrize(
    ("document", "key"),
    [
        ({"id": 5, "dataId": "d", "uploadId": "u"}, "d"),
        ({"id": 5, "uploadId": 9}, "9"),
        ({"id": 5}, "5"),
        ({"executionId": 6}, "6"),
    ],
)
def test_parts_are_addressed_by_what_the_server_gives(document: dict[str, Any], key: str) -> None:
    """`dataId`, else `uploadId`, else the execution's id."""
    assert Execution.model_validate(document).data_id == key


@pytest.mark.parametrize("answer", [b"", b"{}", b"[]", b"<html>", b'{"currentState": 5}', b"null"])
def test_an_answer_without_a_state_leaves_the_execution_as_it_was(answer: bytes) -> None:
    """Only a state that is shown is believed."""
    execution = Execution.model_validate({"id": 1, "currentState": "ACTIVE"})

    assert execution.after(answer) == execution
    assert execution.after(b'{"currentState": "SUCCESS"}').state is ExecutionState.COMMITTED


def test_times_are_read_as_utc() -> None:
    """With a zone, without one, and as milliseconds."""
    moment = datetime(2015, 3, 31, 16, 56, 57, tzinfo=UTC)

    assert utc("2015-03-31T16:56:57") == utc("2015-03-31T18:56:57+02:00") == utc(moment.timestamp() * 1000) == moment


@given(st.text() | st.none() | st.integers() | st.floats(allow_nan=True))
def test_no_time_is_worth_a_traceback(time: str | float | None) -> None:
    """What can't be read is None."""
    assert utc(time) is None or isinstance(utc(time), datetime)
