"""From a bucket's URL to its objects.

Credentials, regions and endpoints come from the environment only, by the names that each provider's own tools use.
"""

from __future__ import annotations

import os
from datetime import timedelta
from glob import has_magic
from typing import TYPE_CHECKING

from bulkstream.errors import MissingExtra, SourceMissing, UsageError
from bulkstream.sources.places.objects import BucketObject, Listed, Listing
from bulkstream.sources.places.origin import looked
from bulkstream.sources.places.patterns import below, literal_folder, matching
from bulkstream.sources.places.remote_blob import RemoteBlob

try:
    from obstore.exceptions import BaseError
    from obstore.store import AzureStore, GCSStore, S3Store
except ImportError:
    raise MissingExtra("obstore", "remote") from None

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

    from bulkstream.sources.places.address import RemoteAddress
    from bulkstream.sources.places.background import Background
    from bulkstream.sources.places.origin import Terms

_LONGEST_REQUEST = timedelta(hours=1)
"""A slow link is not a dead one; whether bytes arrive is watched elsewhere."""

_ALLOW_HTTP = {
    "s3": "AWS_ALLOW_HTTP",
    "gs": "GOOGLE_ALLOW_HTTP",
    "az": "AZURE_ALLOW_HTTP",
    "abfs": "AZURE_ALLOW_HTTP",
    "abfss": "AZURE_ALLOW_HTTP",
}
"""Variables that let an endpoint on this machine or a company's own store be plain http."""


class Bucket:
    """A bucket's store, and the connections that all URLs into it share."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store

    async def close(self) -> None:
        """Do nothing: connections end with the last who uses them."""


def store_of(address: RemoteAddress, terms: Terms) -> ObjectStore:
    """Return what reads a bucket or container.

    Raises:
        UsageError: The environment's settings for it make no sense.
    """
    client: ClientConfig = {
        "connect_timeout": timedelta(seconds=terms.connect_s),
        "timeout": _LONGEST_REQUEST,
        "user_agent": "bulkstream",
        # Options given here replace those that obstore reads from the environment.
        "allow_http": os.environ.get(_ALLOW_HTTP[address.scheme], "").lower() in ("1", "true"),
    }
    if terms.ca_bundle is not None:
        try:
            client["root_certificate"] = terms.ca_bundle.read_bytes()
        except OSError as error:
            raise UsageError(f"ca_bundle {terms.ca_bundle} can't be read: {error}") from None
    retries: RetryConfig = {"max_retries": 0}  # by `resumed`, which knows what is missing
    try:
        return _store(address, client, retries)
    except (BaseError, ValueError) as error:
        text = str(error).partition("\n")[0]
        raise UsageError(f"{address.named('')}: {text}", hint="docs/sources.md names the variables.") from None


async def find_objects(address: RemoteAddress, background: Background, terms: Terms) -> list[RemoteBlob]:
    """Return the objects behind a URL: one, those that a pattern matches, or those in a folder if it ends in a slash.

    Raises:
        SourceMissing: There is none.
        SourceUnreadable: The place refused or can't be reached.
        UsageError: The environment's settings or the pattern make no sense.
    """
    bucket = (address.scheme, address.user, address.place)
    store = background.shared(bucket, lambda: Bucket(store_of(address, terms))).store
    key = address.key
    folder = not key or key.endswith("/")
    if folder or has_magic(key):
        listing = Listing(store, key.rstrip("/") if folder else literal_folder(key), address.named(key))
        objects = await looked(listing.name, listing.objects, terms, terms.first_attempts)
        filled = (name for name, found in objects.items() if found.size)
        keys = below(filled, key.rstrip("/")) if folder else matching(objects, key)
        if keys:
            origins = [BucketObject(store, key, address.named(key)) for key in keys]
            return [
                RemoteBlob(origin, objects[key], background, terms, look=Listed(listing, key, origin.name))
                for key, origin in zip(keys, origins, strict=True)
            ]
        what = "the folder holds no object with data" if folder else "the pattern matches no object"
        raise SourceMissing(f"{listing.name}: {what}")
    origin = BucketObject(store, key, address.named(key))
    found = await looked(origin.name, origin.look, terms, terms.first_attempts)
    return [RemoteBlob(origin, found, background, terms)]


def _store(address: RemoteAddress, client: ClientConfig, retries: RetryConfig) -> ObjectStore:
    match address.scheme:
        case "s3":
            return S3Store(address.place, client_options=client, retry_config=retries)
        case "gs":
            return GCSStore(address.place, client_options=client, retry_config=retries)
        case "az":
            return AzureStore(address.place, client_options=client, retry_config=retries)
        case _:
            account = address.place.partition(".")[0]
            return AzureStore(address.user, account_name=account, client_options=client, retry_config=retries)
