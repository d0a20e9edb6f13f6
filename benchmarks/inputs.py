"""What is loaded: TPC-H lineitem, pieces of it, packed ones, generated rows. All made once, kept in a temp folder."""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

CACHE = Path(tempfile.gettempdir()) / "bulkstream-bench"
GENERATE_LIMIT_S = 1800
BLOCK = 1 << 20
GZIP_WBITS = 31


def lineitem(scale: float) -> Path:
    """Return TPC-H lineitem as CSV, with a header, made once per scale."""
    folder = CACHE / f"tpch-{scale:g}"
    if not (folder / "lineitem.csv").exists():
        tool = Path(sys.executable).with_name("tpchgen-cli")
        command = [str(tool), "csv", "-s", f"{scale:g}", "--tables=lineitem", "--output-dir", str(folder), "--quiet"]
        subprocess.run(command, check=True, timeout=GENERATE_LIMIT_S)
    return folder / "lineitem.csv"


def lineitem_parquet(scale: float) -> Path:
    """Return TPC-H lineitem as Parquet, as tpchgen-cli writes it, made once per scale."""
    folder = CACHE / f"tpch-parquet-{scale:g}"
    if not (folder / "lineitem.parquet").exists():
        tool = Path(sys.executable).with_name("tpchgen-cli")
        command = [
            str(tool),
            "parquet",
            "-s",
            f"{scale:g}",
            "--tables=lineitem",
            "--output-dir",
            str(folder),
            "--quiet",
        ]
        subprocess.run(command, check=True, timeout=GENERATE_LIMIT_S)
    return folder / "lineitem.parquet"


def beginning(path: Path, size: int) -> Path:
    """Return a file of a file's first rows, at most `size` bytes of them, or the file itself if it is no larger."""
    if path.stat().st_size <= size:
        return path
    piece = CACHE / f"{path.parent.name}-{path.stem}-{size}.csv"
    if not piece.exists():
        making = piece.with_suffix(".making")
        with path.open("rb") as whole:
            data = whole.read(size)
        making.write_bytes(memoryview(data)[: data.rfind(b"\n") + 1])
        making.replace(piece)
    return piece


def gzipped(path: Path, *, member_bytes: int = 0) -> Path:
    """Return a file packed as `gzip` does it, at level 6 and in one member, or in members of so many raw bytes."""
    packed = CACHE / f"{path.parent.name}-{path.name}{f'-{member_bytes}' if member_bytes else ''}.gz"
    if not packed.exists():
        making = packed.with_suffix(".making")
        with path.open("rb") as whole, making.open("wb") as file:
            member, begin = zlib.compressobj(6, wbits=GZIP_WBITS), 0
            while block := whole.read(BLOCK):
                if member_bytes and whole.tell() - len(block) - begin >= member_bytes:
                    file.write(member.flush())
                    member, begin = zlib.compressobj(6, wbits=GZIP_WBITS), whole.tell() - len(block)
                file.write(member.compress(block))
            file.write(member.flush())
        making.replace(packed)
    return packed


def synthetic(size: int) -> Path:
    """Return generated rows of about `size` bytes: ids, words, quoted text with line breaks, decimals."""
    path = CACHE / f"synthetic-{size}.csv"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        block, making = _rows(min(size, 4 * BLOCK)), path.with_suffix(".making")
        with making.open("wb") as file:
            file.write(b"id,word,text,amount\n")
            while file.tell() < size:
                file.write(block)
        making.replace(path)
    return path


def _rows(size: int) -> bytes:
    draw = random.Random(1)  # noqa: S311 - test data
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(3, 9))) for _ in range(5000)]
    rows, written = [], 0
    while written < size:
        text = " ".join(draw.choices(words, k=6))
        rows.append(f'{draw.randrange(10**7)},{draw.choice(words)},"{text},\n{text}",{draw.random() * 1000:.2f}\n')
        written += len(rows[-1])
    return "".join(rows).encode()
