"""A dataset's schema may change while rows are there."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstream.sandbox import Validation
from bulkstream.sandbox.pad import padded

if TYPE_CHECKING:
    from collections.abc import Callable

    Desk = Any

ID = {"name": "id", "type": "LONG"}
TEXT = {"name": "text", "type": "STRING"}
DAY = {"name": "day", "type": "DATE"}
WIDER = {"columns": [ID, TEXT, DAY]}
CHANGES = pytest.mark.parametrize("dialect", ["public", "instance", "stream"])


async def changed(desk: Desk, stream: Any, schema: Any, dialect: str = "public") -> Any:
    """Change a schema in a dialect, and return it as the stream shows it then."""
    match dialect:
        case "public":
            answer = await desk.public("PUT", f"/datasets/{stream['dataSet']['id']}", json={"schema": schema})
        case "stream":
            answer = await desk.public("PATCH", f"/streams/{stream['id']}", json={"dataSet": {"schema": schema}})
        case _:
            answer = await desk.instance("PUT", f"/streams/{stream['id']}", json={"schemaDefinition": schema})
    assert answer.status == 200
    return (await desk.public("GET", f"/streams/{stream['id']}")).body["dataSet"]["schema"]


@CHANGES
async def test_old_rows_are_empty_in_a_new_column(desk: Desk, dialect: str) -> None:
    """However their records are written; rows that come later bring it."""
    stream = await desk.stream()
    await desk.load(stream, [b'1,a\n2,"b\nb, ""c"""\r\n', b"", b"3,"])

    schema = await changed(desk, stream, WIDER, dialect)
    await desk.load(stream, [b"4,d,2026-01-01\n"], updateMethod="APPEND")

    assert schema == WIDER
    assert await desk.rows(stream) == b'1,a,\n2,"b\nb, ""c""",\r\n3,,\n4,d,2026-01-01\n'
    assert (await desk.public("GET", f"/datasets/{stream['dataSet']['id']}")).body["rows"] == 4


async def test_a_schema_may_grow_again_and_again(desk: Desk) -> None:
    """Each row is filled up to the columns that there are now."""
    stream = await desk.stream(columns=[ID])
    await desk.load(stream, [b"1\n"])
    await changed(desk, stream, {"columns": [ID, TEXT]})
    await desk.load(stream, [b"2,b\n"], updateMethod="APPEND")

    await changed(desk, stream, WIDER)

    assert await desk.rows(stream) == b"1,,\n2,b,\n"


async def test_another_type_changes_no_value(desk: Desk) -> None:
    """Rows are given back as they were sent."""
    stream = await desk.stream()
    await desk.load(stream, [b"007,a\n"])

    await changed(desk, stream, {"columns": [{"name": "id", "type": "DECIMAL"}, TEXT]})

    assert await desk.rows(stream) == b"007,a\n"


async def test_an_upsert_lays_wide_rows_over_narrow_ones(desk: Desk) -> None:
    """Old rows with other keys are filled up."""
    stream = await desk.stream(updateMethod="UPSERT", keyColumnNames=["id"])
    await desk.load(stream, [b"1,a\n2,b\n"])
    await changed(desk, stream, WIDER)

    await desk.load(stream, [b"2,new,2026-01-01\n"])

    assert await desk.rows(stream) == b"1,a,\n2,new,2026-01-01\n"


async def test_rows_that_nobody_checked_are_filled_up_too(open_desk: Callable[..., Any]) -> None:
    """They have as many fields as the schema had when it was changed, and are counted as such."""
    async with open_desk(validate=Validation.OFF) as desk:
        stream = await desk.stream()
        await desk.load(stream, [b"1,a\n"])
        await changed(desk, stream, WIDER)
        await desk.load(stream, [b"2,b,2026-01-01\n"], updateMethod="APPEND")

        assert await desk.rows(stream) == b"1,a,\n2,b,2026-01-01\n"
        assert (await desk.public("GET", f"/datasets/{stream['dataSet']['id']}")).body["rows"] == 2


async def test_parts_are_held_to_the_schema_at_the_commit(desk: Desk) -> None:
    """Narrow parts that were sent before the schema grew are refused."""
    stream = await desk.stream()
    execution = await desk.execution(stream)
    await desk.part(execution, 1, b"1,a\n")
    await changed(desk, stream, WIDER)

    answer = await desk.finalize(execution)

    assert answer.status == 400
    assert "record 1 has 2 fields, the schema has 3" in answer.body["message"]


async def test_a_schema_may_become_another_before_rows_are_replaced(desk: Desk) -> None:
    """As pydomo does it; until then rows keep the fields that they have."""
    stream = await desk.stream()
    await desk.load(stream, [b"1,a\n"])

    await changed(desk, stream, {"columns": [TEXT]})
    between = await desk.rows(stream)
    await desk.load(stream, [b"only\n"])

    assert (between, await desk.rows(stream)) == (b"1,a\n", b"only\n")


def written(field: str) -> str:
    """Write a field, in quotes if it needs them."""
    return '"' + field.replace('"', '""') + '"' if set(field) & set(',"\r\n') else field


FIELD = st.text(alphabet='ab,"\n\ré', max_size=4)


@given(
    st.lists(st.lists(FIELD, min_size=2, max_size=2), max_size=6),
    st.sampled_from(["\n", "\r\n"]),
    st.integers(1, 3),
    st.integers(1, 9),
    st.booleans(),
)
def test_padding_adds_fields_and_nothing_else(
    rows: list[list[str]], end: str, fields: int, size: int, whole: bool
) -> None:
    """Wherever blocks are cut, and whether or not the last record has its line end."""
    data = "".join(",".join(map(written, row)) + end for row in rows).encode()
    data = data if whole else data.removesuffix(end.encode())
    blocks = [data[at : at + size] for at in range(0, len(data), size)]

    made = b"".join(padded(blocks, fields)).decode()

    assert list(csv.reader(io.StringIO(made, newline=""))) == [[*row, *[""] * fields] for row in rows]
    assert made.endswith(end) == bool(whole and rows)
