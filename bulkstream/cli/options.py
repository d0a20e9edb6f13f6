"""Options that several commands share."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Mode(StrEnum):
    """Update methods, as they are typed."""

    REPLACE = "replace"
    APPEND = "append"
    UPSERT = "upsert"


AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else there.")]
Profile = Annotated[str | None, typer.Option(help="Profile of the settings file.", metavar="NAME")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show errors only.")]
SchemaFile = Annotated[
    Path | None, typer.Option("--schema", help="Columns as JSON or TOML.", metavar="FILE", dir_okay=False)
]
Columns = Annotated[
    list[str] | None, typer.Option("--column", help="A column; repeatable.", metavar="NAME:TYPE", show_default=False)
]
StreamId = Annotated[int, typer.Argument(metavar="STREAM", help="Id of the stream.", show_default=False)]
ExecutionId = Annotated[int, typer.Argument(metavar="EXECUTION", help="Id of the execution.", show_default=False)]
