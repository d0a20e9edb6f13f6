"""JSON Lines: every value arrives as it is written, or the load ends with its place."""

from __future__ import annotations

import json
import threading
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bulkstream.errors import RecordTooLong, SourceError, SourceUnreadable
from bulkstream.model import ColumnType
from bulkstream.sources.rows import json_line, jsonl, lines
from bulkstream.sources.rows.json_line import is_jsonl, values_of
from bulkstream.sources.rows.json_text import values_as_text
from bulkstream.sources.rows.jsonl import JsonLines, open_jsonl
from bulkstream.sources.rows.lines import Block, LineBlocks
from bulkstream.sources.text_field import told_type
from tests.support.contents import MemoryContent

MIB = 1 << 20


def opened(data: bytes, sample_bytes: int = 4 * MIB, **options: Any) -> JsonLines:
    return open_jsonl(MemoryContent(data), sample_bytes=sample_bytes, **options)


def read(source: JsonLines, columns: list[int] | None = None) -> list[dict[str, Any]]:
    picked = list(range(len(source.schema))) if columns is None else columns
    return [row for task in source.tasks(picked) for batch in task() for row in batch.to_pylist()]


def types(source: JsonLines) -> dict[str, ColumnType]:
    told = {field.name: told_type(field) for field in source.schema}
    return {name: found[0] for name, found in told.items() if found}


def values(*written: str) -> JsonLines:
    return opened(b"".join(b'{"a": %s}\n' % text.encode() for text in written))


@pytest.mark.parametrize(
    ("written", "kind", "loaded"),
    [
        (["1", "-9223372036854775808"], "LONG", [1, -(2**63)]),
        (["1", "9223372036854775808"], "DECIMAL", ["1", "9223372036854775808"]),
        (["1" * 39], "STRING", ["1" * 39]),
        (["1.10", "2"], "DECIMAL", ["1.10", "2"]),
        (["1.10", "2e-7"], "DOUBLE", ["1.10", "2e-7"]),
        (["1e5", "9007199254740993"], "STRING", ["1e5", "9007199254740993"]),
        (["true", "false"], "STRING", ["true", "false"]),
        (["true", "1.50", '"x"'], "STRING", ["true", "1.50", "x"]),
        (['"007"', '"12"'], "STRING", ["007", "12"]),
        (['"12"', "1.0"], "STRING", ["12", "1.0"]),
        (['"2026-11-23"', "null"], "DATE", ["2026-11-23", None]),
        (['"2026-11-23"', '"2026-11-23T14:05Z"'], "DATETIME", ["2026-11-23", "2026-11-23T14:05Z"]),
        (['"2026-11-23"', "5"], "STRING", ["2026-11-23", "5"]),
        (['"2026-11-23"', '""'], "STRING", ["2026-11-23", ""]),
        (['{"x": 1.10, "y":[9007199254740993]}'], "STRING", ['{"x": 1.10, "y":[9007199254740993]}']),
        (['["\\"\\\\", "\\u00e9\t"]'.replace("\t", " ")], "STRING", ['["\\"\\\\", "\\u00e9 "]']),
        (["[]", "{}", "3", '"]"'], "STRING", ["[]", "{}", "3", "]"]),
        (["null", "null"], "STRING", [None, None]),
        (['"\\ud83d\\ude00\\n"'], "STRING", ["😀\n"]),
    ],
)
def test_values_arrive_as_they_are_written(written: list[str], kind: str, loaded: list[Any]) -> None:
    """A column has the type that holds all its values, and each value its own text."""
    source = values(*written)

    assert types(source) == {"a": kind}
    assert [row["a"] for row in read(source)] == loaded


