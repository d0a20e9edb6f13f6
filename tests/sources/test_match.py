"""A source's columns against those of a dataset: what fits, what can be changed so that it does, what is told."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bulkstream.errors import SchemaError
from bulkstream.model import Column, ColumnType
from bulkstream.sources.fits import fits
from bulkstream.sources.header import names_columns
from bulkstream.sources.infer import Inferred, infer, unfit
from bulkstream.sources.layout import Slot
from bulkstream.sources.matching.columns import choose
from bulkstream.sources.matching.conflicts import Row, conflict_error, conflict_table
from bulkstream.sources.matching.match import Difference, Match, as_it_is, layout_of, matched
from bulkstream.sources.matching.pairing import paired

LONG, DOUBLE, DECIMAL, DATE, DATETIME, STRING = (
    ColumnType.LONG,
    ColumnType.DOUBLE,
    ColumnType.DECIMAL,
    ColumnType.DATE,
    ColumnType.DATETIME,
    ColumnType.STRING,
)
VALUES = ["", "0", "-7", "007", "+1", "1.5", ".5", "2e3", "2026-01-01", "2026-01-01 10:00", "x", "9" * 17, "9" * 20]


def typed(kind: ColumnType, name: str = "c") -> Inferred:
    """A column whose type is known."""
    return Inferred(Column(name, kind), "", 0)


def sampled(*values: str) -> Inferred:
    """A column of text."""
    return infer(["c"], [[value] for value in values])[0]


def against(ours: Inferred, kind: ColumnType) -> Match:
    """Match one column with one of a dataset."""
    return matched(choose([ours], ()), [Column("c", kind)], by_name=True)


@pytest.mark.parametrize(
    ("ours", "takers"),
    [
        (LONG, {LONG, DECIMAL, DOUBLE, STRING}),
        (DECIMAL, {DECIMAL, STRING}),
        (DOUBLE, {DOUBLE, STRING}),
        (DATE, {DATE, DATETIME, STRING}),
        (DATETIME, {DATETIME, STRING}),
        (STRING, {STRING}),
    ],
)
def test_known_types_fit_where_no_value_is_changed(ours: ColumnType, takers: set[ColumnType]) -> None:
    """A DECIMAL might be rounded as DOUBLE, a DATETIME cut off as DATE."""
    assert {kind for kind in ColumnType if against(typed(ours), kind).fits} == takers


@pytest.mark.parametrize(
    ("values", "kind", "example"),
    [
        (["12", "7"], DOUBLE, None),
        (["12", "7"], DECIMAL, None),
        (["12.50"], DOUBLE, None),
        (["007", "+1"], LONG, None),
        ([".5", "1."], DECIMAL, None),
        (["", ""], DATE, None),
        ([], LONG, None),
        (["2026-01-01"], DATETIME, None),
        (["1", "n/a", "x"], LONG, "n/a"),
        (["007", "n/a"], LONG, "n/a"),
        (["1", "2.5"], LONG, "2.5"),
        (["1", "2e3"], DECIMAL, "2e3"),
        (["1e999"], DOUBLE, "1e999"),
        (["1", "9007199254740992"], DOUBLE, None),
        (["1", "9007199254740993"], DOUBLE, "9007199254740993"),
        (["9223372036854775808"], LONG, "9223372036854775808"),
        (["2026-01-01 10:00"], DATE, "2026-01-01 10:00"),
        (["23.11.2026"], DATE, "23.11.2026"),
        (["1"], DATE, "1"),
    ],
)
def test_text_fits_what_its_values_fit(values: list[str], kind: ColumnType, example: str | None) -> None:
    """It is sent as it is, so the type that a new dataset would get does not matter; the value that decides is told."""
    match = against(sampled(*values), kind)

    assert [finding.example for finding in match.findings] == ([] if example is None else [example])


@given(st.lists(st.sampled_from(VALUES), max_size=8), st.sampled_from(list(ColumnType)))
def test_a_sample_fits_exactly_the_types_that_hold_all_its_values(values: list[str], kind: ColumnType) -> None:
    """What is told as the reason is one of the values, and doesn't fit; if nothing is told, all do."""
    wrong = {value for value in values if value and unfit(kind, value)}

    match = against(sampled(*values), kind)

    assert match.fits is not bool(wrong)
    assert {finding.example for finding in match.findings} <= wrong


