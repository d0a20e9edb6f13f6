"""How executions end, and what readers see of it."""

from __future__ import annotations

import asyncio
import gzip
from typing import TYPE_CHECKING, Any

import pytest

from bulkstream.sandbox import Validation

if TYPE_CHECKING:
    from collections.abc import Callable

    Desk = Any


async def rows_of(desk: Desk, stream: Any) -> Any:
    return (await desk.public("GET", f"/datasets/{stream['dataSet']['id']}")).body["rows"]


async def test_a_commit_replaces_the_rows(desk: Desk) -> None:
    """REPLACE is the default; the execution tells rows and raw bytes."""
    stream = await desk.stream()
    await desk.load(stream, [b"1,a\n2,b\n"])

    answer = await desk.load(stream, [b"3,c\n", b"4,d\n5,e\n"])

    assert answer.body["currentState"] == "SUCCESS"
    assert (answer.body["rowsInserted"], answer.body["bytesInserted"]) == (3, 12)
    assert await desk.rows(stream) == b"3,c\n4,d\n5,e\n"
    assert await rows_of(desk, stream) == 3


async def test_a_commit_appends_rows(desk: Desk) -> None:
    """APPEND, by the stream or by the execution, puts them at the end."""
    stream = await desk.stream(updateMethod="APPEND")

    for text in (b"1,a\n", b"2,b\n", b"3,c\n"):
        await desk.load(stream, [text])
    await desk.load(stream, [b"9,z\n"], updateMethod="REPLACE")
    await desk.load(stream, [b"8,y\n"])

    assert await desk.rows(stream) == b"9,z\n8,y\n"
    assert await rows_of(desk, stream) == 2


async def test_parts_are_in_the_order_of_their_ids(desk: Desk) -> None:
    """However they arrived; ids may begin at 0 or 1."""
    stream = await desk.stream()
    execution = await desk.execution(stream)

    for number in (3, 1, 10, 2, *range(4, 10)):
        await desk.part(execution, number, b"%d,x\n" % number)
    await desk.finalize(execution)

    assert await desk.rows(stream) == b"".join(b"%d,x\n" % number for number in range(1, 11))


@pytest.mark.parametrize(("sent", "missing"), [((1, 3), "part 2"), ((2, 3), "part 1"), ((0, 2, 5), "part 1, 3, 4")])
async def test_a_gap_in_the_part_ids_is_refused(desk: Desk, sent: tuple[int, ...], missing: str) -> None:
    """The missing ones are named, and can still be sent."""
    stream = await desk.stream()
    execution = await desk.execution(stream)
    for number in sent:
        await desk.part(execution, number, b"1,a\n")

    refused = await desk.finalize(execution)
    for number in range(max(sent)):
        await desk.part(execution, number, b"1,a\n")

    assert refused.status == 400
    assert "non-consecutive part ids" in refused.body["message"]
    assert missing in refused.body["message"]
    assert (await desk.finalize(execution)).status == 200


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (b"1,a\n2\n", "part 2: record 2: 1 fields, the schema has 2"),
        (b'1,"a\n', "part 2: record 1: unexpected end of data"),
        (b"1,\xff\n", "part 2: record 1: not UTF-8"),
        (b"1,a,b\n", "part 2: record 1: 3 fields, the schema has 2"),
    ],
)
async def test_a_wrong_part_fails_the_commit(desk: Desk, part: bytes, reason: str) -> None:
    """400 with part, record and reason; the execution is FAILED and the dataset as it was."""
    stream = await desk.stream()
    await desk.load(stream, [b"0,z\n"])
    execution = await desk.execution(stream)
    await desk.part(execution, 1, b"1,a\n")
    await desk.part(execution, 2, part)

    answer = await desk.finalize(execution)

    assert answer.status == 400
    assert reason in answer.body["message"]
    assert await desk.state(execution) == "FAILED"
    assert await desk.rows(stream) == b"0,z\n"
    assert (await desk.execution(stream))["currentState"] == "ACTIVE"


async def test_without_a_schema_the_first_part_sets_the_number_of_columns(desk: Desk) -> None:
    """Later parts must agree with it."""
    stream = await desk.stream(columns=None)
    good = await desk.load(stream, [b"1,a,x\n", b"", b"2,b,y\n"])

    bad = await desk.load(stream, [b"1,a\n", b"1,a,x\n"])

    assert good.status == 200
    assert bad.status == 400
    assert "part 2" in bad.body["message"]


async def test_nothing_is_checked_when_validation_is_off(open_desk: Callable[..., Any]) -> None:
    """A commit asks for nothing but contiguous ids; rows are counted when somebody asks for the dataset."""
    async with open_desk(validate=Validation.OFF) as desk:
        stream = await desk.stream()

        answer = await desk.load(stream, [b"1,a\n", b"2,b\n3,c"])

        assert answer.body["rowsInserted"] is None
        assert (await desk.public("GET", f"/streams/{stream['id']}")).body["dataSet"]["rows"] is None
        assert await rows_of(desk, stream) == 3
        assert (await desk.public("GET", f"/streams/{stream['id']}")).body["dataSet"]["rows"] == 3

        await desk.load(stream, [b"wrong\n"])
        assert await rows_of(desk, stream) is None


