"""Objects in buckets (S3, Google Cloud Storage, Azure Blob Storage), by obstore."""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING

from bulkstream.errors import MissingExtra, SourceMissing, SourceUnreadable
from bulkstream.sources.places.address import without_secrets
from bulkstream.sources.places.origin import Found, Interrupted

try:
    import obstore
    from obstore import exceptions
except ImportError:
    raise MissingExtra("obstore", "remote") from None

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from obstore import ObjectMeta
    from obstore.store import ObjectStore

PIECE_BYTES = 1 << 20
LIST_KEYS = 1000
RECENT_S = 5.0
"""A gate looks at all objects of a load, one by one: those that one listing found are looked at by one more."""

_STATUS = re.compile(r"status code: (\d{3})")
_TOLD = re.compile(r"<Code>(.*?)</Code>\s*<Message>(.*?)</Message>", re.DOTALL)
_CLUTTER = re.compile(r"^Generic \w+ error: Error performing (\w+ \S+) in \S+ - (?:HTTP error: )?")
_TRANSIENT = (408, 425, 429)
_METADATA = ("169.254.169.254", "metadata.google.internal")
"""Where machines in a cloud get credentials; it is asked when there are none in the environment."""
_HINT = "Check the credentials and the region in the environment; docs/sources.md names the variables."
_ENDPOINT_HINT = "An endpoint of plain http needs AWS_ALLOW_HTTP=true, GOOGLE_ALLOW_HTTP=true or AZURE_ALLOW_HTTP=true."


class BucketObject:
    """One object in a bucket.

    Attributes:
        name: Its URL.
    """

    def __init__(self, store: ObjectStore, key: str, name: str) -> None:
        self.name = name
        self._store = store
        self._key = key

    def __repr__(self) -> str:
        return f"BucketObject({self.name!r})"

    async def look(self) -> Found:
        """Ask for size and version; raises what `Origin.look` does."""
        try:
            return _found(await obstore.head_async(self._store, self._key))
        except (exceptions.BaseError, FileNotFoundError, ValueError) as error:
            raise failure(self.name, error) from None

    async def pieces(self, start: int, stop: int, found: Found) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of a range; raises what `Origin.pieces` does."""
        try:
            result = await obstore.get_async(self._store, self._key, options={"range": (start, stop)})
            found.check(self.name, _found(result.meta))
            async for piece in result.stream(min_chunk_size=PIECE_BYTES):
                yield piece
        except (exceptions.BaseError, FileNotFoundError, ValueError) as error:
            raise failure(self.name, error) from None


class Listing:
    """What a bucket tells of all objects in a folder and below."""

    def __init__(self, store: ObjectStore, folder: str, name: str) -> None:
        self.name = name
        self._store = store
        self._folder = folder
        self._told: dict[str, Found] = {}
        self._told_at = float("-inf")
        self._turn = asyncio.Lock()

    def __repr__(self) -> str:
        return f"Listing({self.name!r})"

    async def objects(self) -> dict[str, Found]:
        """Return them by key; raises what `Origin.look` does."""
        try:
            pages = obstore.list(self._store, self._folder or None, chunk_size=LIST_KEYS)
            return {meta["path"]: _found(meta) async for page in pages for meta in page}
        except (exceptions.BaseError, FileNotFoundError, ValueError) as error:
            raise failure(self.name, error) from None

    async def again(self) -> dict[str, Found]:
        """Return them as this told some seconds ago at most; raises what `Origin.look` does."""
        async with self._turn:
            if time.monotonic() - self._told_at >= RECENT_S:
                self._told = await self.objects()
                self._told_at = time.monotonic()
            return self._told


class Listed:
    """Looks at one object again by the listing that found it."""

    def __init__(self, listing: Listing, key: str, name: str) -> None:
        self._listing = listing
        self._key = key
        self._name = name

    async def __call__(self) -> Found:
        """Ask for size and version; raises what `Origin.look` does."""
        if (found := (await self._listing.again()).get(self._key)) is None:
            raise SourceMissing(f"{self._name}: no such object")
        return found


def _found(meta: ObjectMeta) -> Found:
    return Found(meta["size"], meta["e_tag"] or "", meta["last_modified"].isoformat())


def failure(name: str, error: Exception) -> Exception:
    """Tell what the store's error means, without queries, which may hold signatures."""
    text = str(error)
    if isinstance(error, FileNotFoundError):
        return SourceMissing(f"{name}: no such object", hint="Check the URL; patterns need quotes.")
    if any(host in text for host in _METADATA):
        return SourceUnreadable(f"{name}: there are no credentials in the environment", hint=_HINT)
    if "builder error" in text:
        return SourceUnreadable(f"{name}: the endpoint's address is refused", hint=_ENDPOINT_HINT)
    told = _TOLD.search(text)
    reason = without_secrets(f"{told[1]}: {told[2]}" if told else _CLUTTER.sub(r"\1: ", text.partition("\n")[0]))
    if told and told[1] == "NoSuchBucket":
        return SourceMissing(f"{name}: there is no such bucket", hint="Check its name, and the endpoint and region.")
    status = int(match[1]) if (match := _STATUS.search(text)) else None
    passing = status is None or status >= 500 or status in _TRANSIENT  # noqa: PLR2004 - where server faults begin
    if type(error) is exceptions.GenericError and passing:
        return Interrupted(reason)
    return SourceUnreadable(f"{name}: {reason}", hint=_HINT)
