"""How many bad rows may be left out, and when that is clear."""

from __future__ import annotations

import pytest

from bulkstream.budget import MOST_REJECT_BYTES, MOST_REJECTS, Budget, parse_bad_rows


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("12", 12),
        ("0.1%", 0.001),
        ("100%", 1.0),
        ("0.25", 0.25),
        ("0.0", 0),
        (7, 7),
        (0.5, 0.5),
        (None, None),
    ],
)
def test_a_number_or_a_share_is_read(text: object, value: object) -> None:
    """Whole numbers are rows, all else is a share."""
    parsed = parse_bad_rows(text)

    assert parsed == value
    assert type(parsed) is type(value)


def test_a_number_is_exceeded_by_one_more() -> None:
    """Exactly as many as allowed are allowed."""
    assert not Budget(3).hopeless(3, 0, 3, 0.5)
    assert Budget(3).hopeless(4, 0, 1_000_000, 0.5)


def test_a_share_is_judged_early_only_by_what_the_whole_load_may_have() -> None:
    """Bad rows at the beginning don't end a load that may still have as many."""
    budget = Budget(0.01)

    assert not budget.hopeless(9_000, 0, 9_999, 0.001)
    assert not budget.hopeless(1_000, 0, 10_000, 0.1)
    assert budget.hopeless(1_001, 0, 10_000, 0.1)
    assert not budget.hopeless(9_000, 0, 10_000, None)


def test_a_share_of_the_whole_is_exact() -> None:
    """In the end all rows count, the bad ones among them."""
    assert not Budget(0.01).exceeded(10, 1_000)
    assert Budget(0.01).exceeded(11, 1_000)


def test_a_share_is_shown_as_it_is_usually_given() -> None:
    """As a percentage, without the noise of floating point."""
    assert [str(Budget(most)) for most in (1_000, 0.001, 0.07, 1.0)] == [
        "1,000",
        "0.1% of all rows",
        "7% of all rows",
        "100% of all rows",
    ]


def test_what_is_held_in_memory_is_bounded() -> None:
    """A large share does not make the rejects grow without end."""
    assert Budget(1.0).hopeless(MOST_REJECTS + 1, 0, 1_000_000, 0.5)
    assert Budget(1.0).hopeless(1, MOST_REJECT_BYTES + 1, 1_000_000, 0.5)
