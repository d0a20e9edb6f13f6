"""`bulkstream demo`: the whole way on this machine, into a sandbox process and back, compared byte by byte."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import tempfile
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import to_thread

from bulkstream.cli.exits import Exit, exit_code
from bulkstream.cli.lineitem import lineitem
from bulkstream.cli.progress import reporter_for
from bulkstream.cli.run import INTERRUPTS, run
from bulkstream.cli.upload import concluded, load_once, show
from bulkstream.client import Client
from bulkstream.digest import Digest, blocks_digest, source_digest
from bulkstream.errors import BulkstreamError, SourceUnreadable, UsageError, VerificationFailed
from bulkstream.fitting import fitted
from bulkstream.ledger import Ledger
from bulkstream.model import Dialect, Outcome, Verify
from bulkstream.prepare import Request
from bulkstream.secret import Secret
from bulkstream.settings import Connection, Settings, Upload
from bulkstream.size import MIB
from bulkstream.sources import Inputs
from bulkstream.sources.locate import is_pipe

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Sequence

    from bulkstream.model import Report
    from bulkstream.reporter import Reporter
    from bulkstream.sources import CsvFiles, CsvPipes, Tables

ROWS = 600_000
START_S = 30.0
DATASET = "Demo"


@dataclass(slots=True)
class Stage:
    """A demonstration under way, and what it has to clear away.

    Attributes:
        folder: Its own temporary folder.
        sandbox: The server's process, once it is started.
    """

    folder: Path
    ledger: Ledger
    reporter: Reporter
    keep: bool = False
    sandbox: Process | None = None

    def clear(self) -> None:
        """Leave nothing behind, or what was asked for; the sandbox has no time to stop by itself."""
        if self.sandbox is not None and self.sandbox.returncode is None:
            self.sandbox.kill()
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)


def demo(files: Sequence[Path], rows: int | None, *, as_json: bool, quiet: bool, keep: bool = False) -> Exit:
    """Show it, and return the exit code: 0 only if what was read back is what was sent.

    Raises:
        UsageError: Rows are to be made although there are files.
    """
    if files and rows is not None:
        raise UsageError("--rows is for rows that are made; the files have their own")
    error, report = None, None
    folder = Path(tempfile.mkdtemp(prefix="bulkstream-demo-"))
    stage = Stage(folder, Ledger(), reporter_for(quiet=quiet, interval_s=1.0), keep)
    try:
        work = _shown(stage, files, ROWS if rows is None else rows)
        report = run(work, interrupted=lambda: "interrupted: clearing up (again to leave at once)", leaving=stage.clear)
    except (Exception, *INTERRUPTS) as raised:  # noqa: BLE001 - told below, and its code returned
        error = raised
    finally:
        stage.clear()
    if report is not None and report.verified is False:
        error = VerificationFailed(report.error or "")
    report = report or concluded(stage.ledger, error)
    show(report, error, as_json=as_json, quiet=quiet)
    if keep:
        sys.stderr.write(f"kept: {folder}; look at it with `bulkstream sandbox --data {folder / 'data'}`\n")
    return _code(error, report)


def _code(error: BaseException | None, report: Report) -> Exit:
    """Map the end to the exit code; what was committed but not compared is no success of a demonstration."""
    if error is None or report.outcome is not Outcome.COMMITTED:
        return exit_code(error, report)
    return Exit.INTERRUPTED if isinstance(error, INTERRUPTS) else Exit.UNVERIFIED


async def _shown(stage: Stage, files: Sequence[Path], rows: int) -> Report:
    """Make an input, start a sandbox, load, read back, compare."""
    sources = list(files) or [await to_thread.run_sync(lineitem, stage.folder, rows)]
    await to_thread.run_sync(_check_repeatable, sources)
    settings = Upload(part_size=8 * MIB, journal=False, verify=Verify.OFF)
    request = Request(tuple(sources), settings, dataset_name=DATASET)
    async with _sandbox(stage) as url:
        stage.ledger.started = Ledger().started  # the report is of the load, not of making its input
        report = await load_once(request, account(url, Dialect.INSTANCE), stage.ledger, stage.reporter)
        source = await to_thread.run_sync(_source, request)
        sent = await source_digest(source, request.settings.max_record_size)
        read = await read_back(account(url, Dialect.PUBLIC), report.stream_id or 0, sent.rows)
    if sent == read and sent.rows == report.rows:
        return replace(report, verified=True)
    difference = f"{read.rows:,} rows were read back of {sent.rows:,}, and their bytes are not those that were sent"
    return replace(report, verified=False, error=difference)


async def read_back(settings: Settings, stream_id: int, rows: int) -> Digest:
    """Digest what the server gives back; where it counts no rows, take them for complete."""
    async with Client(settings) as client:
        dataset = await client.datasets.get((await client.streams.get(stream_id)).dataset_id)
        told = rows if dataset.rows is None else dataset.rows
        return await blocks_digest(client.datasets.read_back(dataset.id or ""), told)


def account(url: str, dialect: Dialect) -> Settings:
    """Return the settings that lead to a sandbox."""
    secret = Secret("sandbox")
    connection = Connection(url=url, dialect=dialect, token=secret, client_id="sandbox", client_secret=secret)
    return Settings(connection=connection)


def _source(request: Request) -> CsvFiles | CsvPipes | Tables:
    """Open again what was loaded, as it was loaded. Blocking.

    Raises:
        SourceUnreadable: It can't be read a second time.
    """
    inputs = Inputs(request.sources)
    inputs.find()
    return fitted(inputs.open(request.settings), request.settings, None, DATASET).source


def _check_repeatable(sources: Sequence[Path]) -> None:
    if pipe := next((path for path in sources if path.exists() and is_pipe(path)), None):
        raise SourceUnreadable(
            f"{pipe} is a pipe, and here the source is read more than once",
            hint="Write the data to a file and name that.",
        )


@asynccontextmanager
async def _sandbox(stage: Stage) -> AsyncIterator[str]:
    """Run `bulkstream sandbox` as a process of its own.

    Raises:
        BulkstreamError: It did not start.
    """
    port_file = stage.folder / "port"
    places = ["--port", "0", "--port-file", str(port_file), "--data", str(stage.folder / "data")]
    # A session of its own, so that Ctrl-C reaches only the load, which still needs the server to abort.
    process = stage.sandbox = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bulkstream", "sandbox", *places), stdout=subprocess.DEVNULL, start_new_session=True
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
