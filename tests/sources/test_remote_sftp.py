"""Files behind SFTP: read through lost connections, found by pattern, and never from a server that isn't known."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import asyncssh
import pytest

from bulkstream.errors import SourceChanged, SourceMissing, SourceUnreadable
from bulkstream.sources.places.remote import Background, Terms, remote_blobs
from tests.support.sftp_server import SftpServerThread

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MIB = 1 << 20


async def no_sleep(seconds: float) -> None:
    """Pass."""


TERMS = Terms(sleep=no_sleep)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a home with a key of its own, and no agent."""
    folder = tmp_path / "home"
    (folder / ".ssh").mkdir(parents=True, mode=0o700)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(folder / ".ssh" / "id_ed25519")
    key.write_public_key(folder / ".ssh" / "id_ed25519.pub")
    return folder


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "files").mkdir()
    return tmp_path / "files"


@pytest.fixture
def server(home: Path, files: Path) -> Iterator[SftpServerThread]:
    """Serve `files` to who has the key in `home`, which knows the server."""
    key = asyncssh.read_public_key(home / ".ssh" / "id_ed25519.pub")
    with SftpServerThread(files, authorized=key) as server:
        (home / ".ssh" / "known_hosts").write_text(server.known_host())
        yield server


def address(server: SftpServerThread) -> str:
    return f"sftp://me@127.0.0.1:{server.port}"


def test_a_file_is_read_in_order_and_from_anywhere(server: SftpServerThread, files: Path) -> None:
    """Larger than one range, over one connection."""
    data = random.Random(1).randbytes(12 * MIB + 1)
    (files / "a b.csv").write_bytes(data)

    (blob,) = remote_blobs(f"{address(server)}/a b.csv", terms=TERMS)

    assert (blob.name, blob.size) == (f"{address(server)}/a b.csv", len(data))
    with blob.stream() as stream:
        assert stream.read(1) + stream.readall() == data
    with blob.open() as file:
        file.seek(-5, os.SEEK_END)
        assert file.read() == data[-5:]
    assert blob.changed() is None
    assert blob.fingerprint() == remote_blobs(f"{address(server)}/a b.csv", terms=TERMS)[0].fingerprint()
    assert len(blob.fingerprint().digest) == 32


def test_a_lost_connection_is_made_again(server: SftpServerThread, files: Path) -> None:
    """Reading goes on where it broke off."""
    data = random.Random(2).randbytes(12 * MIB)
    (files / "rows.csv").write_bytes(data)
    (blob,) = remote_blobs(f"{address(server)}/rows.csv", terms=TERMS)
    server.drop_after = 6

    with blob.stream() as stream:
        assert stream.readall() == data
    assert server.drop_after == 0
    assert len(server.connections) == 2


def test_patterns_and_folders_give_files(server: SftpServerThread, files: Path) -> None:
    """By the rules for local files; several URLs of a server share its connection."""
    for name in ("d/2.csv", "d/10.csv", "d/.x.csv", "d/e/3.csv", "d/_tmp/4.csv", "6.csv"):
        (files / name).parent.mkdir(parents=True, exist_ok=True)
        (files / name).write_text(name)
    (files / "d" / "empty.csv").touch()
    (files / "d" / "link.csv").symlink_to(files / "6.csv")
    background = Background()

    def names(pattern: str) -> list[str]:
        blobs = remote_blobs(f"{address(server)}/{pattern}", terms=TERMS, background=background)
        return [blob.name.removeprefix(f"{address(server)}/") for blob in blobs]

    assert names("d/[0-9]*.csv") == ["d/10.csv", "d/2.csv"]
    assert names("d/l*.csv") == ["d/link.csv"]
    assert names("**/?.csv") == ["6.csv", "d/2.csv", "d/_tmp/4.csv", "d/e/3.csv"]
    assert names("d/") == ["d/10.csv", "d/2.csv", "d/e/3.csv", "d/link.csv"]
    assert names("~/6.csv") == ["~/6.csv"]
    with pytest.raises(SourceMissing, match="the pattern matches no file"):
        names("d/*.json")
    assert len(server.connections) == 1


def test_a_replaced_or_missing_file_is_told(server: SftpServerThread, files: Path) -> None:
    """By size and time of modification, before the first byte of each range."""
    (files / "rows.csv").write_text("a,b\n")
    (blob,) = remote_blobs(f"{address(server)}/rows.csv", terms=TERMS)

    os.utime(files / "rows.csv", (1, 1))
    with blob.stream() as stream, pytest.raises(SourceChanged, match="was modified or replaced"):
        stream.read()
    (files / "rows.csv").unlink()
    assert blob.changed() == f"{blob.name} is gone"
    with pytest.raises(SourceMissing, match="no such file"):
        remote_blobs(blob.name, terms=TERMS)
    with pytest.raises(SourceUnreadable, match="is a directory"):
        remote_blobs(f"{address(server)}/.", terms=TERMS)


def test_a_server_whose_key_is_not_known_gets_no_login(server: SftpServerThread, home: Path) -> None:
    """Without an entry, and with another key in it."""
    url = f"{address(server)}/rows.csv"
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    for entry in ("", f"[127.0.0.1]:{server.port} {other}"):
        (home / ".ssh" / "known_hosts").write_text(entry)

        with pytest.raises(SourceUnreadable, match="the server's key is not known"):
            remote_blobs(url, terms=TERMS)
    (home / ".ssh" / "known_hosts").unlink()
    with pytest.raises(SourceUnreadable, match="the server's key is not known"):
        remote_blobs(url, terms=TERMS)


def test_a_password_comes_from_the_environment(home: Path, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong one, or none, is told without showing it."""
    (files / "rows.csv").write_text("a,b\n")
    with SftpServerThread(files, password="s3cret") as server:
        (home / ".ssh" / "known_hosts").write_text(server.known_host())
        url = f"{address(server)}/rows.csv"
        with pytest.raises(SourceUnreadable, match="refused the login"):
            remote_blobs(url, terms=TERMS)
        monkeypatch.setenv("BULKSTREAM_SFTP_PASSWORD", "wr0ng")
        with pytest.raises(SourceUnreadable, match="refused the login") as refused:
            remote_blobs(url, terms=TERMS)
        monkeypatch.setenv("BULKSTREAM_SFTP_PASSWORD", "s3cret")

        assert remote_blobs(url, terms=TERMS)[0].stream().read() == b"a,b\n"
    assert "wr0ng" not in str(refused.value) + refused.value.hint
