"""The setting `columns`: which columns are loaded, in which order, under which names."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstream.errors import UsageError
from bulkstream.model import Column, ColumnType
from bulkstream.sources.infer import Inferred
from bulkstream.sources.matching.columns import choose, entries_of

ENTRY = st.text(alphabet="abc=,\"é '", min_size=1, max_size=6).filter(lambda text: text.strip() == text)


def having(*names: str) -> tuple[Inferred, ...]:
    """Make columns of these names, each LONG."""
    return tuple(Inferred(Column(name, ColumnType.LONG), "", 0) for name in names)


def picked(names: tuple[str, ...], *wanted: str) -> list[tuple[str, int]]:
    """Return the names that columns are loaded by, and their numbers."""
    return [(each.name, each.source) for each in choose(having(*names), wanted)]


def test_without_a_word_all_columns_are_loaded() -> None:
    """As they are, also where names stand there twice: whoever matches them will say so."""
    assert picked(("a", "b", "a")) == [("a", 0), ("b", 1), ("a", 2)]


@pytest.mark.parametrize(
    ("names", "wanted", "found"),
    [
        (("a", "b", "c"), ["c", "a"], [("c", 2), ("a", 0)]),
        (("Order ID", "b"), [" order id "], [("Order ID", 0)]),
        (("a", "A"), ["A", "a"], [("A", 1), ("a", 0)]),
        (("a", "b"), ["x=b", "a"], [("x", 1), ("a", 0)]),
        (("a", "b"), [" New name = B "], [("New name", 1)]),
        (("a", "b"), ["a=b", "b=a"], [("a", 1), ("b", 0)]),
        (("a=b", "c"), ["a=b"], [("a=b", 0)]),
        (("a=b", "b"), ["a=b"], [("a=b", 0)]),
        (("a=b",), ["x=a=b"], [("x", 0)]),
        (("b",), ["x=a=b"], [("x=a", 0)]),
    ],
)
def test_entries_mean_columns(names: tuple[str, ...], wanted: list[str], found: list[tuple[str, int]]) -> None:
    """In their order, and renamed; a name that holds `=` is still a name."""
    assert picked(names, *wanted) == found


@pytest.mark.parametrize(
    ("names", "wanted", "message", "hint"),
    [
        (("amount", "id"), ["amuont"], "no column 'amuont'", "Did you mean 'amount'?"),
        (("amount", "id"), ["x=ammount"], "no column 'ammount'", "Did you mean 'amount'?"),
        (("amount", "id"), ["zzz"], "no column 'zzz'", "There are 'amount', 'id'."),
        (("a", "b"), ["=a"], "no column '=a'", "Did you mean 'a'?"),
        (("a", "b"), ["a", "A"], "column 'a' is named twice", "once"),
        (("a", "b"), ["x=a", "y=a"], "column 'a' is named twice", "once"),
        (("a", "b"), ["x=a", "x=b"], "two columns would be named", "another name"),
        (("a", "b"), ["b=a", "b"], "two columns would be named 'b'", "another name"),
        (("a", "a"), ["a"], "'a' names 2 columns", "Rename"),
        (("A", "a "), ["x=a"], "'x=a' names 2 columns", "Rename"),
        (("b", "a=b"), ["x=a=b"], "can be read in 2 ways", "Rename"),
    ],
)
def test_an_entry_that_is_unclear_is_refused(
    names: tuple[str, ...], wanted: list[str], message: str, hint: str
) -> None:
    """Nothing is guessed, and the error says what there is."""
    with pytest.raises(UsageError, match=message) as caught:
        picked(names, *wanted)

    assert hint in caught.value.hint


def test_many_names_are_not_all_told() -> None:
    """A table may have hundreds of columns."""
    with pytest.raises(UsageError) as caught:
        picked(tuple(f"c{number}" for number in range(300)), "zzz")

    assert caught.value.hint.endswith("'c9' and 290 more.")


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("a,b", ("a", "b")),
        (" a , b ", ("a", "b")),
        ('id,"price, net",total=amount', ("id", "price, net", "total=amount")),
        ('id, "say ""so""=x"', ("id", 'say "so"=x')),
    ],
)
def test_one_text_holds_many_entries(text: str, entries: tuple[str, ...]) -> None:
    """Commas separate, quotes as in CSV protect."""
    assert entries_of(text) == entries


@pytest.mark.parametrize("text", ["", " ", "a,", "a,,b", '"a', '"a"b'])
def test_a_text_that_is_no_list_of_entries_is_refused(text: str) -> None:
    """An empty entry names nothing."""
    with pytest.raises(UsageError, match="--columns"):
        entries_of(text)


@given(st.lists(ENTRY, min_size=1, max_size=4))
def test_whatever_csv_writes_is_read(entries: list[str]) -> None:
    """Every entry can be written, by the rules of CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(entries)

    assert entries_of(text.getvalue()) == tuple(entries)


@given(st.lists(st.text(min_size=1), min_size=1, max_size=6, unique_by=lambda name: name.strip().casefold()))
def test_every_column_can_be_named(names: list[str]) -> None:
    """Each by its own name, whatever that holds, and in any order."""
    assert picked(tuple(names), *reversed(names)) == [(name, at) for at, name in reversed(list(enumerate(names)))]
