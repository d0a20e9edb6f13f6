"""The account of one load: what was cut, sent and acknowledged, and how it ended.

Stages write into it, the gate, the progress line and the report read from it. It lives on the event loop. Another
thread looks at it only while nothing else happens to it: as receipts are restored, and at the gate.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bulkstream.budget import Budget
from bulkstream.errors import TooManyBadRows, text_of
from bulkstream.memory import peak_rss_mb
from bulkstream.model import Limit, Outcome, Report
from bulkstream.reporter import Progress

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bulkstream.decision import Decision
    from bulkstream.model import Packed, Part, Receipt, Reject


def new_run_id() -> str:
    """Name a run: the time in UTC, so that names sort, and six random digits."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


@dataclass(slots=True)
class Ledger:
    """The running account; times are seconds, bytes are raw unless the name says otherwise.

    Attributes:
        outcome: None until the load has ended.
        cut_rows: Rows that were read, bad ones included.
        cut_bytes: Bytes that were read, bad rows included.
        acked_rows: Rows of the acknowledged parts; bad ones, which are in no part, are counted beside them.
        bad_rows: Rows that were found to be bad.
        budget: How many of them may be left out.
        rejects: These rows, by the number of the part that they would have been in.
        unrepeatable: Why the source can't be read a second time, so that the run can't be resumed; empty if it can.
        total_rows: Rows of the source, where it tells them without being read.
        restored_bytes: Acknowledged to an earlier process that worked on this run.
        ended: When it had, by the clock of `started`; None for now. What is compared afterwards is no part of it.
        starved_s: Time in which workers read and cut, or waited for it.
        busy_s: Time in which they compressed.
        blocked_s: Time in which they waited for the uploads.
    """

    run_id: str = field(default_factory=new_run_id)
    total_bytes: int | None = None
    started: float = field(default_factory=time.perf_counter)
    ended: float | None = None
    stream_id: int | None = None
    execution_id: int | None = None
    outcome: Outcome | None = None
    error: str | None = None
    verified: bool | None = None
    cut_parts: int = 0
    cut_rows: int = 0
    cut_bytes: int = 0
    acked_rows: int = 0
    acked_bytes: int = 0
    acked_sent_bytes: int = 0
    acked_bad_rows: int = 0
    acked_bad_bytes: int = 0
    bad_rows: int = 0
    bad_bytes: int = 0
    budget: Budget = field(default_factory=Budget)
    rejects: dict[int, tuple[Reject, ...]] = field(default_factory=dict)
    unrepeatable: str = ""
    total_rows: int | None = None
    sent_bytes: int = 0
    restored_bytes: int = 0
    retries: int = 0
    starved_s: float = 0.0
    busy_s: float = 0.0
    blocked_s: float = 0.0
    receipts: dict[int, Receipt] = field(default_factory=dict)
    decisions: list[Decision] = field(default_factory=list)

    def begin(self, stream_id: int, total_bytes: int | None, done: Mapping[int, Receipt]) -> None:
        """The load begins; `done` are receipts of an earlier process that worked on the run."""
        self.stream_id, self.total_bytes = stream_id, total_bytes
        for receipt in done.values():
            if receipt.number in self.receipts:
                continue
            self.cut_parts += 1
            self._cut(receipt)
            self.receipt(receipt)
        self.restored_bytes = self.acked_bytes

    def recall(self, receipts: Mapping[int, Receipt], report: Mapping[str, Any]) -> None:
        """Take over how a run has ended, from its journal."""
        self.begin(int(report["stream_id"]), None, receipts)
        self.execution_id, self.outcome = report.get("execution_id"), Outcome(report["outcome"])
        self.error, self.verified = report.get("error"), report.get("verified")

    def failed(self, error: BaseException) -> None:
        """The load has ended in an error; the outcome stays what is known of it."""
        self.outcome = self.outcome or Outcome.ABORTED
        self.error = self.error or (text_of(error) if isinstance(error, Exception) else "interrupted")

    def packed(self, packed: Packed) -> None:
        """A part was made.

        Raises:
            TooManyBadRows: There can't be a commit any more.
        """
        self.cut_parts += 1
        self._cut(packed.part)
        self.starved_s += packed.cut_s
        self.busy_s += packed.busy_s
        if packed.part.rejects:
            share = self.cut_bytes / self.total_bytes if self.total_bytes else None
            if self.budget.hopeless(self.bad_rows, self.bad_bytes, self.cut_rows, share):
                raise self._too_many()

    def judge(self) -> None:
        """All has been read.

        Raises:
            TooManyBadRows: More rows are bad than may be left out.
        """
        if self.budget.exceeded(self.bad_rows, self.cut_rows):
            raise self._too_many()

    def rejects_in_order(self) -> list[Reject]:
        """Return all rejects in the order of the source."""
        return [reject for number in sorted(self.rejects) for reject in self.rejects[number]]

    def blocked(self, seconds: float) -> None:
        """A worker had to wait for so long to hand on what it had made."""
        self.blocked_s += seconds

    def decided(self, decision: Decision) -> None:
        """A tuner has changed a choice."""
        self.decisions.append(replace(decision, at=decision.at - self.started))

    def sent(self, count: int) -> None:
        """So many bytes of a part were handed to the network."""
        self.sent_bytes += count

    def receipt(self, receipt: Receipt) -> None:
        """The server has a part."""
        self.receipts[receipt.number] = receipt
        self.acked_rows += receipt.rows
        self.acked_bytes += receipt.raw_bytes
        self.acked_sent_bytes += receipt.sent_bytes
        self.acked_bad_rows += len(receipt.rejects)
        self.acked_bad_bytes += receipt.rejected_bytes

    def _cut(self, part: Part | Receipt) -> None:
        """Count what a part was made of."""
        bad_bytes = sum(len(each.row) for each in part.rejects)
        self.cut_rows += part.rows + len(part.rejects)
        self.cut_bytes += part.raw_bytes + bad_bytes
        if part.rejects:
            self.bad_rows += len(part.rejects)
            self.bad_bytes += bad_bytes
            self.rejects[part.number] = part.rejects

    def _too_many(self) -> TooManyBadRows:
        return TooManyBadRows(self.bad_rows, self.budget, self.rejects[min(self.rejects)][0])

    def limited_by(self) -> Limit | None:
        """Name what the workers spent most of their time on or waiting for."""
        spent = {Limit.SOURCE: self.starved_s, Limit.COMPRESS: self.busy_s, Limit.UPLOAD: self.blocked_s}
        limit = max(spent, key=spent.__getitem__)
        return limit if spent[limit] > 0 else None

    def progress(self) -> Progress:
        """Take a snapshot."""
        return Progress(
            read_bytes=self.cut_bytes,
            total_bytes=self.total_bytes,
            acked_bytes=self.acked_bytes + self.acked_bad_bytes,
            acked_rows=self.acked_rows,
            acked_parts=len(self.receipts),
            acked_sent_bytes=self.acked_sent_bytes,
            sent_bytes=self.sent_bytes,
            seconds=time.perf_counter() - self.started,
            restored_bytes=self.restored_bytes,
            total_rows=self.total_rows,
        )

    def report(self) -> Report:
        """Close the account; bytes and rows are those that the server acknowledged."""
        seconds = (self.ended or time.perf_counter()) - self.started
        return Report(
            run_id=self.run_id,
            outcome=self.outcome or Outcome.ABORTED,
            stream_id=self.stream_id,
            execution_id=self.execution_id,
            parts=len(self.receipts),
            rows=self.acked_rows,
            bad_rows=self.bad_rows,
            raw_bytes=self.acked_bytes,
            sent_bytes=self.acked_sent_bytes,
            seconds=round(seconds, 3),
            raw_mb_s=round((self.acked_bytes - self.restored_bytes) / 1e6 / seconds, 1) if seconds else 0.0,
            ratio=round(self.acked_bytes / self.acked_sent_bytes, 3) if self.acked_sent_bytes else None,
            retries=self.retries,
            limited_by=self.limited_by(),
            verified=self.verified,
            peak_rss_mb=round(peak_rss_mb(), 1),
            error=self.error,
            decisions=tuple(self.decisions),
        )
