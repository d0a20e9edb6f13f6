"""Encodings: told by marks or by the user, never guessed in silence."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstream.errors import SourceError, SourceUnreadable, UsageError
from bulkstream.sources.text.decode import BLOCK_BYTES, Decoded, encoding_of, likely_encoding
from tests.support.text_content import TextContent

UNICODE = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be", "gb18030", "utf-7"]


def decoded(data: bytes, encoding: str = "utf-8", most: int = 1 << 20) -> bytes:
    with Decoded(TextContent(data, most=most), encoding).stream() as stream:
        return stream.read()


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        (b"", "utf-8"),
        (b"a,b\n", "utf-8"),
        (codecs.BOM_UTF8 + b"a,b\n", "utf-8"),
        (codecs.BOM_UTF16_LE + "a,b\n".encode("utf-16-le"), "utf-16-le"),
        (codecs.BOM_UTF16_BE + "a,b\n".encode("utf-16-be"), "utf-16-be"),
        (codecs.BOM_UTF32_LE + "a,b\n".encode("utf-32-le"), "utf-32-le"),
        (codecs.BOM_UTF32_BE + "a,b\n".encode("utf-32-be"), "utf-32-be"),
        ("Müller".encode("cp1252"), "utf-8"),
        (b"one \0 byte in a longer text", "utf-8"),
    ],
)
def test_marks_tell_the_encoding(head: bytes, encoding: str) -> None:
    """Without a word from the user, marks count, and all else is UTF-8."""
    assert encoding_of(head, "auto") == encoding


@pytest.mark.parametrize(
    ("wanted", "head", "encoding"),
    [
        ("cp1252", b"a", "cp1252"),
        ("Windows-1252", b"a", "cp1252"),
        ("latin1", b"a", "iso8859-1"),
        ("utf-16", b"a\0", "utf-16-le"),
        ("utf-16", codecs.BOM_UTF16_BE + b"\0a", "utf-16-be"),
        ("utf-32", codecs.BOM_UTF32_BE, "utf-32-be"),
        ("utf8", codecs.BOM_UTF8, "utf-8"),
        ("utf-8-sig", b"a", "utf-8"),
        ("utf-8", b"a\0b\0c\0", "utf-8"),
        ("cp1252", codecs.BOM_UTF16_LE, "cp1252"),
    ],
)
def test_a_named_encoding_counts(wanted: str, head: bytes, encoding: str) -> None:
    """What the user says is true; a mark only adds the byte order."""
    assert encoding_of(head, wanted) == encoding


@pytest.mark.parametrize(
    ("wanted", "suggested"),
    [("cp1253x", "cp1253"), ("windows 1252x", "cp1252"), ("ANSI", "cp1252"), ("klingon", "Common ones"), ("a\0b", "")],
)
def test_unknown_encodings_are_refused(wanted: str, suggested: str) -> None:
    """A slip is answered by the name that was meant."""
    with pytest.raises(UsageError, match="there is no encoding") as raised:
        encoding_of(b"", wanted)

    assert suggested in raised.value.hint


@pytest.mark.parametrize("wanted", ["rot13", "base64", "zlib", "idna", "undefined"])
def test_codecs_that_are_no_encodings_are_refused(wanted: str) -> None:
    """Python's registry of codecs has more than encodings."""
    with pytest.raises(UsageError, match="no encoding"):
        encoding_of(b"", wanted)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_wide_text_without_a_mark_is_not_taken_for_utf_8(encoding: str) -> None:
    """Zeros in every second byte would load as NULs; so the user is asked, and told what it seems to be."""
    with pytest.raises(SourceError, match=f"x.csv seems to be {encoding}") as raised:
        encoding_of("id,name\n1,Ann\n".encode(encoding), "auto", name="x.csv")

    assert encoding in raised.value.hint


@given(st.text(), st.sampled_from(UNICODE), st.integers(1, 7))
def test_text_comes_out_as_it_went_in(text: str, encoding: str, most: int) -> None:
    """Whatever a codec writes is read back, also where reads end within characters; a mark is passed over."""
    data = text.encode(encoding)

    assert decoded(data, encoding_of(data, encoding), most).decode() == text.removeprefix("\ufeff")


def test_only_the_first_mark_is_passed_over() -> None:
    """A mark further on is a character of the text."""
    assert decoded("\ufeff\ufeffa".encode()) == "\ufeffa".encode()


@pytest.mark.parametrize("before", [0, 5, BLOCK_BYTES - 1, BLOCK_BYTES, 3 * BLOCK_BYTES + 17])
def test_a_wrong_byte_is_told_with_its_place(before: int) -> None:
    """The error names file, offset, byte and a likely encoding, wherever blocks end."""
    with pytest.raises(SourceError, match=f"text.csv at byte {before:,}: 0xfc is not utf-8") as raised:
        decoded(b"x" * before + "üller".encode("cp1252"))

    assert raised.value.place is not None
    assert raised.value.place.offset == before
    assert "--encoding cp1252" in raised.value.hint


def test_a_wrong_byte_behind_a_kept_one_is_told_with_its_place() -> None:
    """A decoder keeps the beginning of a character from one block to the next; offsets count all the same."""
    data = b"x" * (BLOCK_BYTES - 1) + b"\xe2" + b"\x82" + b"A"

    with pytest.raises(SourceError, match=f"at byte {BLOCK_BYTES - 1:,}: 0xe2 0x82 is not utf-8"):
        decoded(data)


def test_text_that_ends_within_a_character_is_an_error() -> None:
    """A file that was cut off is not loaded as if it were whole."""
    with pytest.raises(SourceError, match="at byte 4: 0x62 is not utf-16-le: the text ends within a character"):
        decoded(codecs.BOM_UTF16_LE + b"a\0b", "utf-16-le")


@pytest.mark.parametrize(
    ("text", "written", "likely"), [("Größe", "cp1252", "cp1252"), ("テーブル,価格", "shift_jis", "shift_jis")]
)
def test_the_likely_encoding_is_one_that_can_be(text: str, written: str, likely: str) -> None:
    """A hint names no encoding in which the bytes are no text."""
    assert likely_encoding(text.encode(written)) == likely


def test_closing_closes_what_is_below() -> None:
    """The stream owns the one it reads; a read behind that is an error with the name."""
    content = TextContent(b"abc")
    stream = Decoded(content, "utf-8").stream()

    stream.close()

    assert content.opened[0].closed
    with pytest.raises(SourceUnreadable, match="was closed"):
        stream.readinto(bytearray(1))


def test_it_changes_as_its_content_does() -> None:
    """Decoding adds nothing to what can be said of the file."""
    content = TextContent(b"", unrepeatable="a pipe", difference="it grew")

    assert Decoded(content, "utf-8").changed() == "it grew"
    assert Decoded(content, "utf-8").unrepeatable == "a pipe"
