"""Other clients' ways to send a file, each as a process of its own that prints the seconds of its own work.

    python -m benchmarks.others frame FILE URL       # pydomo: stream_upload of a DataFrame
    python -m benchmarks.others files FILE URL       # pydomo: upload_gzip_part_from_file, 8 threads, a file per part
    python -m benchmarks.others whole FILE URL       # as Snowflake's PUT: a thread per file, stdlib gzip, a temp file

Reading the frame and cutting the files are not counted, in their favour.
"""

from __future__ import annotations

import argparse
import gzip
import json
import resource
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests

if TYPE_CHECKING:
    from collections.abc import Callable

THREADS = 8
PART_BYTES = 8 << 20
TIMEOUT_S = 600
PART = "/v1/streams/1/executions/1/part/1"


def frame(file: Path, url: str, folder: Path) -> float:
    """Let pydomo send a DataFrame; return the seconds."""
    import pandas as pd  # noqa: PLC0415 - as heavy as all else together, and its start isn't counted

    del folder
    rows, client = pd.read_csv(file), domo(url)
    return seconds_of(lambda: client.utilities.stream_upload("sink", rows, warn_schema_change=False))


def files(file: Path, url: str, folder: Path) -> float:
    """Let pydomo gzip and send a file per part, from threads; return the seconds."""
    parts, client = cut(file, folder), domo(url)

    def send(number: int) -> None:
        client.streams.upload_gzip_part_from_file(1, 1, number, str(parts[number - 1]), stream_file=False, chunk_size=0)

    def all_parts() -> None:
        client.streams.create_execution(1)
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(send, range(1, len(parts) + 1)))
        client.streams.commit_execution(1, 1)

    return seconds_of(all_parts)


def whole(file: Path, url: str, folder: Path) -> float:
    """Gzip the file to a temp file as the stdlib does unless told otherwise, then send it in one request."""
    packed = folder / "packed.gz"

    def send() -> None:
        with file.open("rb") as raw, gzip.GzipFile(packed, "wb") as out:
            shutil.copyfileobj(raw, out)
        with packed.open("rb") as body:
            requests.put(url + PART, data=body, timeout=TIMEOUT_S).raise_for_status()

    return seconds_of(send)


def domo(url: str) -> Any:
    """Return pydomo's client of a server."""
    from pydomo import Domo  # noqa: PLC0415 - its start isn't counted

    return Domo("sink", "sink", api_host=urlsplit(url).netloc, use_https=False)


def cut(file: Path, folder: Path) -> list[Path]:
    """Write a file's records, without the header, to a file per part."""
    paths: list[Path] = []
    with file.open("rb") as rows:
        rows.readline()
        while block := rows.read(PART_BYTES):
            paths.append(folder / f"{len(paths) + 1}.csv")
            paths[-1].write_bytes(block + rows.readline())
    return paths


def seconds_of(work: Callable[[], object]) -> float:
    """Return how long something takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


WAYS = {"frame": frame, "files": files, "whole": whole}


def main() -> None:
    """Parse the command line, send, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("file", type=Path)
    parser.add_argument("url")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seconds = WAYS[args.way](args.file, args.url, Path(folder))
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    print(json.dumps({"seconds": seconds, "peak_rss_mb": peak_mb}))


if __name__ == "__main__":
    main()
