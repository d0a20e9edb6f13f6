"""Every error that bulkstream raises: one tree, rooted at `BulkstreamError`.

Each class also inherits the builtin that a caller would catch anyway. An error carries its facts as fields
(`status`, `part`, `path`, `offset`, …); its text says what happened and its `hint` what to do next. Whether a
request may be sent again is decided here, by the class, and nowhere else.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from datetime import datetime

    from bulkstream.budget import Budget
    from bulkstream.model import Place, Reject, Report


class BulkstreamError(Exception):
    """Root of all errors of this package.

    Attributes:
        hint: What the user can do next, one sentence, or empty.
        report: The report of the load that this error ended, where there was one.
    """

    hint: str = ""
    report: Report | None = None

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        if hint:
            self.hint = hint


def text_of(error: BaseException) -> str:
    """Return an error's text as JSON can hold it: bytes of file names that are not UTF-8 are shown by escapes."""
    return (str(error) or repr(error)).encode("utf-8", "backslashreplace").decode("utf-8")


class UsageError(BulkstreamError, ValueError):
    """An argument, a setting or a combination of them makes no sense."""


class MissingExtra(BulkstreamError, ImportError):
    """An optional dependency is needed and not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"{package} is not installed",
            hint=f"Install it with: pip install 'bulkstream[{extra}]'",
        )
        self.package = package
        self.extra = extra


class SecurityWarning(UserWarning):
    """A secret is less protected than it could be; the text says what to do about it."""


# ---- the source


class SourceError(BulkstreamError):
    """The data to be loaded can't be read as it must be.

    Attributes:
        place: File and byte offset, where known.
    """

    def __init__(self, message: str, *, place: Place | None = None, hint: str = "") -> None:
        super().__init__(f"{place}: {message}" if place else message, hint=hint)
        self.place = place


class SourceMissing(SourceError, FileNotFoundError):
    """A named file does not exist, or a pattern matches nothing."""


class SourceUnreadable(SourceError, OSError):
    """The operating system refused to open or read a source."""


class SourceChanged(SourceError):
    """A file's size or modification time changed during the load."""


class HeaderMismatch(SourceError):
    """Files given together, or a file and the stream's schema, don't agree on their columns."""


class RecordTooLong(SourceError):
    """A single record is longer than the limit `max_record_size`."""


class BadRow(SourceError):
    """A row has not as many fields as there are columns, is not UTF-8, or holds what its columns can't.

    Attributes:
        reject: The row and its place.
        path: Name of the file.
        line: Physical line of the file, from 1, on which the row begins.
        offset: Byte of the file at which it begins.
        reason: What is wrong.
        excerpt: The row's beginning, in printable characters.
    """

    hint = "Repair the row, or leave bad rows out with --max-bad-rows."

    def __init__(self, reject: Reject, *, hint: str = "") -> None:
        self.reject = reject
        self.path, self.line, self.offset, self.reason = reject.path, reject.line, reject.offset, reject.reason
        self.excerpt = excerpt(reject.row)
        super().__init__(
            f"{self.path}, line {self.line:,} (byte {self.offset:,}): {self.reason}: {self.excerpt}", hint=hint
        )


class BadValue(SourceError):
    """A typed value has no form in the server's CSV: an infinity, a date beyond the year 9999, text that is not UTF-8.

    Attributes:
        column: Name of its column.
        row: Number of its row, from 0, in the batch that was rendered or, where there is a name, in the source.
        reason: What is wrong.
        name: The source's; empty in an error that comes from a single batch.
    """

    def __init__(self, column: str, row: int, reason: str, *, name: str = "", hint: str = "") -> None:
        where = f"{name}, row {row + 1:,}" if name else f"row {row + 1:,} of a batch"
        super().__init__(f"{where}, column {column!r}: {reason}", hint=hint)
        self.column, self.row, self.reason, self.name = column, row, reason, name

    def within(self, name: str, before: int) -> BadValue:
        """Return the same error of a source with this name, of which `before` rows stand before the batch."""
        return BadValue(self.column, before + self.row, self.reason, name=name, hint=self.hint)


class UnclosedQuote(SourceError):
    """A file ends inside a quoted field."""


class SchemaError(BulkstreamError, ValueError):
    """A schema can't be inferred, read, or matched with the stream's."""


def excerpt(row: bytes, limit: int = 80) -> str:
    """Show the beginning of a row in at most `limit` printable characters, all others escaped."""
    row = row.removesuffix(b"\n").removesuffix(b"\r")
    text = row[: 4 * limit].decode("utf-8", errors="backslashreplace")
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    if not row:
        return "(empty)"
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


# ---- the API


