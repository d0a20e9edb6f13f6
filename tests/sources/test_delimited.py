"""Delimited text: the values that stand there, and every bad row with its place."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstream.errors import BadRow, RecordTooLong, SourceError, SourceUnreadable, UnclosedQuote
from bulkstream.sources.text.decode import Decoded, encoding_of
from bulkstream.sources.text.delimited import Delimited, open_delimited
from bulkstream.sources.text.dialect import RFC4180, LineEnd, TextDialect
from bulkstream.sources.text.pieces import Limits
from bulkstream.sources.text.text_sample import TextSample, head_record, read_sample, sampled_records
from tests.support.text_content import TextContent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkstream.model import Reject

Row = list[str | None]
SMALL = Limits(block_bytes=16, record_bytes=1 << 20)


def opened(
    data: bytes, dialect: TextDialect = RFC4180, *, width: int | None = 2, limits: Limits = SMALL, most: int = 1 << 20
) -> Delimited:
    names = None if width is None else [f"c{number}" for number in range(width)]
    return open_delimited(TextContent(data, most=most), dialect, names=names, skip_header=False, limits=limits)


def rows(source: Delimited, columns: Sequence[int] | None = None) -> list[Row]:
    """Do all tasks."""
    wanted = range(len(source.schema)) if columns is None else columns
    batches = [batch for task in source.tasks(wanted) for batch in task()]
    for batch in batches:
        batch.validate(full=True)
    return [list(row) for batch in batches for row in zip(*(c.to_pylist() for c in batch.columns), strict=True)]


def sifted(data: bytes, width: int = 2, dialect: TextDialect = RFC4180) -> tuple[list[Row], list[Reject]]:
    """Read, with bad rows left out."""
    bad: list[Reject] = []
    names = [f"c{number}" for number in range(width)]
    source = open_delimited(TextContent(data), dialect, names=names, skip_header=False, limits=SMALL, on_bad=bad.append)
    return rows(source), bad


# ---- values


@pytest.mark.parametrize("limits", [SMALL, Limits()])
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"a,b\n", [["a", "b"]]),
        (b"a,b", [["a", "b"]]),
        (b"a,b\r\nc,d\r\n", [["a", "b"], ["c", "d"]]),
        (b"\xef\xbb\xbfa,b\n", [["a", "b"]]),
        (b' a ,\t"b" \n', [[" a ", '\t"b" ']]),
        (b',""\n"",\n', [[None, ""], ["", None]]),
        (b",\n,\n", [[None, None], [None, None]]),
        (b',"\n\n"\n', [[None, "\n\n"]]),
        (b'"a""b","c,d"\n', [['a"b', "c,d"]]),
        (b'"x\r\ny\r\rz\n",2\n', [["x\r\ny\r\rz\n", "2"]]),
        (b"a\rb,c\n", [["a\rb", "c"]]),
        (b"a,b\r\r\n", [["a", "b\r"]]),
        (b"a,b\r", [["a", "b\r"]]),
        (b"x\0y,\0\n", [["x\0y", "\0"]]),
        (b"NULL,null\nNaN,\\N\n", [["NULL", "null"], ["NaN", "\\N"]]),
        (b"007,1e5\n", [["007", "1e5"]]),
        (b'5" pipe,b\nc,d\n', [['5" pipe', "b"], ["c", "d"]]),
        (b'5" pipe,"6\n7"\nc,"d\n"\n8",9\n', [['5" pipe', "6\n7"], ["c", "d\n"], ['8"', "9"]]),
        (b'"a"b"c,d\n', [['ab"c', "d"]]),
    ],
)
def test_values_are_what_stands_there(data: bytes, expected: list[Row], limits: Limits) -> None:
    """Nothing is trimmed, guessed or lost; an unquoted empty field is null, a quoted one is not."""
    assert rows(opened(data, limits=limits)) == expected


@pytest.mark.parametrize(
    ("data", "dialect", "expected"),
    [
        (b"a;1,5\n", TextDialect(";"), [["a", "1,5"]]),
        (b"a\x01b\n", TextDialect("\x01"), [["a", "b"]]),
        (b'a|"b\n', TextDialect("|", None), [["a", '"b']]),
        (b"'a,b',''\n", TextDialect(",", "'"), [["a,b", ""]]),
        (b'"a\\"b",c\\,d\n\\\\,e\\\nf\n', TextDialect(escape="\\"), [['a"b', "c,d"], ["\\", "e\nf"]]),
        (b'"a\\\\",b\n"\\\\\\"","\\\n"\n', TextDialect(escape="\\"), [["a\\", "b"], ['\\"', "\n"]]),
        (b"a,b\\\n", TextDialect(escape="\\"), [["a", "b\n"]]),
        (
            b'\\N,"\\N"\n"x,\\N,y",\\N\r\nx\\,\\N,\\N',
            TextDialect(escape="\\"),
            [
                [None, "N"],
                ["x,N,y", None],
                ["x,N", None],
            ],
        ),
        (b"\\N\t\\\\N\nN\tx\\N\n", TextDialect("\t", None, "\\"), [[None, "\\N"], ["N", "xN"]]),
        (b"a,b\rc,d", replace(RFC4180, ends=LineEnd.CR), [["a", "b"], ["c", "d"]]),
        (b'a\nb,"c\rd\r\n"\re,f\r', replace(RFC4180, ends=LineEnd.CR), [["a\nb", "c\rd\r\n"], ["e", "f"]]),
    ],
)
def test_dialects_are_read(data: bytes, dialect: TextDialect, expected: list[Row]) -> None:
    """Delimiters, quotes, escapes and line ends are those of the dialect, and no others."""
    assert rows(opened(data, dialect)) == expected


def test_blank_lines_are_records_of_one_column() -> None:
    """As plain CSV has it: one empty field each, also at the end."""
    assert rows(opened(b'\na\n""\n\n', width=1)) == [[None], ["a"], [""], [None]]


def test_columns_are_chosen_by_number() -> None:
    """In any order, and as often as they are named."""
    source = opened(b"1,2,3\n4,,6\n", width=3)

    assert rows(source, [2, 0]) == [["3", "1"], ["6", "4"]]
    assert rows(source, [1]) == [["2"], [None]]
    assert rows(source, [1, 1]) == [["2", "2"], [None, None]]


def test_a_header_names_the_columns() -> None:
    """Also where two are alike; nothing is read twice, so that a pipe will do."""
    content = TextContent(b'"id","a ""b""",id\n1,2,3\n')

    source = open_delimited(content, RFC4180, names=None, skip_header=True, limits=SMALL)

    assert source.schema.names == ["id", 'a "b"', "id"]
    assert rows(source) == [["1", "2", "3"]]
    assert len(content.opened) == 1


