"""From the settings and the columns to what checks the rows of a load."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from bulkstream.budget import Budget
from bulkstream.model import Check
from bulkstream.stages import RowChecker, Sifter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkstream.model import Column
    from bulkstream.settings import Upload


def sifter_of(
    settings: Upload, columns: Sequence[Column], *, well_formed: bool = False, guessed: bool = False
) -> Sifter | None:
    """Return what checks the rows of a load as its settings say; None if nothing is to be checked.

    Args:
        settings: What is to be checked.
        columns: Of the dataset.
        well_formed: Rows can't have too few fields or too many, so that only values are left to be checked.
        guessed: The columns' types are from a sample of the text that is loaded.

    Raises:
        MissingExtra: Types are to be checked, and pyarrow is not installed.
    """
    check = resolved(settings.check, guessed=guessed)
    if check is Check.OFF or not columns or (well_formed and check is Check.ROWS):
        return None
    return Sifter(checker_of(check, columns), Budget(settings.max_bad_rows))


def resolved(check: Check, *, guessed: bool) -> Check:
    """Return what `auto` stands for: guessed types are verified where pyarrow is there to do it."""
    if check is not Check.AUTO:
        return check
    return Check.TYPES if guessed and can_judge() else Check.ROWS


def can_judge() -> bool:
    """Whether what checks values is installed."""
    return find_spec("pyarrow") is not None


def checker_of(check: Check, columns: Sequence[Column]) -> RowChecker:
    """Return what finds bad rows.

    Raises:
        MissingExtra: Types are to be checked, and pyarrow is not installed.
    """
    if check is not Check.TYPES:
        return RowChecker(len(columns))
    from bulkstream.stages.fit import ValueJudge  # noqa: PLC0415 - needs pyarrow, and that a second

    return RowChecker(len(columns), ValueJudge(columns))