@given(st.lists(st.sampled_from(VALUES), min_size=1), st.sampled_from(list(ColumnType)))
def test_an_evolved_type_holds_old_and_new_values(values: list[str], kind: ColumnType) -> None:
    """Whatever the old column held, and all of the source's sample."""
    found = against(sampled(*values), kind)
    wider = found.columns[0].type

    assert against(sampled(*values), wider).fits
    assert all(fits(wider, value) for value in VALUES if value and fits(kind, value))


@pytest.mark.parametrize(
    ("kind", "values", "wider"),
    [
        (LONG, ["2.5"], DECIMAL),
        (LONG, ["2e3"], STRING),
        (LONG, ["x"], STRING),
        (DATE, ["2026-01-01 10:00"], DATETIME),
        (DATE, ["x"], STRING),
        (DECIMAL, ["2e3"], STRING),
        (DOUBLE, ["9007199254740993"], STRING),
        (DATETIME, ["1"], STRING),
    ],
)
def test_types_are_widened_without_loss(kind: ColumnType, values: list[str], wider: ColumnType) -> None:
    """LONG to DECIMAL, DATE to DATETIME, else to STRING; never to DOUBLE, which rounds."""
    assert against(sampled(*values), kind).columns == (Column("c", wider),)


def named(*names: str) -> list[Inferred]:
    """Columns of text of these names."""
    return [typed(STRING, name) for name in names]


def columns(*names: str) -> list[Column]:
    """A dataset's columns."""
    return [Column(name) for name in names]


def test_columns_are_matched_by_name_in_the_dataset_s_order() -> None:
    """Case and surrounding blanks don't count, and another order is no difference."""
    match = matched(choose(named(" B", "a"), ()), columns("A", "b"), by_name=True)

    assert match.fits
    assert match.layout == (Slot(Column("A"), 1), Slot(Column("b"), 0))
    assert not as_it_is(match.layout, 2)


def test_chosen_columns_keep_their_number_in_the_source() -> None:
    """What is left out is passed over by the layout."""
    match = matched(choose(named("x", "y", "z"), ["b=z", "a=x"]), columns("a", "b"), by_name=True)

    assert [slot.source for slot in match.layout] == [0, 2]


def test_new_columns_stand_behind_the_dataset_s() -> None:
    """Rows that are there keep their fields."""
    match = matched(choose(named("new", "a", "b"), ()), columns("a", "b"), by_name=True)

    assert (match.fits, match.evolvable, match.changes_dataset, match.missing) == (False, True, True, ())
    assert match.columns == (Column("a"), Column("b"), Column("new"))
    assert [slot.source for slot in match.layout] == [1, 2, 0]
    assert match.told == ("column 'new' is added, STRING; rows that are there have no value in it",)


def test_a_column_that_the_source_lacks_is_a_difference() -> None:
    """It was probably forgotten; where the user says otherwise, it stays empty and the dataset as it is."""
    match = matched(choose(named("b"), ()), columns("a", "b"), by_name=True)

    assert (match.fits, match.evolvable, match.changes_dataset, match.missing) == (False, True, False, ("a",))
    assert match.layout == (Slot(Column("a"), None), Slot(Column("b"), 0))
    assert match.told == ("column 'a' is not in the source, and stays empty",)


@pytest.mark.parametrize(("count", "shown"), [(1, ("c2", "STRING", "-", "")), (3, ("n3", "-", "STRING", ""))])
def test_without_names_there_must_be_as_many_columns(count: int, shown: tuple[str, ...]) -> None:
    """Nothing tells which one is missing, and what is new has no name."""
    match = matched(choose(named("n1", "n2", "n3")[:count], ()), columns("c1", "c2"), by_name=False)

    assert (match.fits, match.evolvable) == (False, False)
    assert conflict_table(match) == (Row(*shown),)
    assert "no column names" in conflict_error(match, "Sales").hint


def test_without_names_columns_are_matched_in_their_order() -> None:
    """The first fills the first."""
    match = matched(choose(named("n1", "n2"), ()), columns("n2", "n1"), by_name=False)

    assert match.fits
    assert as_it_is(match.layout, 2)