def test_columns_without_header_are_numbered() -> None:
    """The first record is data then."""
    source = opened(b"1;2\n", TextDialect(";"), width=None)

    assert source.schema.names == ["Column 1", "Column 2"]
    assert rows(source) == [["1", "2"]]


def test_given_names_replace_the_header() -> None:
    """The header is passed over, whatever it says."""
    source = open_delimited(TextContent(b'"a\nb"\n1\n'), RFC4180, names=["n"], skip_header=True, limits=SMALL)

    assert (source.schema.names, rows(source)) == (["n"], [["1"]])


def test_wide_and_long_records() -> None:
    """Thousands of columns, and records many times longer than a piece."""
    wide = [str(number) for number in range(3000)]
    long = "x\n" * 500_000

    assert rows(opened(",".join(wide).encode(), width=3000)) == [wide]
    assert rows(opened(f'a,b\n"{long}",c\nd,e\n'.encode())) == [["a", "b"], [long, "c"], ["d", "e"]]


def test_it_can_be_read_again() -> None:
    """Each task opens the text anew."""
    source = opened(b"a,b\n")

    assert rows(source) == rows(source) == [["a", "b"]]


# ---- what is wrong


@pytest.mark.parametrize(
    ("data", "line", "offset", "reason", "shown"),
    [
        (b"a,b\nc\n", 2, 4, "1 field instead of 2", "c"),
        (b"a,b\nc,d,e\nf,g\n", 2, 4, "3 fields instead of 2", "c,d,e"),
        (b"a,b\n\nc,d\n", 2, 4, "blank line", "(empty)"),
        (b"a,b\r\n\r\n", 2, 5, "blank line", "(empty)"),
        (b"\n", 1, 0, "blank line", "(empty)"),
        (b',"\n\n"\n\n', 4, 6, "blank line", "(empty)"),
        (b'"a\nb",c\nd\n', 3, 8, "1 field instead of 2", "d"),
        (b"a,b\nc,\xff\n", 2, 4, "invalid UTF-8: byte 0xff at offset 2 of the row", "c,\\\\xff"),
        (b"a,b\nc\rd\n", 2, 4, "1 field instead of 2", "c\\\\rd"),
        (b"0123456789,b\n" * 9 + b"x,y,z", 10, 117, "3 fields instead of 2", "x,y,z"),
    ],
)
def test_a_bad_row_is_told_with_its_place(data: bytes, line: int, offset: int, reason: str, shown: str) -> None:
    """File, line, byte, reason and the row itself, as for plain CSV."""
    with pytest.raises(BadRow) as raised:
        rows(opened(data))

    error = raised.value
    assert (error.path, error.line, error.offset, error.reason) == ("text.csv", line, offset, reason)
    assert error.excerpt == shown.replace("\\\\", "\\")
    assert error.hint == "Repair the row; --max-bad-rows is only for CSV that is sent as it is."