def test_columns_are_the_union_of_keys() -> None:
    """Keys are columns in the order of their first appearance; what a row lacks is null."""
    source = opened(b'\xef\xbb\xbf{"b": 1}\r\n\r\n{}\n  {"a": "x", "b": null} \n{"c": [1]}')

    assert source.schema.names == ["b", "a", "c"]
    assert read(source) == [
        {"b": 1, "a": None, "c": None},
        {"b": None, "a": None, "c": None},
        {"b": None, "a": "x", "c": None},
        {"b": None, "a": None, "c": "[1]"},
    ]
    assert read(source, [2, 0])[0] == {"c": None, "b": 1}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"a": 1,}', "no JSON: Expecting a key in double quotes at its character 9"),
        (b'{"a": 01}', "no JSON: Expecting ',' or '}' at its character 8"),
        (b'{"a": NaN}', "NaN is no JSON value at its character 7"),
        (b'{"a": [-Infinity]}', "-Infinity is no JSON value"),
        (b'{"a": 1} {"a": 2}', "Extra data at its character 10"),
        (b'{"a": 1', "Expecting ',' or '}'"),
        (b'{"a"', "Expecting ':'"),
        (b'{"a":', "Expecting value"),
        (b"{", "Expecting a key"),
        (b'{"a": "x\ty"}', "Invalid control character"),
        (b'{"a": "\xff"}', "not UTF-8: invalid start byte at its byte 7"),
        (b'{"a": "\\ud800"}', "half of a surrogate pair"),
        (b'{"a": ["\\udc00"]}', "half of a surrogate pair"),
        (b'{"a": 1, "a": 2}', "the key 'a' stands there twice"),
        (b"[1, 2]", "an array instead of an object"),
        (b"17", "a number instead of an object"),
        (b"a,b", "Expecting an object"),
    ],
)
@pytest.mark.parametrize("others", [b'{"a": 1}\n', b'{"a": "x"}\n', b'{"a": 1.5}\n', b'{"a": [1]}\n'])
def test_a_wrong_line_is_named(line: bytes, said: str, others: bytes) -> None:
    """Whichever way reads it, what is no object is an error with its line and byte."""
    source = opened(others)
    assert read(source)

    with pytest.raises(SourceError, match=r"line 3: ") as caught:
        list(source._reader.batches(Block("f.jsonl", others + b"\n" + line + b"\n" + others, 1, 0), (0,)))

    assert said in str(caught.value)
    assert str(caught.value).startswith(f"f.jsonl at byte {len(others) + 1}: ")


