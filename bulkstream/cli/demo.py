"""`bulkstream demo`: the whole way on this machine, into a sandbox process and back, compared byte by byte."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
import tempfile
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import to_thread
from pydantic import SecretStr

from bulkstream.cli.exits import Exit, exit_code
from bulkstream.cli.progress import reporter_for
from bulkstream.cli.run import run
from bulkstream.cli.upload import concluded, load_once, show
from bulkstream.client import Client
from bulkstream.errors import BulkstreamError, MissingExtra
from bulkstream.ledger import Ledger
from bulkstream.model import Dialect, HeaderMode, Outcome
from bulkstream.prepare import Request
from bulkstream.settings import MIB, Connection, Settings, Upload
from bulkstream.sources import open_csv
from bulkstream.stages import Buffer, Cutter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from bulkstream.model import Report
    from bulkstream.reporter import Reporter
    from bulkstream.sources import CsvFiles

ROWS_PER_SCALE = 6_000_000
"""Rows of TPC-H lineitem at scale 1, rounded down (source: TPC-H specification, table 3)."""

START_S = 30.0
DATASET = "Demo"


@dataclass(frozen=True, slots=True)
class Digest:
    """What is compared: number of rows, and SHA-256 of their bytes."""

    rows: int
    sha256: str


def demo(files: Sequence[Path], rows: int, *, as_json: bool, quiet: bool) -> Exit:
    """Show it, and return the exit code: 0 only if what was read back is what was sent."""
    ledger, error, report = Ledger(), None, None
    reporter = reporter_for(quiet=quiet, interval_s=1.0)
    with tempfile.TemporaryDirectory(prefix="bulkstream-demo-") as folder:
        try:
            report = run(_shown(Path(folder), files, rows, (ledger, reporter)), interrupted=lambda: "interrupted")
        except (Exception, asyncio.CancelledError) as raised:  # noqa: BLE001 - told below, and its code returned
            error = raised
    report = report or concluded(ledger, error)
    show(report, error, as_json=as_json, quiet=quiet)
    return _code(error, report)


def _code(error: BaseException | None, report: Report) -> Exit:
    """Map the end to the exit code; what was committed but not compared is no success of a demonstration."""
    if error is None or report.outcome is not Outcome.COMMITTED:
        return exit_code(error, report)
    return Exit.INTERRUPTED if isinstance(error, asyncio.CancelledError) else Exit.UNVERIFIED


async def _shown(folder: Path, files: Sequence[Path], rows: int, told: tuple[Ledger, Reporter]) -> Report:
    """Make an input, start a sandbox, load, read back, compare."""
    ledger, reporter = told
    sources = list(files) or [await to_thread.run_sync(lineitem, folder, rows)]
    request = Request(tuple(sources), Upload(part_size=8 * MIB), dataset_name=DATASET)
    async with _sandbox(folder) as url:
        ledger.started = Ledger().started  # the report is of the load, not of making its input
        report = await load_once(request, account(url, Dialect.INSTANCE), ledger, reporter)
        columns = await to_thread.run_sync(lambda: _source(request))
        sent = await to_thread.run_sync(source_digest, columns, request.settings)
        read = await read_back(account(url, Dialect.PUBLIC), report.stream_id or 0, sent.rows)
    return replace(report, verified=sent == read and sent.rows == report.rows)


def lineitem(folder: Path, rows: int) -> Path:
    """Make TPC-H lineitem with exactly so many rows.

    Raises:
        MissingExtra: tpchgen-cli is not installed.
        BulkstreamError: It failed.
    """
    tool = Path(sys.executable).with_name("tpchgen-cli")
    if not tool.exists():
        raise MissingExtra("tpchgen-cli", "demo")
    # A little more than asked for, because orders have between one and seven lines.
    scale = max(0.001, 1.02 * rows / ROWS_PER_SCALE)
    command = [str(tool), "csv", "-s", f"{scale:.4f}", "--tables=lineitem", "--output-dir", str(folder / "tpch"), "-q"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our own arguments
    if done.returncode:
        raise BulkstreamError(f"tpchgen-cli failed: {done.stderr.strip()[-500:]}")
    path = folder / "lineitem.csv"
    with (folder / "tpch" / "lineitem.csv").open("rb") as made, path.open("wb") as file:
        file.writelines(islice(made, rows + 1))
    return path


def source_digest(source: CsvFiles, settings: Upload) -> Digest:
    """Digest what a load of the source has to send."""
    cutter = Cutter(source, part_bytes=settings.part_size, max_record_bytes=settings.max_record_size)
    buffer, digest, rows = Buffer(cutter.capacity), hashlib.sha256(), 0
    try:
        while chunk := cutter.next(buffer):
            digest.update(chunk.data)
            rows += chunk.rows
    finally:
        cutter.close()
    return Digest(rows, digest.hexdigest())


async def read_back(settings: Settings, stream_id: int, rows: int) -> Digest:
    """Digest what the server gives back; without any rows to compare, its own count of them."""
    digest = hashlib.sha256()
    async with Client(settings) as client:
        stream = await client.streams.get(stream_id)
        dataset = await client.datasets.get(stream.dataset_id)
        async for block in client.datasets.export(stream.dataset_id, include_header=False):
            digest.update(block)
    return Digest(rows if dataset.rows is None else dataset.rows, digest.hexdigest())


def account(url: str, dialect: Dialect) -> Settings:
    """Return the settings that lead to a sandbox."""
    secret = SecretStr("sandbox")
    connection = Connection(url=url, dialect=dialect, token=secret, client_id="sandbox", client_secret=secret)
    return Settings(connection=connection)


def _source(request: Request) -> CsvFiles:
    return open_csv(request.sources, header=HeaderMode.AUTO)


@asynccontextmanager
async def _sandbox(folder: Path) -> AsyncIterator[str]:
    """Run `bulkstream sandbox` as a process of its own.

    Raises:
        BulkstreamError: It did not start.
    """
    port_file = folder / "port"
    command = [
        "-m",
        "bulkstream",
        "sandbox",
        "--port",
        "0",
        "--port-file",
        str(port_file),
        "--data",
        str(folder / "data"),
    ]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        async with asyncio.timeout(START_S):
            while not port_file.exists():
                if process.returncode is not None:
                    raise BulkstreamError(f"the sandbox ended with code {process.returncode}")
                await asyncio.sleep(0.02)
        yield f"http://127.0.0.1:{port_file.read_text('ascii').strip()}"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
