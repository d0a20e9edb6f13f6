"""What a run was begun with: all that decides what is sent, and where."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field

from bulkstream.model import Column, Dialect, UpdateMethod

LATEST = 253_402_300_800.0
"""Seconds since the epoch at which the year 9999 ends, and with it what can be shown as a date."""


def kept_name(path: str | os.PathLike[str]) -> str:
    """Return the absolute path of a file as JSON can hold it: one that is not UTF-8 becomes a `file:` URI."""
    name = os.path.abspath(path)  # noqa: PTH100 - keeps links as they are named
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return Path(name).as_uri()
    return name


def named_path(name: str) -> Path:
    """Return the path that a kept name stands for."""
    if name.startswith("file://"):
        return Path(unquote(name.removeprefix("file://"), errors="surrogateescape"))
    return Path(name)


class Kept(BaseModel):
    """What is kept as JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class SourceFile(Kept):
    """One file of the source, as it was found.

    Attributes:
        path: A kept name, as all paths here.
        start: Where its data begins, behind byte order mark and header.
        first_line: Line on which it begins.
        digest: Of samples of its bytes.
    """

    path: str = Field(pattern=r"^[^\x00]+$")
    start: int = Field(ge=0)
    size: int = Field(ge=0)
    mtime_ns: int
    inode: int
    digest: str
    first_line: int = Field(1, ge=1)


class SourceBlob(Kept):
    """One file or object that a source was made of, as it was found.

    Attributes:
        name: Path or URL, for messages.
        version: What its place says of its state.
        digest: Of samples of its bytes, where its place says too little.
    """

    name: str
    size: int = Field(ge=0)
    version: str
    digest: str


class RunPlan(Kept):
    """What decides how a run goes on.

    Attributes:
        created: Seconds since the epoch.
        version: Of bulkstream; parts are cut in the same way by all versions that can read the journal.
        url: Base address of the account.
        profile: Name of the profile of the settings file that was used.
        mode: Update method that overrides the stream's own.
        method: Update method that holds, None if it is not known.
        guessed: The columns' types are from a sample of the source.
        total_bytes: Of the source, without headers; None if unknown.
        announce_parts: As in the job.
        settings: Upload settings that differ from the defaults, without those that name files.
        reject_file: Where rows go that are left out; None for the usual place.
        inputs: What names the source again where its rows are not files' bytes as they are: kept names and URLs.
        blobs: What those stood for, in order.
        unrepeatable: Why the source can't be read a second time; empty if it can.
        spooled: Paths of those files that are copies of pipes; they are removed when the run has ended.
        rows_before: Rows of the dataset before the load, where the server told.
    """

    run_id: str
    created: float = Field(ge=0, lt=LATEST)
    version: str
    url: str
    dialect: Dialect
    stream_id: int
    part_bytes: int = Field(ge=1)
    max_record_bytes: int = Field(ge=1)
    profile: str | None = None
    dataset_name: str | None = None
    mode: UpdateMethod | None = None
    method: UpdateMethod | None = None
    key_columns: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    guessed: bool = False
    total_bytes: int | None = None
    announce_parts: bool = False
    settings: dict[str, Any] = Field(default_factory=dict)
    reject_file: str | None = None
    files: tuple[SourceFile, ...] = ()
    inputs: tuple[str, ...] = ()
    blobs: tuple[SourceBlob, ...] = ()
    unrepeatable: str = ""
    spooled: tuple[str, ...] = ()
    rows_before: int | None = None
