"""Unpacking: what was packed comes out, or an error with its place; never less, and never for ever."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import sys
import threading
import zlib
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkstream.errors import MissingExtra, SourceError, SourceUnreadable
from bulkstream.sources.packed import unpackers
from bulkstream.sources.packed.feed import BLOCK_BYTES
from bulkstream.sources.packed.frames import PIECE_BYTES
from bulkstream.sources.packed.unpack import HEAD_BYTES, Packing, Unpacked, packing_of, refuse_packed
from tests.support.held import Held, Pieces, Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from io import RawIOBase

PACK: dict[Packing, Callable[[bytes], bytes]] = {
    Packing.GZIP: lambda data: gzip.compress(data, 1),
    Packing.BZ2: lambda data: bz2.compress(data, 1),
    Packing.XZ: lambda data: lzma.compress(data, preset=0),
    Packing.ZSTD: lambda data: pa.Codec("zstd").compress(data, asbytes=True),
    Packing.LZ4: lambda data: pa.Codec("lz4").compress(data, asbytes=True),
}
CHECKED = {
    Packing.ZSTD: bytes.fromhex("28b52ffd240a510000350a360a370a380a390a2f4c7f7f"),
    Packing.LZ4: bytes.fromhex("04224d186440a70a000080350a360a370a380a390a000000005271686a"),
}
"""The five lines that are `LINES`, with checksums, as the programs `zstd` and `lz4` write them."""
LINES = b"5\n6\n7\n8\n9\n"
SKIPPED = b"\x5a\x2a\x4d\x18\x05\x00\x00\x00never"
"""A frame to be skipped (RFC 8878, 3.1.2)."""

packings = pytest.mark.parametrize("packing", PACK)


def rows(size: int) -> bytes:
    """Return so many bytes, half of them random, so that packed they fill several blocks."""
    draw = random.Random(size)
    return b"".join(draw.randbytes(500) + b"," * 500 for _ in range(size // 1000 + 1))[:size]


def checked(packing: Packing) -> bytes:
    return CHECKED.get(packing) or PACK[packing](LINES)


def unpacked(content: Held, size: int = 1 << 20) -> bytes:
    with Unpacked(content).stream() as stream:
        return drained(stream, size)


def drained(stream: RawIOBase, size: int) -> bytes:
    """Read to the end, and see that each read but the last fills its buffer."""
    found, buffer = bytearray(), bytearray(size)
    while (count := stream.readinto(buffer)) == size:
        found += buffer
    found += buffer[:count]
    assert stream.readinto(buffer) == 0
    return bytes(found)


def failure(content: Held, size: int = 1 << 20) -> SourceError:
    with Unpacked(content).stream() as stream, pytest.raises(SourceError) as caught:
        drained(stream, size)
    assert "held" in str(caught.value)
    return caught.value


@packings
@pytest.mark.parametrize(
    "size",
    [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 1_300_007],
)
def test_what_was_packed_comes_out(packing: Packing, size: int) -> None:
    """Any size, whatever the edges of blocks and of buffers."""
    data = rows(size)
    packed = PACK[packing](data)

    assert packing_of(packed[:HEAD_BYTES]) is packing
    assert unpacked(Held(packed)) == data
    assert unpacked(Held(packed, (1, 9, 4096)), 65_521) == data


@packings
def test_long_runs_of_the_same_byte_come_out_whole(packing: Packing) -> None:
    """A block of packed bytes that holds many buffers is not taken for the end when it is used up."""
    data = bytes(20_000_000)

    assert unpacked(Held(PACK[packing](data)), 1_000_003) == data


@packings
def test_frames_behind_each_other_are_one_content(packing: Packing) -> None:
    """Members of gzip, streams of xz, frames of zstd: also empty ones, and wherever a block ends."""
    parts = [b"", b"a,b\n", b"", rows(BLOCK_BYTES), b"", b"", rows(70_000), b"1,2\n", b""]
    packed = b"".join(map(PACK[packing], parts))

    assert unpacked(Held(packed)) == b"".join(parts)
    assert unpacked(Held(packed, (7,)), 1001) == b"".join(parts)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(list(PACK)),
    st.lists(st.binary(max_size=300).map(lambda data: data * 7), min_size=1, max_size=5),
    st.lists(st.integers(1, 400), min_size=1, max_size=5),
    st.integers(1, 5000),
)
def test_any_frames_in_any_pieces(packing: Packing, parts: list[bytes], sizes: Sequence[int], buffer: int) -> None:
    """What comes out depends on the packed bytes alone, not on how they come or how they are asked for."""
    packed = b"".join(map(PACK[packing], parts))

    assert unpacked(Held(packed, sizes), buffer) == b"".join(parts)


@packings
@pytest.mark.parametrize("sizes", [(1 << 30,), (3,)])
def test_no_truncation_goes_unnoticed(packing: Packing, sizes: Sequence[int]) -> None:
    """Cut off anywhere, it is an error at the cut, and not a shorter file."""
    packed = checked(packing)

    for cut in range(len(packed)):
        error = failure(Held(packed[:cut], sizes), 4)

        if packing_of(packed[:cut]):
            assert "ends too early" in str(error)
            assert error.place is not None
            assert error.place.offset == cut


@packings
def test_no_truncation_of_many_blocks_goes_unnoticed(packing: Packing) -> None:
    """Nor where a block ends, nor in a later frame."""
    frame = PACK[packing](rows(500_000))
    packed = frame + frame
    cuts = {BLOCK_BYTES * n + more for n in (1, 2, 3) for more in (-1, 0, 1)}

    for cut in {*cuts, len(frame) - 1, len(frame) + 1, len(packed) - 1} - {len(frame), len(packed)}:
        error = failure(Held(packed[:cut]))

        assert error.place is not None
        assert error.place.offset == cut


@packings
def test_no_flipped_bit_goes_unnoticed(packing: Packing) -> None:
    """A changed bit is an error, or nothing that the data depends on (times and names in a header)."""
    packed = checked(packing)

    for bit in range(8 * len(packed)):
        flipped = bytearray(packed)
        flipped[bit // 8] ^= 1 << bit % 8
        with Unpacked(Held(bytes(flipped))).stream() as stream:
            try:
                assert drained(stream, 1000) == LINES
            except SourceError as error:
                assert "held" in str(error)  # noqa: PT017 - most bits raise, and some don't


@packings
def test_damage_is_told_with_its_place(packing: Packing) -> None:
    """The offset is that of packed bytes, exact to a block."""
    whole = PACK[packing](rows(1_000_000))
    packed = bytearray(whole + checked(packing))
    packed[-3] ^= 1

    error = failure(Held(bytes(packed)))

    assert error.place is not None
    assert error.place.path == "held"
    assert len(whole) - BLOCK_BYTES <= error.place.offset < len(packed)
    assert "damaged from here on" in str(error)


@packings
@pytest.mark.parametrize("tail", [b"x", b"garbage, and more of it", b"\0\0\0x", b"a,b\n1,2\n"])
@pytest.mark.parametrize("sizes", [(1 << 30,), (1,)])
def test_garbage_behind_the_end_is_an_error(packing: Packing, tail: bytes, sizes: Sequence[int]) -> None:
    """What follows may be rows that somebody wants; they are not left out without a word."""
    packed = checked(packing)

    error = failure(Held(packed + tail, sizes))

    assert error.place is not None
    if packing in {Packing.GZIP, Packing.BZ2} and tail[0]:
        assert error.place.offset == len(packed)


@pytest.mark.parametrize("sizes", [(1 << 30,), (1,), (5,)])
def test_zero_bytes_may_pad(sizes: Sequence[int]) -> None:
    """Gzip and xz allow it, as tapes need it: any number, and multiples of four, also between frames."""
    twice = PACK[Packing.GZIP](LINES) + bytes(1000) + PACK[Packing.GZIP](LINES) + bytes(3)
    assert unpacked(Held(twice, sizes)) == 2 * LINES

    packed = PACK[Packing.XZ](LINES)
    assert unpacked(Held(packed + bytes(8) + packed + bytes(4), sizes)) == 2 * LINES
    assert "something else" in str(failure(Held(packed + bytes(6) + packed, sizes)))
    assert "something else" in str(failure(Held(packed + bytes(3), sizes)))
    assert "something else" in str(failure(Held(PACK[Packing.BZ2](LINES) + bytes(4), sizes)))


@pytest.mark.parametrize("packing", CHECKED)
def test_frames_to_be_skipped_are_skipped(packing: Packing) -> None:
    """Before, between and behind frames."""
    packed = CHECKED[packing]
    first = SKIPPED if packing is Packing.ZSTD else b""  # lz4 shares their magic, so one that comes first says zstd

    assert unpacked(Held(first + packed + SKIPPED + packed + SKIPPED, (5,))) == 2 * LINES


def test_a_failure_is_never_followed_by_an_end() -> None:
    """Whoever reads on after an error gets it again."""
    packed = PACK[Packing.GZIP](LINES)[:-1]

    with Unpacked(Held(packed)).stream() as stream:
        for _ in range(3):
            with pytest.raises(SourceError, match="ends too early"):
                stream.readinto(bytearray(100))


def test_the_packing_is_told_by_the_first_bytes() -> None:
    """Not by a name, and text is not mistaken for bz2."""
    assert packing_of(b"PK\x03\x04rest") is Packing.ZIP
    assert packing_of(b"PK\x05\x06" + bytes(18)) is Packing.ZIP
    assert packing_of(SKIPPED) is Packing.ZSTD
    assert packing_of(bz2.compress(b"")) is Packing.BZ2
    for text in (b"", b"a,b\n", b"PK,name\n", b"BZh,a\n1,2\n", b"BZh9,a,b,c,d\n", b"PAR1", b"\xef\xbb\xbfa,b\n"):
        assert packing_of(text) is None


def test_what_is_not_packed_is_an_error() -> None:
    """A file may be replaced between two looks at it; its bytes are not passed on as they are."""
    assert "is not packed" in str(failure(Held(b"a,b\n1,2\n")))
    assert "is not packed" in str(failure(Held(b"")))


def test_a_zip_archive_in_a_pipe_is_an_error_that_helps() -> None:
    """Its directory is at its end, so it must be a file."""
    assert "--spool" in failure(Held(b"PK\x03\x04" + bytes(26))).hint


@packings
def test_packed_twice_is_refused(packing: Packing) -> None:
    """Whoever opens it can tell by the first unpacked bytes."""
    head = unpacked(Held(PACK[Packing.GZIP](PACK[packing](LINES))))[:HEAD_BYTES]

    with pytest.raises(SourceError, match=f"held is packed twice: unpacked once, it is {packing} data"):
        refuse_packed("held", head)

    refuse_packed("held", LINES[:HEAD_BYTES])


def test_what_is_known_of_the_content_passes_through() -> None:
    """Name, repeatability and changes are those of the packed content."""
    unpacking = Unpacked(Held(b"", name="rows.csv.gz", unrepeatable="it is a pipe"))

    assert unpacking.name == "rows.csv.gz"
    assert unpacking.unrepeatable == "it is a pipe"
    assert unpacking.changed() == "held has changed"


class Once(Held):
    """A content that gives one stream, which tests hold."""

    given: RawIOBase

    def stream(self) -> RawIOBase:
        return self.given


def once(stream: RawIOBase) -> Once:
    class Given(Once):
        given = stream

    return Given(b"")


@packings
def test_closing_from_another_thread_ends_a_read(packing: Packing) -> None:
    """Whatever the read waits for; and the packed stream is closed."""
    packed = Waiting(PACK[packing](rows(100_000))[:-1])
    stream = Unpacked(once(packed)).stream()
    caught: list[BaseException] = []

    def read() -> None:
        try:
            drained(stream, 1 << 20)
        except SourceUnreadable as error:
            caught.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    assert packed.waits.wait(20)
    stream.close()
    reader.join(20)

    assert [str(error) for error in caught] == ["held was closed while it was read"]
    assert packed.closed


def test_a_closed_stream_says_so() -> None:
    """Closing twice is harmless, reading is an error and no end, and closing before reading reads nothing."""
    packed = Pieces(PACK[Packing.GZIP](LINES), (100,))
    stream = Unpacked(once(packed)).stream()
    position = packed.tell()
    stream.close()
    stream.close()

    assert position == 0
    assert packed.closed
    with pytest.raises(SourceUnreadable, match="closed"):
        stream.readinto(bytearray(10))


@packings
def test_an_error_of_the_place_passes_through(packing: Packing) -> None:
    """A connection that breaks is not called damaged data."""

    class Breaking(Pieces):
        def read(self, size: int | None = -1, /) -> bytes:
            if data := super().read(size):
                return data
            raise ConnectionResetError("the server hung up")

    with (
        Unpacked(once(Breaking(PACK[packing](LINES)[:-1], (10,)))).stream() as stream,
        pytest.raises(SourceUnreadable, match="hung up"),
    ):
        drained(stream, 1000)


@pytest.mark.parametrize("packing", CHECKED)
def test_missing_arrow_is_told(packing: Packing, monkeypatch: pytest.MonkeyPatch) -> None:
    """Zstd and lz4 need it, and the error says how to get it."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with Unpacked(Held(CHECKED[packing])).stream() as stream, pytest.raises(MissingExtra) as caught:
        drained(stream, 10)
    assert "bulkstream[arrow]" in caught.value.hint