def test_deep_nesting_ends_nothing_but_the_load() -> None:
    """What Python can't take apart is an error of the source, not of the interpreter."""
    with pytest.raises(SourceError, match="nested too deeply"):
        opened(b'{"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}")


def test_a_wrong_line_of_the_sample_ends_the_opening() -> None:
    """An array of objects over many lines is told how to become lines; its stream is closed."""
    content = MemoryContent(b'[\n  {"a": 1}\n]\n', "f.json")

    with pytest.raises(SourceError, match="line 1: an array instead of an object") as caught:
        open_jsonl(content, sample_bytes=MIB)

    assert "jq -c '.[]' FILE" in caught.value.hint
    assert content.opened[0].closed


@pytest.mark.parametrize(
    ("first", "later", "said"),
    [
        ('{"a": 1}', '{"a": "x"}', "a: 'x' is no LONG"),
        ('{"a": 1}', '{"a": "007"}', "a: '007' is no LONG"),
        ('{"a": 1}', '{"a": 1.5}', "a: '1.5' is no LONG"),
        ('{"a": 1}', '{"a": 9223372036854775808}', "is no LONG"),
        ('{"a": 1}', '{"a": true}', "a: 'true' is no LONG"),
        ('{"a": 1}', '{"a": [1]}', "a: '[1]' is no LONG"),
        ('{"a": 1.5}', '{"a": ""}', "a: '' is no DECIMAL"),
        ('{"a": 1.5}', '{"a": 1e50}', "a: '1e50' is no DECIMAL"),
        ('{"a": 1e5}', '{"a": 1e999}', "a: '1e999' is no DOUBLE"),
        ('{"a": 1e5}', '{"a": 9007199254740993}', "a: '9007199254740993' is no DOUBLE"),
        ('{"a": "2026-11-23"}', '{"a": "2026-02-30"}', "a: '2026-02-30' is no DATE"),
        ('{"a": "2026-11-23T10:00"}', '{"a": 5}', "a: '5' is no DATETIME"),
        ('{"a": 1}', '{"a": 2, "b": null}', "the key 'b' is none of the sampled lines'"),
        ('{"a": 1.5}', '{"b": 2}', "the key 'b' is none of the sampled lines'"),
    ],
)
def test_what_the_sample_did_not_show_is_an_error(first: str, later: str, said: str) -> None:
    """A later value that its column can't hold, or a later key, is never lost in silence."""
    source = opened(first.encode())

    with pytest.raises(SourceError, match="line 9: ") as caught:
        list(source._reader.batches(Block("f", (first + "\n" + later).encode(), 8, 0), (0,)))

    assert said in str(caught.value)
    assert "sample_size" in caught.value.hint
    assert caught.value.place is not None
    assert caught.value.place.offset == len(first) + 1


@pytest.mark.parametrize(
    ("first", "later", "loaded"),
    [
        ('"x"', "1.10", "1.10"),
        ('"x"', '{"y": [1.10]}', '{"y": [1.10]}'),
        ("null", "true", "true"),
        ("1", '"12"', 12),
        ("1.5", "1e-07", "0.0000001"),
        ("1.5", "0e5", "0"),
        ("1.5", "9" * 38, "9" * 38),
        ("1e5", "3.14", "3.14"),
        ('"2026-11-23T10:00"', '"2024-02-29"', "2024-02-29"),
    ],
)
def test_what_fits_without_loss_is_taken(first: str, later: str, loaded: Any) -> None:
    """A STRING takes anything as text; a number may be written in another way, if it is the same number."""
    source = values(first)

    (batch,) = source._reader.batches(Block("f", b'{"a": %s}' % later.encode(), 1, 0), (0,))

    assert batch.to_pylist() == [{"a": loaded}]


def test_chosen_keys_leave_others_out() -> None:
    """With expected columns, a key that nobody knew is left out on purpose; what is expected is a column."""
    first = b'{"a": 1}\n'
    source = open_jsonl(MemoryContent(first * 200_000 + b'{"z": 1, "b": 2.50}'), sample_bytes=1, expected=["b"])

    rows = read(source)

    assert source.schema.names == ["a", "b"]
    assert rows[-1] == {"a": None, "b": "2.50"}
    assert len(rows) == 200_001


def test_told_types_are_not_judged() -> None:
    """A type that the user has told holds, also where the sample would say another."""
    source = opened(b'{"a": 1, "b": "12"}', types={"a": ColumnType.STRING, "b": ColumnType.LONG})

    assert types(source) == {"a": ColumnType.STRING, "b": ColumnType.LONG}
    assert read(source) == [{"a": "1", "b": 12}]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**40), 10**40)
    | st.decimals(allow_nan=False, allow_infinity=False, places=4)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.dates().map(str)
    | st.datetimes().map(str)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(["a", "b", 'q"\\', "é", "", "{:,"])
ROWS = st.lists(st.dictionaries(KEYS, JSON, max_size=4), max_size=12)


def written(value: Any, *, ascii_only: bool, gap: str) -> str:
    """Write JSON independently of the package: numbers as they are, blanks around everything."""
    if isinstance(value, dict):
        pairs = (
            f"{json.dumps(k, ensure_ascii=ascii_only)}{gap}:{gap}{_inner(v, ascii_only, gap)}" for k, v in value.items()
        )
        return "{" + gap + f"{gap},{gap}".join(pairs) + gap + "}"
    if isinstance(value, list):
        return "[" + gap + f"{gap},{gap}".join(_inner(v, ascii_only, gap) for v in value) + gap + "]"
    if isinstance(value, Decimal):
        return f"{value:f}"
    return json.dumps(value, ensure_ascii=ascii_only)


def _inner(value: Any, ascii_only: bool, gap: str) -> str:
    return written(value, ascii_only=ascii_only, gap=gap)


def cell(value: Any, raw: str) -> Any:
    if value is None:
        return None
    return value if isinstance(value, str) else raw


