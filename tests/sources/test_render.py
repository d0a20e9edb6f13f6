"""Rendering: every value of every Arrow type as the server reads it, and no value silently as another."""

from __future__ import annotations

import csv
import io
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstream.errors import BadValue, MissingExtra, SchemaError
from bulkstream.model import Binary, Column, ColumnType
from bulkstream.sources.fits import fits
from bulkstream.sources.layout import Slot
from bulkstream.sources.render.renderer import Renderer, typed
from tests.support.reference_csv import fields_of, same

LONG, DOUBLE, DECIMAL, DATE, DATETIME, STRING = (
    ColumnType.LONG,
    ColumnType.DOUBLE,
    ColumnType.DECIMAL,
    ColumnType.DATE,
    ColumnType.DATETIME,
    ColumnType.STRING,
)
TEXTS = ["a", "", None, 'say "hi"', "a,b", "line\nfeed", "\r\n", '"', "ünïcødé 日本 🎉", "\0", " ", "a" * 70_000]
NOW = datetime.fromisoformat("2026-11-23T14:05:59.123456")
MOMENTS = [NOW, None, datetime.fromisoformat("0001-01-01"), datetime.fromisoformat("9999-12-31T23:59:59.999999")]
WHOLE_MOMENTS = [None if value is None else value.replace(microsecond=0) for value in MOMENTS]
RECENT = [NOW, None, datetime.fromisoformat("1677-09-22"), datetime.fromisoformat("2262-04-11")]
TINY = [Decimal("1E-10"), Decimal(0), None, Decimal("-1E-7"), Decimal("-12.5"), Decimal(9) * 10**27]
BYTES = [b"a", None, b"", b"ab", b"abc", b"\xff\0\xfe" * 5, bytes(800_000)]


def integers(bits: int, *, signed: bool) -> list[int | None]:
    return [-(2 ** (bits - 1)), 0, None, 2 ** (bits - 1) - 1] if signed else [0, None, 2**bits - 1]


def dictionary(values: pa.Array) -> pa.Array:
    order = pa.array([*range(len(values)), None, 0], pa.int16())
    return pa.DictionaryArray.from_arrays(order, values)


def run_ends(values: pa.Array) -> pa.Array:
    return pa.RunEndEncodedArray.from_arrays(pa.array([2 * n + 2 for n in range(len(values))], pa.int32()), values)


def extension(kind: pa.DataType, values: list[Any]) -> pa.Array:
    return pa.ExtensionArray.from_storage(kind, pa.array(values, kind.storage_type))


def raw_text(*values: bytes) -> pa.Array:
    """Text as a file may hold it, unchecked."""
    ends = np.cumsum([0, *map(len, values)], dtype=np.int32)
    return pa.Array.from_buffers(pa.string(), len(values), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(values))])


