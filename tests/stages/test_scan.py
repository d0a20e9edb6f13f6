"""The scanner, held against a plain loop over bytes."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from bulkstream.stages.masks import BLOCK_BYTES
from bulkstream.stages.scan import Scan, Scanner

CSV_BYTES = st.text(alphabet='",\n\rab', max_size=400).map(str.encode)


def reference(data: bytes, *, quoted: bool) -> tuple[Scan, bool]:
    """Count record ends and lines one byte at a time."""
    rows = end = lines = open_lines = 0
    for offset, byte in enumerate(data):
        if byte == ord('"'):
            quoted = not quoted
        elif byte == ord("\n"):
            open_lines += 1
            if not quoted:
                rows, end, lines, open_lines = rows + 1, offset + 1, lines + open_lines, 0
    return Scan(rows, end, lines, open_lines), quoted


@given(st.lists(CSV_BYTES, max_size=5))
@example([b"", b'"', b"\n", b'"\n'])
@example([b'a"' + b"x" * 61 + b"\n", b"\n" * 64, b'"' * 63 + b"\n"])
def test_scanner_agrees_with_a_byte_loop_over_any_pieces(pieces: list[bytes]) -> None:
    """Rows, end and quote state are right after each piece, wherever the text is split."""
    scanner, quoted = Scanner(), False
    for piece in pieces:
        expected, quoted = reference(piece, quoted=quoted)

        assert scanner.scan(memoryview(piece)) == expected
        assert scanner.quoted is quoted


def test_scanner_carries_a_quote_over_the_edge_of_a_block() -> None:
    """A quoted field that spans a block's edge hides its line feeds in both blocks."""
    head = b"x" * (BLOCK_BYTES - 3)
    data = head + b'"\n\n' + b'\n"\n' + b"y" * BLOCK_BYTES + b"\nz"

    found = Scanner().scan(memoryview(data))

    assert found == Scan(rows=2, end=len(data) - 1, lines=5, open_lines=0)


def test_scanner_finds_an_end_far_before_the_end_of_a_block() -> None:
    """The only record end of a block is found although it is not among its last words."""
    data = b'"q"\n' + b"x" * (BLOCK_BYTES // 2)

    assert Scanner().scan(memoryview(data)) == Scan(rows=1, end=4, lines=1, open_lines=0)