@given(ROWS, st.booleans(), st.sampled_from(["", " ", "\t  "]), st.integers(1, 50))
@example([{"a": '"\\"'}, {"a": "\\\\"}, {"a": ["\\"]}], False, "", 1)
@example([{"a": 0.1}, {"a": 1e300}, {"a": 10**30}], False, "", 1)
def test_any_rows_are_read_back(rows: list[dict[str, Any]], ascii_only: bool, gap: str, piece: int) -> None:
    """Whatever the values and the blanks, each cell is null, a string's text, or what was written."""
    data = "\n".join(written(row, ascii_only=ascii_only, gap=gap) for row in rows).encode()
    keys = list(dict.fromkeys(key for row in rows for key in row))
    if rows and not keys:
        return
    content = MemoryContent(data, piece=piece, unrepeatable="a pipe")

    source = open_jsonl(content, sample_bytes=MIB)
    loaded = read(source)

    assert source.schema.names == keys
    assert len(loaded) == len(rows)
    for row, got in zip(rows, loaded, strict=True):
        for key in keys:
            wanted = cell(row.get(key), written(row.get(key), ascii_only=ascii_only, gap=gap))
            assert got[key] == (int(wanted) if isinstance(got[key], int) else wanted)


@given(ROWS.filter(bool), st.booleans(), st.sampled_from(["", " "]))
def test_all_ways_read_alike(rows: list[dict[str, Any]], ascii_only: bool, gap: str) -> None:
    """What the quick ways give is what reading line by line gives."""
    data = "\n".join(written(row, ascii_only=ascii_only, gap=gap) for row in rows).encode()
    source = opened(b'{"a": 1}\n' + data)
    block, picked = Block("f", data, 1, 0), tuple(range(len(source.schema)))

    exact = source._reader._line_by_line(block, picked)

    for arrays in (source._reader._directly(block, picked), source._reader._as_text(block, picked)):
        assert arrays is None or [a.to_pylist() for a in arrays] == [a.to_pylist() for a in exact]


@given(st.dictionaries(KEYS, JSON, max_size=4), st.booleans(), st.sampled_from(["", " \t"]))
def test_lines_are_taken_apart_alike(row: dict[str, Any], ascii_only: bool, gap: str) -> None:
    """The short cut for lines without nesting gives what the full way gives, or nothing."""
    text = written(row, ascii_only=ascii_only, gap=gap)

    exact = json_line._object(text, Block("f", text.encode(), 1, 0))

    assert json_line._plain(text) in (None, exact)
    assert list(exact) == list(row)


@given(ROWS.filter(any), st.booleans())
def test_the_quick_way_is_taken(rows: list[dict[str, Any]], ascii_only: bool) -> None:
    """Rewriting understands all that is written as programs write it, so that speed is not lost in silence."""
    data = "\n".join(written(row, ascii_only=ascii_only, gap=" ") for row in rows).encode()
    if b"NaN" in data or b"Inf" in data:
        return

    text = values_as_text(data)

    assert text is not None
    for line in Block("f", text, 1, 0).lines():
        assert all(value is None or value.form.name == "TEXT" for value in values_of(line).values())


@given(st.lists(st.text("ab \r", max_size=9).map(str.encode), max_size=20), st.integers(1, 30), st.booleans())
def test_blocks_are_whole_lines_with_their_places(texts: list[bytes], piece: int, marked: bool) -> None:
    """Blocks together are the content, begin where they say, and hold whole lines."""
    data = (b"\xef\xbb\xbf" if marked else b"") + b"\n".join(texts)
    content = MemoryContent(data, piece=piece)

    blocks = list(LineBlocks(content.stream(), "f", most_bytes=12))

    assert b"".join(block.data for block in blocks) == b"\n".join(texts)
    for block in blocks:
        assert data[block.offset :].startswith(block.data)
        assert block.line == data[: block.offset].count(b"\n") + 1
    assert all(block.data.endswith(b"\n") for block in blocks[:-1])


