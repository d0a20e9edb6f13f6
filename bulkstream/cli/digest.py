"""Comparing a dataset with its source without holding either in memory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bulkstream.client import Client
from bulkstream.stages import Buffer, Cutter

if TYPE_CHECKING:
    from bulkstream.settings import Settings, Upload
    from bulkstream.sources import CsvFiles


@dataclass(frozen=True, slots=True)
class Digest:
    """What is compared: number of rows, and SHA-256 of their bytes."""

    rows: int
    sha256: str


def source_digest(source: CsvFiles, settings: Upload) -> Digest:
    """Digest what a load of the source has to send."""
    cutter = Cutter(source, part_bytes=settings.part_size, max_record_bytes=settings.max_record_size)
    buffer, digest, rows = Buffer(cutter.capacity), hashlib.sha256(), 0
    try:
        while chunk := cutter.next(buffer):
            digest.update(chunk.data)
            rows += chunk.rows
    finally:
        cutter.close()
    return Digest(rows, digest.hexdigest())


async def read_back(settings: Settings, stream_id: int, rows: int) -> Digest:
    """Digest what the server gives back; without any rows to compare, its own count of them."""
    digest = hashlib.sha256()
    async with Client(settings) as client:
        stream = await client.streams.get(stream_id)
        dataset = await client.datasets.get(stream.dataset_id)
        async for block in client.datasets.export(stream.dataset_id, include_header=False):
            digest.update(block)
    return Digest(rows if dataset.rows is None else dataset.rows, digest.hexdigest())
