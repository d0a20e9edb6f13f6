"""One line of JSON Lines, taken apart exactly: every value as it is written, by plain Python.

It judges the sample, and whatever the quick way does not understand; so it is also where errors get their words.
A line is an object by RFC 8259: no `NaN`, no comments, no text behind it, no surrogate without its partner. A key that
stands twice is refused, since one of its values would be lost.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import PurePath
from typing import TYPE_CHECKING, NoReturn

from bulkstream.errors import SourceError, excerpt

if TYPE_CHECKING:
    from bulkstream.sources.rows.lines import Block

ONE_PER_LINE = "Write one object per line, for example with: jq -c . FILE (of one long array: jq -c '.[]' FILE)."

_BLANKS = " \t\r"
_GAP = re.compile(f"[{_BLANKS}]*")
_OPENING = re.compile(rb'\{[ \t\r\n]*(?:\}|"(?:[^"\\\n]|\\.)*"[ \t]*:)')
_SUFFIXES = frozenset({".jsonl", ".ndjson", ".json"})
_KINDS = {"{": "an object", "[": "an array", '"': "text", "t": "a boolean", "f": "a boolean", "n": "null"}


class Form(Enum):
    """How a value is written."""

    TEXT = auto()
    NUMBER = auto()
    BOOLEAN = auto()
    NESTED = auto()


@dataclass(slots=True)  # one per cell, and a frozen one takes three times as long to make
class Value:
    """A value that is not null.

    Attributes:
        text: Of a string, what it says; of anything else, what is written.
    """

    form: Form
    text: str


def values_of(line: Block) -> dict[str, Value | None]:
    """Return the values of a line by their keys, in their order; None is null.

    Raises:
        SourceError: It is not UTF-8, not one object, or has a key twice.
    """
    try:
        text = line.data.decode("utf-8")
        return _plain(text) or _object(text, line)
    except UnicodeDecodeError as error:
        _refuse(line, f"not UTF-8: {error.reason} at its byte {error.start}")
    except UnicodeEncodeError:
        _refuse(line, "holds half of a surrogate pair, which is no character")
    except json.JSONDecodeError as error:
        _refuse(line, f"no JSON: {error.msg} at its character {error.pos + 1}", hint=ONE_PER_LINE)
    except RecursionError:
        _refuse(line, "nested too deeply")


def is_jsonl(head: bytes, name: str) -> bool:
    """Whether a file seems to be JSON Lines, by its first bytes, already unpacked and in UTF-8.

    Its first line is an object; where the head ends before that line does, it begins like one. Of a file that is named
    `.json`, `.jsonl` or `.ndjson` a brace or bracket is enough: it is meant to be JSON, and the reader says what is
    wrong with it.
    """
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")
    if _SUFFIXES & {suffix.lower() for suffix in PurePath(name).suffixes[-2:]}:
        return text[:1] in {b"{", b"["}
    line, end, _ = text.partition(b"\n")
    return _is_object(line) or (not end and _OPENING.match(line) is not None)


def _no_number(word: str) -> NoReturn:
    raise json.JSONDecodeError(f"{word} is no JSON value", word, 0)


class _Number(str):
    """A number as it is written."""

    __slots__ = ()


_PLAIN = json.JSONDecoder(parse_int=_Number, parse_float=_Number, parse_constant=_no_number, object_pairs_hook=tuple)
_FORMS = {str: Form.TEXT, _Number: Form.NUMBER, bool: Form.BOOLEAN}

_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_no_number)
"""Numbers stay text: the decoder's own would round them, or refuse 5,000 digits."""


def _plain(text: str) -> dict[str, Value | None] | None:
    """Take an object without arrays and objects apart, four times as fast; None if a closer look is needed."""
    if "\\ud" in text or "\\uD" in text:  # perhaps half of a surrogate pair
        return None
    try:
        pairs = _PLAIN.decode(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(pairs, tuple):
        return None
    values: dict[str, Value | None] = {}
    for key, value in pairs:
        form = _FORMS.get(type(value))
        if form is None and value is not None:
            return None
        values[key] = Value(form, value if form is not Form.BOOLEAN else str(value).lower()) if form else None
    return values if len(values) == len(pairs) else None


def _object(text: str, line: Block) -> dict[str, Value | None]:
    values: dict[str, Value | None] = {}
    at = _skip(text, 0)
    if text[at] != "{":
        what = _KINDS.get(text[at], "a number" if text[at] in "-0123456789" else "")
        if not what:
            raise json.JSONDecodeError("Expecting an object", text, at)
        _refuse(line, f"{what} instead of an object", hint=ONE_PER_LINE)
    more, at = True, _skip(text, at + 1)
    if text[at : at + 1] == "}":
        more, at = False, at + 1
    while more:
        key, at = _key(text, at)
        if key in values:
            _refuse(line, f"the key {key!r} stands there twice", hint="Give each value a key of its own.")
        values[key], at = _value(text, at)
        more, at = text[at : at + 1] == ",", _close(text, at)
    if _skip(text, at) != len(text):
        raise json.JSONDecodeError("Extra data", text, at)
    return values


def _key(text: str, at: int) -> tuple[str, int]:
    if text[at : at + 1] != '"':
        raise json.JSONDecodeError("Expecting a key in double quotes", text, at)
    key, at = _DECODER.raw_decode(text, at)
    key.encode("utf-8")
    at = _skip(text, at)
    if text[at : at + 1] != ":":
        raise json.JSONDecodeError("Expecting ':'", text, at)
    return key, _skip(text, at + 1)


def _value(text: str, at: int) -> tuple[Value | None, int]:
    try:
        value, end = _DECODER.raw_decode(text, at)
    except json.JSONDecodeError as error:
        raise json.JSONDecodeError(error.msg, text, error.pos if error.doc is text else at) from None
    after = _skip(text, end)
    match text[at]:
        case "n":
            return None, after
        case '"':
            value.encode("utf-8")
            return Value(Form.TEXT, value), after
        case "t" | "f":
            return Value(Form.BOOLEAN, text[at:end]), after
        case "{" | "[":
            if "\\u" in text[at:end]:
                json.dumps(value, ensure_ascii=False).encode("utf-8")
            return Value(Form.NESTED, text[at:end]), after
        case _:
            return Value(Form.NUMBER, text[at:end]), after


def _close(text: str, at: int) -> int:
    if text[at : at + 1] not in {",", "}"}:
        raise json.JSONDecodeError("Expecting ',' or '}'", text, at)
    return _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    if text[at : at + 1] not in _BLANKS:
        return at
    return _GAP.match(text, at).end()  # type: ignore[union-attr]  # it matches nothing as well


def _is_object(text: bytes) -> bool:
    """Whether a line is one object, whatever it holds."""
    try:
        return isinstance(_DECODER.decode(text.decode("utf-8")), dict)
    except (ValueError, RecursionError):
        return False


def _refuse(line: Block, why: str, *, hint: str = "") -> NoReturn:
    raise SourceError(f"line {line.line:,}: {why}: {excerpt(line.data)}", place=line.place, hint=hint)
