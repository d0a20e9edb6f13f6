"""Glob patterns over names of objects, by the rules of `glob` for files.

`*`, `?` and `[...]` match within one name, `**` any number of folders. What begins with a dot is matched only by a
pattern that does, too.
"""

from __future__ import annotations

import re
from glob import has_magic
from typing import TYPE_CHECKING

from bulkstream.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

_ANY_FOLDERS = r"(?:[^./][^/]*/)*"
_TOKEN = re.compile(r"\*+|\?|\[!?\]?[^\]]*\]|.", re.DOTALL)


def literal_folder(pattern: str) -> str:
    """Return the folders of a pattern before the first part with magic, without the last slash."""
    parts = pattern.split("/")[:-1]
    plain = next((n for n, part in enumerate(parts) if has_magic(part)), len(parts))
    return "/".join(parts[:plain])


def matching(names: Iterable[str], pattern: str) -> list[str]:
    """Return those names that a pattern matches, sorted.

    Raises:
        UsageError: It is none, as `[z-a]`.
    """
    *folders, last = pattern.split("/")
    inner = "".join(_ANY_FOLDERS if part == "**" else _part(part) + "/" for part in folders)
    ending = _ANY_FOLDERS + _part("*") if last == "**" else _part(last)
    try:
        whole = re.compile(inner + ending, re.DOTALL)
    except re.error as error:
        raise UsageError(f"{pattern} is no pattern: {error}") from None
    return sorted(name for name in names if whole.fullmatch(name))


def below(names: Iterable[str], folder: str) -> list[str]:
    """Return those names in a folder and below that hold data, sorted: none that begins with a dot or `_`."""
    start = folder.rstrip("/") + "/" if folder else ""
    inside = (name for name in names if name.startswith(start) and not name.endswith("/"))
    return sorted(name for name in inside if not any(part[:1] in "._" for part in name[len(start) :].split("/")))


def _part(pattern: str) -> str:
    """Translate what matches one name."""
    guard = r"(?!\.)" if pattern[:1] in ("*", "?", "[") else ""
    return guard + _TOKEN.sub(_translated, pattern)


def _translated(token: re.Match[str]) -> str:
    text = token[0]
    if text[0] == "*":
        return "[^/]*"
    if text == "?":
        return "[^/]"
    characters = text[1:-1].removeprefix("!")
    if len(text) == 1 or not characters:
        return re.escape(text)
    escaped = re.sub(r"([\\\[\]^&~|])", r"\\\1", characters)
    return f"(?!/)[{'^' if text[1] == '!' else ''}{escaped}]"
