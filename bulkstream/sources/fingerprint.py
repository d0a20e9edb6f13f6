"""Telling whether a file is still the one that was loaded from, without reading all of it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from bulkstream.errors import SourceUnreadable
from bulkstream.sources.regular import open_regular

if TYPE_CHECKING:
    from pathlib import Path

SAMPLES = 16
SAMPLE_BYTES = 4 << 10


def digest_of(path: Path, size: int) -> str:
    """Return the BLAKE2b digest of samples of a file: its head, its tail, and even distances between. Blocking.

    A small file is digested whole.

    Raises:
        SourceUnreadable: The system refused.
    """
    digest = hashlib.blake2b(digest_size=16)
    try:
        with open_regular(path) as file:
            for offset in sample_offsets(size):
                file.seek(offset)
                digest.update(file.read(SAMPLE_BYTES))
    except SourceUnreadable:
        raise
    except OSError as error:
        raise SourceUnreadable(f"{path}: {error.strerror}") from error
    return digest.hexdigest()


def sample_offsets(size: int) -> list[int]:
    """Return where the samples of so many bytes begin, in order."""
    last = max(size - SAMPLE_BYTES, 0)
    return sorted({last * n // (SAMPLES - 1) for n in range(SAMPLES)})
