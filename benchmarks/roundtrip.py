"""Are the rows that come back the rows that were sent? Large and awkward files, part sizes, both dialects.

Loads TPC-H lineitem and generated files (quoted line breaks, CRLF, a byte order mark, doubled quotes, Unicode, no
final newline) into a sandbox process with the real command line, reads the dataset back and compares row count and
SHA-256 with the source's own bytes behind the header. Exits 1 if any differs.

    python -m benchmarks.roundtrip --scale 1 --part-size 64KiB --part-size 1MiB --part-size 64MiB
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.inputs import lineitem
from benchmarks.machine import machine

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK = 1 << 20
WORDS = [
    "plain",
    "with, comma",
    'with "quotes"',
    "line\nbreak",
    "crlf\r\nbreak",
    '"',
    '""',
    "naïve café",
    "日本語 𝄞",
    "",
]


def awkward(path: Path, *, size: int, line_end: str, bom: bool, final_newline: bool) -> Path:
    """Write a CSV with every awkward kind of field, about `size` bytes long."""
    draw = random.Random(size)  # noqa: S311 - test data
    rows = ["id,text,note,amount"]
    written = 0
    while written < size:
        fields = ['"' + draw.choice(WORDS).replace('"', '""') + '"' for _ in range(2)]
        rows.append(f"{len(rows)},{','.join(fields)},{draw.random():.4f}")
        written += len(rows[-1]) + 2
    text = line_end.join(rows) + (line_end if final_newline else "")
    path.write_bytes((b"\xef\xbb\xbf" if bom else b"") + text.encode())
    return path


def inputs(folder: Path, scale: float, size: int) -> list[Path]:
    """Return the files to load, each with a header record."""
    return [
        lineitem(scale),
        awkward(folder / "lf.csv", size=size, line_end="\n", bom=False, final_newline=True),
        awkward(folder / "crlf-bom.csv", size=size, line_end="\r\n", bom=True, final_newline=True),
        awkward(folder / "no-final-newline.csv", size=size, line_end="\n", bom=False, final_newline=False),
    ]


@contextmanager
def sandbox(folder: Path) -> Iterator[str]:
    """Run `bulkstream sandbox` as a process; yield its address."""
    port_file = folder / "port"
    command = [sys.executable, "-m", "bulkstream", "sandbox", "--port", "0", "--port-file", str(port_file)]
    process = subprocess.Popen([*command, "--data", str(folder / "data")], stdout=subprocess.DEVNULL)
    try:
        for _ in range(1000):
            if port_file.exists() and process.poll() is None:
                break
            time.sleep(0.02)
        yield f"http://127.0.0.1:{int(port_file.read_text('ascii'))}"
    finally:
        process.terminate()
        process.wait(30)


def source_digest(path: Path) -> str:
    """Hash a file's bytes behind its byte order mark and its one-line header."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        file.readline()
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def dataset_digest(url: str, dataset: str) -> str:
    """Hash what the sandbox gives back for a dataset, without its header."""
    request = urllib.request.Request(  # noqa: S310 - loopback
        f"{url}/v1/datasets/{dataset}/data?includeHeader=false", headers={"X-DOMO-Developer-Token": "sandbox"}
    )
    digest = hashlib.sha256()
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - loopback
        while block := answer.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def environment(url: str, dialect: str) -> dict[str, str]:
    """Return the variables that lead the command line to the sandbox."""
    secrets = {f"BULKSTREAM_{name}": "sandbox" for name in ("TOKEN", "CLIENT_ID", "CLIENT_SECRET")}
    return {**os.environ, **secrets, "BULKSTREAM_URL": url, "BULKSTREAM_DIALECT": dialect}


def loaded(path: Path, *, url: str, dialect: str, part_size: str) -> dict[str, Any]:
    """Load a file into a dataset of its own and compare what comes back."""
    name = f"{path.stem} {dialect} {part_size}"
    base = [sys.executable, "-m", "bulkstream"]
    env = environment(url, dialect)
    upload = [*base, "upload", str(path), "--dataset-name", name, "--part-size", part_size, "--json", "--quiet"]
    report = json.loads(subprocess.run(upload, check=True, capture_output=True, env=env).stdout)
    get = [*base, "streams", "get", str(report["stream_id"]), "--json"]
    stream = json.loads(subprocess.run(get, check=True, capture_output=True, env=env).stdout)
    dataset = (stream.get("dataSet") or stream.get("dataSource"))["id"]
    return {
        "file": path.name,
        "dialect": dialect,
        "part_size": part_size,
        "parts": report["parts"],
        "rows": report["rows"],
        "raw_mb_s": report["raw_mb_s"],
        "equal": dataset_digest(url, dataset) == source_digest(path),
    }


def main() -> None:
    """Parse the command line, load everything, print, exit 1 on a difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="TPC-H scale factor of lineitem")
    parser.add_argument("--size", type=int, default=20_000_000, help="bytes of each generated file")
    parser.add_argument("--part-size", action="append", help="repeatable (default: 64KiB, 1MiB, 64MiB)")
    args = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as name, sandbox(Path(name)) as url:
        for path in inputs(Path(name), args.scale, args.size):
            for dialect in ("instance", "public"):
                for part_size in args.part_size or ["64KiB", "1MiB", "64MiB"]:
                    results.append(loaded(path, url=url, dialect=dialect, part_size=part_size))
                    print(json.dumps(results[-1]), file=sys.stderr)
    equal = all(result["equal"] for result in results)
    print(json.dumps({**machine(), "equal": equal, "loads": results}, indent=2))
    sys.exit(0 if equal else 1)


if __name__ == "__main__":
    main()
