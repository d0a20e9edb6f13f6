"""Directories that hold one table: which files count, and what their folders' names say (`year=2024/month=01/…`)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from bulkstream.errors import MissingExtra, SourceError

try:
    import pyarrow as pa
except ImportError:
    raise MissingExtra("pyarrow", "arrow") from None

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_NULL = "__HIVE_DEFAULT_PARTITION__"
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_MANAGED = {"_delta_log": "Delta Lake", ".hoodie": "Hudi"}
_ICEBERG = re.compile(r"(?:^|/)metadata/[^/]*\.metadata\.json$")


def hive_parts(relative_path: str) -> dict[str, str | None]:
    """Return the names and values in a file's folders, from the outermost; None is null.

    `relative_path` has slashes, and begins below the directory that was named. Names and values are URL-encoded.
    """
    folders = (folder.partition("=") for folder in relative_path.split("/")[:-1])
    given = [(unquote(key), value) for key, equals, value in folders if key and equals]
    return {key: None if value == _NULL else unquote(value) for key, value in given}


def parquet_files(names: Iterable[str]) -> list[str]:
    """Return, sorted, which files of a directory hold rows, by their paths below it.

    Not those that begin with a dot or an underscore, or are below such a folder, and no `.crc`; a folder `_year=2024`
    is a partition.

    Raises:
        SourceError: The directory is a table of which not every file counts: Delta Lake, Hudi, Iceberg.
    """
    every = sorted(names)
    for name in every:
        _refuse_managed(name)
    return [name for name in every if not name.endswith((".crc", "/")) and not any(map(_hidden, name.split("/")))]


def partition_field(name: str, values: Sequence[str | None]) -> pa.Field:
    """Return a partition column, with the type that all its values have."""
    given = [value for value in values if value is not None]
    kind = next((kind for kind in (pa.int64(), pa.date32()) if given and _all(given, kind)), pa.string())
    return pa.field(name, kind)


def partition_value(value: str | None, kind: pa.DataType) -> pa.Scalar:
    """Return a partition's value in its column's type."""
    return pa.scalar(value, pa.string()).cast(kind)


def partition_names(partitions: Sequence[Mapping[str, str | None]], names: Sequence[str]) -> list[str]:
    """Return the names of the partition columns, which are the same for all files.

    Raises:
        SourceError: They are not.
    """
    for name, parts in zip(names, partitions, strict=False):
        if parts.keys() != partitions[0].keys():
            theirs, ours = (", ".join(keys) or "none" for keys in (parts, partitions[0]))
            raise SourceError(
                f"{name} has other partitions than {names[0]}: {theirs}; not {ours}",
                hint="Name a directory whose files lie equally deep, below folders of the same names.",
            )
    return list(partitions[0]) if partitions else []


def _all(values: Sequence[str], kind: pa.DataType) -> bool:
    pattern = _INTEGER if kind == pa.int64() else _DAY
    if not all(map(pattern.fullmatch, values)):
        return False
    try:
        pa.array(values, pa.string()).cast(kind)
    except pa.ArrowInvalid:  # beyond 64 bits; no day of the calendar
        return False
    return True


def _hidden(part: str) -> bool:
    return part.startswith(".") or (part.startswith("_") and "=" not in part)


def _refuse_managed(name: str) -> None:
    kinds = [kind for folder, kind in _MANAGED.items() if folder in name.split("/")]
    if kinds or _ICEBERG.search(name):
        kind = (kinds or ["Iceberg"])[0]
        raise SourceError(
            f"the directory is a table of {kind} ({name}), whose files also hold rows that were deleted",
            hint="Read it with a reader of that format, and upload its frame or an export.",
        )