@dataclass(frozen=True, slots=True)
class Exchange:
    """The facts of one failed exchange with the server.

    Attributes:
        method: HTTP method.
        url: Address without query string.
        status: HTTP status, None when no answer arrived.
        message: The server's own message, or what went wrong on the way.
        request_id: The server's trace id (`toe` in Domo's error bodies), or empty.
        retry_after_s: Seconds that the server asked to wait, None when it didn't ask.
    """

    method: str
    url: str
    status: int | None = None
    message: str = ""
    request_id: str = ""
    retry_after_s: float | None = None

    def __str__(self) -> str:
        """One line: what was asked, what came back."""
        status = f" answered {self.status}" if self.status is not None else ""
        trace = f" (trace id {self.request_id})" if self.request_id else ""
        return f"{self.method} {self.url}{status}: {self.message or 'no message'}{trace}"


class ApiError(BulkstreamError):
    """The server refused a request, or no usable answer arrived.

    Attributes:
        exchange: The facts of the last attempt.
        attempts: How often the request was sent.
        retryable: Sending the same request again may succeed (class attribute).
        ambiguous: The request may have taken effect although it failed (class attribute).
    """

    retryable: ClassVar[bool] = False
    ambiguous: ClassVar[bool] = False

    def __init__(self, exchange: Exchange, *, hint: str = "") -> None:
        super().__init__(str(exchange), hint=hint)
        self.exchange = exchange
        self.attempts = 1

    @property
    def status(self) -> int | None:
        """HTTP status of the answer, None when none arrived."""
        return self.exchange.status

    @property
    def message(self) -> str:
        """The server's own message."""
        return self.exchange.message

    @property
    def request_id(self) -> str:
        """The server's trace id, or empty."""
        return self.exchange.request_id


class RequestRejected(ApiError):
    """The request itself is at fault (400, 406, 415, 422 and other 4xx)."""

    hint = "The request was refused as it is; sending it again would not help."


class AuthError(ApiError, PermissionError):
    """Credentials or permissions are missing (401, 403)."""


class Unauthorized(AuthError):
    """401: the credentials were not accepted."""

    hint = (
        "Check BULKSTREAM_TOKEN (instance) or BULKSTREAM_CLIENT_ID and BULKSTREAM_CLIENT_SECRET (public), "
        "and that they belong to this BULKSTREAM_URL."
    )


class Forbidden(AuthError):
    """403: the credentials are valid but don't allow this."""

    hint = "The account needs the `data` scope and must own, or be allowed to edit, the stream."


class NotFound(ApiError, LookupError):
    """404: no such stream, execution or dataset."""

    hint = "Check the id, and that the credentials belong to the instance that holds it."


class Conflict(ApiError):
    """409: the state of the stream or execution forbids the request."""

    hint = "A stream has one open execution at a time: see `bulkstream executions list STREAM`."


class Throttled(ApiError):
    """429: too many requests."""

    retryable = True
    hint = "The server asked to slow down; try again later or lower --concurrency."


class NotReady(ApiError):
    """408, 425, 503: the server did not take the request on."""

    retryable = True
    hint = "The server is not ready for requests; try again later."


class ServerFault(ApiError):
    """500, 502, 504 and other 5xx: the server failed, perhaps after the request took effect."""

    retryable = True
    ambiguous = True
    hint = "The server failed; if it goes on, give the trace id to Domo's support."


class ApiUnreachable(ApiError, ConnectionError):
    """No connection could be made, so the request was never sent."""

    retryable = True
    hint = "Check BULKSTREAM_URL, the network and the proxy settings."


class CertificateRefused(ApiError, ConnectionError):
    """The server's TLS certificate is not trusted, so nothing was sent."""

    hint = "Name your company's certificate authority in the setting ca_bundle, or check BULKSTREAM_URL."


class ApiDisconnected(ApiError, ConnectionError):
    """The connection broke before the answer was complete."""

    retryable = True
    ambiguous = True
    hint = "The connection broke; check the network between here and the server."


class ApiTimeout(ApiError, TimeoutError):
    """No byte moved in either direction for `stall_timeout_s` seconds."""

    retryable = True
    ambiguous = True
    hint = "The server or the network stalled; raise stall_timeout_s if it is known to be slow."


class UnexpectedAnswer(ApiError):
    """An answer arrived, but not what the API documents (an HTML page, an empty body, broken JSON)."""

    retryable = True
    ambiguous = True
    hint = "A proxy, a login page or a maintenance page answers in the API's place; check BULKSTREAM_URL."


class NotInDialect(BulkstreamError, NotImplementedError):
    """The chosen dialect of the API has no such call."""

    def __init__(self, call: str, dialect: str) -> None:
        super().__init__(
            f"the {dialect} dialect has no call to {call}",
            hint="Choose the other dialect with BULKSTREAM_DIALECT if the account has access to it.",
        )
        self.call = call
        self.dialect = dialect


# ---- the load


class LoadError(BulkstreamError):
    """A load did not end in a commit."""


class PartFailed(LoadError):
    """A part was refused for good, or its retries ran out.

    Attributes:
        part: Number of the part, from 1.
        cause: The last error of its upload.
    """

    def __init__(self, part: int, cause: ApiError) -> None:
        tries = f" after {cause.attempts} attempts" if cause.attempts > 1 else ""
        super().__init__(f"part {part} failed{tries}: {cause}", hint=cause.hint)
        self.part = part
        self.cause = cause


