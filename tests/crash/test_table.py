"""The table of docs/reliability.md: made of the result, and of nothing else."""

from __future__ import annotations

import json

import pytest

from tests.crash.__main__ import PAGE, RESULT
from tests.crash.counts import Counts, page


def result() -> dict[str, object]:
    """Return what a small campaign writes."""
    loads, outages = Counts(), Counts()
    loads.kills["uploading", "resume"] = 3
    loads.outcomes["APPEND, public", "committed"] = 2
    loads.numbers["parts sent for the first time"] = 1234
    outages.outcomes["unknown", "resume: committed"] = 1
    return {"loads": loads.as_dict(), "outages": outages.as_dict()}


def test_page_has_the_counts_between_its_markers() -> None:
    """Kills by stage and command with their sums, numbers, outcomes; what stands around the markers stays."""
    text = "before\n<!-- crash table -->\nold\n<!-- /crash table -->\nafter\n"

    made = page(text, result())

    assert made.startswith(
        "before\n<!-- crash table -->\n| killed while | `upload` | `resume` |\n| --- | ---: | ---: |\n"
    )
    assert made.endswith("|\n<!-- /crash table -->\nafter\n")
    for line in (
        "| uploading | 0 | 3 |",
        "| **all** | 0 | 3 |",
        "| parts sent for the first time | 1,234 |",
        "| mismatches | 0 |",
        "| APPEND, public | committed | 2 |",
        "| unknown | resume: committed | 1 |",
    ):
        assert line in made.splitlines()


def test_page_without_markers_is_refused() -> None:
    """A table that has no place is not silently lost."""
    with pytest.raises(ValueError, match="not enough values"):
        page("no markers", result())


def test_committed_page_is_what_the_result_makes() -> None:
    """Nobody edits the table by hand, and the last campaign found no mismatch."""
    document = json.loads(RESULT.read_text("utf-8"))

    assert PAGE.read_text("utf-8") == page(PAGE.read_text("utf-8"), document["result"])
    assert sum(sum(by.values()) for by in document["result"]["loads"]["kills"].values()) >= 200
    assert document["result"]["loads"]["mismatches"] == document["result"]["outages"]["mismatches"] == []
