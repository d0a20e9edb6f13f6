"""The public dialect: https://api.domo.com/v1, as Domo's developer portal and its own clients have it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bulkstream.api.dialect import Calls, NewStream, json_columns, segment
from bulkstream.api.wire import Expect, Request
from bulkstream.model import Dialect

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bulkstream.api.execution import Execution
    from bulkstream.api.stream import Stream
    from bulkstream.model import Column

DATASETS = "/v1/datasets"


class Public(Calls):
    """Requests of the public dialect."""

    dialect = Dialect.PUBLIC
    streams = "/v1/streams"
    update = "PATCH"
    data_ids = False
    fields = {"fields": "all"}  # noqa: RUF012 - ClassVar in the base class, never changed

    def create_stream(self, new: NewStream) -> Request:
        """`POST /v1/streams`."""
        schema = {"columns": json_columns(new.columns)}
        body: dict[str, Any] = {
            "dataSet": {"name": new.name, "description": new.description, "schema": schema},
            "updateMethod": str(new.update_method),
        }
        if new.key_columns:
            body["keyColumnNames"] = list(new.key_columns)
        return Request("create a stream", "POST", self.streams, json={**body, **(new.extra or {})}, replayable=False)

    def changes_of(self, stream: Stream) -> dict[str, Any]:
        """Return what was changed; of a stream as it was read, the two fields that are its own."""
        kept = {key: value for key, value in stream.as_json().items() if key in {"updateMethod", "keyColumnNames"}}
        return stream.changed or kept

    def change_columns(self, stream: Stream, columns: Sequence[Column]) -> Request:
        """`PUT /v1/datasets/{id}` with the schema, as pydomo does it: a stream's own update can't change it."""
        return self.update_dataset(stream.dataset_id, {"schema": stream.shown_schema.evolved(columns).as_json()})

    def upload_part(self, execution: Execution, number: int, body: bytes | memoryview) -> Request:
        """`PUT /v1/streams/{id}/executions/{e}/part/{partId}`."""
        path = f"{self._execution(execution.stream_id, execution.id)}/part/{number}"
        return Request(f"part {number}", "PUT", path, body=body, expect=Expect.ANYTHING)

    def commit(self, execution: Execution) -> Request:
        """`PUT /v1/streams/{id}/executions/{e}/commit`."""
        path = f"{self._execution(execution.stream_id, execution.id)}/commit"
        return Request("commit", "PUT", path, json={}, expect=Expect.ANYTHING, replayable=False, own_pace=True)

    def abort(self, execution: Execution) -> Request:
        """`PUT /v1/streams/{id}/executions/{e}/abort`."""
        path = f"{self._execution(execution.stream_id, execution.id)}/abort"
        return Request("abort", "PUT", path, json={}, expect=Expect.ANYTHING)

    def abort_current(self, stream_id: int) -> Request:
        """`PUT /v1/streams/{id}/executions/abort`: whatever is open."""
        return Request("abort", "PUT", f"{self._stream(stream_id)}/executions/abort", json={}, expect=Expect.ANYTHING)

    def get_dataset(self, dataset_id: str) -> Request:
        """`GET /v1/datasets/{id}`."""
        return Request(f"get dataset {dataset_id}", "GET", self._dataset(dataset_id))

    def update_dataset(self, dataset_id: str, changes: Mapping[str, Any]) -> Request:
        """`PUT /v1/datasets/{id}`."""
        return Request(f"update dataset {dataset_id}", "PUT", self._dataset(dataset_id), json=dict(changes))

    def export_dataset(self, dataset_id: str, *, include_header: bool) -> Request:
        """`GET /v1/datasets/{id}/data`: the rows as CSV."""
        params = {"includeHeader": str(include_header).lower()}
        path = f"{self._dataset(dataset_id)}/data"
        return Request(
            f"export dataset {dataset_id}",
            "GET",
            path,
            params=params,
            headers={"Accept": "text/csv"},
            expect=Expect.CSV,
        )

    def _dataset(self, dataset_id: str) -> str:
        return f"{DATASETS}/{segment(dataset_id)}"
