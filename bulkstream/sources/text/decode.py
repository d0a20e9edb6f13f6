"""Text in any encoding, as UTF-8 without a byte order mark.

`auto` takes UTF-32 and UTF-16 by their byte order marks, and all else for UTF-8. Nothing is guessed beyond that: bytes
that are no UTF-8 are an error, which says where the first one is and which encoding it is likely to be.
"""

from __future__ import annotations

import codecs
import re
from contextlib import suppress
from difflib import get_close_matches
from encodings.aliases import aliases
from io import RawIOBase
from typing import TYPE_CHECKING

from bulkstream.errors import SourceError, SourceUnreadable, UsageError
from bulkstream.model import Place

if TYPE_CHECKING:
    from typing import NoReturn

    from _typeshed import WriteableBuffer

    from bulkstream.sources.content import Content

BLOCK_BYTES = 256 << 10
"""Bytes decoded in one go: codecs hold the GIL, for about a millisecond each time."""

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WITH_MARKS = {"utf-16": "utf-16-le", "utf-32": "utf-32-le", "utf-8-sig": "utf-8"}
"""Encodings that a mark may narrow down, and what they are without one, on the machines that write them today."""

_NO_TEXT = frozenset({"undefined", "idna", "punycode"})
_ASIAN = ("shift_jis", "gb18030", "euc_kr")
_OTHER_NAMES = {"ansi": "cp1252", "windows": "cp1252", "dos": "cp437", "mac": "mac_roman", "unicode": "utf-16"}


def encoding_of(head: bytes, wanted: str = "auto", *, name: str = "the source") -> str:
    """Return the codec's name of a text's encoding, byte order included.

    Args:
        head: The first bytes, as many as there are, or some KiB.
        wanted: What the user said: `auto` or an encoding.
        name: Of the source, for messages.

    Raises:
        UsageError: There is no such encoding.
        SourceError: It is UTF-16 or UTF-32 by all appearance, but has no byte order mark that would say so.
    """
    marked = next((encoding for mark, encoding in _MARKS if head.startswith(mark)), None)
    if wanted.strip().lower() == "auto":
        if marked is None:
            _refuse_unmarked(head, name)
        return marked or "utf-8"
    found = _looked_up(wanted)
    if marked is not None and marked.startswith(found):
        return marked
    return _WITH_MARKS.get(found, found)


def likely_encoding(sample: bytes) -> str:
    """Name an encoding in which bytes that are no UTF-8 are text, and in which such bytes are usually written."""
    if _decodes(sample, "cp1252"):
        return "cp1252"
    return next((encoding for encoding in _ASIAN if _decodes(sample, encoding)), "latin-1")


class Decoded:
    """A content's text in UTF-8, without a byte order mark.

    Attributes:
        name: As of the content below.
        unrepeatable: As of the content below.
    """

    def __init__(self, content: Content, encoding: str) -> None:
        """Decode a content by what `encoding_of` returned."""
        self._content = content
        self._encoding = encoding
        self.name = content.name
        self.unrepeatable = content.unrepeatable

    def __repr__(self) -> str:
        return f"Decoded({self._content!r}, {self._encoding!r})"

    def stream(self) -> RawIOBase:
        """Open the text; whoever called closes it, and so the bytes below.

        Its reads raise a `SourceError` with the place of the first byte that is not in the encoding.

        Raises:
            SourceUnreadable: The system refused, or what can be read only once was read.
        """
        return _Decoding(self._content.stream(), self._encoding, self.name)

    def changed(self) -> str | None:
        """Say in a sentence how it differs from when it was found, or None if it doesn't."""
        return self._content.changed()


class _Decoding(RawIOBase):
    """Decodes a stream block by block, and owns it."""

    def __init__(self, below: RawIOBase, encoding: str, name: str) -> None:
        self._below = below
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._encoding = encoding
        self._name = name
        self._block = bytearray(BLOCK_BYTES)
        self._ready = memoryview(b"")
        self._read = 0
        self._begun = self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        while not self._ready and not self._ended:
            self._ready = memoryview(self._next())
        size = min(len(view), len(self._ready))
        view[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def close(self) -> None:
        self._below.close()
        super().close()

    def _next(self) -> bytes:
        """Decode one block; empty if it holds no whole character, or only the mark."""
        if self.closed:
            raise SourceUnreadable(f"{self._name} was closed")
        size = self._below.readinto(self._block) or 0
        self._read += size
        self._ended = size == 0
        block = bytes(memoryview(self._block)[:size])
        try:
            text = self._decoder.decode(block, final=self._ended)
            if not self._begun and text:
                self._begun, text = True, text.removeprefix("\ufeff")
            return text.encode("utf-8")
        except UnicodeError as error:
            self._refuse(error, block)

    def _refuse(self, error: UnicodeError, block: bytes) -> NoReturn:
        """Say which byte of the source is wrong."""
        if not isinstance(error, UnicodeDecodeError):
            raise SourceError(f"{self._name} is not {self._encoding}: {error}", hint=_hint(block)) from None
        data = error.object  # the bytes that the decoder had kept, and the block
        at = self._read - len(data) + error.start
        wrong = " ".join(f"0x{byte:02x}" for byte in data[error.start : error.end][:4])
        what = "the text ends within a character" if self._ended else error.reason
        place = Place(self._name, at)
        raise SourceError(f"{wrong} is not {self._encoding}: {what}", place=place, hint=_hint(data)) from None


def _hint(sample: bytes) -> str:
    return f"Name its encoding, perhaps --encoding {likely_encoding(sample)}; nothing is guessed."


def _refuse_unmarked(head: bytes, name: str) -> None:
    """Refuse text whose every second byte is zero: it would pass for UTF-8, full of NULs."""
    if len(head) < 4 or head.count(0) < len(head) // 4:  # noqa: PLR2004 - two characters
        return
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if not even and not odd:
        return
    for encoding in ("utf-32-le", "utf-32-be") if min(even, odd) * 8 > len(head) else ("utf-16-le", "utf-16-be"):
        zero_first = encoding.endswith("be")
        if (head[0] == 0) is zero_first and _decodes(head, encoding):
            hint = f"Say --encoding {encoding}; if the zero bytes are meant, --encoding utf-8."
            raise SourceError(f"{name} seems to be {encoding}, but has no byte order mark", hint=hint)


def _decodes(sample: bytes, encoding: str) -> bool:
    """Whether bytes, cut off anywhere at their end, are text in an encoding."""
    with suppress(UnicodeError):
        codecs.getincrementaldecoder(encoding)().decode(sample)
        return True
    return False


def _looked_up(wanted: str) -> str:
    """Return the codec's own name of an encoding."""
    try:
        found = codecs.lookup(wanted.strip())
    except (LookupError, ValueError):
        raise UsageError(f"there is no encoding {wanted!r}", hint=_suggestion(wanted)) from None
    if found.name in _NO_TEXT or not getattr(found, "_is_text_encoding", True):
        raise UsageError(f"{wanted!r} is no encoding of text files", hint=_suggestion(""))
    return found.name


def _suggestion(wanted: str) -> str:
    plain = re.sub(r"[^a-z0-9]+", "_", wanted.strip().lower())
    known = {**aliases, **{name: name for name in aliases.values()}, **_OTHER_NAMES}
    (meant,) = get_close_matches(plain, known, 1) or ("",)
    return f"Did you mean {known[meant]}?" if meant else "Common ones are utf-8, utf-16, cp1252, latin-1, shift_jis."
