"""Does what lies far away arrive whole, however many pieces it is in and whatever breaks on the way?

Loads 1,000 small CSV objects, as many Parquet objects, and one CSV file of 2 GB whose server cuts the connection
twice, each by the real command line into a sandbox process, reads the dataset back and compares its SHA-256 with that
of the rows that were put there. All on this machine's loopback, so that the rates are bounds of the program alone.

    python -m benchmarks.remote --quick
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import mmap
import random
import subprocess
import tempfile
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.inputs import beginning, lineitem
from benchmarks.plan import MB, alone, told
from benchmarks.roundtrip import dataset_digest, environment, sandbox, source_digest
from benchmarks.timing import python, timed
from tests.support.buckets import BUCKET, bucket
from tests.support.flaky_server import FlakyServer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.plan import Plan
    from tests.support.buckets import Bucket
    from tests.support.flaky_server import Asked

NAME = "remote"
OBJECTS, QUICK_OBJECTS = 1000, 50
ROWS = 500
LARGE_BYTES, QUICK_LARGE_BYTES = 2000 * MB, 64 * MB
LARGE_SCALE = 3.0
CUTS = (0.3, 0.8)
"""Where the large file's connections are cut, as shares of its size."""


def measure(plan: Plan) -> dict[str, Any]:
    """Load everything once."""
    count = QUICK_OBJECTS if plan.quick else OBJECTS
    with tempfile.TemporaryDirectory() as name, sandbox(Path(name)) as url, bucket() as s3:
        found = {}
        for kind, make in (("csv", as_csv), ("parquet", as_parquet)):
            told(f"  {count} {kind} objects")
            digest, size = filled(s3, kind, count, make)
            dataset, load = loaded(f"s3://{BUCKET}/{kind}/*.{kind}", url, s3.environ)
            requests = {"objects": count, "object_bytes": size, "requests": dict(s3.asked)}
            found[kind] = {**requests, **load, "equal": values_digest(url, dataset) == digest}
        told("  one large object")
        found["large"] = large(plan, url)
    return found


def large(plan: Plan, url: str) -> dict[str, Any]:
    """Load one file through a server that cuts the connection."""
    size = QUICK_LARGE_BYTES if plan.quick else LARGE_BYTES
    path = beginning(lineitem(plan.scale if plan.quick else LARGE_SCALE), size)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        cuts = [int(len(data) * share) for share in CUTS]
        with FlakyServer(data, cuts=cuts) as server:
            dataset, load = loaded(f"{server.address}/lineitem.csv", url, {})
            return {
                "object_bytes": len(data),
                "requests": {"GET": len(server.asked)},
                "cuts": len(CUTS) - len(server.cuts),
                "bytes_again_after_cuts": again(server.asked, cuts),
                "bytes_again_for_types": server.sent - len(data) - again(server.asked, cuts),
                **load,
                "equal": dataset_digest(url, dataset) == source_digest(path),
            }


def again(asked: list[Asked], cuts: list[int]) -> int:
    """Return how many bytes before the cuts were sent once more, by what was asked for next."""
    starts = [int(each.wanted.removeprefix("bytes=").partition("-")[0]) for each in asked]
    ends = [start + each.sent for start, each in zip(starts, asked, strict=True)]
    begun = [start for start, end in zip(starts, ends, strict=True) if end in cuts]
    return sum(
        cut - max(start for start in starts if begin < start <= cut) for begin, cut in zip(begun, cuts, strict=True)
    )


def loaded(source: str, url: str, environ: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    """Load into a dataset of its own; return its id, and how it went."""
    env = {**environment(url, "instance"), **environ}
    base = python("-m", "bulkstream")
    run = timed([*base, "upload", source, "--dataset-name", source, "--json", "--quiet"], env)
    report = json.loads(run.printed)
    get = [*base, "streams", "get", str(report["stream_id"]), "--json"]
    stream = json.loads(subprocess.run(get, check=True, capture_output=True, env=env).stdout)
    dataset = (stream.get("dataSet") or stream.get("dataSource"))["id"]
    return dataset, {
        "process_seconds": round(run.seconds, 2),
        "seconds": report["seconds"],
        "raw_mb_s": report["raw_mb_s"],
        "raw_bytes": report["raw_bytes"],
        "rows": report["rows"],
        "parts": report["parts"],
        "peak_rss_mb": report["peak_rss_mb"],
    }


def values_digest(url: str, dataset: str) -> str:
    """Hash a dataset's rows as `lines` writes them: what is quoted is no difference."""
    request = urllib.request.Request(  # noqa: S310 - loopback
        f"{url}/v1/datasets/{dataset}/data?includeHeader=false", headers={"X-DOMO-Developer-Token": "sandbox"}
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - loopback
        rows = csv.reader(io.TextIOWrapper(answer, "utf-8", newline=""))
        return hashlib.sha256(lines([(int(n), text, float(share)) for n, text, share in rows])).hexdigest()


def filled(s3: Bucket, kind: str, count: int, make: Any) -> tuple[str, int]:
    """Put so many objects; return the SHA-256 of their rows as CSV, and the bytes of all objects."""
    draw, digest, size = random.Random(kind), hashlib.sha256(), 0  # noqa: S311 - test data
    for number in range(count):
        rows = [
            (
                number * ROWS + n,
                draw.choice(("plain", "with, comma", 'with "quotes"', "two\nlines")),
                draw.randrange(10**6) / 1000,
            )
            for n in range(ROWS)
        ]
        data = make(rows)
        s3.put(f"{kind}/{number:06}.{kind}", data)
        digest.update(lines(rows))
        size += len(data)
    return digest.hexdigest(), size


def lines(rows: list[tuple[int, str, float]]) -> bytes:
    """Return rows as CSV without a header."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def as_csv(rows: list[tuple[int, str, float]]) -> bytes:
    """Return a CSV file."""
    return b"id,text,share\n" + lines(rows)


def as_parquet(rows: list[tuple[int, str, float]]) -> bytes:
    """Return a Parquet file."""
    import pyarrow as pa  # noqa: PLC0415 - takes a while
    from pyarrow import parquet  # noqa: PLC0415

    file = io.BytesIO()
    parquet.write_table(pa.table(dict(zip(("id", "text", "share"), zip(*rows, strict=True), strict=True))), file)
    return file.getvalue()


if __name__ == "__main__":
    alone(NAME, measure, __doc__)
