"""Objects in S3: one, by pattern, by folder; read, compared, and refused in words."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import boto3
import obstore
import pytest
from moto.server import ThreadedMotoServer
from obstore.exceptions import GenericError

from bulkstream.errors import SourceChanged, SourceMissing, SourceUnreadable, UsageError
from bulkstream.sources.places.objects import failure
from bulkstream.sources.places.remote import Terms, remote_blobs
from tests.support.flaky_server import FlakyServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MIB = 1 << 20
TERMS = Terms(first_attempts=1)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """Serve S3 on a free port of the loopback."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Name the server and an account in the environment, as for real ones; give an empty bucket `rows`."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    client = boto3.client("s3", region_name="us-east-1")
    client.create_bucket(Bucket="rows")
    yield client
    keys = [{"Key": each["Key"]} for each in client.list_objects_v2(Bucket="rows").get("Contents", ())]
    if keys:
        client.delete_objects(Bucket="rows", Delete={"Objects": keys})
    client.close()


def put(s3: Any, *keys: str) -> None:
    for key in keys:
        s3.put_object(Bucket="rows", Key=key, Body=key.encode())


def names(url: str) -> list[str]:
    return [blob.name.removeprefix("s3://rows/") for blob in remote_blobs(url, terms=TERMS)]


def test_an_object_is_read_in_order_and_from_anywhere(s3: Any) -> None:
    """Larger than one range, with a key that must be escaped on the wire."""
    data = random.Random(1).randbytes(20 * MIB + 1)
    s3.put_object(Bucket="rows", Key="a b/100%.csv", Body=data)

    (blob,) = remote_blobs("s3://rows/a b/100%.csv")

    assert (blob.name, blob.size, blob.path) == ("s3://rows/a b/100%.csv", len(data), None)
    with blob.stream() as stream:
        assert stream.read(1) + stream.readall() == data
    with blob.open() as file:
        file.seek(-9 * MIB, 2)
        assert file.read() == data[-9 * MIB :]
    assert blob.changed() is None
    assert blob.fingerprint().digest == ""
    assert blob.fingerprint().version.startswith('"')


def test_patterns_match_as_they_do_for_files(s3: Any) -> None:
    """`*` within a name, `**` any folders, nothing hidden unless asked for; in sorted order."""
    put(s3, "d/2.csv", "d/10.csv", "d/.x.csv", "d/e/3.csv", "d/e/f/4.csv", "d/.h/5.csv", "6.csv", "d/a.txt", "dx/7.csv")

    assert names("s3://rows/d/*.csv") == ["d/10.csv", "d/2.csv"]
    assert names("s3://rows/d/[!1].csv") == ["d/2.csv"]
    assert names("s3://rows/d/?.csv") == ["d/2.csv"]
    assert names("s3://rows/d/**/*.csv") == ["d/10.csv", "d/2.csv", "d/e/3.csv", "d/e/f/4.csv"]
    assert names("s3://rows/d*/[0-9].csv") == ["d/2.csv", "dx/7.csv"]
    assert names("s3://rows/*.csv") == ["6.csv"]
    assert names("s3://rows/d/.*.csv") == ["d/.x.csv"]
    assert names("s3://rows/d/e/**") == ["d/e/3.csv", "d/e/f/4.csv"]
    with pytest.raises(SourceMissing, match=r"s3://rows/d/\*\.json: the pattern matches no object"):
        names("s3://rows/d/*.json")
    with pytest.raises(UsageError, match="is no pattern"):
        names("s3://rows/d/[z-a].csv")


def test_a_folder_is_all_data_in_it(s3: Any) -> None:
    """What other programs put beside the data, empty or named with a dot or `_`, is none."""
    put(s3, "t/p=1/a.parquet", "t/p=0/b.parquet", "t/_SUCCESS", "t/_delta/x.parquet", "t/.crc", "tt/c.parquet")
    s3.put_object(Bucket="rows", Key="t/", Body=b"")

    assert names("s3://rows/t/") == ["t/p=0/b.parquet", "t/p=1/a.parquet"]
    assert names("s3://rows/") == ["t/p=0/b.parquet", "t/p=1/a.parquet", "tt/c.parquet"]
    with pytest.raises(SourceMissing, match="holds no object with data"):
        names("s3://rows/u/")


def test_a_replaced_object_is_an_error(s3: Any) -> None:
    """Found by a listing or alone, it is compared with every answer."""
    put(s3, "a.csv")
    for url in ("s3://rows/a.csv", "s3://rows/*.csv"):
        (blob,) = remote_blobs(url, terms=TERMS)
        s3.put_object(Bucket="rows", Key="a.csv", Body=b"other")
        with blob.stream() as stream, pytest.raises(SourceChanged, match="modified or replaced"):
            stream.read()
        put(s3, "a.csv")


def test_a_change_is_told_of_what_a_listing_found(s3: Any) -> None:
    """The listing that found it doesn't answer for later."""
    put(s3, "a.csv")
    (blob,) = remote_blobs("s3://rows/*.csv", terms=TERMS)

    s3.put_object(Bucket="rows", Key="a.csv", Body=b"A.csv")

    assert blob.changed() == "s3://rows/a.csv was modified or replaced during the load"


