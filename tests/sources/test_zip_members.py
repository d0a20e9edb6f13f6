"""Zip archives: their files, unpacked and compared with what their directory says."""

from __future__ import annotations

import io
import lzma
import random
import zipfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkstream.errors import SourceError, SourceUnreadable
from bulkstream.sources.packed.feed import BLOCK_BYTES
from bulkstream.sources.packed.unpack import is_excel, members
from bulkstream.sources.packed.unpackers import ZipLzma
from tests.support.held import Held

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bulkstream.sources.content import Content

METHODS = {
    "stored": zipfile.ZIP_STORED,
    "deflated": zipfile.ZIP_DEFLATED,
    "bzip2": zipfile.ZIP_BZIP2,
    "lzma": zipfile.ZIP_LZMA,
}
methods = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


def archive(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as writer:
        for name, data in files.items():
            writer.writestr(name, data)
    return made.getvalue()


def read(content: Content, size: int = 1 << 20) -> bytes:
    found, buffer = bytearray(), bytearray(size)
    with content.stream() as stream:
        while count := stream.readinto(buffer):
            found += buffer[:count]
    return bytes(found)


def rows(size: int) -> bytes:
    draw = random.Random(size)
    return b"".join(draw.randbytes(500) + b"," * 500 for _ in range(size // 1000 + 1))[:size]


@methods
@pytest.mark.parametrize("size", [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 1_300_007])
def test_what_was_packed_comes_out(method: int, size: int) -> None:
    """Each method, any size, in pieces of any size."""
    data = rows(size)

    (member,) = members(Held(archive({"rows.csv": data}, method)))

    assert member.name == "held/rows.csv"
    assert read(member) == data
    assert read(member, 65_521) == data


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.binary(max_size=300).map(lambda data: data * 7), min_size=1, max_size=5),
    st.sampled_from(list(METHODS.values())),
    st.lists(st.integers(1, 400), min_size=1, max_size=5),
    st.integers(1, 5000),
)
def test_any_members_in_any_pieces(datas: list[bytes], method: int, sizes: Sequence[int], buffer: int) -> None:
    """What comes out depends on the archive alone."""
    packed = archive({f"{number}.csv": data for number, data in enumerate(datas)}, method)

    assert [read(member, buffer) for member in members(Held(packed, sizes))] == datas


def test_files_come_in_the_order_of_the_archive_and_others_not_at_all() -> None:
    """Folders, hidden files and what macOS adds are no rows."""
    names = ["b.csv", "folder/", "folder/a.csv", "__MACOSX/b.csv", "__MACOSX/._b.csv", ".DS_Store", "folder/.x", "./c"]

    found = members(Held(archive(dict.fromkeys(names, b""))))

    assert [member.name for member in found] == ["held/b.csv", "held/folder/a.csv", "held/./c"]


def test_an_archive_without_files_is_an_error() -> None:
    """Nothing to be loaded is most often a mistake."""
    for files in ({}, {"folder/": b"", ".hidden": b""}):
        with pytest.raises(SourceError, match="without files"):
            members(Held(archive(files)))


def test_sizes_may_be_told_late_or_wide() -> None:
    """Archives that were streamed tell sizes behind the data, zip64 elsewhere, and something may stand in front."""
    made = io.BytesIO()
    made.seekable = lambda: False  # type: ignore[method-assign]
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as writer:
        with writer.open("late.csv", "w", force_zip64=True) as member:
            member.write(b"1,2\n" * 1000)
        writer.writestr("next.csv", b"3,4\n")

    for front in (b"", b"#!/bin/sh\nexit 0\n"):
        late, following = members(Held(front + made.getvalue()))

        assert read(late) == b"1,2\n" * 1000
        assert read(following) == b"3,4\n"


def test_encrypted_files_are_an_error_that_names_them() -> None:
    """Unless nobody wants them."""
    packed = bytearray(archive({"a.csv": b"1\n"}))
    packed[packed.index(b"PK\x01\x02") + 8] |= 1

    with pytest.raises(SourceError, match=r"held/a\.csv is encrypted"):
        members(Held(bytes(packed)))


def test_unknown_methods_are_an_error_that_names_them() -> None:
    """There are some that Python doesn't know."""
    for method, name in ((9, "Deflate64"), (93, "zstd"), (77, "method 77")):
        packed = bytearray(archive({"a.csv": b"1\n"}))
        packed[packed.index(b"PK\x01\x02") + 10] = method

        with pytest.raises(SourceError, match=f"packed by {name}"):
            members(Held(bytes(packed)))


@methods
def test_no_truncation_goes_unnoticed(method: int) -> None:
    """An archive that was cut off has no directory any more."""
    packed = archive({"a.csv": b"1,2\n3,4\n", "b.csv": b"5,6\n"}, method)

    for cut in range(len(packed)):
        with pytest.raises(SourceError, match="no whole zip archive"):
            members(Held(packed[:cut]))


@methods
def test_no_flipped_bit_of_the_data_goes_unnoticed(method: int) -> None:
    """A changed bit of the packed bytes, or of what is known of them, is an error, or changes nothing."""
    data = b"5,6\n7,8\n" * 20
    packed = archive({"a.csv": data}, method)
    begin, directory = 30 + len("a.csv"), packed.index(b"PK\x01\x02")

    for at in [
        *range(begin, directory),
        *range(directory + 16, directory + 28),
        *range(directory + 42, directory + 46),
    ]:
        for bit in range(8):
            flipped = bytearray(packed)
            flipped[at] ^= 1 << bit
            try:
                (member,) = members(Held(bytes(flipped)))
                assert read(member) == data
            except SourceError as error:
                assert "held" in str(error)  # noqa: PT017 - most bits raise, and some don't


def test_damage_is_told_with_its_place() -> None:
    """The archive, the member, and the offset in the archive, exact to a block."""
    first, second = rows(200_000), rows(300_000)
    packed = bytearray(archive({"a.csv": first, "b.csv": second}, zipfile.ZIP_STORED))
    packed[250_000] ^= 1
    good, bad = members(Held(bytes(packed)))

    assert read(good) == first
    with pytest.raises(SourceError, match="its checksum is wrong") as caught:
        read(bad)
    assert caught.value.place is not None
    assert caught.value.place.path == "held/b.csv"
    assert 200_000 < caught.value.place.offset < len(packed)


def test_a_member_that_holds_more_than_it_says_ends_early() -> None:
    """An archive made to fill memories and disks is refused at its first bytes too many."""
    packed = bytearray(archive({"a.csv": bytes(50_000_000)}))
    at = packed.index(b"PK\x01\x02") + 24
    packed[at : at + 4] = (1000).to_bytes(4, "little")
    (member,) = members(Held(bytes(packed)))

    with pytest.raises(SourceError, match="its length is not the 1,000 bytes"):
        read(member, 4096)


def test_lzma_needs_no_end_mark() -> None:
    """Some archivers leave it out, since the directory tells the size."""
    data = rows(10_000)
    packed = archive({"a": data}, zipfile.ZIP_LZMA)
    begin, end = 31, packed.index(b"PK\x01\x02")
    unpacker = ZipLzma(len(data))

    found = unpacker.decompress(packed[begin : begin + 5], 1 << 20)
    found += unpacker.decompress(packed[begin + 5 : end - 4], 1 << 20)

    assert found == data
    assert unpacker.eof


def test_lzma_that_wants_too_much_memory_is_refused() -> None:
    """A header of nine bytes can ask for four gigabytes."""
    with pytest.raises(ValueError, match="a dictionary of 4,294,967,295"):
        ZipLzma(10).decompress(bytes.fromhex("0914 0500 5d ffffffff"), 10)


def test_workbooks_are_told_from_archives() -> None:
    """They are zip archives too."""
    assert is_excel(Held(archive({"[Content_Types].xml": b"", "xl/workbook.xml": b""})))
    assert is_excel(Held(archive({"mimetype": b"", "META-INF/manifest.xml": b""})))
    assert not is_excel(Held(archive({"rows.csv": b""})))
    with pytest.raises(SourceError, match="no whole zip archive"):
        is_excel(Held(b"PK\x03\x04"))


def test_members_are_read_at_once_and_closed() -> None:
    """Each stream is its own, and a closed one says so."""
    first, second = members(Held(archive({"a": b"1\n" * 9, "b": b"2\n" * 9}), unrepeatable="moved"))
    one, two = first.stream(), second.stream()
    buffer, other = bytearray(9), bytearray(9)

    assert (one.readinto(buffer), two.readinto(other)) == (9, 9)
    assert buffer + other == b"1\n1\n1\n1\n12\n2\n2\n2\n2"
    one.close()
    with pytest.raises(SourceUnreadable, match="closed"):
        one.readinto(buffer)
    assert two.readinto(other) == 9
    two.close()
    assert (first.unrepeatable, first.changed()) == ("moved", "held has changed")


def test_xz_inside_a_member_is_not_unpacked() -> None:
    """A member that is packed itself comes out as it was stored; whoever opens it looks at its head."""
    packed = lzma.compress(b"1,2\n")

    (member,) = members(Held(archive({"a.csv.xz": packed}, zipfile.ZIP_STORED)))

    assert read(member) == packed
