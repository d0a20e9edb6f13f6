"""Lists, structs and maps as JSON text, put together by Arrow from the texts of what is in them.

Truth values, numbers and null are JSON's own; a decimal is a number with all its digits. Everything else is a string
of the text that it has in a column of its own. A map is an object, its keys as text. NaN is null, as JSON has no such
number. Nothing but its structure is between the values: no blanks.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from bulkstream.model import ColumnType
from bulkstream.sources.render import arrow_types as kinds
from bulkstream.sources.render.misfit import Misfit
from bulkstream.sources.render.texts import plain, text, written

_CONTROLS = "[\\x00-\\x1f]"


def json_text(array: Any) -> Any:
    """Return lists, structs or maps as strings of JSON, null where they are null.

    Raises:
        Misfit: A value somewhere within has no text.
    """
    if types.is_struct(array.type):
        made = _objects(array)
    elif types.is_map(array.type):
        made = _joined(array.cast(_entries(array.type)), _pairs, "{}")
    else:
        made = _joined(array, _values, "[]")
    return pc.if_else(array.is_valid(), made, pa.scalar(None, pa.string()))


def _values(array: Any) -> Any:
    """Return values as JSON; a null is `null`."""
    array = plain(array)
    if kinds.is_nested(array.type):
        made = json_text(array)
    elif _is_bare(array.type):
        made = written(array, ColumnType.DECIMAL).cast(pa.string()) if _is_number(array.type) else text(array)
    else:
        made = _quoted(text(array))
    return pc.fill_null(made, "null")


def _is_number(kind: pa.DataType) -> bool:
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_duration(kind))


def _is_bare(kind: pa.DataType) -> bool:
    return _is_number(kind) or types.is_boolean(kind)


def _quoted(texts: Any) -> Any:
    texts = pc.replace_substring(pc.replace_substring(texts, "\\", "\\\\"), '"', '\\"')
    if pc.any(pc.match_substring_regex(texts, _CONTROLS)).as_py():
        for code in range(0x20):
            texts = pc.replace_substring(texts, chr(code), json.dumps(chr(code))[1:-1])
    return pc.binary_join_element_wise('"', texts, '"', "")


def _objects(structs: Any) -> Any:
    """Return structs as objects, whatever is null among them."""
    parts: list[Any] = []
    for field, values in zip(structs.type, structs.flatten(), strict=True):
        parts += [("," if parts else "{") + json.dumps(field.name, ensure_ascii=False) + ":", _values(values)]
    if not parts:
        return pa.repeat("{}", len(structs))
    return pc.binary_join_element_wise(*parts, "}", "")


def _entries(kind: pa.MapType) -> pa.ListType:
    return pa.list_(pa.struct([kind.key_field, kind.item_field]))


def _pairs(entries: Any) -> Any:
    """Return the keys and values of maps, each pair as in an object."""
    keys, items = entries.flatten()
    names = _values(keys)
    if _is_bare(kinds.stored(keys.type)) or kinds.is_nested(kinds.stored(keys.type)):
        names = _quoted(names)
    return pc.binary_join_element_wise(names, _values(items), ":")


def _joined(lists: Any, made: Any, brackets: str) -> Any:
    """Return lists, of any layout, as what is made of their elements between brackets; of null ones just these."""
    lengths = np.asarray(pc.fill_null(pc.list_value_length(lists), 0), np.int64)
    ends = np.concatenate([[0], np.cumsum(lengths)])
    try:
        elements = made(lists.flatten())
    except Misfit as bad:
        raise Misfit(int(np.searchsorted(ends, bad.row, side="right")) - 1, bad.reason, bad.hint) from None
    inside = pc.binary_join(pa.ListArray.from_arrays(pa.array(ends, pa.int32()), elements), ",")
    return pc.binary_join_element_wise(brackets[0], inside, brackets[1], "")
