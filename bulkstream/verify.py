"""After the commit: does the server have what was sent?

Either its own count of rows is compared (`rows`), or all of its rows (`full`); docs/verification.md states the rules.
The judgments are pure functions; around them, the server is asked until its account agrees or its time is up, since
counts may lag behind a commit. Whatever goes wrong meanwhile leaves the question open, and never hides that the load
is committed.
"""

from __future__ import annotations

import csv
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from bulkstream.digest import Bytes, Equal, Multiset, Records, feed_blocks, feed_source
from bulkstream.errors import BulkstreamError, VerificationFailed
from bulkstream.holding import waited
from bulkstream.model import Dialect, UpdateMethod, Verify
from bulkstream.reporter import Notice

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bulkstream.api import ApiClient
    from bulkstream.ledger import Ledger
    from bulkstream.model import Column
    from bulkstream.reporter import Reporter
    from bulkstream.settings import Upload
    from bulkstream.sources import Source

POLL_FIRST_S, POLL_LAST_S = 0.2, 5.0
"""Seconds between two looks at what the server says: at first, and at most."""

LOOK_S = 10.0
"""Seconds that the last look at counts may take, retries included."""


@dataclass(frozen=True, slots=True)
class Before:
    """What a dataset held before the commit: its rows, and for an APPEND in full, their values; None if not told."""

    rows: int | None = 0
    records: Multiset | None = field(default_factory=Multiset)


@dataclass(frozen=True, slots=True)
class Verification:
    """What is to be compared.

    Attributes:
        columns: Of the dataset; values of columns that aren't known are compared as text.
        method: What the commit does with the rows that are there; None if nobody knows.
        timeout_s: Seconds for which the server's account may lag behind.
        before: The dataset before the commit; an empty one, unless `with_before` has looked.
    """

    how: Verify
    source: Source
    dataset_id: str
    columns: tuple[Column, ...]
    method: UpdateMethod | None
    timeout_s: float
    max_record_bytes: int
    before: Before = field(default_factory=Before)

    @classmethod
    def of(
        cls,
        settings: Upload,
        *,
        source: Source,
        dataset_id: str,
        columns: tuple[Column, ...],
        method: UpdateMethod | None,
    ) -> Verification:
        """Return what the settings want compared, for a dataset that is empty before the commit."""
        return cls(
            how=settings.verify,
            source=source,
            dataset_id=dataset_id,
            columns=columns,
            method=method,
            timeout_s=settings.verify_timeout_s,
            max_record_bytes=settings.max_record_size,
        )


@dataclass(frozen=True, slots=True)
class Finding:
    """What a comparison found: True, False, or None where it could not tell, and why."""

    verified: bool | None
    reason: str = ""


async def with_before(load: Verification, client: ApiClient, reporter: Reporter) -> Verification:
    """Look at the dataset before anything is sent, where the comparison will need that."""
    if load.how is Verify.OFF or load.method not in {UpdateMethod.APPEND, UpdateMethod.UPSERT}:
        return load
    rows, records = None, None
    try:
        if client.dialect is Dialect.PUBLIC:
            rows = (await client.datasets.get(load.dataset_id)).rows
        if load.how is Verify.FULL and load.method is UpdateMethod.APPEND:
            records = await _read_back(load, client)
    except (BulkstreamError, OSError, csv.Error) as error:
        reporter.notice(Notice(f"the load can't be verified, the dataset before it is not told: {error}"))
    return replace(load, before=Before(rows, records))


async def verify(load: Verification | None, client: ApiClient, *, ledger: Ledger, reporter: Reporter) -> bool | None:
    """Compare what the server has after a commit with what was sent, and note the result in the ledger.

    Returns:
        True, or None if it can't be told; why not is a notice.

    Raises:
        VerificationFailed: They differ.
    """
    if load is None or load.how is Verify.OFF:
        return None
    ledger.ended = time.perf_counter()
    if load.how is Verify.FULL:
        reporter.notice(Notice("committed; reading the dataset back to compare it"))
    finding = await _compared(load, client, ledger)
    ledger.verified = finding.verified
    if finding.verified is None:
        reporter.notice(Notice(f"not verified: {finding.reason}"))
    if finding.verified is False:
        raise VerificationFailed(
            f"committed, but {finding.reason}",
            hint="Look at the dataset, and at other loads into it; a server that counts slowly needs a longer "
            "verify_timeout_s.",
        )
    return finding.verified


def judged_dataset(method: UpdateMethod | None, before: int | None, sent: int, rows: int | None) -> Finding:
    """Judge by the number of rows that a dataset has after a commit."""
    if rows is None:
        return Finding(None, "the server doesn't tell how many rows the dataset has")
    if method is UpdateMethod.REPLACE:
        return Finding(rows == sent, f"the dataset has {rows:,} rows, {sent:,} were sent")
    if method is None or before is None:
        return Finding(None, "how many rows the dataset should have now is not known")
    if method is UpdateMethod.APPEND:
        return Finding(rows == before + sent, f"the dataset has {rows:,} rows, had {before:,}, and {sent:,} were sent")
    least, most = max(before, min(sent, 1)), before + sent
    if least <= rows <= most:
        return Finding(None, f"the dataset has {rows:,} rows; how many an upsert leaves depends on its keys")
    return Finding(False, f"the dataset has {rows:,} rows, where an upsert leaves {least:,} to {most:,}")


