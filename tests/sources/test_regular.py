"""What is no file is no source: it is told at once, and nothing waits for it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from bulkstream.errors import RecordTooLong, SourceUnreadable
from bulkstream.sources import open_csv
from bulkstream.sources.files import CsvFile, FileSegment
from bulkstream.sources.head import FileState, read_head


def test_a_pipe_is_refused_without_waiting_for_its_other_end(tmp_path: Path) -> None:
    """Opening it would wait for ever for somebody who writes; a pattern that matches it changes nothing."""
    os.mkfifo(tmp_path / "rows.csv")

    for name in (tmp_path / "rows.csv", tmp_path / "*.csv"):
        with pytest.raises(SourceUnreadable, match="is a pipe"):
            open_csv([name])


def test_a_socket_and_devices_are_refused(tmp_path: Path) -> None:
    """They have no size, and some have no end."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))

        with pytest.raises(SourceUnreadable, match="is a socket"):
            open_csv([tmp_path / "socket"])
    for device in ("/dev/zero", "/dev/null"):
        with pytest.raises(SourceUnreadable, match="is a device"):
            open_csv([device])


def test_a_pipe_that_takes_a_files_place_is_refused(tmp_path: Path) -> None:
    """Between looking and reading there is time; reading must not hang either."""
    path = tmp_path / "rows.csv"
    path.write_bytes(b"1\n2\n")
    segment = FileSegment(CsvFile(path, 0, FileState.of(path)))
    path.unlink()
    os.mkfifo(path)

    with pytest.raises(SourceUnreadable, match="is a pipe"):
        segment.readinto(memoryview(bytearray(4)))
    with pytest.raises(SourceUnreadable, match="is a pipe"):
        read_head(path)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux only")
def test_a_file_that_hides_its_size_is_refused() -> None:
    """Files of /proc say 0; they would be loaded as empty."""
    with pytest.raises(SourceUnreadable, match="its size is said to be 0"):
        open_csv(["/proc/self/status"])


def test_a_sparse_file_is_left_after_the_longest_first_record(tmp_path: Path) -> None:
    """A terabyte of nothing costs no more than the head of any file."""
    with (tmp_path / "rows.csv").open("wb") as file:
        file.truncate(1 << 40)

    with pytest.raises(RecordTooLong, match="first record"):
        open_csv([tmp_path / "rows.csv"])


def test_a_name_that_the_system_refuses_is_told(tmp_path: Path) -> None:
    """As an error of ours, whatever is wrong with it."""
    with pytest.raises(SourceUnreadable, match="too long"):
        open_csv([tmp_path / ("x" * 5000)])
