"""What is counted, and the tables made of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

STAGES = ("starting", "creating the execution", "uploading", "committing", "told its outcome")
"""Where a process may be when it is killed."""

COMMANDS = ("upload", "resume")


@dataclass(slots=True)
class Counts:
    """Of any number of loads.

    Attributes:
        kills: By stage and command.
        outcomes: By dialect and method, and how the load ended.
        numbers: Everything that has one number.
        mismatches: What was not as promised, in words.
    """

    kills: Counter[tuple[str, str]] = field(default_factory=Counter)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    numbers: Counter[str] = field(default_factory=Counter)
    mismatches: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "kills": {stage: {each: self.kills[stage, each] for each in COMMANDS} for stage in STAGES},
            "outcomes": _nested(self.outcomes),
            "numbers": dict(sorted(self.numbers.items())),
            "mismatches": self.mismatches,
        }


def tables(result: Mapping[str, Any]) -> str:
    """Return the Markdown of a result."""
    loads, outages = result["loads"], result["outages"]
    return "\n\n".join(
        [
            _table(("killed while", *(f"`{each}`" for each in COMMANDS)), _kills(loads["kills"])),
            _table(("", "number"), _numbers(loads)),
            _table(("stream", "outcome", "loads"), _outcomes(loads["outcomes"])),
            "The server killed in the middle of loads, and started again on its data:",
            _table(("outcome of `upload`", "then", "loads"), _outcomes(outages["outcomes"])),
        ]
    )


def page(text: str, result: Mapping[str, Any], marker: str = "crash table") -> str:
    """Return a page with the tables between its markers.

    Raises:
        ValueError: The page has no such markers.
    """
    before, rest = text.split(f"<!-- {marker} -->", 1)
    after = rest.split(f"<!-- /{marker} -->", 1)[1]
    return f"{before}<!-- {marker} -->\n{tables(result)}\n<!-- /{marker} -->{after}"


def _kills(kills: Mapping[str, Mapping[str, int]]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = [(stage, *by.values()) for stage, by in kills.items()]
    return [*rows, ("**all**", *(sum(by[each] for by in kills.values()) for each in COMMANDS))]


def _numbers(loads: Mapping[str, Any]) -> list[tuple[object, ...]]:
    numbers = loads["numbers"]
    rows: list[tuple[object, ...]] = [(name, f"{value:,}") for name, value in numbers.items()]
    return [*rows, ("mismatches", len(loads["mismatches"]))]


def _outcomes(outcomes: Mapping[str, Mapping[str, int]]) -> list[tuple[object, ...]]:
    return [(of, outcome, count) for of, by in outcomes.items() for outcome, count in by.items()]


def _nested(counted: Counter[tuple[str, str]]) -> dict[str, dict[str, int]]:
    nested: dict[str, dict[str, int]] = {}
    for (outer, inner), count in sorted(counted.items()):
        nested.setdefault(outer, {})[inner] = count
    return nested


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
