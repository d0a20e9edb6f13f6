"""Calls about datasets, which belong to the public dialect."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from bulkstream.api.dataset import Dataset
from bulkstream.api.public import Public
from bulkstream.errors import NotInDialect

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

    from bulkstream.api.client import ApiClient


@dataclass(frozen=True, slots=True)
class Datasets:
    """The datasets of an account."""

    client: ApiClient

    async def get(self, dataset_id: str) -> Dataset:
        """Get a dataset: its name, schema and number of rows.

        Raises:
            NotInDialect: The client speaks the instance dialect.
            NotFound: There is none of that id.
            ApiError: The server refused.
        """
        return await self.client.read(self._public("get a dataset").get_dataset(dataset_id), Dataset)

    async def update(self, dataset_id: str, changes: Mapping[str, Any]) -> Dataset:
        """Change a dataset, e.g. `{"schema": {"columns": […]}}`.

        Raises:
            NotInDialect: The client speaks the instance dialect.
            ApiError: The server refused.
        """
        request = self._public("update a dataset").update_dataset(dataset_id, changes)
        return await self.client.changed(request, Dataset, partial(self.get, dataset_id), id=dataset_id)

    def export(self, dataset_id: str, *, include_header: bool) -> AsyncIterator[bytes]:
        """Iterate over a dataset's rows as CSV, in blocks as they arrive.

        Raises:
            NotInDialect: The client speaks the instance dialect.
            ApiError: The server refused, or the answer broke off; it is not resumed.
        """
        request = self._public("export a dataset").export_dataset(dataset_id, include_header=include_header)
        return self.client.stream(request)

    def read_back(self, dataset_id: str) -> AsyncGenerator[bytes, None]:
        """Iterate over a dataset's rows as `export` does, without a header; whoever stops early closes it.

        In the instance dialect the public address is asked with the developer token, which the sandbox answers;
        whether other servers do is not known, so that what they answer is not asked for again.

        Raises:
            ApiError: The server refused, or the answer broke off.
        """
        request = Public().export_dataset(dataset_id, include_header=False)
        return self.client.stream(replace(request, replayable=isinstance(self.client.calls, Public)))

    def _public(self, call: str) -> Public:
        if not isinstance(self.client.calls, Public):
            raise NotInDialect(call, self.client.dialect)
        return self.client.calls
