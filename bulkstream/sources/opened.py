"""From what was found in the contents of a load to tables that agree on their columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulkstream.model import HeaderMode
from bulkstream.sources.header import HeaderDecision, check_same_header, column_names, decide_header
from bulkstream.sources.kinds import Plain
from bulkstream.sources.matching.names import folded
from bulkstream.sources.tables import together
from bulkstream.sources.text_table import Text, TextTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bulkstream.model import Column
    from bulkstream.settings import Upload
    from bulkstream.sources.kinds import Found, Kinds
    from bulkstream.sources.table import BatchTable, Table
    from bulkstream.sources.tables import Tables


def as_tables(found: Sequence[Found], kinds: Kinds, settings: Upload, expected: Sequence[Column] | None) -> Tables:
    """Decide on the header of all text together, and make one source of everything.

    Raises:
        HeaderMismatch: They have other columns than each other, or than expected.
        SchemaError: A header can't name columns.
    """
    opened = [kinds.plain_text(each) if isinstance(each, Plain) else each for each in found]
    texts = [each for each in opened if isinstance(each, Text)]
    filled = [text for text in texts if not text.empty]
    first = filled[0].fields if filled else []
    alone = len(texts) == len(opened)
    decision = _decided(settings.header, first, opened, expected if alone else None)
    check_same_header(decision, [(text.name, text.fields) for text in filled])
    # Beside inputs that name their columns, a header stands for itself; only what has none goes by the dataset's order.
    names = _names(decision, first, expected if alone or not decision.present else None)
    tables = [_table(each, decision, names) for each in opened]
    return together(tables, _reason(opened, decision))


def _decided(
    mode: HeaderMode, first: Sequence[str], opened: Sequence[Text | BatchTable], expected: Sequence[Column] | None
) -> HeaderDecision:
    """Decide on the header of text, which may look like values, but have the very names that another input has."""
    others = next((each.names for each in opened if not isinstance(each, Text) and each.named), ())
    if mode is HeaderMode.AUTO and first and sorted(map(folded, first)) == sorted(map(folded, others)):
        return HeaderDecision(present=True, reason="the first record is a header: the names of other inputs' columns")
    return decide_header(mode, first, expected)


def _names(decision: HeaderDecision, first: Sequence[str], expected: Sequence[Column] | None) -> list[str]:
    """Return the names of the text's columns; what repeats the dataset's names has the dataset's."""
    if expected and first and not decision.by_name and len(first) == len(expected):
        return [column.name for column in expected]
    return column_names(decision, first)


def _table(each: Text | BatchTable, decision: HeaderDecision, names: Sequence[str]) -> Table:
    if not isinstance(each, Text):
        return each
    return TextTable(each, decision, names, named=decision.present)


def _reason(opened: Sequence[Text | BatchTable], decision: HeaderDecision) -> str:
    if all(isinstance(each, Text) for each in opened):
        return decision.reason
    if not all(each.named for each in opened if not isinstance(each, Text)):
        return "rows without names, so columns go by their order"
    formats = dict.fromkeys(each.facts[0][1] for each in opened if not isinstance(each, Text))
    return f"{', '.join(formats)} names its columns"