def test_a_change_is_told(s3: Any) -> None:
    """Another version, another size, or no object any more."""
    put(s3, "a.csv")
    (blob,) = remote_blobs("s3://rows/a.csv", terms=TERMS)

    s3.put_object(Bucket="rows", Key="a.csv", Body=b"A.csv")
    assert blob.changed() == "s3://rows/a.csv was modified or replaced during the load"
    s3.put_object(Bucket="rows", Key="a.csv", Body=b"")
    assert blob.changed() == "s3://rows/a.csv had 5 bytes and now has 0"
    s3.delete_object(Bucket="rows", Key="a.csv")
    assert blob.changed() == "s3://rows/a.csv is gone"


def test_what_is_missing_or_refused_is_told_in_a_line(s3: Any) -> None:
    """The store's own errors are pages long."""
    with pytest.raises(SourceMissing, match=r"^s3://rows/no\.csv: no such object$"):
        remote_blobs("s3://rows/no.csv", terms=TERMS)
    with pytest.raises(SourceMissing, match=r"^s3://nowhere/\*: there is no such bucket$"):
        remote_blobs("s3://nowhere/*", terms=TERMS)
    with pytest.raises(SourceUnreadable, match="empty path segment"):
        remote_blobs("s3://rows/a//b.csv", terms=TERMS)


def test_an_endpoint_without_encryption_must_be_allowed(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, with the variable that allows it."""
    monkeypatch.delenv("AWS_ALLOW_HTTP")

    with pytest.raises(SourceUnreadable, match=r"^s3://rows/a\.csv: the endpoint's address is refused$") as caught:
        remote_blobs("s3://rows/a.csv", terms=TERMS)

    assert "AWS_ALLOW_HTTP=true" in caught.value.hint


def test_an_unreachable_store_is_told(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """After few attempts, since the address is perhaps misspelt."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")

    with pytest.raises(SourceUnreadable, match=r"s3://rows/a\.csv: .*\(tried 1 times\)"):
        remote_blobs("s3://rows/a.csv", terms=TERMS)


def test_objects_of_other_providers_are_read_by_their_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The URL gives bucket, container and account, the environment all else; a plain server stands for both of them."""
    with FlakyServer(b"a,b\n") as server:
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "acme")
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "c2VjcmV0")
        monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", f"{server.address}/azure")
        monkeypatch.setenv("AZURE_ALLOW_HTTP", "true")
        monkeypatch.setenv("GOOGLE_BASE_URL", f"{server.address}/google")
        monkeypatch.setenv("GOOGLE_SKIP_SIGNATURE", "true")
        monkeypatch.setenv("GOOGLE_ALLOW_HTTP", "true")
        for url in ("gs://rows/d/a.csv", "az://rows/d/a.csv", "abfss://rows@other.dfs.core.windows.net/d/a.csv"):
            (blob,) = remote_blobs(url, terms=TERMS)

            assert (blob.name, blob.stream().read(), blob.changed()) == (url, b"a,b\n", None)
        asked = {asked.path for asked in server.asked}
    assert asked == {"/google/rows/d%2Fa%2Ecsv", "/azure/rows/d/a.csv"}


def test_many_small_objects_take_one_request_each(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The listing tells size and version, and compares them all by one more at the end."""
    put(s3, *(f"many/{n:03}.csv" for n in range(30)))
    asked: list[str] = []
    for name in ("head_async", "get_async", "list"):
        monkeypatch.setattr(obstore, name, counted(name, asked))

    blobs = remote_blobs("s3://rows/many/*.csv")
    read = [blob.stream().read() for blob in blobs]
    changed = {blob.changed() for blob in blobs}

    assert read == [f"many/{n:03}.csv".encode() for n in range(30)]
    assert changed == {None}
    assert Counter(asked) == {"list": 2, "get_async": 30}


def counted(name: str, asked: list[str]) -> Callable[..., Any]:
    """Return a function of obstore that notes its calls."""
    call = getattr(obstore, name)

    def noted(*args: Any, **options: Any) -> Any:
        asked.append(name)
        return call(*args, **options)

    return noted


def test_what_no_credentials_and_signatures_look_like() -> None:
    """Machines in a cloud are asked for credentials when there are none; a signature in a URL is not repeated."""
    page = "Generic S3 error: Error performing PUT http://169.254.169.254/latest/api/token in 1s - HTTP error\n\nDebug"
    signed = "Error performing GET https://a.blob.core.windows.net/b/c?sv=1&sig=s3cret in 1s - HTTP error"

    lost = failure("s3://rows/a", GenericError(page))
    shown = failure("az://rows/a", GenericError(signed))

    assert str(lost) == "s3://rows/a: there are no credentials in the environment"
    assert str(shown) == "Error performing GET https://a.blob.core.windows.net/b/c in 1s - HTTP error"
