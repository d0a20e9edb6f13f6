"""Dialects of delimited text: what separates fields, what quotes them, what ends a record."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from bulkstream.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator


_T = TypeVar("_T")


class LineEnd(StrEnum):
    """What ends a record."""

    LF = "lf"
    """A line feed, and a carriage return before it goes with it. A lone carriage return is data."""
    CR = "cr"
    """A carriage return, as on Macs of the last century. A line feed is data."""


@dataclass(frozen=True, slots=True)
class TextDialect:
    r"""How fields and records are told apart. Each character is a single one of ASCII.

    Attributes:
        delimiter: Stands between fields.
        quote: A field that begins with it goes on to the next one that stands alone; elsewhere in a field it is text.
            None: there are no quotes.
        escape: Makes the next character text, in and outside quotes: `\"` is `"`, and `\n` is `n`. None: there is none.
        doubled: Two quotes in a quoted field are one that is text.
        ends: What ends a record.
    """

    delimiter: str = ","
    quote: str | None = '"'
    escape: str | None = None
    doubled: bool = True
    ends: LineEnd = LineEnd.LF

    def __str__(self) -> str:
        """As a dry run shows it."""
        told = [f"delimiter {_shown(self.delimiter)}"]
        told.append(f"quote {_shown(self.quote)}" if self.quote else "no quotes")
        if self.escape:
            told.append(f"escape {_shown(self.escape)}")
        if self.quote and not self.doubled:
            told.append("quotes not doubled")
        if self.ends is LineEnd.CR:
            told.append("line ends CR")
        return ", ".join(told)


RFC4180 = TextDialect()
"""Commas, quotes that are doubled, no escapes."""

_WORDS = {
    "comma": ",",
    "semicolon": ";",
    "tab": "\t",
    "\\t": "\t",
    "pipe": "|",
    "colon": ":",
    "space": " ",
    "backslash": "\\",
    "double": '"',
    "single": "'",
}
_PARTS = {
    "delimiter": "delimiter",
    "sep": "delimiter",
    "quote": "quote",
    "escape": "escape",
    "doubled": "doubled",
    "ends": "ends",
}
_HINT = r"It is written like this: delimiter=; quote=' escape=\ (or delimiter=tab, quote=none, doubled=no, ends=cr)."
_FLAGS = {"yes": True, "no": False}
_HEX = re.compile(r"\\x([0-9a-fA-F]{2})")


def parse_dialect(text: str) -> TextDialect:
    r"""Read a dialect as users write it: `name=value`, with blanks between; what is not named is as in RFC 4180.

    Values are a character, `\t`, `\x01`, or a word: comma, semicolon, tab, pipe, colon, space, none. A delimiter may
    stand alone (`tab`), and `rfc4180` is just that.

    Raises:
        UsageError: It is no dialect.
    """
    given = dict(_parts(text))
    if not given:
        raise UsageError(f"{text!r} is no dialect", hint=_HINT)
    delimiter = _character("delimiter", given.get("delimiter", ","))
    if delimiter is None:
        raise UsageError("a dialect needs a delimiter", hint=_HINT)
    parsed = TextDialect(
        delimiter,
        _character("quote", given.get("quote", '"')),
        _character("escape", given.get("escape", "none")),
        _choice("doubled", given.get("doubled", "yes"), _FLAGS),
        _choice("ends", given.get("ends", "lf"), {str(each): each for each in LineEnd}),
    )
    _check(parsed)
    return parsed


def _parts(text: str) -> Iterator[tuple[str, str]]:
    """Yield names and values.

    Raises:
        UsageError: One is unknown, or stands there twice.
    """
    seen: set[str] = set()
    for part in text.split():
        if part.lower() in {"rfc4180", "csv"}:
            name, value = "delimiter", ","
        else:
            name, equals, value = part.partition("=")
            if not equals:
                name, value = "delimiter", part
        known = _PARTS.get(name.lower())
        if known is None:
            raise UsageError(f"a dialect has no {name!r}", hint=_HINT)
        if known in seen:
            raise UsageError(f"a dialect has one {known}, not two", hint=_HINT)
        seen.add(known)
        yield known, value


def _character(part: str, value: str) -> str | None:
    """Read one character, None if there is to be none.

    Raises:
        UsageError: It is no character that can stand there.
    """
    if value.lower() == "none":
        return None
    hexadecimal = _HEX.fullmatch(value)
    meant = (
        chr(int(hexadecimal[1], 16)) if hexadecimal else "\t" if value == "\\t" else _WORDS.get(value.lower(), value)
    )
    if len(meant) != 1 or not meant.isascii():
        raise UsageError(f"{part} {value!r} is not one ASCII character", hint=_HINT)
    if meant.isalnum() or meant in "\r\n\0":
        raise UsageError(f"{part} can't be {meant!r}", hint=_HINT)
    return meant


def _choice(part: str, value: str, choices: dict[str, _T]) -> _T:
    """Read one of some words."""
    if value.lower() not in choices:
        raise UsageError(f"{part} is {' or '.join(choices)}, not {value!r}", hint=_HINT)
    return choices[value.lower()]


def _check(dialect: TextDialect) -> None:
    """Refuse characters with two meanings.

    Raises:
        UsageError: There is one.
    """
    if dialect.quote and dialect.quote == dialect.escape:
        raise UsageError("quote and escape are the same", hint="Doubled quotes are read without an escape.")
    if dialect.delimiter in {dialect.quote, dialect.escape}:
        raise UsageError(f"{_shown(dialect.delimiter)} can't be the delimiter and something else", hint=_HINT)


def _shown(character: str) -> str:
    names = {"\t": "tab", " ": "blank", "'": '"\'"'}
    if character in names:
        return names[character]
    return f"'{character}'" if character.isprintable() else f"\\x{ord(character):02x}"
