"""S3 on a free loopback port, by moto, with one bucket; it counts what it is asked."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

if TYPE_CHECKING:
    from collections.abc import Iterator

BUCKET = "rows"
REGION = "us-east-1"


class Bucket:
    """An empty bucket.

    Attributes:
        asked: Requests by their method.
        environ: Variables that lead to it.
    """

    def __init__(self, endpoint: str, asked: Counter[str]) -> None:
        self.asked = asked
        self.environ = {
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": REGION,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ENDPOINT_URL": endpoint,
        }
        secrets = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
        self._client: Any = boto3.client("s3", region_name=REGION, endpoint_url=endpoint, **secrets)
        self._client.create_bucket(Bucket=BUCKET)

    def put(self, key: str, data: bytes) -> None:
        """Put an object, and forget what was asked until then."""
        self._client.put_object(Bucket=BUCKET, Key=key, Body=data)
        self.asked.clear()

    def close(self) -> None:
        """Empty and remove it, since all servers of a process have one memory."""
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
            if keys := [{"Key": each["Key"]} for each in page.get("Contents", ())]:
                self._client.delete_objects(Bucket=BUCKET, Delete={"Objects": keys})
        self._client.delete_bucket(Bucket=BUCKET)
        self._client.close()


@contextmanager
def bucket() -> Iterator[Bucket]:
    """Serve a bucket."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    asked, backends = Counter[str](), DomainDispatcherApplication(create_backend_app)

    def counted(environ: dict[str, Any], start: Any) -> Any:
        asked[environ["REQUEST_METHOD"]] += 1
        return backends(environ, start)

    server = make_server("127.0.0.1", 0, counted, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        opened = Bucket(f"http://127.0.0.1:{server.server_port}", asked)
        yield opened
        opened.close()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
