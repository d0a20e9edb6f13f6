"""Streams and executions, in both dialects, over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    Desk = Any

SOURCE = {
    "transport": {"type": "SFTP", "version": "2", "description": "files"},
    "configuration": {"folder": {"value": "/in", "type": "string"}},
    "account": {"id": 5, "configurations": [{"name": "host", "value": "sftp.example"}]},
    "dataSource": {"name": "Sales 2024", "description": "all of it", "cloudId": "domo"},
    "schemaDefinition": {"columns": [{"name": "a", "type": "DATE"}]},
    "unheardOf": {"nested": [1, 2]},
}


async def test_a_stream_made_in_one_dialect_is_seen_in_the_other(desk: Desk) -> None:
    """Both dialects are views of one state."""
    made = (await desk.instance("POST", "/streams", json=SOURCE)).body

    seen = (await desk.public("GET", f"/streams/{made['id']}?fields=all")).body

    assert seen["dataSet"]["id"] == made["dataSource"]["id"]
    assert seen["dataSet"]["name"] == "Sales 2024"
    assert seen["dataSet"]["schema"] == {"columns": [{"type": "DATE", "name": "a"}]}


async def test_the_instance_dialect_gives_back_every_field_that_it_was_sent(desk: Desk) -> None:
    """Known or not, what a client sent is there when it asks."""
    made = (await desk.instance("POST", "/streams", json=SOURCE)).body

    seen = (await desk.instance("GET", f"/streams/{made['id']}")).body

    assert {name: seen[name] for name in ("transport", "configuration", "account", "unheardOf")} == {
        name: SOURCE[name] for name in ("transport", "configuration", "account", "unheardOf")
    }
    assert seen["dataSource"]["cloudId"] == "domo"
    assert {"valid", "schedule", "dataProvider", "playbookRegistryId", "executions", "changes"} <= seen.keys()
    assert not seen["createdAt"].endswith("Z")


async def test_an_instance_update_changes_what_may_change_and_nothing_else(desk: Desk) -> None:
    """dataSource, account, streamConfiguration and schemaDefinition change; other fields are left alone."""
    made = (await desk.instance("POST", "/streams", json=SOURCE)).body
    update = {
        **made,
        "id": 99,
        "transport": {"type": "CONNECTOR"},
        "dataSource": {"name": "Sales 2025"},
        "account": {"id": 6},
        "streamConfiguration": {"folder": {"value": "/out", "type": "string"}},
        "schemaDefinition": {"columns": [{"name": "b", "type": "LONG"}]},
    }

    seen = (await desk.instance("PUT", f"/streams/{made['id']}", json=update)).body

    assert seen["id"] == made["id"]
    assert seen["transport"]["type"] == "SFTP"
    assert seen["dataSource"]["name"] == "Sales 2025"
    assert seen["dataSource"]["cloudId"] == "domo"
    assert seen["account"] == {"id": 6}
    assert seen["configuration"]["folder"]["value"] == "/out"
    assert seen["schemaDefinition"]["columns"] == [{"type": "LONG", "name": "b"}]
    assert seen["unheardOf"] == SOURCE["unheardOf"]
    assert "dataSource" in seen["changes"][-1]["fields"]


async def test_a_created_stream_says_where_it_is(desk: Desk) -> None:
    """201 with a Location in the public dialect."""
    answer = await desk.public("POST", "/streams/", json={"dataSet": {"name": "x"}})

    assert (answer.status, answer.headers["Location"]) == (201, f"/v1/streams/{answer.body['id']}")


async def test_streams_are_listed_in_pages(desk: Desk) -> None:
    """limit and offset cut the list; more than 500 at once is refused in the public dialect."""
    made = [(await desk.stream())["id"] for _ in range(3)]

    page = await desk.public("GET", "/streams?limit=2&offset=1")
    other = await desk.instance("GET", "/streams?limit=1&offset=2")

    assert [stream["id"] for stream in page.body] == made[1:]
    assert [stream["id"] for stream in other.body] == made[2:]
    assert (await desk.public("GET", "/streams?limit=501")).status == 400
    assert (await desk.public("GET", "/streams?offset=-1")).status == 400


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("dataSource.name:Sales 2024", True),
        ("dataSource.name:Sal*4", True),
        ("dataSource.name:Sal", False),
        ("dataSource.name:*", True),
        ("dataSource.owner.id:27", True),
        ("dataSource.owner.id:2", False),
        ("transport.type:SFTP", True),
        ("transport.type:API", False),
        ("account.configurations.value:sftp.example", True),
        ("account.configurations.value:other", False),
    ],
)
async def test_streams_are_found_by_every_key(desk: Desk, query: str, found: bool) -> None:
    """Each of the API's search keys finds the stream that has the value, in both dialects."""
    made = (await desk.instance("POST", "/streams", json=SOURCE)).body
    expected = [made["id"]] if found else []

    for call in (desk.instance, desk.public):
        answer = await call("GET", "/streams/search", params={"q": query})
        assert [stream["id"] for stream in answer.body] == expected


