"""Telling a format by the first bytes of a content."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulkstream.model import Format
from bulkstream.sources.columnar.magic import columnar_format
from bulkstream.sources.once import PipeContent, head_of
from bulkstream.sources.rows.json_line import is_jsonl

if TYPE_CHECKING:
    from bulkstream.sources.content import Content

LINE_BYTES = 64 << 10
_OLE2 = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""Begins the files of Excel before 2007."""
_ZIP = b"PK\x03\x04"


def format_of(content: Content, head: bytes) -> Format:
    """Return the format of an unpacked content by its first bytes, CSV if they are no other's. Blocking.

    Args:
        content: To be looked at once more, where a few bytes don't tell.
        head: Its first 16 bytes or more.
    """
    if (columnar := columnar_format(head)) is not None:
        return columnar
    if head.startswith((_OLE2, _ZIP)):
        return Format.EXCEL
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        line = content.first_line() if isinstance(content, PipeContent) else head_of(content, LINE_BYTES)
        return Format.JSONL if is_jsonl(line, content.name) else Format.CSV
    return Format.CSV
