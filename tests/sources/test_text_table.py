"""Text as a table: what waits to be read takes no more memory than is counted."""

from __future__ import annotations

from bulkstream.model import Column, ColumnType
from bulkstream.sources.header import HeaderDecision
from bulkstream.sources.layout import Slot
from bulkstream.sources.text.dialect import RFC4180
from bulkstream.sources.text_table import BLOCK_BYTES, Text, TextTable
from tests.support.text_content import TextContent


def blocks_of(data: bytes) -> list[memoryview]:
    text = Text(TextContent(data), RFC4180, max_record_bytes=1 << 20)
    names = ("id", "text")
    table = TextTable(text, HeaderDecision(present=True, reason="as told", told=True), names, named=True)
    layout = tuple(Slot(Column(name, ColumnType.STRING), number) for number, name in enumerate(names))
    (piece,) = table.pieces(layout)
    return list(piece())


def test_blocks_of_small_files_take_no_more_than_their_bytes() -> None:
    """Of many small files, many blocks wait, and each is counted by its length."""
    (block,) = blocks_of(b"id,text\n1,a\n")

    assert (bytes(block), memoryview(block.obj).nbytes) == (b"1,a\n", 4)


def test_full_blocks_are_not_copied() -> None:
    """Of a large file, only what is left at its end is."""
    data = b"id,text\n" + b"1,a\n" * (BLOCK_BYTES // 4)
    first, last = blocks_of(data)

    assert bytes(first) + bytes(last) == data[8:]
    assert (memoryview(first.obj).nbytes, memoryview(last.obj).nbytes) == (BLOCK_BYTES, 8)
