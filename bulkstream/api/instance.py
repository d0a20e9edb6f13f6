"""The instance dialect: https://{instance}.domo.com/api/data/v1, with a developer token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bulkstream.api.dialect import Calls, NewStream, json_columns, segment
from bulkstream.api.wire import Expect, Request
from bulkstream.errors import UsageError
from bulkstream.model import Dialect

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bulkstream.api.execution import Execution
    from bulkstream.api.stream import Stream
    from bulkstream.model import Column


WRITABLE = ("dataSource", "account", "streamConfiguration", "schemaDefinition")
"""All of a stream that an update can change (source: the instance API's document)."""


class Instance(Calls):
    """Requests of the instance dialect. Its parts hang below a `dataId` that the execution carries."""

    dialect = Dialect.INSTANCE
    streams = "/api/data/v1/streams"
    update = "PUT"
    data_ids = True

    def create_stream(self, new: NewStream) -> Request:
        """`POST /api/data/v1/streams`, with the transport type API and no schedule."""
        body: dict[str, Any] = {
            "transport": {"type": "API"},
            "dataSource": {"name": new.name, "description": new.description},
            "updateMethod": str(new.update_method),
        }
        if new.columns:
            body["schemaDefinition"] = {"columns": json_columns(new.columns)}
        if new.key_columns:
            body["keyColumnNames"] = list(new.key_columns)
        return Request("create a stream", "POST", self.streams, json={**body, **(new.extra or {})}, replayable=False)

    def update_stream(self, stream_id: int, changes: Mapping[str, Any]) -> Request:
        """`PUT /api/data/v1/streams/{id}`.

        Raises:
            UsageError: Something else than the four parts that can be updated is to be changed.
        """
        if fixed := sorted(set(changes) - set(WRITABLE)):
            raise UsageError(
                f"the instance dialect can't update {', '.join(fixed)}; it can update {', '.join(WRITABLE)}"
            )
        return super().update_stream(stream_id, changes)

    def changes_of(self, stream: Stream) -> dict[str, Any]:
        """Return all four parts that can be updated, a PUT replaces them; and what was changed, to be refused."""
        return {key: value for key, value in stream.as_json().items() if key in WRITABLE} | stream.changed

    def change_columns(self, stream: Stream, columns: Sequence[Column]) -> Request:
        """`PUT /api/data/v1/streams/{id}` with `schemaDefinition`, and the other parts that a PUT replaces."""
        schema = stream.shown_schema.evolved(columns).as_json()
        return self.update_stream(stream.id, {**self.changes_of(stream), "schemaDefinition": schema})

    def update_execution(self, stream_id: int, execution_id: int, changes: Mapping[str, Any]) -> Request:
        """`PUT /api/data/v1/streams/{id}/executions/{e}`."""
        path = self._execution(stream_id, execution_id)
        return Request(f"update execution {execution_id}", "PUT", path, json=dict(changes))

    def delete_execution(self, stream_id: int, execution_id: int) -> Request:
        """`DELETE /api/data/v1/streams/{id}/executions/{e}`."""
        path = self._execution(stream_id, execution_id)
        return Request(f"delete execution {execution_id}", "DELETE", path, expect=Expect.ANYTHING)

    def start_part(self, execution: Execution, number: int) -> Request:
        """`PUT …/data/{dataId}/parts/{partId}` with JSON, the address at which the part is then uploaded."""
        body = {"updateMethod": execution.update_method} if execution.update_method else {}
        path = f"{self._data(execution)}/parts/{number}"
        return Request(f"start of part {number}", "PUT", path, json=body, expect=Expect.ANYTHING)

    def upload_part(self, execution: Execution, number: int, body: bytes | memoryview) -> Request:
        """`PUT …/data/{dataId}/parts/{partId}` with CSV."""
        path = f"{self._data(execution)}/parts/{number}"
        return Request(f"part {number}", "PUT", path, body=body, expect=Expect.ANYTHING)

    def commit(self, execution: Execution) -> Request:
        """`PUT …/data/{dataId}/commit`."""
        path = f"{self._data(execution)}/commit"
        return Request("commit", "PUT", path, json={}, expect=Expect.ANYTHING, replayable=False, own_pace=True)

    def abort(self, execution: Execution) -> Request:
        """`PUT …/data/{dataId}/abort`."""
        return Request("abort", "PUT", f"{self._data(execution)}/abort", json={}, expect=Expect.ANYTHING)

    def _data(self, execution: Execution) -> str:
        return f"{self._stream(execution.stream_id)}/data/{segment(execution.data_id)}"
