"""How fast does a whole `bulkstream upload` move raw CSV, next to the codec alone? Pairs, in one run, medians.

Each pair runs (a) the gzip codec alone, in memory, on as many threads as there are cores, over the file's bytes,
and (b) `bulkstream upload` as a whole process against a sink process on the same cores. Prints one JSON document:

    python benchmarks/throughput.py                        # TPC-H lineitem, scale 1
    python benchmarks/throughput.py --file big.csv --pairs 5 --part-size 8MiB
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isal import igzip_lib

from bulkstream.settings import parse_size
from bulkstream.tune import usable_cores

if TYPE_CHECKING:
    from collections.abc import Iterator

CACHE = Path(tempfile.gettempdir()) / "bulkstream-bench"


def lineitem(scale: float) -> Path:
    """Return TPC-H lineitem as CSV, made once per scale."""
    folder = CACHE / f"tpch-{scale:g}"
    if not (folder / "lineitem.csv").exists():
        tool = Path(sys.executable).with_name("tpchgen-cli")
        command = [str(tool), "csv", "-s", f"{scale:g}", "--tables=lineitem", "--output-dir", str(folder), "--quiet"]
        subprocess.run(command, check=True)
    return folder / "lineitem.csv"


@contextmanager
def sink() -> Iterator[str]:
    """Run the sink in a process of its own; yield its address."""
    with tempfile.TemporaryDirectory() as folder:
        port_file = Path(folder) / "port"
        process = subprocess.Popen([sys.executable, str(Path(__file__).with_name("sink.py")), str(port_file)])
        try:
            yield f"http://127.0.0.1:{_port(port_file)}"
        finally:
            process.terminate()
            process.wait(10)


def _port(port_file: Path) -> int:
    for _ in range(500):
        if port_file.exists() and (text := port_file.read_text("ascii")):
            return int(text)
        time.sleep(0.02)
    raise TimeoutError("the sink did not start")


def codec_alone(data: bytes, part_bytes: int, threads: int) -> float:
    """Compress all parts in memory at isal level 1; return raw MB/s."""
    view = memoryview(data)
    parts = [view[start : start + part_bytes] for start in range(0, len(data), part_bytes)]
    began = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(lambda part: len(igzip_lib.compress(part, 1, igzip_lib.COMP_GZIP)), parts):
            pass
    return len(data) / 1e6 / (time.perf_counter() - began)


def whole_upload(files: list[Path], url: str, part_size: str) -> dict[str, Any]:
    """Run `bulkstream upload` as a process; return MB/s over its whole life, CPU seconds and its own report."""
    secrets = {"BULKSTREAM_CLIENT_ID": "sink", "BULKSTREAM_CLIENT_SECRET": "sink", "BULKSTREAM_DIALECT": "public"}
    command = [
        sys.executable,
        "-m",
        "bulkstream",
        "upload",
        *map(str, files),
        "--stream",
        "1",
        "--part-size",
        part_size,
    ]
    before, began = _child_cpu(), time.perf_counter()
    done = subprocess.run(
        [*command, "--json", "--quiet"],
        check=True,
        capture_output=True,
        env={**os.environ, **secrets, "BULKSTREAM_URL": url},
    )
    seconds = time.perf_counter() - began
    raw_bytes = sum(file.stat().st_size for file in files)
    return {
        "raw_mb_s": raw_bytes / 1e6 / seconds,
        "cpu_s_per_gb": (_child_cpu() - before) / (raw_bytes / 1e9),
        "report": json.loads(done.stdout),
    }


def _child_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measured(file: Path, *, times: int, pairs: int, part_size: str) -> dict[str, Any]:
    """Run the pairs and summarize them; the file stands `times` times in the source."""
    data, part_bytes, threads = file.read_bytes(), int(str(parse_size(part_size))), usable_cores()
    codec, uploads = [], []
    with sink() as url:
        for _ in range(pairs):
            codec.append(codec_alone(data, part_bytes, threads))
            uploads.append(whole_upload([file] * times, url, part_size))
    speeds = [each["raw_mb_s"] for each in uploads]
    return {
        "codec_alone_mb_s": round(statistics.median(codec), 1),
        "upload_mb_s": round(statistics.median(speeds), 1),
        "upload_mb_s_spread": [round(min(speeds), 1), round(max(speeds), 1)],
        "ratio_to_codec": round(statistics.median(s / c for s, c in zip(speeds, codec, strict=True)), 3),
        "cpu_s_per_gb": round(statistics.median(each["cpu_s_per_gb"] for each in uploads), 2),
        "last_report": uploads[-1]["report"],
    }


def machine() -> dict[str, Any]:
    """Say where the figures were taken."""
    return {"cores": usable_cores(), "python": platform.python_version(), "system": platform.platform()}


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--file", type=Path, help="a CSV file (default: TPC-H lineitem)")
    parser.add_argument("--scale", type=float, default=1.0, help="TPC-H scale factor")
    parser.add_argument("--times", type=int, default=1, help="how often the file stands in the source")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--part-size", default="8MiB")
    args = parser.parse_args()
    file = args.file or lineitem(args.scale)
    result = measured(file, times=args.times, pairs=args.pairs, part_size=args.part_size)
    setup = {"bytes": file.stat().st_size * args.times, "pairs": args.pairs, "part_size": args.part_size}
    print(json.dumps({**machine(), **setup, **result}, indent=2))


if __name__ == "__main__":
    main()
