"""Calls about streams."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic.alias_generators import to_camel

from bulkstream.api.dialect import NewStream, Page
from bulkstream.api.document import Wire
from bulkstream.api.pages import PAGE_SIZE, walked
from bulkstream.api.stream import Stream
from bulkstream.errors import SchemaError, UsageError
from bulkstream.model import Column, SearchKey, UpdateMethod

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from bulkstream.api.client import ApiClient


@dataclass(frozen=True, slots=True)
class Streams:
    """The streams of an account."""

    client: ApiClient

    async def create(
        self,
        *,
        name: str,
        columns: Sequence[Column] = (),
        update_method: UpdateMethod | str = UpdateMethod.REPLACE,
        key_columns: Sequence[str] = (),
        description: str = "",
        extra: Mapping[str, Any] | None = None,
    ) -> Stream:
        """Create a stream and the dataset that it feeds.

        Args:
            name: Of the dataset.
            columns: In the order of the CSV's fields.
            update_method: What an execution does unless it says otherwise.
            key_columns: Key of an UPSERT.
            description: Of the dataset.
            extra: Further JSON of the dialect, laid over the rest.

        Raises:
            ApiError: The server refused. A failure that leaves open whether it took effect is not retried.
        """
        method = UpdateMethod(update_method.upper())
        new = NewStream(name, tuple(columns), method, tuple(key_columns), description, extra)
        return await self.client.read(self.client.calls.create_stream(new), Stream)

    async def get(self, stream_id: int) -> Stream:
        """Get a stream.

        Raises:
            NotFound: There is none of that id.
            ApiError: The server refused.
        """
        return await self.client.read(self.client.calls.get_stream(stream_id), Stream)

    async def update(self, stream: Stream | int, changes: Mapping[str, Any] | None = None, **fields: Any) -> Stream:
        """Change a stream.

        Args:
            stream: A stream that was read and changed (`stream.model_copy(update=…)`), or an id.
            changes: The dialect's own JSON.
            **fields: The same by our names, e.g. `update_method="APPEND"`.

        Raises:
            UsageError: The dialect can't change that, or nothing is to be changed.
            ApiError: The server refused.
        """
        stream_id = stream if isinstance(stream, int) else stream.id
        wanted = {**(changes or {}), **{to_camel(name): _json(value) for name, value in fields.items()}}
        if not wanted and isinstance(stream, Stream):
            wanted = self.client.calls.changes_of(stream)
        if not wanted:
            raise UsageError(f"nothing of stream {stream_id} is to be changed")
        request = self.client.calls.update_stream(stream_id, wanted)
        return await self.client.changed(request, Stream, partial(self.get, stream_id), id=stream_id)

    async def change_columns(self, stream: Stream, columns: Sequence[Column]) -> Stream:
        """Give the dataset of a stream other columns, and return the stream as the server shows it then.

        Args:
            stream: As it was read; what the server says of columns that stay is sent back as it was.
            columns: All of them, in their order: those that are new stand at the end, or rows that are there are read
                by other columns than they were written by.

        Raises:
            UsageError: The server doesn't show which dataset the stream feeds, and the dialect needs to know.
            SchemaError: The server has taken the change and shows other columns.
            ApiError: The server refused. A failure that leaves open whether it took effect is retried.
        """
        await self.client.send(self.client.calls.change_columns(stream, columns))
        changed = await self.get(stream.id)
        if changed.columns and changed.columns != tuple(columns):
            raise SchemaError(
                f"the server has taken other columns for dataset {changed.name!r}, and shows {_named(changed.columns)}",
                hint="Change the dataset's schema in Domo, then load again.",
            )
        return changed

    async def delete(self, stream_id: int) -> None:
        """Delete a stream; its dataset stays.

        Raises:
            ApiError: The server refused.
        """
        await self.client.send(self.client.calls.delete_stream(stream_id))

    def list(self, *, page_size: int = PAGE_SIZE) -> AsyncIterator[Stream]:
        """Iterate over all streams.

        Raises:
            ApiError: The server refused.
        """

        async def page(window: Page) -> Sequence[Stream]:
            return await self.client.listed(self.client.calls.list_streams(window), Stream, "streams")

        return walked(page, page_size)

    async def search(self, key: SearchKey | str, value: str) -> AsyncIterator[Stream]:
        """Iterate over the streams that match; names may hold `*`. The API documents no paging for it.

        Raises:
            ValueError: There is no such key.
            ApiError: The server refused.
        """
        request = self.client.calls.search_streams(f"{SearchKey(key)}:{value}")
        for stream in await self.client.listed(request, Stream, "streams"):
            yield stream


def _named(columns: Sequence[Column]) -> str:
    """Name columns with their types."""
    return ", ".join(f"{column.name!r} {column.type}" for column in columns)


def _json(value: Any) -> Any:
    """Return one of our values as JSON."""
    return value.as_json() if isinstance(value, Wire) else value
