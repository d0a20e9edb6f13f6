"""What the dialects of the Streams API share, as requests; each dialect adds what it has of its own.

A call that a dialect lacks raises `NotInDialect`. Everything here is pure.
"""

from __future__ import annotations

# ruff: noqa: ARG002 - a call that a dialect lacks takes its arguments in vain
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from bulkstream.api.wire import Expect, Request
from bulkstream.errors import NotInDialect, UsageError
from bulkstream.model import Column, Dialect, UpdateMethod

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bulkstream.api.execution import Execution
    from bulkstream.api.stream import Stream


@dataclass(frozen=True, slots=True)
class NewStream:
    """What a stream is created from.

    Attributes:
        extra: Further JSON of the dialect, laid over the rest, e.g. a transport or an account.
    """

    name: str
    columns: Sequence[Column] = ()
    update_method: UpdateMethod = UpdateMethod.REPLACE
    key_columns: Sequence[str] = ()
    description: str = ""
    extra: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A window of a listing."""

    limit: int
    offset: int

    @property
    def params(self) -> dict[str, str]:
        """As query parameters."""
        return {"limit": str(self.limit), "offset": str(self.offset)}


class Calls(ABC):
    """Every call of the Streams API as a request, in one dialect.

    Attributes:
        dialect: Which one.
        streams: Path of the streams.
        update: Method of an update of a stream.
        data_ids: Parts hang below a `dataId`, which only an execution that was read can tell.
        fields: Query parameters that make the server show all fields.
    """

    dialect: ClassVar[Dialect]
    streams: ClassVar[str]
    update: ClassVar[str]
    data_ids: ClassVar[bool]
    fields: ClassVar[Mapping[str, str]] = {}

    @abstractmethod
    def create_stream(self, new: NewStream) -> Request:
        """Create a stream and its dataset; never repeated once it may have taken effect."""

    @abstractmethod
    def upload_part(self, execution: Execution, number: int, body: bytes | memoryview) -> Request:
        """Upload a part."""

    @abstractmethod
    def commit(self, execution: Execution) -> Request:
        """Commit; never repeated once it may have taken effect."""

    @abstractmethod
    def abort(self, execution: Execution) -> Request:
        """Abort."""

    def get_stream(self, stream_id: int) -> Request:
        """Get a stream."""
        return Request(f"get stream {stream_id}", "GET", self._stream(stream_id), params=self.fields)

    def update_stream(self, stream_id: int, changes: Mapping[str, Any]) -> Request:
        """Change parts of a stream."""
        return Request(f"update stream {stream_id}", self.update, self._stream(stream_id), json=dict(changes))

    def delete_stream(self, stream_id: int) -> Request:
        """Delete a stream; its dataset stays."""
        return Request(f"delete stream {stream_id}", "DELETE", self._stream(stream_id), expect=Expect.ANYTHING)

    def list_streams(self, page: Page) -> Request:
        """List streams."""
        return Request("list streams", "GET", self.streams, params={**page.params, **self.fields})

    def search_streams(self, query: str) -> Request:
        """Search streams by one `KEY:VALUE`."""
        return Request("search streams", "GET", f"{self.streams}/search", params={"q": query, **self.fields})

    def create_execution(self, stream_id: int, body: Mapping[str, Any]) -> Request:
        """Open an execution; never repeated once it may have taken effect, as the second one would be refused."""
        path = f"{self._stream(stream_id)}/executions"
        return Request("create an execution", "POST", path, json=dict(body), replayable=False)

    def get_execution(self, stream_id: int, execution_id: int) -> Request:
        """Get an execution."""
        return Request(f"get execution {execution_id}", "GET", self._execution(stream_id, execution_id))

    def list_executions(self, stream_id: int, page: Page) -> Request:
        """List a stream's executions."""
        return Request("list executions", "GET", f"{self._stream(stream_id)}/executions", params=page.params)

    def update_execution(self, stream_id: int, execution_id: int, changes: Mapping[str, Any]) -> Request:
        """Change an execution.

        Raises:
            NotInDialect: The dialect has no such call.
        """
        raise NotInDialect("update an execution", self.dialect)

    def delete_execution(self, stream_id: int, execution_id: int) -> Request:
        """Delete an execution.

        Raises:
            NotInDialect: The dialect has no such call.
        """
        raise NotInDialect("delete an execution", self.dialect)

    def start_part(self, execution: Execution, number: int) -> Request:
        """Announce a part.

        Raises:
            NotInDialect: The dialect has no such call.
        """
        raise NotInDialect("start a part", self.dialect)

    def abort_current(self, stream_id: int) -> Request:
        """Abort whatever is open on a stream.

        Raises:
            NotInDialect: The dialect has no such call.
        """
        raise NotInDialect("abort whatever is open", self.dialect)

    @abstractmethod
    def change_columns(self, stream: Stream, columns: Sequence[Column]) -> Request:
        """Give a stream's dataset other columns; may be sent again, since it says all of them."""

    @abstractmethod
    def changes_of(self, stream: Stream) -> dict[str, Any]:
        """Return what an update sends for a stream that was read and changed."""

    def _stream(self, stream_id: int) -> str:
        return f"{self.streams}/{segment(stream_id)}"

    def _execution(self, stream_id: int, execution_id: int) -> str:
        return f"{self._stream(stream_id)}/executions/{segment(execution_id)}"


def segment(value: str | int) -> str:
    """Return an id as one segment of a path.

    Raises:
        UsageError: It would lead to another address: empty, or `.` or `..`.
    """
    text = str(value)
    if text.strip() in {"", ".", ".."}:
        raise UsageError(f"{text!r} is no id")
    return quote(text, safe="")


def json_columns(columns: Sequence[Column]) -> list[dict[str, str]]:
    """Return columns as both dialects write them."""
    return [{"type": str(column.type), "name": column.name} for column in columns]