def judged_execution(method: UpdateMethod | None, sent: int, inserted: int | None) -> Finding:
    """Judge by the number of rows that an execution says it has inserted; an upsert may count replaced ones or not."""
    if inserted is None:
        return Finding(None, "the server doesn't tell how many rows the execution inserted")
    reason = f"the server says that {inserted:,} rows were inserted, {sent:,} were sent"
    if inserted < sent and method in {UpdateMethod.UPSERT, None}:
        return Finding(None, reason)
    return Finding(inserted == sent, reason)


async def _compared(load: Verification, client: ApiClient, ledger: Ledger) -> Finding:
    try:
        if load.how is Verify.ROWS:
            return await _counts(load, client, ledger)
        if obstacle := _obstacle(load, ledger):
            counts = await _counts(load, client, ledger)
            return counts if counts.verified is False else Finding(None, obstacle)
        return await _contents(load, client)
    except Exception as error:  # noqa: BLE001 - nothing that happens here may hide that the load is committed
        return Finding(None, str(error) or repr(error))


def _obstacle(load: Verification, ledger: Ledger) -> str:
    """Say why only counts can be compared, or nothing."""
    if ledger.report().bad_rows:
        return "rows were rejected before they were sent, so only counts were compared"
    if load.source.unrepeatable:
        return f"{load.source.unrepeatable}, so only counts were compared"
    if load.method is UpdateMethod.UPSERT:
        return "an upsert leaves rows of earlier loads among those that were sent, so only counts were compared"
    if load.method is None:
        return "the stream doesn't tell its update method"
    if load.method is UpdateMethod.APPEND and load.before.records is None:
        return "what the dataset held before is not known, so only counts were compared"
    return ""


async def _counts(load: Verification, client: ApiClient, ledger: Ledger) -> Finding:
    """Compare what the dialect counts: rows of the dataset, or of the execution."""
    sent = ledger.acked_rows

    async def dataset() -> Finding:
        rows = (await client.datasets.get(load.dataset_id)).rows
        return judged_dataset(load.method, load.before.rows, sent, rows)

    async def execution() -> Finding:
        latest = await client.executions.get(ledger.stream_id or 0, ledger.execution_id)
        return judged_execution(load.method, sent, latest.rows_inserted)

    with anyio.move_on_after(load.timeout_s + LOOK_S):
        return await _looked(dataset if client.dialect is Dialect.PUBLIC else execution, load.timeout_s)
    return Finding(None, "the server did not answer in time")


async def _contents(load: Verification, client: ApiClient) -> Finding:
    """Compare all rows: their bytes, and if those differ, as they may, their values."""
    sent = Bytes()
    await feed_source(load.source, sent, load.max_record_bytes)
    added: Multiset | None = None
    # A REPLACE leaves nothing of what was there.
    before = (load.before.records if load.method is UpdateMethod.APPEND else None) or Multiset()

    async def look() -> Finding:
        nonlocal added
        if not before.rows and await _is_equal(load, client, sent):
            return Finding(True)
        if added is None:
            added = await _sent(load)
        read = await _read_back(load, client)
        expected = before + added
        if read.rows != expected.rows:
            return Finding(False, f"{read.rows:,} rows were read back of {expected.rows:,}")
        return Finding(read == expected, f"of the {read.rows:,} rows that were read back, some are not as sent")

    finding = await _looked(look, load.timeout_s)
    changes = await waited(load.source.changes)
    return Finding(None, f"the source has changed since: {'; '.join(changes)}") if changes else finding


async def _is_equal(load: Verification, client: ApiClient, sent: Bytes) -> bool:
    same = Equal(sent)
    await feed_blocks(client.datasets.read_back(load.dataset_id), same)
    return same.equal


async def _sent(load: Verification) -> Multiset:
    records = Records(load.columns)
    await feed_source(load.source, records, load.max_record_bytes)
    return await to_thread.run_sync(records.closed)


async def _read_back(load: Verification, client: ApiClient) -> Multiset:
    records = Records(load.columns)
    await feed_blocks(client.datasets.read_back(load.dataset_id), records)
    return await to_thread.run_sync(records.closed)


async def _looked(look: Callable[[], Awaitable[Finding]], timeout_s: float) -> Finding:
    """Look until what is found is not a difference, or the time is up; a difference may be a server's that lags."""
    last, pause = time.monotonic() + timeout_s, POLL_FIRST_S
    while (finding := await look()).verified is False and time.monotonic() + pause < last:
        await anyio.sleep(pause)
        pause = min(2 * pause, POLL_LAST_S)
    return finding
