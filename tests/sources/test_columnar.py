"""Recognizing columnar formats by their first bytes."""

from __future__ import annotations

import io

import pyarrow as pa
import pytest
from pyarrow import ipc, orc
from pyarrow import parquet as pq

from bulkstream.model import Format
from bulkstream.sources.columnar.magic import HEAD_BYTES, columnar_format, is_parquet

TABLE = pa.table({"a": [1, 2]})


def written(form: str) -> bytes:
    file = io.BytesIO()
    if form == "parquet":
        pq.write_table(TABLE, file)
    elif form == "orc":
        orc.write_table(TABLE, file)
    else:
        with {"file": ipc.new_file, "stream": ipc.new_stream}[form](file, TABLE.schema) as writer:
            writer.write_table(TABLE)
    return file.getvalue()


@pytest.mark.parametrize(
    ("form", "found"),
    [("parquet", Format.PARQUET), ("orc", Format.ORC), ("file", Format.ARROW), ("stream", Format.ARROW)],
)
def test_what_is_written_is_recognized(form: str, found: Format) -> None:
    """The first eight bytes tell each format."""
    assert columnar_format(written(form)[:HEAD_BYTES]) is found


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"PAR",
        b"ORCHARD,",
        b"ORC",
        b"ARROW1,x",
        b"a,b\n1,2\n",
        b"\xff\xff\xff\xff",
        b"\xff\xff\xff\xff\0\0\0\0",
        b"\xff" * 8,
    ],
)
def test_other_bytes_are_not(head: bytes) -> None:
    """CSV whose first column is called like a format, and heads cut short, are none."""
    assert columnar_format(head) is None


def test_encrypted_parquet_and_feather_1_are_theirs() -> None:
    """What the readers refuse with a reason is recognized, so that they are asked."""
    assert is_parquet(b"PARE\0\0\0\0")
    assert columnar_format(b"FEA1\0\0\0\0") is Format.ARROW
