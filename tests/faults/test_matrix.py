"""Every kind of fault at every step of a load."""

from __future__ import annotations

import pytest

from bulkstream import Dialect
from tests.faults.matrix import KINDS, MARK, PAGE, played, table, untruths
from tests.support.marked import read
from tests.support.warped import warped


@pytest.mark.timeout(600)
def test_fault_matrix_is_true_and_as_documented() -> None:
    """Each outcome is the sandbox's own, rows are there once, errors name a next step; the page shows all of it.

    If the table has changed for a reason, `python -m tests.faults.matrix` writes it anew.
    """
    with warped() as runner:
        cells = runner.run(played(Dialect.PUBLIC))

    assert len(KINDS) >= 25
    assert not untruths(cells)
    assert table(cells) == read(PAGE, MARK)