class GateFailed(LoadError):
    """What was acknowledged is not what was read, so nothing was committed.

    Attributes:
        reasons: One sentence for each check that failed.
    """

    def __init__(self, reasons: tuple[str, ...]) -> None:
        super().__init__("not committed: " + "; ".join(reasons))
        self.reasons = reasons


class TooManyBadRows(LoadError):
    """More rows are bad than may be left out, so nothing was committed.

    Attributes:
        bad_rows: Bad rows that were found before the load was given up.
        budget: Rows that may be left out.
        first: The first of them in the order of the source, as far as they were found.
    """

    hint = "The rejected rows are in the reject file; repair them, or raise --max-bad-rows."

    def __init__(self, bad_rows: int, budget: Budget, first: Reject) -> None:
        place = f"{first.path}, line {first.line:,} (byte {first.offset:,}): {first.reason}: {excerpt(first.row)}"
        super().__init__(f"{bad_rows:,} bad rows, and at most {budget} may be left out; {place}")
        self.bad_rows = bad_rows
        self.budget = budget
        self.first = first


class RejectsUnwritable(LoadError, OSError):
    """The reject file can't be written; without it, rows would be lost."""

    hint = "Name another place with --reject-file."

    def __init__(self, path: os.PathLike[str], reason: str) -> None:
        super().__init__(f"the rejected rows can't be written to {os.fspath(path)}: {reason}")
        self.path = path


class CommitRefused(LoadError):
    """The server refused or failed the commit; the dataset is unchanged."""


class OutcomeUnknown(LoadError):
    """Whether the commit took effect could not be found out in time."""


class StreamBusy(LoadError):
    """Another execution of the stream is open, so none was created.

    Attributes:
        execution_id: The one that is open, None where the server does not tell.
        run_id: Our run that has opened it, or None.
    """

    def __init__(
        self, message: str, *, execution_id: int | None = None, run_id: str | None = None, hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.execution_id = execution_id
        self.run_id = run_id


class VerificationFailed(LoadError):
    """The load was committed, but the server does not have what was sent."""


class DeadlineMissed(LoadError):
    """The load could not end by its deadline, so it was given up.

    Attributes:
        deadline: The moment by which it should have ended.
        eta: When it would have ended at the rate of late; None when that could not be told.
        rate: That rate, raw bytes per second.
    """

    hint = "Load again with more time or less data; `bulkstream bench` shows what limits the rate."

    def __init__(self, deadline: datetime, *, eta: datetime | None = None, rate: float = 0.0) -> None:
        shown = _clock(deadline, deadline)
        if eta is None or eta <= deadline:
            text = f"the deadline {shown} has passed"
        else:
            late = _span((eta - deadline).total_seconds())
            text = f"the deadline {shown} can't be met: at {rate / 1e6:,.3g} MB/s it would end at "
            text += f"{_clock(eta, deadline)}, {late} late"
        super().__init__(text)
        self.deadline = deadline
        self.eta = eta
        self.rate = rate


# ---- the journal


class JournalError(BulkstreamError):
    """The journal of a run can't be used.

    Attributes:
        path: The journal's file, or the folder that it belongs into.
    """

    def __init__(self, message: str, path: str | os.PathLike[str], *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.path = path


class JournalUnwritable(JournalError, OSError):
    """What has to be durable can't be written: no permission, a full disk, a file system that is read-only."""

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        hint = "Free some space, name another place in BULKSTREAM_STATE_DIR, or do without by --no-journal."
        super().__init__(f"the journal can't be written: {os.fspath(path)}: {reason}", path, hint=hint)


class JournalDamaged(JournalError, ValueError):
    """A file is no journal, is torn, or belongs to another version."""

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        hint = "Abort its execution (`bulkstream executions list STREAM`), delete the run's folder and load again."
        super().__init__(f"the journal can't be read: {os.fspath(path)}: {reason}", path, hint=hint)


class JournalEmpty(JournalDamaged):
    """A journal that was never begun: its process was cut off before it had sent anything."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path, "its run was cut off before it had begun")
        self.hint = "Nothing was sent: load again. `bulkstream runs gc` removes the folder."


class RunActive(BulkstreamError):
    """A process works on the run.

    Attributes:
        owner: Which one, and on which machine, as far as is known.
    """

    def __init__(self, run_id: str, owner: str) -> None:
        by = f" ({owner})" if owner else ""
        super().__init__(f"run {run_id} is still alive{by}", hint="Wait until it ends, or stop that process first.")
        self.run_id = run_id
        self.owner = owner


class NotResumable(BulkstreamError):
    """A run can't be gone on with."""


def _clock(moment: datetime, near: datetime) -> str:
    """Show a moment in local time, to the second if `near` has seconds, with its date if that is another day."""
    local, other = moment.astimezone(), near.astimezone()
    clock = f"{local:%H:%M:%S}" if other.second else f"{local:%H:%M}"
    return clock if local.date() == other.date() else f"{local:%Y-%m-%d} {clock}"


def _span(seconds: float) -> str:
    """Show a time as hours and minutes, minutes, or seconds."""
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