ARRAYS: list[tuple[pa.Array, ColumnType]] = [
    *(
        (pa.array(integers(bits, signed=signed), getattr(pa, f"{'' if signed else 'u'}int{bits}")()), LONG)
        for bits in (8, 16, 32, 64)
        for signed in (True, False)
        if signed or bits < 64
    ),
    (pa.array(integers(64, signed=False), pa.uint64()), DECIMAL),
    (pa.array([np.float16(value) for value in (0.1, -0.0, 65504, 6e-8, 1)] + [None], pa.float16()), DOUBLE),
    (pa.array([0.1, None, -0.0, 1e10, 16777216, 3.4028235e38, 1e-45, 1 / 3], pa.float32()), DOUBLE),
    (pa.array([0.1, None, -0.0, 1e22, 1e-7, 5e-324, sys.float_info.max, 123456789012345678.0, 1 / 3]), DOUBLE),
    (pa.array([Decimal("1.50"), None, Decimal("-999.99"), Decimal(0)], pa.decimal128(5, 2)), DECIMAL),
    (pa.array([Decimal(12300), None, Decimal(0), Decimal(-100)], pa.decimal128(5, -2)), DECIMAL),
    (pa.array([Decimal("1" * 38), Decimal("-" + "9" * 38), None], pa.decimal128(38, 0)), DECIMAL),
    (pa.array(TINY, pa.decimal128(38, 10)), DECIMAL),
    (pa.array(TINY, pa.decimal256(38, 10)), DECIMAL),
    (pa.array([Decimal("0." + "9" * 38), Decimal(0), None], pa.decimal128(38, 38)), STRING),
    (pa.array([Decimal("9" * 76), None, Decimal(0)], pa.decimal256(76, 0)), STRING),
    (pa.array([Decimal("1E-60"), None, Decimal(-1)], pa.decimal256(76, 60)), STRING),
    (pa.array([Decimal("1.5"), None, Decimal("-0.00000001")], pa.decimal64(18, 8)), DECIMAL),
    (pa.array([Decimal("1.5"), None, Decimal("-0.01")], pa.decimal32(9, 2)), DECIMAL),
    (pa.array([date(2026, 11, 23), None, date(1, 1, 1), date(9999, 12, 31), date(2024, 2, 29)], pa.date32()), DATE),
    (pa.array([date(2026, 11, 23), None, date(1, 1, 1), date(9999, 12, 31)], pa.date64()), DATE),
    (pa.array(WHOLE_MOMENTS, pa.timestamp("s")), DATETIME),
    (pa.array(WHOLE_MOMENTS, pa.timestamp("ms")), DATETIME),
    (pa.array(MOMENTS, pa.timestamp("us")), DATETIME),
    (pa.array(RECENT, pa.timestamp("ns")), DATETIME),
    (pa.array(WHOLE_MOMENTS, pa.timestamp("s", "America/New_York")), DATETIME),
    (pa.array(MOMENTS, pa.timestamp("us", "+05:45")), DATETIME),
    (pa.array(RECENT, pa.timestamp("ns", "UTC")), DATETIME),
    (pa.array([time(14, 5, 59), None, time(0), time(23, 59, 59)], pa.time32("s")), STRING),
    (pa.array([time(14, 5, 59, 123000), None], pa.time32("ms")), STRING),
    (pa.array([time(14, 5, 59, 123456), None, time.max], pa.time64("us")), STRING),
    (pa.array([1, None, 86_400 * 10**9 - 1], pa.time64("ns")), STRING),
    *(
        (pa.array([0, None, -1, 1500, 2**63 - 1, -(2**63)], pa.duration(unit)), DECIMAL)
        for unit in ("s", "ms", "us", "ns")
    ),
    (pa.array([(1, -2, 3), None, (0, 0, -(10**10)), (-1, 2, 2**63 - 1)], pa.month_day_nano_interval()), STRING),
    (pa.array([True, None, False]), STRING),
    (pa.nulls(3), STRING),
    *((pa.array(TEXTS).cast(kind), STRING) for kind in (pa.string(), pa.large_string(), pa.string_view())),
    *((pa.array(BYTES, kind), STRING) for kind in (pa.binary(), pa.large_binary(), pa.binary_view())),
    (pa.array([b"ab", None, b"\0\0"], pa.binary(2)), STRING),
    (dictionary(pa.array(TEXTS).cast(pa.string_view())), STRING),
    (dictionary(pa.array([1.5, float("nan")])), DOUBLE),
    (dictionary(pa.array([NOW], pa.timestamp("us", "UTC"))), DATETIME),
    (run_ends(pa.array(["x", None, "y"])), STRING),
    (run_ends(pa.array([7, None])), LONG),
    (extension(pa.uuid(), [bytes(range(16)), None, b"\xff" * 16]), STRING),
    (extension(pa.bool8(), [0, None, 1, -5]), STRING),
    (extension(pa.json_(), ['{"a": 1}', None]), STRING),
    *(
        (pa.array([[1, None], None, [], [3]], kind(pa.int8())), STRING)
        for kind in (pa.list_, pa.large_list, pa.list_view, pa.large_list_view)
    ),
    (pa.array([[1, None], None, [3, 4]], pa.list_(pa.int8(), 2)), STRING),
    (pa.array([[*TEXTS], None, []]), STRING),
    (pa.array([["".join(map(chr, range(0x30)))], ["\x7f\u2028"]]), STRING),
    (pa.array([[1.5, float("nan"), None], [1e300, -0.0]]), STRING),
    (pa.array([[TINY[0], None], TINY], pa.list_(pa.decimal128(38, 10))), STRING),
    (pa.array([[True, None], [False]]), STRING),
    (pa.array([BYTES[:6], None, []]), STRING),
    (pa.array([[timedelta(seconds=1.5)], [None]], pa.list_(pa.duration("us"))), STRING),
    (pa.array([MOMENTS, []], pa.list_(pa.timestamp("us", "UTC"))), STRING),
    (pa.array([[(1, 2, 3)]], pa.list_(pa.month_day_nano_interval())), STRING),
    (pa.array([[[1], [], None], None, []], pa.list_(pa.list_view(pa.int8()))), STRING),
    (pa.array([[None], None], pa.list_(pa.null())), STRING),
    (pa.array([{"a": 1, 'b"': None}, None, {"a": None, 'b"': "x\n"}]), STRING),
    (pa.array([{"a": {"b": [{"c": date(2026, 1, 2)}]}}, {"a": None}, None]), STRING),
    (pa.array([{}, None], pa.struct([])), STRING),
    (pa.array([[("a", 1), ('q"\n', None)], None, []], pa.map_(pa.string(), pa.int8())), STRING),
    (pa.array([[(1, "x")], [(-2, None)]], pa.map_(pa.int64(), pa.string())), STRING),
    (pa.array([[(True, [1])]], pa.map_(pa.bool_(), pa.list_(pa.int8()))), STRING),
    (pa.array([[(date(2026, 1, 2), 1)]], pa.map_(pa.date32(), pa.int8())), STRING),
]


