"""The gate: what must hold before a commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bulkstream.ledger import Ledger
    from bulkstream.model import Receipt


def gate(ledger: Ledger, *, read_bytes: int, added_bytes: int, changes: tuple[str, ...]) -> tuple[str, ...]:
    """Say, one sentence each, what speaks against a commit; nothing does if all that was read was acknowledged.

    Args:
        ledger: The account of the load.
        read_bytes: Bytes that the cutter took from the source.
        added_bytes: Line feeds that it put between files.
        changes: What the source says has changed since it was opened.
    """
    reasons = list(changes)
    if ledger.total_bytes is not None and read_bytes != ledger.total_bytes:
        reasons.append(f"{read_bytes:,} bytes were read of {ledger.total_bytes:,}")
    accounted = ledger.acked_bytes + ledger.acked_bad_bytes
    if read_bytes + added_bytes != accounted:
        reasons.append(f"{read_bytes + added_bytes:,} bytes were read, {accounted:,} acknowledged or rejected")
    accounted = ledger.acked_rows + ledger.acked_bad_rows
    if ledger.cut_rows != accounted:
        reasons.append(f"{ledger.cut_rows:,} rows were read, {accounted:,} acknowledged or rejected")
    if sorted(ledger.receipts) != list(range(1, ledger.cut_parts + 1)):
        reasons.append(f"the acknowledged parts are not 1 to {ledger.cut_parts:,} without a gap")
    elif gap := _gap(ledger.receipts, read_bytes):
        reasons.append(gap)
    return tuple(reasons)


def _gap(receipts: Mapping[int, Receipt], read_bytes: int) -> str:
    """Say where the parts, in their order, don't follow each other from the source's first byte to its last."""
    position = 0
    for number in range(1, len(receipts) + 1):
        if receipts[number].begin != position:
            return f"part {number:,} begins at byte {receipts[number].begin:,}, not at {position:,}"
        position = receipts[number].end
    return "" if position == read_bytes else f"the last part ends at byte {position:,} of {read_bytes:,}"