async def test_a_commit_takes_effect_after_its_answer(open_desk: Callable[..., Any]) -> None:
    """With a delay the answer says ACTIVE; until it is SUCCESS the old rows are there and no other can be opened."""
    async with open_desk(commit_delay_s=0.05) as desk:
        stream = await desk.stream()

        answer = await desk.load(stream, [b"1,a\n"])
        before = await desk.rows(stream)
        second = await desk.instance("POST", f"/streams/{stream['id']}/executions", json={})
        again = await desk.finalize(answer.body)
        await desk.until_state(answer.body, "SUCCESS")

        assert (answer.status, answer.body["currentState"]) == (200, "ACTIVE")
        assert (before, second.status, again.status) == (b"", 409, 409)
        assert await desk.rows(stream) == b"1,a\n"


async def test_a_commit_too_soon_after_the_last_is_refused(open_desk: Callable[..., Any]) -> None:
    """429 with Retry-After; later it goes through."""
    now = [1_700_000_000.0]
    async with open_desk(clock=lambda: now[0], commit_interval_s=900.0) as desk:
        stream = await desk.stream()
        await desk.load(stream, [b"1,a\n"])
        now[0] += 100
        execution = await desk.execution(stream)
        await desk.part(execution, 1, b"2,b\n")

        refused = await desk.finalize(execution)
        now[0] += 800
        accepted = await desk.finalize(execution)

    assert (refused.status, refused.headers["Retry-After"]) == (429, "800")
    assert accepted.status == 200


async def test_a_second_commit_is_refused_and_a_second_abort_is_fine(desk: Desk) -> None:
    """409 naming the state, 200 with the execution; each other combination is 409."""
    stream = await desk.stream()
    committed = (await desk.load(stream, [b"1,a\n"])).body
    aborted = (await desk.finalize(await desk.execution(stream), "abort")).body

    assert (await desk.finalize(committed)).status == 409
    assert (await desk.finalize(committed, "abort")).status == 409
    assert (await desk.finalize(aborted)).status == 409
    again = await desk.finalize(aborted, "abort")
    assert (again.status, again.body["currentState"]) == (200, "ABORTED")


async def test_an_unknown_action_is_refused(desk: Desk) -> None:
    """400, naming those that there are."""
    answer = await desk.finalize(await desk.execution(await desk.stream()), "finish")

    assert answer.status == 400
    assert "commit and abort" in answer.body["message"]


async def test_an_abort_leaves_the_dataset_and_removes_the_parts(desk: Desk) -> None:
    """The files go in the background."""
    stream = await desk.stream()
    await desk.load(stream, [b"1,a\n"])
    execution = await desk.execution(stream)
    for number in range(5):
        await desk.part(execution, number, b"2,b\n")

    answer = await desk.finalize(execution, "abort")
    await desk.until_files(1)

    assert answer.body["currentState"] == "ABORTED"
    assert await desk.rows(stream) == b"1,a\n"


async def test_of_two_commits_at_once_one_wins(desk: Desk) -> None:
    """The other is 409, and the rows are there once."""
    stream = await desk.stream(updateMethod="APPEND")
    execution = await desk.execution(stream)
    await desk.part(execution, 1, b"1,a\n")

    answers = await asyncio.gather(*(desk.finalize(execution) for _ in range(4)))

    assert sorted(answer.status for answer in answers) == [200, 409, 409, 409]
    assert await desk.rows(stream) == b"1,a\n"


async def test_an_upsert_replaces_in_place_and_adds_at_the_end(desk: Desk) -> None:
    """The last row of a key wins; keys are values, so quoting makes no difference; parts may be gzip."""
    stream = await desk.stream(updateMethod="UPSERT", keyColumnNames=["id"])
    await desk.load(stream, [b"1,a\n2,b\n", b'3,"c\nc"'])
    execution = await desk.execution(stream)
    await desk.part(execution, 1, b'5,new\n"2",first\n')
    packed = {"Content-Type": "text/csv", "Content-Encoding": "gzip"}
    await desk.part(execution, 2, gzip.compress(b'4,d\n2,"last"'), headers=packed)

    answer = await desk.finalize(execution)

    assert answer.body["rowsInserted"] == 4
    assert await desk.rows(stream) == b'1,a\n2,"last"\n3,"c\nc"\n5,new\n4,d\n'
    assert await rows_of(desk, stream) == 5


async def test_an_upsert_compares_whole_keys(desk: Desk) -> None:
    """Of several columns, each counts for itself."""
    stream = await desk.stream(updateMethod="UPSERT", keyColumnNames=["id", "text"])
    await desk.load(stream, [b"1,11\n"])

    await desk.load(stream, [b"11,1\n1,11\n"])

    assert await desk.rows(stream) == b"1,11\n11,1\n"


async def test_an_upsert_of_unchecked_rubbish_fails(open_desk: Callable[..., Any]) -> None:
    """With validation off an UPSERT has to parse all the same; the dataset stays as it was."""
    async with open_desk(validate=Validation.OFF) as desk:
        stream = await desk.stream(updateMethod="UPSERT", keyColumnNames=["id"])
        await desk.load(stream, [b"1,a\n"])

        answer = await desk.load(stream, [b"1\n"])

        assert answer.status == 400
        assert await desk.rows(stream) == b"1,a\n"
        latest = (await desk.instance("GET", f"/streams/{stream['id']}")).body["executions"][-1]
        assert latest["currentState"] == "FAILED"
        assert "fields" in latest["errors"][0]["message"]