def rendered(*arrays: pa.Array, targets: list[ColumnType] | None = None) -> bytes:
    names = [f"c{n}" for n in range(len(arrays))]
    batch = pa.RecordBatch.from_arrays(list(arrays), names)
    kinds = targets or [inferred.column.type for inferred in typed(batch.schema)]
    layout = tuple(Slot(Column(names[n], kind), n) for n, kind in enumerate(kinds))
    data: bytes = Renderer(batch.schema, layout, Binary.BASE64)(batch).to_pybytes()
    return data


def one(array: pa.Array, target: ColumnType) -> list[str | None]:
    return [row[0] for row in fields_of(rendered(array, targets=[target]))]


@pytest.mark.parametrize(("array", "kind"), ARRAYS, ids=lambda value: str(getattr(value, "type", value))[:60])
def test_each_type_is_written_as_its_rule_says(array: pa.Array, kind: ColumnType) -> None:
    """A field is what the reference makes of the value; it fits the column; a slice is no different."""
    inferred = typed(pa.schema([("c", array.type)]))[0]
    twice = pa.concat_arrays([array, array])
    for values in (array, array[1:], array[2:2], twice[1:-1], pa.nulls(2, array.type), pa.nulls(0, array.type)):
        fields = one(values, kind)

        assert len(fields) == len(values)
        for field, value in zip(fields, values, strict=True):
            assert same(field, value, kind), (field, value)
            assert field is None or fits(kind, field)
    assert inferred.column == Column("c", kind)
    assert inferred.reason.startswith("Arrow ")
    assert inferred.nulls == 0


@pytest.mark.parametrize(("array", "_kind"), ARRAYS, ids=lambda value: str(getattr(value, "type", value))[:60])
def test_each_type_is_written_into_text(array: pa.Array, _kind: ColumnType) -> None:
    """A column that is STRING takes all values of all types."""
    for field, value in zip(one(array, STRING), array, strict=True):
        assert same(field, value, STRING), (field, value)


