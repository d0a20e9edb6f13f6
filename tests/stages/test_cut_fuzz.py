"""Bytes that are no CSV, in any cut: they come out as they went in, or as an error with its place."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bulkstream.errors import RecordTooLong, SourceChanged, SourceError, UnclosedQuote
from bulkstream.stages import Buffer, Cutter
from tests.support.memory_source import MemorySource

FUZZ = settings(max_examples=400, deadline=None, derandomize=True)
PIECES = st.sampled_from([b'"', b"\n", b"\r", b",", b"a", b"\0", b"\xff"])
BYTES = st.binary(max_size=200) | st.lists(PIECES).map(b"".join)


@given(
    files=st.lists(BYTES, max_size=4),
    piece=st.integers(1, 50),
    part_bytes=st.integers(1, 80),
    max_record_bytes=st.integers(1, 120),
    cut_short=st.sampled_from([0, 0, 0, 1, 5]),
)
@FUZZ
def test_any_bytes_are_cut_or_refused(
    files: list[bytes], piece: int, part_bytes: int, max_record_bytes: int, cut_short: int
) -> None:
    """Chunks in a row are the files in a row; buffers stay within the longest record; everything is closed."""
    source = MemorySource(files, piece=piece, cut_short=cut_short)
    cutter = Cutter(source, part_bytes=part_bytes, max_record_bytes=max_record_bytes)
    chunks, buffer, failure = [], Buffer(cutter.capacity), None
    try:
        while chunk := cutter.next(buffer):
            chunks.append((chunk.begin, chunk.end, bytes(chunk.data)))
            buffer.restore(cutter.capacity)
    except SourceError as error:
        failure = error
    finally:
        cutter.close()

    got = b"".join(data for _, _, data in chunks)
    whole = joined(files)
    assert whole.startswith(got) if failure else whole == got
    assert isinstance(failure, RecordTooLong | UnclosedQuote | SourceChanged | None)
    assert [begin for begin, _, _ in chunks] == [0, *(end for _, end, _ in chunks)][: len(chunks)]
    assert buffer.capacity <= max(part_bytes, max_record_bytes) + 1 + part_bytes
    assert all(segment.closed for segment in source.opened if segment.offset)


def joined(files: list[bytes]) -> bytes:
    """Put line feeds where a file that has data lacks its last one, but for the last."""
    filled = [each for each in files if each]
    return b"".join(
        each if each.endswith(b"\n") or number == len(filled) else each + b"\n" for number, each in enumerate(filled, 1)
    )
