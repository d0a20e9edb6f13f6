"""Folders of Parquet files, whose names may hold the values of columns (`year=2026/month=11/part-0.parquet`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bulkstream.sources.places.local_blob import LocalBlob

if TYPE_CHECKING:
    from bulkstream.sources.content import Blob


SUFFIXES = (".parquet", ".pq", ".parq")


@dataclass(frozen=True, slots=True)
class ParquetFolder:
    """Files below a folder, loaded as one input.

    Attributes:
        name: The folder's path or URL, as it was named.
        blobs: Its files.
    """

    name: str
    blobs: tuple[Blob, ...]

    @property
    def partitions(self) -> list[dict[str, str | None]]:
        """Values that each file has by the names of its folders."""
        from bulkstream.sources.columnar.hive import hive_parts  # noqa: PLC0415 - needs pyarrow

        root = self.name.rstrip("/")
        return [hive_parts(blob.name.removeprefix(root).lstrip("/")) for blob in self.blobs]


def parquet_folder(name: str) -> ParquetFolder | None:
    """Return the Parquet files below a folder on this machine; None if it is none, or holds none."""
    path = Path(name).expanduser()
    if name == "-" or not path.is_dir():
        return None
    every = [str(each.relative_to(path)) for each in sorted(path.rglob("*")) if each.is_file()]
    if not any(name.endswith(SUFFIXES) for name in every):
        return None
    from bulkstream.sources.columnar.hive import parquet_files  # noqa: PLC0415 - needs pyarrow

    names = parquet_files(every)
    return ParquetFolder(str(path), tuple(LocalBlob(path / name) for name in names))
