"""From what the user named to files: paths as they are, patterns expanded, in order; `-` is standard input."""

from __future__ import annotations

import glob
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from bulkstream.errors import SourceMissing, SourceUnreadable
from bulkstream.sources.regular import check_regular

if TYPE_CHECKING:
    from collections.abc import Iterable

STDIN = Path("-")
"""Standard input; a file of that name is `./-`."""


def locate(names: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Return the files and named pipes behind paths and glob patterns (`**` included), patterns in sorted order.

    Raises:
        SourceMissing: A file does not exist, a pattern matches no file, or nothing was named.
        SourceUnreadable: A name is a directory, a socket or a device, or the system refused to look.
    """
    files = [file for name in names for file in _expand(os.fspath(name))]
    if not files:
        raise nothing_named()
    return files


def nothing_named() -> SourceMissing:
    """Make the error for a load of nothing."""
    return SourceMissing("no source was named", hint="Name one or more files, a quoted glob pattern, or a URL.")


def is_pipe(path: Path) -> bool:
    """Whether a file can be read only once and only forwards: standard input or a named pipe.

    Raises:
        SourceUnreadable: It is gone, or may not be looked at.
    """
    if path == STDIN:
        return True
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise SourceUnreadable(f"{path}: {error.strerror}") from error
    return stat.S_ISFIFO(mode)


def _expand(name: str) -> list[Path]:
    if name == str(STDIN):
        return [STDIN]
    path = Path(name).expanduser()
    if path == STDIN:
        path = path.absolute()
    try:
        mode = path.stat().st_mode if path.exists() else 0
    except OSError as error:
        raise SourceUnreadable(f"{name}: {error.strerror}") from error
    if stat.S_ISDIR(mode):
        raise SourceUnreadable(f"{name} is a directory", hint=f"Name the files in it, for example '{path / '*.csv'}'.")
    if mode:
        if not stat.S_ISFIFO(mode):
            check_regular(name, mode)
        return [path]
    if not glob.has_magic(name):
        raise SourceMissing(f"{name}: no such file", hint="Check the path; patterns need quotes or a shell.")
    matches = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
    files = [Path(match) for match in matches if not Path(match).is_dir()]
    if not files:
        raise SourceMissing(f"{name}: the pattern matches no file")
    return files