async def test_a_query_without_a_known_key_is_refused(desk: Desk) -> None:
    """400, naming the keys that there are."""
    answer = await desk.public("GET", "/streams/search?q=name:x")

    assert answer.status == 400
    assert "dataSource.id" in answer.body["message"]


async def test_deleting_a_stream_keeps_its_dataset(desk: Desk) -> None:
    """The rows that were committed can still be read; parts that were not are removed."""
    stream = await desk.stream()
    await desk.load(stream, [b"1,a\n"])
    await desk.part(await desk.execution(stream), 1, b"2,b\n")

    assert (await desk.public("DELETE", f"/streams/{stream['id']}")).status == 204
    assert (await desk.public("GET", f"/streams/{stream['id']}")).status == 404
    assert await desk.rows(stream) == b"1,a\n"


async def test_one_execution_is_open_at_a_time(desk: Desk) -> None:
    """A second one is refused with the name of the first, until that is closed."""
    stream = await desk.stream()
    first = await desk.execution(stream)

    refused = await desk.public("POST", f"/streams/{stream['id']}/executions", json={"updateMethod": None})
    await desk.finalize(first, "abort")
    second = await desk.public("POST", f"/streams/{stream['id']}/executions", json={"updateMethod": None})

    assert refused.status == 409
    assert str(first["id"]) in refused.body["message"]
    assert second.status == 201


async def test_a_connectors_stream_takes_no_uploads(desk: Desk) -> None:
    """Creating an execution on transport CONNECTOR is refused with a reason."""
    made = (await desk.instance("POST", "/streams", json={**SOURCE, "transport": {"type": "CONNECTOR"}})).body

    answer = await desk.instance("POST", f"/streams/{made['id']}/executions", json={})

    assert answer.status == 400
    assert "CONNECTOR" in answer.body["message"]


@pytest.mark.parametrize(
    "body",
    [
        {"updateMethod": "MERGE"},
        {"updateMethod": 7},
        {"updateMethod": "UPSERT"},
        {"updateMethod": "UPSERT", "keyColumnNames": ["nope"]},
        {"keyColumnNames": "id"},
    ],
)
async def test_an_execution_with_a_wrong_method_is_refused(desk: Desk, body: Any) -> None:
    """Unknown methods, and an UPSERT without keys that are columns, are 400."""
    stream = await desk.stream()

    assert (await desk.public("POST", f"/streams/{stream['id']}/executions", json=body)).status == 400


async def test_executions_have_two_ids_that_differ(desk: Desk) -> None:
    """A client that takes the execution's id for its dataId is found out."""
    stream = await desk.stream()
    execution = await desk.execution(stream)

    wrong = await desk.instance("PUT", f"/streams/{stream['id']}/data/{execution['id']}/commit")

    assert execution["executionId"] == execution["id"]
    assert wrong.status == 404


async def test_an_execution_is_updated_and_deleted(desk: Desk) -> None:
    """In the instance dialect an open execution changes its method, keeps unknown fields, and can be removed."""
    stream = await desk.stream()
    execution = await desk.execution(stream)
    path = f"/streams/{stream['id']}/executions/{execution['id']}"
    await desk.part(execution, 1, b"1,a\n")

    changed = (await desk.instance("PUT", path, json={"updateMethod": "APPEND", "note": "x"})).body
    deleted = await desk.instance("DELETE", path)

    assert (changed["updateMethod"], changed["note"]) == ("APPEND", "x")
    assert deleted.status == 204
    assert (await desk.instance("GET", path)).status == 404
    assert (await desk.instance("GET", f"/streams/{stream['id']}/executions")).body == []


@pytest.mark.parametrize(
    "path",
    ["/streams/7", "/streams/x", "/streams/7/executions", "/streams/7/executions/1", "/datasets/7", "/nothing"],
)
async def test_what_is_not_there_is_404_with_a_json_body(desk: Desk, path: str) -> None:
    """The body has the form of Domo's errors."""
    answer = await desk.public("GET", path)

    assert answer.status == 404
    assert answer.body["status"] == 404
    assert answer.body["statusReason"] == "Not Found"
    assert answer.body["path"] == f"/v1{path}"
    assert answer.body["message"]
    assert answer.body["toe"]


async def test_a_wrong_method_is_405_with_a_json_body(desk: Desk) -> None:
    """And says which methods there are."""
    answer = await desk.public("PUT", "/streams")

    assert answer.status == 405
    assert answer.body["status"] == 405
    assert "POST" in answer.headers["Allow"]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'{"dataSet": 1}',
        b'{"dataSet": {"name": 1}}',
        b'{"dataSet": {"schema": {}}}',
        b'{"dataSet": {"schema": {"columns": [{"name": "a", "type": "BLOB"}]}}}',
        b'{"dataSet": {"schema": {"columns": [{"name": "a"}, {"name": "a"}]}}}',
    ],
)
async def test_a_body_of_another_form_is_400(desk: Desk, body: bytes) -> None:
    """Not JSON, no object, or fields of the wrong kind."""
    assert (await desk.public("POST", "/streams", data=body)).status == 400