def test_types_are_told_with_what_becomes_of_them() -> None:
    """The reason names Arrow's type, and the form where that is not plain."""
    schema = pa.schema(
        [
            ("a", pa.decimal128(15, 2)),
            ("b", pa.timestamp("us", "Europe/Berlin")),
            ("c", pa.duration("ms")),
            ("d", pa.list_(pa.int8())),
            ("e", pa.binary()),
            ("f", pa.struct([(f"field{n}", pa.int8()) for n in range(20)])),
        ]
    )

    reasons = [inferred.reason for inferred in typed(schema)]

    assert reasons[:5] == [
        "Arrow decimal128(15, 2)",
        "Arrow timestamp[us, tz=Europe/Berlin], in UTC",
        "Arrow duration[ms], in seconds",
        "Arrow list<item: int8>, as JSON",
        "Arrow binary, as Base64",
    ]
    assert reasons[5].endswith("…, as JSON")
    assert len(reasons[5]) < 90


@pytest.mark.parametrize(
    "kind",
    [
        pa.binary(),
        pa.large_binary(),
        pa.binary_view(),
        pa.binary(3),
        pa.list_(pa.binary()),
        pa.struct([("a", pa.map_(pa.string(), pa.binary()))]),
        pa.dictionary(pa.int8(), pa.binary()),
    ],
    ids=str,
)
def test_binary_is_refused_unless_base64_is_wanted(kind: pa.DataType) -> None:
    """Bytes are no text; the error names the column and both ways out, and only for a column that is needed."""
    schema = pa.schema([("id", pa.int8()), ("photo", kind)])
    layout = (Slot(Column("photo"), 1),)

    with pytest.raises(SchemaError, match="'photo' holds binary values") as caught:
        Renderer(schema, layout, Binary.REFUSE)
    assert "--binary base64" in caught.value.hint
    assert "--columns" in caught.value.hint
    assert typed(schema)[1].column.type is STRING
    assert Renderer(schema, (Slot(Column("id"), 0),), Binary.REFUSE).needed == (0,)


def test_unions_are_refused() -> None:
    """A union has no text that could be read back, not even inside a list."""
    union = pa.dense_union([pa.field("a", pa.int8())])

    for kind in (union, pa.list_(union)):
        with pytest.raises(SchemaError, match="'u' has a type that can't be written as CSV: Arrow dense_union"):
            Renderer(pa.schema([("u", kind)]), (Slot(Column("u"), 0),), Binary.BASE64)


def test_not_a_number_is_null_among_numbers_only() -> None:
    """A column of numbers has no NaN; a STRING keeps the words."""
    values = pa.array([float("nan"), 1.5, None])
    words = pa.array([float("nan"), float("inf"), float("-inf")], pa.float32())

    assert [one(values, kind) for kind in (DOUBLE, DECIMAL)] == [[None, "1.5", None]] * 2
    assert one(words, STRING) == ["nan", "inf", "-inf"]


def test_truth_values_are_numbers_among_numbers() -> None:
    """A LONG column takes 1 and 0, a STRING the words."""
    values = pa.array([True, None, False])

    assert one(values, LONG) == ["1", None, "0"]
    assert one(values, STRING) == ["true", None, "false"]


def test_nanoseconds_are_kept_in_text() -> None:
    """A STRING column takes all nine digits."""
    values = pa.array([1_001, None], pa.timestamp("ns", "UTC"))

    assert one(values, STRING) == ["1970-01-01 00:00:00.000001001Z", None]


def test_zones_are_converted() -> None:
    """The same moment is the same text, whatever zone its column has."""
    noon = datetime(2026, 7, 1, 12, tzinfo=UTC)

    for zone in ("UTC", "Europe/Berlin", "-03:30"):
        assert one(pa.array([noon], pa.timestamp("s", zone)), DATETIME) == ["2026-07-01 12:00:00Z"]