@pytest.mark.parametrize(
    ("ours", "theirs", "message"),
    [
        (("id", "ID "), ("Id",), "'id' and 'ID ' could both be the dataset's column 'Id'"),
        (("id", "id"), ("id",), "'id' and 'id' could both be"),
        (("iD",), ("id", "ID"), "column 'iD' could be the dataset's 'id' and 'ID'"),
    ],
)
def test_names_that_differ_in_case_alone_may_be_ambiguous(
    ours: tuple[str, ...], theirs: tuple[str, ...], message: str
) -> None:
    """Then nothing is guessed."""
    with pytest.raises(SchemaError, match=message):
        matched(choose(named(*ours), ()), columns(*theirs), by_name=True)


def test_a_name_that_is_just_so_is_preferred() -> None:
    """A dataset with `id` and `ID` can be loaded."""
    assert paired(["ID", "id"], ["id", "ID"]).sources == (1, 0)


@given(st.permutations(range(6)), st.integers(0, 6))
def test_a_header_is_the_dataset_s_or_a_layout_leads_there(order: list[int], count: int) -> None:
    """Bytes are sent as they are only if all names stand there in their order."""
    theirs = [f"c{number}" for number in range(6)]
    ours = [theirs[number].upper() for number in order[:count]]

    pairing = paired(ours, theirs)

    assert pairing.identical is ([name.lower() for name in ours] == theirs)
    assert [ours[at] if at is not None else None for at in pairing.sources] == [
        name.upper() if name.upper() in ours else None for name in theirs
    ]


@pytest.mark.parametrize(
    ("first", "is_header"),
    [
        (["id", "name", "day"], True),
        (["day", "ID", " name"], True),
        (["id", "name"], True),
        (["id", "name", "day", "new", "newer"], True),
        (["id", "a", "b", "name", "c", "day", "d"], True),
        (["id", "x", "y"], False),
        (["id", "name", "7"], False),
        (["1", "Ann", "2026-01-01"], False),
        (["id", "id", "name"], False),
        ([""], False),
    ],
)
def test_a_header_is_known_by_the_dataset_s_names(first: list[str], is_header: bool) -> None:
    """All of them in any order, or most of them among what can be no values."""
    assert names_columns(first, ["id", "name", "day"]) is is_header


def test_a_new_dataset_gets_the_columns_that_were_chosen() -> None:
    """In their order, and renamed."""
    layout = layout_of(choose(named("a", "b"), ["x=b", "a"]))

    assert layout == (Slot(Column("x"), 1), Slot(Column("a"), 0))


def test_the_error_shows_all_differences_in_a_table() -> None:
    """Aligned, one line each, with a value that shows it; and it says what can be done."""
    ours = choose([*infer(["id", "amount", "extra"], [["1", "n/a", "2026-01-01"]])], ())
    match = matched(ours, [Column("id", LONG), Column("amount", DECIMAL), Column("day", DATE)], by_name=True)

    error = conflict_error(match, "Sales")

    assert [finding.difference for finding in match.findings] == [Difference.WIDER, Difference.MISSING, Difference.NEW]
    assert str(error).splitlines() == [
        "3 columns of the source and of dataset 'Sales' don't fit:",
        "  column  dataset  source  value",
        "  amount  DECIMAL  STRING  'n/a'",
        "  day     DATE     -",
        "  extra   -        DATE",
    ]
    assert error.hint == (
        "--evolve adds columns to the dataset and changes the dataset's types and leaves columns empty that the source "
        "lacks; --columns leaves columns out; --columns NEW=NAME gives them the dataset's names."
    )


def test_the_table_can_t_be_broken_by_a_name_and_has_an_end() -> None:
    """Line breaks are escaped, long names cut, and of hundreds of columns only the first are shown."""
    theirs = [Column("two\nlines"), Column("n" * 500), *(Column(f"c{number}") for number in range(300))]
    match = matched((), theirs, by_name=True)

    lines = str(conflict_error(match, "Sales")).splitlines()

    assert lines[2].split()[0] == r"two\nlines"
    assert max(map(len, lines[1:])) < 80
    assert lines[-1] == "  and 282 more"


@given(st.lists(st.text(max_size=12), min_size=1, max_size=5))
def test_every_match_can_be_told(names: list[str]) -> None:
    """Whatever the names hold, rows of the table are lines, and a finding is a sentence."""
    folded = [name.strip().casefold() for name in names]
    assume(len(set(folded)) == len(folded))
    match = matched(choose(named(*names), ()), columns("a", "b"), by_name=True)

    if match.findings:
        assert len(str(conflict_error(match, "Sales")).split("\n")) == 2 + len(match.findings)
    assert len(match.told) == len(match.findings)
