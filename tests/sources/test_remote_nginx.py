"""Files behind a real web server, over TLS."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bulkstream.errors import SourceMissing, SourceUnreadable, UsageError
from bulkstream.sources.places.remote import Terms, remote_blobs
from tests.support.nginx import INSTALLED, nginx

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(not INSTALLED, reason="nginx is not installed")
DATA = random.Random(1).randbytes((12 << 20) + 1)


@pytest.fixture(scope="module")
def prefix() -> Iterator[Path]:
    """Give a folder that also nginx's own user can look into, as pytest's can't be."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def address(prefix: Path) -> Iterator[str]:
    files = prefix / "files"
    files.mkdir()
    (files / "rows.csv").write_bytes(DATA)
    (files / "empty.csv").touch()
    (files / "bucket").mkdir()
    (files / "bucket" / "rows.csv").write_bytes(DATA)
    with nginx(files, prefix) as address:
        yield address


@pytest.fixture
def terms(prefix: Path) -> Terms:
    return Terms(ca_bundle=prefix / "authority.pem", first_attempts=1)


def test_a_file_is_read_in_order_and_from_anywhere(address: str, terms: Terms) -> None:
    """By ranges, one version of it."""
    (blob,) = remote_blobs(f"{address}/rows.csv", terms=terms)

    with blob.stream() as stream, blob.open() as file:
        assert stream.readall() == DATA
        file.seek(-9 << 20, 2)
        assert file.read() == DATA[-9 << 20 :]
    assert blob.fingerprint().version.startswith('"')
    assert blob.changed() is None


def test_an_empty_file_is_empty(address: str, terms: Terms) -> None:
    """Its first byte can't be asked for."""
    (blob,) = remote_blobs(f"{address}/empty.csv", terms=terms)

    assert (blob.size, blob.stream().read(), blob.changed()) == (0, b"", None)


def test_a_server_that_gives_no_ranges_is_read_in_one_go(address: str, terms: Terms) -> None:
    """The same bytes come, and reading from anywhere is refused."""
    (blob,) = remote_blobs(f"{address}/whole/rows.csv", terms=terms)

    with blob.stream() as stream:
        assert stream.readall() == DATA
    with pytest.raises(SourceUnreadable, match="whole files only"):
        blob.open()


def test_a_file_that_moved_is_followed(address: str, terms: Terms) -> None:
    """As links for downloads are; the name stays the user's."""
    (blob,) = remote_blobs(f"{address}/moved/?to=rows.csv", terms=terms)

    assert (blob.name, blob.size) == (f"{address}/moved/", len(DATA))
    assert blob.stream().read(9) == DATA[:9]


def test_a_missing_file_is_told(address: str, terms: Terms) -> None:
    """By name, at once."""
    with pytest.raises(SourceMissing, match=r"/no\.csv: the server answered 404 Not Found"):
        remote_blobs(f"{address}/no.csv", terms=terms)


def test_a_certificate_that_nobody_vouches_for_is_refused(address: str) -> None:
    """With what to do about it."""
    with pytest.raises(SourceUnreadable, match="certificate is not trusted") as error:
        remote_blobs(f"{address}/rows.csv")

    assert "ca_bundle" in error.value.hint


@pytest.mark.parametrize("url", ["https://127.0.0.1/a", "s3://bucket/a"])
def test_a_bundle_of_authorities_that_is_none_is_told(url: str, tmp_path: Path) -> None:
    """Before anything is asked for."""
    (tmp_path / "some.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")

    for name in ("some.pem", "none.pem"):
        with pytest.raises(UsageError):
            remote_blobs(url, terms=Terms(ca_bundle=tmp_path / name, first_attempts=1))


def test_a_bucket_is_read_over_tls(address: str, terms: Terms, monkeypatch: pytest.MonkeyPatch) -> None:
    """The authority that is trusted for web servers is trusted for stores of the company's own, too."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")

    (blob,) = remote_blobs("s3://bucket/rows.csv", terms=terms)

    with blob.stream() as stream:
        assert stream.readall() == DATA
    with pytest.raises(SourceUnreadable, match="error sending request"):
        remote_blobs("s3://bucket/rows.csv", terms=Terms(first_attempts=1))
