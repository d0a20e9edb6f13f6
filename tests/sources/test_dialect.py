"""Dialects: as users write them, and as a text shows them."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstream.errors import UsageError
from bulkstream.sources.text.dialect import RFC4180, LineEnd, TextDialect, parse_dialect
from bulkstream.sources.text.sniff import SNIFFED_BYTES, Sniffed, sniffed

SEMICOLONS = TextDialect(";")
TABS = TextDialect("\t")


def sniff(text: str, *, whole: bool = True) -> Sniffed:
    return sniffed(text.encode(), whole=whole)


@pytest.mark.parametrize(
    ("text", "dialect"),
    [
        ("delimiter=;", SEMICOLONS),
        ("semicolon", SEMICOLONS),
        (";", SEMICOLONS),
        ("sep=tab", TABS),
        (r"\t", TABS),
        ("Pipe", TextDialect("|")),
        (r"delimiter=; quote=' escape=\ ", TextDialect(";", "'", "\\")),
        (r"delimiter=\x01 quote=none", TextDialect("\x01", None)),
        ("quote=single doubled=no escape=backslash", TextDialect(",", "'", "\\", doubled=False)),
        ("ends=CR", replace(RFC4180, ends=LineEnd.CR)),
        ("rfc4180", RFC4180),
        ("csv ends=cr", replace(RFC4180, ends=LineEnd.CR)),
        ("delimiter=,", RFC4180),
    ],
)
def test_users_write_dialects(text: str, dialect: TextDialect) -> None:
    """Parts, words and characters; what is not named is as in RFC 4180."""
    assert parse_dialect(text) == dialect


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "is no dialect"),
        ("delimiter=", "not one ASCII character"),
        ("delimiter=;;", "not one ASCII character"),
        ("delimiter=§", "not one ASCII character"),
        ("delimiter=none", "needs a delimiter"),
        ("delimiter=a", "can't be 'a'"),
        (r"quote=\x0a", "can't be"),
        ("; tab", "one delimiter, not two"),
        ("colour=red", "no 'colour'"),
        ("doubled=perhaps", "doubled is yes or no"),
        ("ends=crlf", "ends is lf or cr"),
        ('escape="', "quote and escape are the same"),
        ("delimiter=; quote=;", "can't be the delimiter and something else"),
        (r"delimiter=\ escape=\ ", "can't be the delimiter and something else"),
    ],
)
def test_nonsense_is_refused(text: str, wrong: str) -> None:
    """What can't be is told, with an example of what can."""
    with pytest.raises(UsageError, match=wrong) as raised:
        parse_dialect(text)

    assert raised.value.hint


@pytest.mark.parametrize(
    ("dialect", "shown"),
    [
        (RFC4180, "delimiter ',', quote '\"'"),
        (TextDialect("\t", None), "delimiter tab, no quotes"),
        (TextDialect("\x01", "'", "\\"), "delimiter \\x01, quote \"'\", escape '\\'"),
        (
            TextDialect(";", doubled=False, ends=LineEnd.CR),
            "delimiter ';', quote '\"', quotes not doubled, line ends CR",
        ),
    ],
)
def test_a_dry_run_shows_dialects(dialect: TextDialect, shown: str) -> None:
    """Characters that can't be seen have names."""
    assert str(dialect) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "id,name\n",
        "id,name",
        "id\n1\n2\n",
        "text\nhello; world\nno more\na; b; c\n",
        "text\nyes; no\nthis; that\n",
        "a|b\n",
        'a,b\n"1;2","3;4"\n',
        "a;b,c;d\n1;2,3;4\n",
        "1,5;2,5\n3,5;4,5\n",
        'path,n\n"C:\\",1\n"D:\\x\\",2\n',
        "'a','b'\n'c','d'\n",
        "a\\,b,c\nd\\,e,f\n",
        'a,b\n"x\ny",2\n',
        "a,b\r\n1,2\r\n",
        "a,b\n1\r2,3\n",
        "a,b\n1,2\n\n3,4\n",
        "only one cell",
        'a,b\n5" pipe,2\n',
        "Title | Site\nOther | Site\n",
        "x\ty\n",
    ],
)
def test_plain_csv_stays_plain_csv(text: str) -> None:
    """One column, one row, no row, delimiters in text and in quotes: all of it is RFC 4180, as before."""
    assert sniff(text).dialect == RFC4180


@pytest.mark.parametrize(
    ("text", "dialect"),
    [
        ("a;b\n1,5;2,5\n3,5;4\n", SEMICOLONS),
        ('0,5;"a"\n1,5;"b"\n', SEMICOLONS),
        ("name;wert\n1,5;2,5\n3,5;4,5\n", SEMICOLONS),
        ("a\tb\n1\t2\n", TABS),
        ("a|b|c\n1|2|3\n", TextDialect("|")),
        ("a | b\n1|2\n", TextDialect("|")),
        ("a\x01b\nc\x01d\n", TextDialect("\x01")),
        ('a;b\n"x;y";2\n"x\n1";3\n', SEMICOLONS),
        ("a;b\n'x;y';'2'\n'x;z';'3'\n'w';'4'\n", TextDialect(";", "'")),
        ("a,b\n'x,y','2'\n'x','3'\n", TextDialect(",", "'")),
        ('a,b\n"say \\"hi\\", you",2\n"x",3\n', TextDialect(escape="\\")),
        ("a;b\nx\\;y;2\nz;3\n", TextDialect(";", escape="\\")),
        ('size\tname\n12" vinyl\tx\n7"\ty\n', TABS),
        ('a\tb\n"Heroes" by Bowie\tx\nLow\ty\n', TextDialect("\t", None)),
        ("a,b\r1,2\r", replace(RFC4180, ends=LineEnd.CR)),
        ('a;b\r"x\ny";2\r', replace(SEMICOLONS, ends=LineEnd.CR)),
        ("a;b\r\n1;2\r\n\r\n", SEMICOLONS),
    ],
)
def test_other_dialects_are_told(text: str, dialect: TextDialect) -> None:
    """What gives all records the same fields, where RFC 4180 does not."""
    assert sniff(text).dialect == dialect