def test_zlib_stands_in_for_isal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where isal is not installed, gzip is unpacked all the same, and checked as well."""
    stand_in: Any = lambda: zlib  # noqa: E731 - as the function that it replaces
    monkeypatch.setattr(unpackers, "_deflate", stand_in)
    data = rows(300_000)
    packed = PACK[Packing.GZIP](data) + PACK[Packing.GZIP](LINES)

    assert unpacked(Held(packed, (1000,))) == data + LINES
    assert "ends too early" in str(failure(Held(packed[:-1])))
    assert "damaged" in str(failure(Held(packed[:-5] + b"\0" + packed[-4:])))


def test_any_buffer_takes_the_bytes() -> None:
    """A buffer of wider items, a part of one, and none at all."""
    with Unpacked(Held(PACK[Packing.GZIP](LINES))).stream() as stream:
        wide = memoryview(bytearray(8)).cast("I")
        narrow = bytearray(b"..........")

        assert stream.readinto(bytearray()) == 0
        assert stream.readinto(wide) == 8
        assert stream.readinto(memoryview(narrow)[3:5]) == 2
        assert bytes(wide) + narrow[3:5] == LINES
        assert narrow == b"..." + LINES[8:] + b"....."
        assert isinstance(stream, io.RawIOBase)
        assert stream.readable()
