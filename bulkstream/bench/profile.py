"""Writing tuned values into a profile of the settings file, and leaving every other byte of the file as it is.

The file is edited as text, line by line; then both texts are parsed, and unless the new one says exactly what the
old one said plus the values, it is not written. So a form that the editing does not know can't do any harm.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulkstream.errors import UsageError
from bulkstream.size import KIB, MIB

if TYPE_CHECKING:
    from bulkstream.bench.findings import Choice

_HEADER = re.compile(r"\s*\[[^\[].*\]\s*(#.*)?")
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def save_profile(path: Path, name: str, choice: Choice) -> None:
    """Write the values into `[profiles.NAME.upload]`; the file appears whole or not at all.

    Raises:
        UsageError: The file can't be read or written, or not be edited without touching anything else.
    """
    path = path.resolve()  # a link stays one
    draft: str | None = None
    try:
        text = _text(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(edited(text, name, choice).encode())
            file.flush()
            os.fsync(file.fileno())
        Path(draft).chmod(path.stat().st_mode & 0o7777 if path.exists() else 0o600)
        Path(draft).replace(path)
        draft = None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} can't be changed: {error}") from error
    finally:
        if draft is not None:
            Path(draft).unlink(missing_ok=True)


def check_profile(path: Path, name: str, choice: Choice) -> None:
    """Find out, before a minute of measuring, whether such values could be saved.

    Raises:
        UsageError: As `save_profile` does, but for what only writing shows.
    """
    try:
        edited(_text(path), name, choice)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} can't be changed: {error}") from error


def edited(text: str, name: str, choice: Choice) -> str:
    """Return the text of a settings file with the values in the profile's table, everything else as it was.

    Raises:
        UsageError: The profile is written in a form that can't be edited so.
    """
    values = _values(choice)
    wanted = _parsed(text)
    try:
        wanted.setdefault("profiles", {}).setdefault(name, {}).setdefault("upload", {}).update(values)
    except AttributeError:
        raise _refusal(name, values) from None
    new = _edited(text, name, values)
    try:
        unharmed = tomllib.loads(new) == wanted
    except tomllib.TOMLDecodeError:
        unharmed = False
    if not unharmed:
        raise _refusal(name, values)
    return new


def _edited(text: str, name: str, values: dict[str, Any]) -> str:
    lines = text.splitlines(keepends=True)
    ending = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    headers = [number for number, line in enumerate(lines) if _HEADER.fullmatch(line.rstrip("\r\n"))]
    start = next((number for number in headers if _names(lines[number], name)), None)
    if start is None:
        return text + _separator(text, ending) + "".join(f"{line}{ending}" for line in _table(name, values))
    end = next((number for number in headers if number > start), len(lines))
    return "".join([*lines[: start + 1], *_filled(lines[start + 1 : end], values, ending), *lines[end:]])


def _filled(body: list[str], values: dict[str, Any], ending: str) -> list[str]:
    """Replace the values that the table has, where they stand, and put the others below its last one."""
    missing = dict(values)
    for number, line in enumerate(body):
        found = re.match(r"\s*([A-Za-z_]+)\s*=", line)
        if found and found[1] in missing:
            comment = re.search(r"\s+#[^\"']*$", line.rstrip("\r\n"))
            body[number] = f"{found[0]} {_toml(missing.pop(found[1]))}{comment[0] if comment else ''}{ending}"
    last = next((number for number in range(len(body), 0, -1) if re.match(r"\s*[^\s#]", body[number - 1])), 0)
    if last and not body[last - 1].endswith("\n"):
        body[last - 1] += ending
    return [*body[:last], *(f"{key} = {_toml(value)}{ending}" for key, value in missing.items()), *body[last:]]


def _names(header: str, name: str) -> bool:
    """Whether a line opens the profile's upload table, in whatever spelling."""
    try:
        return tomllib.loads(header) == {"profiles": {name: {"upload": {}}}}
    except tomllib.TOMLDecodeError:
        return False


def _separator(text: str, ending: str) -> str:
    if not text:
        return ""
    return ending if text.endswith("\n") else 2 * ending


def _table(name: str, values: dict[str, Any]) -> list[str]:
    quoted = name if _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False)
    return [f"[profiles.{quoted}.upload]", *(f"{key} = {_toml(value)}" for key, value in values.items())]


def _values(choice: Choice) -> dict[str, Any]:
    size = choice.part_bytes
    shown = next((f"{size // unit}{word}" for unit, word in ((MIB, "MiB"), (KIB, "KiB")) if size % unit == 0), size)
    return {
        "level": choice.level,
        "concurrency": choice.concurrency,
        "workers": choice.workers,
        "part_size": shown,
    }


def _toml(value: str | int) -> str:
    return json.dumps(value)


def _text(path: Path) -> str:
    return path.read_bytes().decode() if path.exists() else ""


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"the settings file is no TOML: {error}") from None


def _refusal(name: str, values: dict[str, Any]) -> UsageError:
    return UsageError(
        f"the settings file writes profile {name!r} in a form that can't be changed without touching the rest",
        hint="Write it yourself: " + "; ".join(_table(name, values)),
    )
