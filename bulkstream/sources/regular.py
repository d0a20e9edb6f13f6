"""Opening files, and nothing else: no directory, pipe, socket or device, which may never end or never begin."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from bulkstream.errors import SourceUnreadable

if TYPE_CHECKING:
    from io import FileIO
    from pathlib import Path

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def check_regular(name: str | os.PathLike[str], mode: int) -> None:
    """Refuse what is no file.

    Raises:
        SourceUnreadable: It is something else.
    """
    if not stat.S_ISREG(mode):
        kind = next((what for is_kind, what in _KINDS if is_kind(mode)), "no file")
        raise SourceUnreadable(f"{os.fspath(name)} is {kind}", hint="Write the data to a file and name that.")


def open_regular(path: Path) -> FileIO:
    """Open a file for reading, unbuffered; whoever called closes it.

    It does not wait for a pipe's other end, also if the pipe took the file's place only now.

    Raises:
        OSError: The system refused.
        SourceUnreadable: It is no file.
    """
    file = open(path, "rb", buffering=0, opener=_opened)  # noqa: SIM115 - Path.open has no opener
    try:
        check_regular(path, os.fstat(file.fileno()).st_mode)
    except BaseException:
        file.close()
        raise
    return file


def _opened(name: str, flags: int) -> int:
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))