def test_decimals_are_written_alike_with_any_arrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decimals of 64 bits, which older versions lack, are a shortcut only; so are digits beyond the type's."""
    values = pa.array([Decimal("1.50"), None, Decimal("-0.01")], pa.decimal128(5, 2))
    raw = (123_456_789).to_bytes(16, "little") + (-1).to_bytes(16, "little", signed=True)
    beyond = pa.Array.from_buffers(pa.decimal128(5, 2), 2, [None, pa.py_buffer(raw)])
    quick = rendered(values)
    monkeypatch.delattr(pa, "decimal64")

    assert quick == rendered(values) == b"1.50\n\n-0.01\n"
    monkeypatch.undo()
    assert rendered(beyond) == b"1234567.89\n-0.01\n"


DAY_S = 86_400
YEAR_10000 = 2_932_897
BAD = {
    "infinity": (pa.array([1.5, float("-inf")]), DOUBLE, "-inf is no number"),
    "float32 infinity": (pa.array([1.5, float("inf")], pa.float32()), DECIMAL, "inf is no number"),
    "float16 infinity": (pa.array([np.float16(1), np.float16("inf")], pa.float16()), DOUBLE, "inf is no number"),
    "nested infinity": (pa.array([[1.0, 2.0], [3.0, float("inf")]]), STRING, "inf is no number"),
    "deeply nested": (pa.array([[[1.0]], [[], [2.0, float("inf")]]]), STRING, "inf is no number"),
    "struct": (pa.array([{"a": 1.0}, {"a": float("inf")}]), STRING, "inf is no number"),
    "map": (pa.array([[], [(1, float("inf"))]], pa.map_(pa.int8(), pa.float64())), STRING, "inf is no number"),
    "nanoseconds": (
        pa.array([1_000, -1_001], pa.timestamp("ns")),
        DATETIME,
        "1969-12-31 23:59:59.999998999 is finer than a microsecond",
    ),
    "far date": (pa.array([0, YEAR_10000], pa.int32()).view(pa.date32()), DATE, "outside the years 1 to 9999"),
    "early date": (pa.array([0, -719_163], pa.int32()).view(pa.date32()), DATE, "outside the years 1 to 9999"),
    "date64": (pa.array([0, YEAR_10000 * DAY_S * 1000]).view(pa.date64()), STRING, "outside the years 1 to 9999"),
    "timestamp": (pa.array([0, YEAR_10000 * DAY_S], pa.timestamp("s")), DATETIME, "outside the years 1 to 9999"),
    "zoned": (pa.array([0, 2**63 - 1], pa.timestamp("us", "UTC")), DATETIME, "outside the years 1 to 9999"),
    "time": (pa.array([0, DAY_S], pa.int32()).view(pa.time32("s")), STRING, "86400 s is no time of the day"),
    "negative time": (pa.array([0, -1], pa.int64()).view(pa.time64("ns")), STRING, "-1 ns is no time of the day"),
    "text": (raw_text("ä".encode(), b"\xff"), STRING, "the text is not UTF-8"),
    "cut text": (raw_text(b"a", "ä".encode()[:1]), STRING, "the text is not UTF-8"),
    "surrogate": (raw_text(b"a", b"\xed\xa0\x80"), STRING, "the text is not UTF-8"),
    "large text": (raw_text(b"a", b"\xff").cast(pa.large_string()), STRING, "the text is not UTF-8"),
    "view": (raw_text(b"a", b"\xff").cast(pa.string_view()), STRING, "the text is not UTF-8"),
    "listed text": (pa.ListArray.from_arrays([0, 1, 3], raw_text(b"a", b"b", b"\xff")), STRING, "not UTF-8"),
    "categories": (pa.DictionaryArray.from_arrays([1, 0], raw_text(b"\xff", b"a")), STRING, "not UTF-8"),
}


@pytest.mark.parametrize(("array", "target", "reason"), BAD.values(), ids=BAD)
def test_what_has_no_text_is_an_error_with_its_place(array: pa.Array, target: ColumnType, reason: str) -> None:
    """Nothing is cut, rounded or dropped silently: the error names column and row, also of a slice."""
    for values, row in ((array, 1), (array[1:], 0)):
        with pytest.raises(BadValue, match=reason) as caught:
            one(values, target)

        assert (caught.value.column, caught.value.row) == ("c0", row)
        assert caught.value.hint