def test_lines_of_old_macs_are_counted() -> None:
    """By what ends them."""
    with pytest.raises(BadRow, match="line 3"):
        rows(opened(b"a,b\rc,d\re\r", replace(RFC4180, ends=LineEnd.CR)))


def test_bad_rows_are_left_out_where_they_may_be() -> None:
    """The others are read as if the bad ones were not there; what was left out is known to the byte."""
    read, bad = sifted(b'a,b\nbad\n"c\n",d\n\n\xff,\xfe\n5" x,"\n"\nf,g\rh\n,\nlast,1,2')

    assert read == [["a", "b"], ["c\n", "d"], ['5" x', "\n"], ["f", "g\rh"], [None, None]]
    assert [(each.line, each.row) for each in bad] == [
        (2, b"bad\n"), (5, b"\n"), (6, b"\xff,\xfe\n"), (11, b"last,1,2"),
    ]  # fmt: skip


def test_nothing_but_bad_rows() -> None:
    """A piece without a good row gives no batch."""
    assert sifted(b"a\nb\n")[0] == []


@pytest.mark.parametrize("data", [b'a,b\n"c,d\ne,f\n', b'a,"b', b'a,b\n5" c,"d\n', b'a,b\nc,"'])
def test_a_quote_that_nothing_closes_is_an_error(data: bytes) -> None:
    """A stray quote can't swallow the rest of a text."""
    with pytest.raises(UnclosedQuote, match=f"byte {data.rfind(b'a,b') + 4 if b'a,b' in data else 0}"):
        rows(opened(data))


def test_a_record_can_be_too_long() -> None:
    """Beyond the limit, a record is an error with its place."""
    with pytest.raises(RecordTooLong, match="byte 4: this record is longer than 64 bytes"):
        rows(opened(b'a,b\n"' + b"x" * 200, limits=Limits(block_bytes=16, record_bytes=64)))


def test_an_escape_at_the_very_end_is_an_error() -> None:
    """It stands before nothing."""
    with pytest.raises(SourceError, match="can't be told apart"):
        rows(opened(b"a,b\\", TextDialect(escape="\\")))


