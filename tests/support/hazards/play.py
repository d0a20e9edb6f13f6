"""Loads each format with each hazard into a sandbox, and compares what is read back with the format's own reader.

`python -m tests.support.hazards.play` writes the table into docs/sources.md; a test holds the page to it.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulkstream import Client
from bulkstream.errors import BulkstreamError
from bulkstream.model import ColumnType
from bulkstream.sandbox import SandboxSettings, running
from bulkstream.settings import load_settings
from tests.support import postgres
from tests.support.hazards.databases import postgres_format
from tests.support.hazards.formats import AGAIN, EXCEPTIONS, FORMATS
from tests.support.hazards.judge import is_said
from tests.support.hazards.made import Refused
from tests.support.hazards.tables import EMPTY, HAZARDS, NOTHING, ONE_ROW
from tests.support.marked import write
from tests.support.reference_csv import fields_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bulkstream.model import Column
    from tests.support.hazards.made import Format, Made
    from tests.support.hazards.tables import Hazard
    from tests.support.postgres import Postgres

PAGE = Path(__file__).parents[3] / "docs" / "sources.md"
MARK = "<!-- source matrix -->"
AT_ONCE = 4
MOST_TOLD = 3


@dataclass(frozen=True)
class Cell:
    """What became of one load.

    Attributes:
        text: In words.
        wrong: What should not have been, one sentence each.
    """

    text: str
    wrong: tuple[str, ...] = ()


def formats(server: Postgres | None) -> tuple[Format, ...]:
    """Return the rows of the matrix; PostgreSQL's is there if there is a server."""
    programs = postgres.programs()
    if server is None or programs is None:
        return FORMATS
    return (*FORMATS, postgres_format(server, programs))


async def played(rows: Sequence[Format], folder: Path) -> dict[tuple[str, str], Cell]:
    """Play all cells, some at a time, in one sandbox."""
    turns = asyncio.Semaphore(AT_ONCE)
    async with running(SandboxSettings(port=0)) as sandbox, Client(_settings(sandbox.url)) as client:

        async def one(kind: Format, head: str, hazards: Sequence[Hazard]) -> tuple[tuple[str, str], Cell]:
            async with turns:
                place = Path(tempfile.mkdtemp(dir=folder))
                return (kind.name, head), await _cell(client, kind, head, hazards, place)

        wanted = [(hazard.name, (hazard,)) for hazard in HAZARDS] + [(AGAIN, (ONE_ROW, EMPTY, NOTHING))]
        return dict(await asyncio.gather(*(one(kind, *each) for kind in rows for each in wanted)))


def _settings(url: str) -> Any:
    environ = {
        "BULKSTREAM_URL": url,
        "BULKSTREAM_DIALECT": "public",
        "BULKSTREAM_CLIENT_ID": "sandbox",
        "BULKSTREAM_CLIENT_SECRET": "sandbox",
        "HOME": "/nowhere",
    }
    return load_settings({"upload": {"journal": False, "check": "types"}}, environ=environ)


async def _cell(client: Client, kind: Format, head: str, hazards: Sequence[Hazard], folder: Path) -> Cell:
    """Load hazards in a format, one after the other into one dataset, and read each back."""
    exception = EXCEPTIONS.get((kind.name, head))
    wrong, types = list[str](), tuple[ColumnType, ...]()
    try:
        for hazard in hazards:
            place = folder / str(HAZARDS.index(hazard) if hazard in HAZARDS else "nothing")
            place.mkdir()
            made = await asyncio.to_thread(kind.make, hazard, place)
            types = types or made.types
            report = await client.upload(made.source, dataset_name=f"{kind.name}, {head}", **made.options)
            wrong += await _differences(client, replace(made, types=types), report.stream_id or 0)
    except BulkstreamError as error:
        if isinstance(exception, Refused) and exception.error in str(error):
            return Cell(f"refused: {exception.why}")
        return Cell("", (f"refused: {error}",))
    if isinstance(exception, Refused):
        wrong.append("loaded, and should have been refused")
    return Cell(f"equal: {exception.why}" if exception else "equal", tuple(wrong))


async def _differences(client: Client, made: Made, stream_id: int) -> list[str]:
    """Compare columns and rows; return what differs in words."""
    stream = await client.streams.get(stream_id)
    dataset = await client.datasets.get(stream.dataset_id)
    data = b"".join([block async for block in client.datasets.export(stream.dataset_id, include_header=False)])
    columns = [each.column() for each in (dataset.dataset_schema and dataset.dataset_schema.columns) or ()]
    return await asyncio.to_thread(_compared, made, columns, data)


def _compared(made: Made, columns: Sequence[Column], data: bytes) -> list[str]:
    names, types = [each.name for each in columns], [each.type for each in columns]
    wrong = [f"columns {a} instead of {b}" for a, b in zip_longest(names, made.names) if a != b]
    wrong += [f"{n} is {a} instead of {b}" for n, a, b in zip(names, types, made.types, strict=False) if a != b]
    rows = fields_of(data)
    if len(rows) != len(made.rows):
        wrong.append(f"{len(rows)} rows instead of {len(made.rows)}")
    for number, (fields, values) in enumerate(zip(rows, made.rows, strict=False)):
        if len(fields) != len(values):
            wrong.append(f"row {number} has {len(fields)} fields instead of {len(values)}")
        wrong += [
            f"row {number}, {name}: {field!r:.80} instead of {value!r:.80}"
            for name, field, value, target in zip(names, fields, values, types, strict=False)
            if not is_said(field, value, target)
        ]
    return wrong


def table(cells: Mapping[tuple[str, str], Cell], rows: Sequence[Format]) -> str:
    """Lay the table out."""
    heads = [*(hazard.name for hazard in HAZARDS), AGAIN]
    lines = [f"| format | {' | '.join(heads)} |", "| --- " * (1 + len(heads)) + "|"]
    lines += [f"| {row.name} | {' | '.join(cells[row.name, head].text for head in heads)} |" for row in rows]
    return "\n".join(lines)


def untruths(cells: Mapping[tuple[str, str], Cell]) -> list[str]:
    """Everything that is wrong, in words."""
    found = []
    for (name, hazard), cell in cells.items():
        found += [f"{name} / {hazard}: {wrong}" for wrong in cell.wrong[:MOST_TOLD]]
    return found


def main() -> None:
    """Write the table into the page."""
    os.environ.pop("BULKSTREAM_STATE_DIR", None)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        programs = postgres.programs()
        server = stack.enter_context(postgres.serving(programs)) if programs else None
        rows = formats(server)
        cells = asyncio.run(played(rows, folder))
    if wrong := untruths(cells):
        raise SystemExit("\n".join(wrong))
    write(PAGE, MARK, table(cells, rows))


if __name__ == "__main__":
    main()