def test_place_of_a_bad_value_in_its_source() -> None:
    """Whoever knows the source adds its name and the rows before."""
    with pytest.raises(BadValue) as caught:
        one(pa.array([1.5, float("inf")]), DOUBLE)

    error = caught.value.within("data.parquet", 1_000_000)

    assert str(error) == "data.parquet, row 1,000,002, column 'c0': inf is no number"
    assert (error.row, error.column, error.name, error.hint) == (1_000_001, "c0", "data.parquet", caught.value.hint)


def test_layout_orders_and_leaves_out() -> None:
    """Columns are asked for and written in the dataset's order; what nothing fills is empty."""
    schema = pa.schema([("a", pa.int8()), ("b", pa.string()), ("c", pa.bool_())])
    layout = (Slot(Column("x"), 2), Slot(Column("y"), None), Slot(Column("z", LONG), 0))
    renderer = Renderer(schema, layout, Binary.REFUSE)

    data = renderer(pa.RecordBatch.from_arrays([pa.array([True, None]), pa.array([1, 2], pa.int8())], ["c", "a"]))

    assert renderer.needed == (2, 0)
    assert data.to_pybytes() == b"true,,1\n,,2\n"
    assert repr(renderer) == "Renderer(2 of 3 columns filled)"


def test_rows_without_a_column_are_rows() -> None:
    """Where no column of the source is loaded, each of its rows is still one."""
    schema = pa.schema([("a", pa.int8())])
    batch = pa.RecordBatch.from_arrays([pa.array([1, 2], pa.int8())], ["a"]).select([])
    renderer = Renderer(schema, (Slot(Column("x"), None), Slot(Column("y"), None)), Binary.REFUSE)

    assert renderer.needed == ()
    assert renderer(batch).to_pybytes() == b",\n,\n"
    assert Renderer(schema, (Slot(Column("x"), None),), Binary.REFUSE)(batch).to_pybytes() == b"\n\n"
    assert Renderer(schema, (), Binary.REFUSE)(batch).size == 0


def test_null_and_empty_text_are_different() -> None:
    """Null is nothing between the commas, an empty string two quotes; a row of one null is a blank line."""
    values = pa.array([None, "", "x"])

    assert rendered(values, values) == b',\n"",""\n"x","x"\n'
    assert rendered(values) == b'\n""\n"x"\n'


def test_no_rows_make_no_lines() -> None:
    """A batch of no rows is no bytes."""
    assert rendered(pa.array([], pa.string()), pa.array([], pa.list_(pa.int8()))) == b""


def test_a_thousand_columns() -> None:
    """Wide tables are rendered like others."""
    arrays = [pa.array([n, None, -n], pa.int64()) for n in range(1_000)]

    assert fields_of(rendered(*arrays)) == [
        [str(n) for n in range(1_000)],
        [None] * 1_000,
        [str(-n) for n in range(1_000)],
    ]


def test_more_rows_than_are_written_in_one_go() -> None:
    """The order of rows and the ends of lines hold across Arrow's own batches."""
    numbers = range(50_001)

    data = rendered(pa.array(numbers), pa.array(map(str, numbers)).dictionary_encode())

    assert data == "".join(f'{n},"{n}"\n' for n in numbers).encode()


def test_a_megabyte_in_one_field() -> None:
    """Long text, with all that is special in it, is one field."""
    long = 'a,"\r\n' * 209_716

    assert fields_of(rendered(pa.array([long, "b"]))) == [[long], ["b"]]


def test_several_threads_share_a_renderer() -> None:
    """A renderer has no state that calls could mix up."""
    schema = pa.schema([("n", pa.int64()), ("t", pa.timestamp("us", "UTC"))])
    renderer = Renderer(schema, (Slot(Column("n"), 0), Slot(Column("t", DATETIME), 1)), Binary.REFUSE)
    batches = [
        pa.RecordBatch.from_arrays([pa.repeat(n, 5_000), pa.repeat(n, 5_000).cast(schema.field(1).type)], schema=schema)
        for n in range(16)
    ]

    with ThreadPoolExecutor(4) as pool:
        several = [data.to_pybytes() for data in pool.map(renderer, batches)]

    assert several == [renderer(batch).to_pybytes() for batch in batches]


