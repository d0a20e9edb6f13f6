"""Every format with every hazard: what is read back from the server is what the format's own reader says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import postgres
from tests.support.hazards.formats import AGAIN, EXCEPTIONS
from tests.support.hazards.play import MARK, PAGE, formats, played, table, untruths
from tests.support.hazards.tables import HAZARDS
from tests.support.marked import read
from tests.support.postgres import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.hazards.made import Format

POSTGRES = "| PostgreSQL query |"


@pytest.fixture(scope="module")
def rows() -> Iterator[tuple[Format, ...]]:
    """Return the rows of the matrix, that of PostgreSQL among them where there is a server."""
    programs = postgres.programs()
    if programs is None:
        yield formats(None)
        return
    with serving(programs) as server:
        yield formats(server)


@pytest.mark.timeout(300)
async def test_formats_carry_every_hazard_as_documented(rows: tuple[Format, ...], tmp_path: Path) -> None:
    """Each value and each type is as the rules say, or the load refused as listed; the page shows all of it.

    If the table has changed for a reason, `python -m tests.support.hazards.play` writes it anew.
    """
    cells = await played(rows, tmp_path)

    assert not untruths(cells)
    lines = read(PAGE, MARK).splitlines()
    documented = [line for line in lines if len(rows) == len(lines) - 2 or not line.startswith(POSTGRES)]
    assert table(cells, rows).splitlines() == documented


def test_exceptions_are_those_of_cells_that_there_are() -> None:
    """No exception is left over from a cell that is no more."""
    names = {each.name for each in formats(None)} | {"PostgreSQL query"}
    heads = {hazard.name for hazard in HAZARDS} | {AGAIN}

    assert {name for name, _ in EXCEPTIONS} <= names
    assert {head for _, head in EXCEPTIONS} <= heads