def test_a_header_that_is_no_utf_8_is_an_error() -> None:
    """Names of columns are text; and nothing is left open."""
    content = TextContent(b"\xff,a\n")

    with pytest.raises(SourceError, match="the first record is not UTF-8"):
        open_delimited(content, RFC4180, names=None, skip_header=True)
    assert content.opened[0].closed


# ---- the rest of what batches are


def test_closing_ends_tasks_and_closes_streams() -> None:
    """A task that goes on behind that says so."""
    content = TextContent(b"a,b\n" * 100)
    source = open_delimited(content, RFC4180, names=["a", "b"], skip_header=False, limits=SMALL)
    (task,) = source.tasks([0])
    batches = task()
    next(batches)

    source.close()
    source.close()

    assert content.opened[0].closed
    with pytest.raises(SourceUnreadable, match="was closed"):
        list(batches)
    with pytest.raises(SourceUnreadable, match="was closed"):
        list(task())


def test_a_task_that_is_given_up_closes_its_stream() -> None:
    """Also in the middle."""
    content = TextContent(b"a,b\n" * 100)
    (task,) = open_delimited(content, RFC4180, names=["a", "b"], skip_header=False, limits=SMALL).tasks([0])
    batches = task()
    next(batches)

    batches.close()  # type: ignore[attr-defined]

    assert content.opened[0].closed


def test_a_dry_run_can_describe_it() -> None:
    """Name, form and dialect, and what its content says of itself."""
    content = TextContent(b"", unrepeatable="a pipe", difference="it grew")
    source = open_delimited(content, TextDialect(";"), names=["a"], skip_header=False)

    assert (source.name, source.format, source.rows) == ("text.csv", "delimited text", None)
    assert source.details == (("dialect", "delimiter ';', quote '\"'"),)
    assert (source.unrepeatable, source.changes()) == ("a pipe", ("it grew",))


def test_an_empty_text_has_no_columns() -> None:
    """And no tasks, unless somebody knows its columns."""
    source = opened(b"", width=None)

    assert (source.schema.names, rows(source)) == ([], [])


# ---- samples


def test_samples_give_head_and_records() -> None:
    """Whole records of the right width, a null as an empty field."""
    sample = read_sample(TextContent(b'\xef\xbb\xbfid;name\n1;\n2\n3;"x\ny"\n4;cut', most=3), 28)

    assert not sample.whole
    assert head_record(sample, TextDialect(";")) == ["id", "name"]
    assert sampled_records(sample, TextDialect(";"), fields=2, skip_header=True) == [["1", ""], ["3", "x\ny"]]


def test_a_whole_sample_has_its_last_record() -> None:
    """Also where it has no line end."""
    sample = read_sample(TextContent(b"1,2\n3,4"), 7)

    assert sample == TextSample("text.csv", b"1,2\n3,4", whole=True)
    assert sampled_records(sample, RFC4180, fields=2, skip_header=False) == [["1", "2"], ["3", "4"]]


def test_a_head_beyond_the_sample_is_an_error() -> None:
    """It is no header."""
    with pytest.raises(RecordTooLong, match="first record is longer than 4 bytes"):
        head_record(read_sample(TextContent(b"a,b,c\n"), 4), RFC4180)


def test_a_head_that_ends_in_two_crs_is_an_error() -> None:
    """A slip on Windows; where lines end in CR alone, there are no such."""
    with pytest.raises(SourceError, match="lines end in CR CR LF"):
        head_record(TextSample("x", b"a;b\r\r\n1;2\r\r\n", whole=True), TextDialect(";"))


def test_an_empty_sample_has_no_head() -> None:
    """None at all, not one of an empty field."""
    assert head_record(TextSample("x", b"", whole=True), RFC4180) == []
    assert head_record(TextSample("x", b"\n", whole=True), RFC4180) == [""]