@pytest.mark.parametrize("module", ["renderer", "arrow_types"])
def test_arrow_is_optional(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    """Without pyarrow the error says how to install it."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for name in ("renderer", "arrow_types"):
        monkeypatch.delitem(sys.modules, f"bulkstream.sources.render.{name}")

    with pytest.raises(MissingExtra, match="pyarrow is not installed"):
        __import__(f"bulkstream.sources.render.{module}")


SCALARS: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.int8(): st.integers(-128, 127),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.uint64(): st.integers(0, 2**64 - 1),
    pa.float32(): st.floats(width=32, allow_infinity=False),
    pa.float64(): st.floats(allow_infinity=False),
    pa.decimal128(12, 9): st.decimals(-999, 999, places=9),
    pa.decimal128(38, 4): st.decimals(-(10**30), 10**30, places=4),
    pa.bool_(): st.booleans(),
    pa.date32(): st.dates(),
    pa.timestamp("us"): st.datetimes(),
    pa.timestamp("us", "Asia/Kolkata"): st.datetimes(timezones=st.just(UTC)),
    pa.time64("us"): st.times(),
    pa.duration("us"): st.timedeltas(timedelta(days=-10_000), timedelta(days=10_000)),
    pa.string(): st.text(),
    pa.large_string(): st.text('",\r\n\\ a'),
    pa.binary(): st.binary(),
}


def nullable(kind: pa.DataType, values: st.SearchStrategy[Any]) -> tuple[pa.DataType, st.SearchStrategy[Any]]:
    return kind, st.none() | values


def lists(of: tuple[pa.DataType, st.SearchStrategy[Any]]) -> tuple[pa.DataType, st.SearchStrategy[Any]]:
    return nullable(pa.list_(of[0]), st.lists(of[1], max_size=3))


def structs(
    fields: list[tuple[pa.DataType, st.SearchStrategy[Any]]],
) -> tuple[pa.DataType, st.SearchStrategy[Any]]:
    names = [f'f"{n}' for n in range(len(fields))]
    kind = pa.struct([(name, field[0]) for name, field in zip(names, fields, strict=True)])
    return nullable(kind, st.fixed_dictionaries({name: field[1] for name, field in zip(names, fields, strict=True)}))


KINDS = st.recursive(
    st.sampled_from([nullable(kind, values) for kind, values in SCALARS.items()]),
    lambda inner: inner.map(lists) | st.lists(inner, max_size=3).map(structs),
    max_leaves=4,
)


@given(st.data())
def test_any_batch_is_what_the_reference_says(data: st.DataObject) -> None:
    """Columns of any types, sliced anywhere: field by field, as Python's reader sees them, and however it is split."""
    kinds = data.draw(st.lists(KINDS, min_size=1, max_size=4))
    rows = data.draw(st.integers(0, 6))
    arrays = [pa.array(data.draw(st.lists(of, min_size=rows, max_size=rows)), kind) for kind, of in kinds]
    begin = data.draw(st.integers(0, rows))
    arrays = [array[begin:] for array in arrays]
    targets = [inferred.column.type for inferred in typed(pa.schema([("c", a.type) for a in arrays]))]

    lines = rendered(*arrays)

    middle = (rows - begin) // 2
    assert lines == rendered(*(array[:middle] for array in arrays)) + rendered(*(array[middle:] for array in arrays))
    fields = fields_of(lines)
    assert len(fields) == rows - begin
    for row, read in enumerate(fields):
        assert all(same(read[n], array[row], targets[n]) for n, array in enumerate(arrays)), read
    parsed = [row or [""] for row in csv.reader(io.StringIO(lines.decode(), newline=""))]
    assert parsed == [[field or "" for field in row] for row in fields]