@pytest.mark.parametrize(
    ("text", "certain"),
    [
        ("a,b\n1,2\n", True),
        ("a;b\n1;2\n", True),
        ("id\n1\n", True),
        ("", True),
        ("a;b,c;d\n1;2,3;4\n", False),
        ("a;b\n", False),
        ("a;b|c;d\n1;2|3;4\n", False),
        ('a,b\n5" pipe,2\n', False),
        ('a,b\n"unclosed,2\n', False),
        ("a,b\n1,2,3\n4\n", False),
    ],
)
def test_doubt_is_told(text: str, certain: bool) -> None:
    """Where another reading was possible, or none is good, that is said, with a reason."""
    told = sniff(text)

    assert told.certain is certain
    assert told.reason


def test_the_reason_counts() -> None:
    """The reason is a sentence for the dry run."""
    assert sniff("a;b\n1;2\n").reason == "2 sampled records have 2 fields each"


def test_a_bad_row_changes_nothing() -> None:
    """Some rows with too many or too few fields are bad rows of a dialect, not a reason for another."""
    rows = ["a;b;c"] + ["1;2;3"] * 40

    assert sniff("\n".join([*rows, "1;2"])).dialect == SEMICOLONS
    assert sniff("\n".join([*rows, "1;2"]).replace(";", ",")).dialect == RFC4180


def test_a_cut_off_sample_is_judged_by_its_whole_records() -> None:
    """The record that the sample cuts off is no witness, in quotes or not."""
    assert sniff("a;b;c\n1;2;3\n4;5", whole=False).dialect == SEMICOLONS
    assert sniff('a;b;c\n1;2;3\n4;"5;6\n', whole=False).dialect == SEMICOLONS


@pytest.mark.parametrize(
    ("begin", "dialect"),
    [
        ('"id";"text"\n1;"a"\n2;"', SEMICOLONS),
        ('id\ttext\n1\ta\n2\t"', TABS),
        ('id,text\r1,a\r2,"', replace(RFC4180, ends=LineEnd.CR)),
        ('id,text\n1,a\n2,"', RFC4180),
        ('id\n1\n"', RFC4180),
    ],
)
def test_a_field_that_is_longer_than_the_sample_hides_no_dialect(begin: str, dialect: TextDialect) -> None:
    """What stands before it tells, if RFC 4180 would refuse it."""
    assert sniff(begin + 'x"",\n' * SNIFFED_BYTES, whole=False).dialect == dialect


@pytest.mark.parametrize(
    ("text", "dialect"),
    [
        ('"id";"text"', SEMICOLONS),
        ('"id"\t"text"\n', TABS),
        ('"id","text"\n', RFC4180),
        ('"id;text"\n', RFC4180),
        ("id;text\n", RFC4180),
        ('"id";text\n', RFC4180),
    ],
)
def test_a_quoted_header_alone_tells(text: str, dialect: TextDialect) -> None:
    """One record is enough where each of its fields is in quotes, and RFC 4180 would refuse it."""
    assert sniff(text).dialect == dialect


def test_a_long_sample_is_cut_off() -> None:
    """No more is looked at than is needed."""
    assert sniff("a;b\n" + "1;2\n" * SNIFFED_BYTES).certain


CELLS = st.text(st.sampled_from("ab1;,\t|'\" \n.\\"), max_size=6)


@given(st.integers(2, 4).flatmap(lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1)))
def test_valid_comma_files_never_become_something_else(rows: list[list[str]]) -> None:
    """Whatever else might read it: RFC 4180 with rows that agree is RFC 4180."""
    out = io.StringIO()
    csv.writer(out).writerows(rows)

    assert sniff(out.getvalue()).dialect == RFC4180


WORDS = st.text(st.sampled_from("abc123,. "), min_size=1, max_size=6)


@given(
    st.sampled_from(";\t|\x01"),
    st.integers(2, 4).flatmap(lambda n: st.lists(st.lists(WORDS, min_size=n, max_size=n), min_size=2)),
    st.sampled_from(["\n", "\r\n"]),
)
def test_files_with_other_delimiters_are_told(delimiter: str, rows: list[list[str]], end: str) -> None:
    """A header of names, and rows of numbers and text: the delimiter is what all of them have."""
    out = io.StringIO()
    names = [f"column_{number}" for number in range(len(rows[0]))]
    csv.writer(out, delimiter=delimiter, lineterminator=end).writerows([names, *rows])

    assert sniff(out.getvalue()).dialect == TextDialect(delimiter)