# ---- whatever Python writes

ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"]
CELL = st.text(st.sampled_from("ab,;\t|\x01'\"\\\r\n \0é€"), max_size=8)
QUOTES = [('"', None, True), ("'", None, True), ('"', "\\", False), ('"', "\\", True), (None, "\\", True)]


@st.composite
def written(draw: st.DrawFn) -> tuple[str, TextDialect, list[list[str]]]:
    """A table as Python's writer writes it, with its dialect."""
    quote, escape, doubled = draw(st.sampled_from(QUOTES))
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    ends = LineEnd.CR if end == "\r" else LineEnd.LF
    dialect = TextDialect(draw(st.sampled_from(",;\t|\x01")), quote, escape, doubled, ends)
    width = draw(st.integers(2, 4) if quote is None else st.integers(1, 4))
    table = draw(st.lists(st.lists(CELL, min_size=width, max_size=width), max_size=12))
    quoting = csv.QUOTE_NONE if quote is None else draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    if (
        end == "\n" and quoting != csv.QUOTE_ALL
    ):  # Python may write a CR as it is, which the end of a line takes with it
        table = [[cell.replace("\r", "") for cell in row] for row in table]
    out = io.StringIO()
    csv.writer(
        out,
        delimiter=dialect.delimiter,
        quotechar=quote,
        escapechar=escape,
        doublequote=doubled,
        lineterminator=end,
        quoting=quoting,  # type: ignore[arg-type]
    ).writerows(table)
    return out.getvalue(), dialect, table


@given(written(), st.sampled_from(ENCODINGS), st.integers(1, 40), st.integers(1, 40))
def test_whatever_python_writes_is_read_back(
    text: tuple[str, TextDialect, list[list[str]]], encoding: str, block: int, most: int
) -> None:
    """Any table, in any dialect and encoding, cut into pieces of any size."""
    content, dialect, table = TextContent(text[0].encode(encoding), most=most), text[1], text[2]
    plain = Decoded(content, encoding_of(content.data, encoding))
    names = [str(number) for number in range(len(table[0]) if table else 1)]

    source = open_delimited(plain, dialect, names=names, skip_header=False, limits=Limits(block_bytes=block))

    assert [[cell or "" for cell in row] for row in rows(source)] == table


@given(written())
def test_samples_read_alike(text: tuple[str, TextDialect, list[list[str]]]) -> None:
    """What types are told from is what is loaded."""
    sample, dialect, table = TextSample("x", text[0].encode(), whole=True), text[1], text[2]

    width = len(table[0]) if table else 1
    assert head_record(sample, dialect) == (table[0] if table else [])
    assert sampled_records(sample, dialect, fields=width, skip_header=False) == table


DIALECTS = [RFC4180, TextDialect(escape="\\"), TextDialect(quote=None, escape="\\"), TextDialect(ends=LineEnd.CR)]


@given(
    st.text(st.sampled_from('aN,"\r\n\\'), max_size=60),
    st.sampled_from(DIALECTS),
    st.integers(1, 20),
    st.integers(1, 3),
)
def test_pieces_make_no_difference(text: str, dialect: TextDialect, block: int, width: int) -> None:
    """Any text, however broken, is read as it is in one piece: the same rows, the same bad ones, the same error."""

    def outcome(block_bytes: int) -> tuple[list[Row], list[Reject], str]:
        bad: list[Reject] = []
        names = [str(number) for number in range(width)]
        limits = Limits(block_bytes=block_bytes)
        source = open_delimited(
            TextContent(text.encode()), dialect, names=names, skip_header=False, limits=limits, on_bad=bad.append
        )
        (task,) = source.tasks(range(width))
        read: list[Row] = []
        try:
            for batch in task():
                read += [list(row) for row in zip(*(c.to_pylist() for c in batch.columns), strict=True)]
        except SourceError as error:
            return [], bad, str(error) if isinstance(error, UnclosedQuote) else type(error).__name__
        return read, bad, ""

    assert outcome(block) == outcome(1 << 10)