def test_a_line_may_be_long_but_not_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A field of a megabyte is read whole; a line beyond the limit is named."""
    monkeypatch.setattr(lines, "BLOCK_BYTES", 1000)
    data = b'{"a": "x"}\n{"a": "%s"}\n' % (b"y" * MIB)

    assert [len(row["a"]) for row in read(opened(data))] == [1, MIB]
    with pytest.raises(RecordTooLong, match="line 2 is longer than 1,000,000 bytes"):
        read(open_jsonl(MemoryContent(data), sample_bytes=1, most_line_bytes=1_000_000))


def test_many_blocks_are_read_in_any_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block is a task; tasks can be done in any order, each in its own thread, and lines keep their numbers."""
    monkeypatch.setattr(lines, "BLOCK_BYTES", 1000)
    data = b"".join(b'{"n": %d, "x": [%d.0]}\n' % (n, n) for n in range(1000))
    source = opened(data, sample_bytes=2000)
    tasks = list(source.tasks([0, 1]))
    done: dict[int, list[Any]] = {}

    def work(number: int) -> None:
        done[number] = [row for batch in tasks[number]() for row in batch.to_pylist()]

    threads = [threading.Thread(target=work, args=(number,)) for number in reversed(range(len(tasks)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(tasks) > 10
    rows = [row for number in range(len(tasks)) for row in done[number]]
    assert rows == [{"n": n, "x": f"[{n}.0]"} for n in range(1000)]


def test_what_can_be_read_once_is_read_once() -> None:
    """A pipe's sample is not lost, and a second reading is refused."""
    content = MemoryContent(b'{"a": 1}\n{"a": 2}\n', "pipe", unrepeatable="it is a pipe", piece=4)
    source = open_jsonl(content, sample_bytes=1)

    assert read(source) == [{"a": 1}, {"a": 2}]
    with pytest.raises(SourceUnreadable, match="it is a pipe"):
        read(source)


def test_closing_ends_the_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """After closing, streams are closed and the next block is an error, not an end."""
    monkeypatch.setattr(lines, "BLOCK_BYTES", 10)
    content = MemoryContent(b'{"a": 1}\n' * 100)
    source = open_jsonl(content, sample_bytes=1)
    tasks = source.tasks([0])
    next(tasks)

    source.close()
    source.close()

    assert all(stream.closed for stream in content.opened)
    with pytest.raises(SourceUnreadable, match="closed"):
        list(tasks)


def test_an_empty_file_has_no_columns() -> None:
    """Nothing is an empty table; objects without keys are refused, since a row must be something."""
    assert opened(b"").schema.names == []
    assert read(opened(b"\n\n", expected=["a"])) == []
    with pytest.raises(SourceError, match="no columns"):
        opened(b"{}\n{}\n")


@pytest.mark.parametrize(
    ("head", "name", "found"),
    [
        (b'{"a": 1}\n{"a"', "x", True),
        (b'\xef\xbb\xbf\n {"a": 1}', "x", True),
        (b'{"a": "long', "x", True),
        (b"{}\n", "x", True),
        (b'{"a": 1},2\n', "x.csv", False),
        (b"{a},b\n1,2\n", "x.csv", False),
        (b'{"a"},b\n', "x", False),
        (b'{"a"', "x.csv", False),
        (b"a,b\n", "x.jsonl", False),
        (b'[{"a": 1}]', "x.json", True),
        (b"{\n", "x.ndjson.gz", True),
        (b"[1]\n", "x", False),
        (b"", "x.jsonl", False),
    ],
)
def test_json_lines_are_told_from_csv(head: bytes, name: str, found: bool) -> None:
    """The first line must be an object, unless the name says what the file is meant to be."""
    assert is_jsonl(head, name) is found


def test_batches_have_the_schema_that_was_told() -> None:
    """Each batch has the fields of the columns asked for, metadata included."""
    source = opened(b'{"a": 1, "b": 1.5}')

    (batch,) = next(source.tasks([1, 0]))()

    assert batch.schema.equals(pa.schema([source.schema.field(1), source.schema.field(0)]), check_metadata=True)
    assert jsonl.JsonLines.format == "JSON Lines"
