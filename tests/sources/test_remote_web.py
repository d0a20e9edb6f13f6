"""Files on web servers: in order and from anywhere, through cuts and refusals, and never a mixture of two versions."""

from __future__ import annotations

import gc
import hashlib
import random
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bulkstream.errors import SourceChanged, SourceMissing, SourceUnreadable, UsageError
from bulkstream.settings import Connection, Retry
from bulkstream.sources.places.remote import Terms, is_remote, remote_blobs
from tests.support.flaky_server import FlakyServer

if TYPE_CHECKING:
    from io import RawIOBase

MIB = 1 << 20


async def no_sleep(seconds: float) -> None:
    """Pass."""


TERMS = Terms(sleep=no_sleep, stall_s=5)


def data_of(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def digest_of(stream: RawIOBase) -> str:
    """Digest what a stream gives, without keeping it."""
    digest = hashlib.sha256()
    buffer = bytearray(512 << 10)
    with stream:
        while count := stream.readinto(buffer) or 0:
            digest.update(memoryview(buffer)[:count])
    return digest.hexdigest()


def test_a_file_that_is_cut_off_is_asked_for_from_there_on() -> None:
    """64 MB, cut off twice: the bytes are equal, and of what had arrived nothing is sent again."""
    data = data_of(64 * MIB)
    with FlakyServer(data, cuts=[20 * MIB + 7, 50 * MIB + 1]) as server:
        (blob,) = remote_blobs(f"{server.address}/rows.csv", terms=TERMS)

        assert digest_of(blob.stream()) == hashlib.sha256(data).hexdigest()
        assert server.cuts == []
        assert server.sent == len(data) + 1  # the byte that the look asked for
        assert any(asked.wanted.startswith(f"bytes={20 * MIB + 7}-") for asked in server.asked)
        assert any(asked.wanted.startswith(f"bytes={50 * MIB + 1}-") for asked in server.asked)


def test_refusals_that_pass_are_waited_for() -> None:
    """503, 429 and 500 at any request cost a pause each, and growing ones while nothing arrives."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    terms = Terms(sleep=sleep, jitter=lambda low, high: high)
    with FlakyServer(data_of(10_000), refusals=[503, 429]) as server:
        (blob,) = remote_blobs(f"{server.address}/rows.csv", terms=terms)
        server.refusals[:] = [500, 502, 503]

        assert blob.stream().read() == server.data
    assert pauses == [0.2, 0.4, 0.2, 0.4, 0.8]


def test_a_refusal_that_lasts_ends_it() -> None:
    """The number of attempts is bounded, less at the first look, and the error tells the reason."""
    with FlakyServer(b"a,b\n", refusals=[503] * 3) as server:
        with pytest.raises(SourceUnreadable, match=r"answered 503 \(tried 3 times\)"):
            remote_blobs(f"{server.address}/rows.csv", terms=TERMS)
        (blob,) = remote_blobs(f"{server.address}/rows.csv", terms=TERMS)
        server.refusals[:] = [503] * 10

        with blob.stream() as stream, pytest.raises(SourceUnreadable, match=r"answered 503 \(tried 10 times\)"):
            stream.read()


def test_a_file_that_is_replaced_meanwhile_is_no_mixture() -> None:
    """Each answer is compared with what was found, also that to a request after a cut."""
    with FlakyServer(data_of(3 * MIB), cuts=[2 * MIB]) as server:
        (blob,) = remote_blobs(f"{server.address}/rows.csv", terms=TERMS)
        with blob.stream() as stream:
            assert stream.read(10) == server.data[:10]
            server.data, server.tag = data_of(3 * MIB + 1)[1:], '"two"'

            with pytest.raises(SourceChanged, match="was modified or replaced"):
                stream.readall()
        assert blob.changed() == f"{server.address}/rows.csv was modified or replaced during the load"
        server.data = b""
        assert "had 3,145,728 bytes and now has 0" in str(blob.changed())


def test_a_server_without_ranges_is_read_in_one_go() -> None:
    """It works, also through a cut, by passing over what had arrived; reading from anywhere is refused."""
    data = data_of(5 * MIB)
    with FlakyServer(data, ranges=False, cuts=[3 * MIB]) as server:
        (blob,) = remote_blobs(f"{server.address}/rows.parquet", terms=TERMS)
        server.cuts[:] = [3 * MIB]

        assert digest_of(blob.stream()) == hashlib.sha256(data).hexdigest()
        assert [asked.wanted for asked in server.asked[1:]] == ["", ""]
        with pytest.raises(SourceUnreadable, match="whole files only") as error:
            blob.open()
    assert "--spool" in error.value.hint
    assert blob.fingerprint().digest == ""


def test_a_server_that_tells_no_size_is_refused() -> None:
    """Whether all of it arrived could not be told."""
    told = pytest.raises(SourceUnreadable, match="doesn't tell the file's size")
    with FlakyServer(b"a,b\n", ranges=False, sized=False) as server, told as error:
        remote_blobs(f"{server.address}/rows.csv", terms=TERMS)

    assert "curl" in error.value.hint


def test_reading_from_anywhere_gives_what_was_asked_for() -> None:
    """Short reads by blocks that are kept, long ones by ranges side by side, through a cut."""
    data = data_of(20 * MIB + 3)
    with FlakyServer(data, cuts=[9 * MIB]) as server:
        (blob,) = remote_blobs(f"{server.address}/rows.parquet", terms=TERMS)
        with blob.open() as file:
            file.seek(-8, 2)
            assert file.read(100) == data[-8:]
            before = len(server.asked)
            file.seek(-4096, 2)
            assert file.read(4088) == data[-4096:-8]
            assert len(server.asked) == before
            file.seek(MIB - 5)
            assert file.read(18 * MIB) == data[MIB - 5 :][: 18 * MIB]
            assert file.tell() == 19 * MIB - 5
            file.seek(0, 1)
            file.seek(len(data) + 1)
            assert file.read(5) == b""


def test_whoever_only_looks_at_the_beginning_transfers_little() -> None:
    """Formats are told by first bytes; the rest is not asked for before it is read."""
    with FlakyServer(data_of(40 * MIB)) as server:
        (blob,) = remote_blobs(f"{server.address}/rows.csv", terms=TERMS)
        with blob.stream() as stream:
            stream.read(4096)

        assert [asked.wanted for asked in server.asked] == ["bytes=0-0", "bytes=0-262143"]


def test_closing_ends_a_wait_at_once() -> None:
    """Another thread closes what is read while the server is silent, in order or from anywhere."""
    with FlakyServer(data_of(2 * MIB)) as server, ThreadPoolExecutor(1) as threads:
        (blob,) = remote_blobs(f"{server.address}/rows.csv", terms=TERMS)
        server.answering.clear()
        for opened in (blob.stream(), blob.open()):
            server.asking.clear()
            reading = threads.submit(opened.read, 1)
            assert server.asking.wait(10)
            opened.close()

            assert isinstance(reading.exception(timeout=10), SourceUnreadable)


def test_an_empty_file_is_empty() -> None:
    """It takes no request beyond the look."""
    with FlakyServer(b"", ranges=False) as server:
        (blob,) = remote_blobs(f"{server.address}/rows.csv", terms=TERMS)

        assert (blob.size, blob.stream().read()) == (0, b"")
        assert len(server.asked) == 1


def test_a_missing_and_a_forbidden_file_are_told_at_once() -> None:
    """Asking again would not help."""
    with FlakyServer(b"", refusals=[404, 403]) as server:
        with pytest.raises(SourceMissing, match="404"):
            remote_blobs(f"{server.address}/rows.csv", terms=TERMS)
        with pytest.raises(SourceUnreadable, match="403") as error:
            remote_blobs(f"{server.address}/rows.csv", terms=TERMS)

    assert "expired" in error.value.hint


def test_a_signature_is_sent_and_never_shown() -> None:
    """It stands in the query, which no name, repr, message or error holds."""
    query = "?X-Amz-Credential=a%2Fb&(X-Amz-Signature)=s3cret"
    with FlakyServer(data_of(10)) as server:
        url = f"{server.address}/r%20ows.csv"
        (blob,) = remote_blobs(url + query, terms=TERMS)
        server.refusals[:] = [403]
        with blob.stream() as stream, pytest.raises(SourceUnreadable) as refused:
            stream.read()
        server.tag = '"two"'
        shown = [blob.name, repr(blob), repr(stream), repr(blob.open()), str(refused.value), str(blob.changed())]
        asked = {asked.path for asked in server.asked}
    with pytest.raises(SourceUnreadable) as unreachable:
        remote_blobs(url + query, terms=TERMS)

    assert blob.name == url
    assert asked == {"/r%20ows.csv" + query}
    assert not [text for text in [*shown, str(unreachable.value)] if "s3cret" in text or "X-Amz" in text]


def test_a_password_in_a_url_is_refused_and_not_shown() -> None:
    """Whoever lists processes would see it; the error must not repeat it."""
    for url in ("https://me:s3cret@host/rows.csv", "sftp://me:s3cret@host/rows.csv", "s3://k:s3cret@bucket/a"):
        with pytest.raises(UsageError, match="a user and perhaps a password") as error:
            remote_blobs(url)
        assert "s3cret" not in str(error.value) + error.value.hint


def test_patience_is_that_of_the_settings() -> None:
    """What is set for the API holds here, too, where it is the same question."""
    connection, retry = Connection(connect_timeout_s=7, ca_bundle=Path("ca.pem")), Retry(attempts=2, base_s=0.5)

    terms = Terms.of(connection, retry)

    assert (terms.attempts, terms.first_attempts, terms.base_s, terms.cap_s) == (2, 2, 0.5, 30.0)
    assert (terms.connect_s, terms.stall_s, terms.ca_bundle) == (7, 60.0, Path("ca.pem"))


def test_what_is_no_source_is_told() -> None:
    """Unknown kinds, no host, and patterns on a web server."""
    wrong = {
        "ftp://host/a": "ftp:// is no source",
        "https:///a": "no bucket or host",
        "https://h:x/a?secret": "https://h:x/a names no bucket or host$",
        "https://host/*.csv": "pattern",
    }
    for url, what in wrong.items():
        with pytest.raises(UsageError, match=what):
            remote_blobs(url)
    assert [is_remote(name) for name in ("s3://b/k", "rows.csv", "C:\\rows.csv", "./a://b", "-")] == [True] + [
        False
    ] * 4


def test_the_thread_behind_ends_with_the_blobs() -> None:
    """Nobody closes a blob; what is open keeps the thread, and nothing else does."""
    before = set(threading.enumerate())
    with FlakyServer(b"a,b\n") as server:
        stream = remote_blobs(f"{server.address}/rows.csv", terms=TERMS)[0].stream()
        gc.collect()
        (thread,) = [each for each in set(threading.enumerate()) - before if each.name == "bulkstream-remote"]
        assert stream.read() == b"a,b\n"
        del stream
        gc.collect()
        thread.join(10)

        assert not thread.is_alive()


def test_a_program_that_ends_amidst_a_transfer_ends_at_once() -> None:
    """Nothing waits for the server, and nothing is printed."""
    load = "from bulkstream.sources.places.remote import remote_blobs"
    code = f"import sys; {load}; s = remote_blobs(sys.argv[1])[0].stream(); s.read(9)"
    with FlakyServer(data_of(30 * MIB)) as server:
        run = [sys.executable, "-c", code, f"{server.address}/rows.csv"]

        ended = subprocess.run(run, capture_output=True, timeout=30, text=True, check=True)
    assert (ended.stdout, ended.stderr) == ("", "")
