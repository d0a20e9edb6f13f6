"""A local file as a blob: what it gives, how it tells that it changed, what it refuses."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from bulkstream.errors import SourceUnreadable
from bulkstream.sources.places.local_blob import LocalBlob

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "rows.csv").write_bytes(b"a,b\n1,2\n")
    return tmp_path / "rows.csv"


def test_a_file_is_read_from_the_start_and_from_anywhere(path: Path) -> None:
    """Each opening has its own place in the file."""
    blob = LocalBlob(path)

    with blob.stream() as stream, blob.open() as file:
        assert file.seek(-4, os.SEEK_END) == 4
        assert file.read() == b"1,2\n"
        assert file.tell() == 8
        assert stream.read() == b"a,b\n1,2\n"
    assert (blob.size, blob.path, blob.name, blob.unrepeatable) == (8, path, str(path), "")


def test_a_change_is_told(path: Path) -> None:
    """Another size, another time of modification, another file of that name, or none."""
    blob = LocalBlob(path)
    assert blob.changed() is None

    os.utime(path, ns=(1, 1))
    assert blob.changed() == f"{path} was modified or replaced during the load"
    path.write_bytes(b"")
    assert blob.changed() == f"{path} had 8 bytes and now has 0"
    path.unlink()
    assert blob.changed() == f"{path} is gone: No such file or directory"


def test_the_fingerprint_is_of_state_and_bytes(path: Path) -> None:
    """It is the same as long as the file is, and another when one byte is."""
    found = LocalBlob(path).fingerprint()
    assert LocalBlob(path).fingerprint() == found
    state = path.stat()
    assert (found.size, found.version) == (8, f"{state.st_mtime_ns}:{state.st_ino}")

    path.write_bytes(b"a,b\n1,3\n")

    assert LocalBlob(path).fingerprint().digest != found.digest


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A missing file and a directory are told by name, when the blob is made."""
    with pytest.raises(SourceUnreadable, match=r"rows\.csv: No such file"):
        LocalBlob(tmp_path / "rows.csv")
    with pytest.raises(SourceUnreadable, match="is a directory"):
        LocalBlob(tmp_path)


def test_a_file_that_is_gone_by_then_is_a_source_error(path: Path) -> None:
    """Opening it later says so in the package's own words."""
    blob = LocalBlob(path)
    path.unlink()

    for look in (blob.open, blob.stream, blob.fingerprint):
        with pytest.raises(SourceUnreadable, match="No such file"):
            look()
